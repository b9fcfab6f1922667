"""The parts a printed form is put together from: head, numbered items, tables, boxes to sign in, and the page itself."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from reportlab.lib.colors import Color, black
from reportlab.lib.enums import TA_CENTER, TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, KeepTogether, PageTemplate, Paragraph, Spacer, Table

from hoso.dossiers.form import SigningCertificate
from hoso.dossiers.printing.faces import PLAIN, load, marked

VIETNAM = timezone(timedelta(hours=7), "GMT+7")

MARGIN_LEFT, MARGIN_RIGHT, MARGIN_TOP, MARGIN_BOTTOM = 22 * mm, 16 * mm, 14 * mm, 16 * mm
WIDTH = A4[0] - MARGIN_LEFT - MARGIN_RIGHT
SIZES = (11.5, 11.0, 10.5, 10.0, 9.5, 9.0, 8.5, 8.0, 7.5)
"""Points, tried from the largest: a form is one page where it can be read on one."""

Box = tuple[str, str, Sequence[Flowable]]
"""Who signs, how, and what is there already."""

_DOTS = [0.3, 1.7]
_SEAL = Color(0.05, 0.35, 0.6)
_FAINT = Color(0.4, 0.4, 0.4)


@dataclass(frozen=True, slots=True)
class Type:
    """The type of one form, all of it in proportion to `size` (points)."""

    size: float

    def style(self, scale: float = 1.0, **more: Any) -> ParagraphStyle:
        """Plain text, `scale` times the form's size."""
        size = self.size * scale
        # Vietnamese stacks two marks on a capital: lines need more room than Latin ones
        return ParagraphStyle("form", fontName=PLAIN, fontSize=size, leading=size * 1.38, **more)

    def text(self, markup: str, scale: float = 1.0, **more: Any) -> Paragraph:
        """A paragraph of markup in which every outside text went through `marked`."""
        return Paragraph(markup, self.style(scale, **more))

    def centred(self, markup: str, scale: float = 1.0, **more: Any) -> Paragraph:
        return self.text(markup, scale, alignment=TA_CENTER, **more)

    def gap(self, lines: float) -> Spacer:
        return Spacer(1, self.size * lines)


class Tick(Flowable):  # type: ignore[misc]  # reportlab has no types
    """A box to tick, ticked or not."""

    def __init__(self, size: float, ticked: bool) -> None:
        super().__init__()
        self.width = self.height = size
        self._ticked = ticked

    def draw(self) -> None:
        self.canv.setLineWidth(0.7)
        self.canv.rect(0, 0, self.width, self.height)
        if self._ticked:
            self.canv.setLineWidth(1.1)
            self.canv.line(1.5, 1.5, self.width - 1.5, self.height - 1.5)
            self.canv.line(1.5, self.height - 1.5, self.width - 1.5, 1.5)


def head(of: Type, left: str, number: str, edition: str) -> list[Flowable]:
    """The form's number in its box, the issuing office on the left (may be empty), the state's name and motto."""
    box = Table(
        [[of.centred(f"<b>{marked(number)}</b>", 0.95)], [of.centred(f"<i>{marked(edition)}</i>", 0.72)]],
        colWidths=[WIDTH * 0.36],
        style=[("BOX", (0, 0), (-1, -1), 0.7, black), *_tight(1.5)],
        hAlign="RIGHT",
    )
    state = [
        of.centred("<b>CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM</b>", 0.95),
        of.centred("<b>Độc lập - Tự do - Hạnh phúc</b>", 1.0),
        _Rule(WIDTH * 0.3),
    ]
    if not left:
        return [box, of.gap(0.5), *state, of.gap(1.0)]
    office = [of.centred(f"<b>{left}</b>", 0.95), _Rule(WIDTH * 0.14)]
    names = Table([[office, state]], colWidths=[WIDTH * 0.38, WIDTH * 0.62], style=[*_tight(0), *_top()])
    return [box, of.gap(0.7), names, of.gap(1.0)]


def title(of: Type, *lines: str) -> list[Flowable]:
    """What the form is, in capitals, the first line largest."""
    return [of.centred(f"<b>{line}</b>", 1.3 if at == 0 else 1.12) for at, line in enumerate(lines)] + [of.gap(0.6)]


def item(of: Type, label: str, *parts: tuple[str, str] | str) -> Table:
    """A line to fill in, filled: label, value or several labels and values, on a dotted line. Empty values stay open."""
    said = [f"{label}:"] if label else []
    for part in parts:
        said.append(
            f"<b>{marked(part)}</b>" if isinstance(part, str) else f"{part[0]}: <b>{marked(part[1])}</b>&nbsp; "
        )
    line = of.text(" ".join(said))
    return Table(
        [[line]],
        colWidths=[WIDTH],
        style=[("LINEBELOW", (0, 0), (-1, -1), 0.6, _FAINT, 1, _DOTS), *_tight(of.size * 0.12)],
    )


def columns(of: Type, widths: Sequence[float], *cells: Sequence[tuple[str, str]]) -> Table:
    """Several labels and values side by side on one dotted line; `widths` are parts of the page's width."""
    row = [[of.text(f"{label}: <b>{marked(value)}</b>") for label, value in cell] for cell in cells]
    return Table(
        [row],
        colWidths=[WIDTH * width for width in widths],
        style=[
            ("LINEBELOW", (0, 0), (-1, -1), 0.6, _FAINT, 1, _DOTS),
            *_tight(of.size * 0.12),
            ("RIGHTPADDING", (0, 0), (-2, -1), of.size * 0.6),
            *_top(),
        ],
    )


def ticks(of: Type, label: str, *choices: tuple[str, bool]) -> Table:
    """A label and boxes to tick behind it."""
    row: list[Any] = [of.text(f"{label}:")]
    for words, ticked in choices:
        row += [Tick(of.size * 0.85, ticked), of.text(marked(words))]
    each = WIDTH * 0.62 / len(choices)
    widths = [WIDTH * 0.38] + [of.size * 1.4, each - of.size * 1.4] * len(choices)
    return Table([row], colWidths=widths, style=[*_tight(of.size * 0.12), ("VALIGN", (0, 0), (-1, -1), "MIDDLE")])


def heading(of: Type, label: str) -> Paragraph:
    """A label of its own, above a table or further items."""
    return of.text(f"{label}:", spaceBefore=of.size * 0.15)


def grid(of: Type, widths: Sequence[float], heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A ruled table; `widths` are parts of the page's width. Its head is repeated on every page."""
    cells = [[of.centred(f"<b>{name}</b>", 0.9) for name in heads]]
    cells += [[of.text(marked(cell) or "&nbsp;", 0.9) for cell in row] for row in rows]
    return Table(
        cells,
        colWidths=[WIDTH * width for width in widths],
        repeatRows=1,
        style=[("GRID", (0, 0), (-1, -1), 0.5, black), ("VALIGN", (0, 0), (-1, -1), "MIDDLE"), *_tight(2.5, 4)],
    )


def certificate_table(of: Type, certificate: SigningCertificate | None) -> list[Flowable]:
    """The certificate as the form has it (TTCKY); an empty row when there is none yet."""
    row = [""] * 4
    if certificate is not None:
        days = (f"{day:%d/%m/%Y}" for day in (certificate.begin, certificate.end))
        row = [certificate.authority, certificate.serial, *days]
    heads = ("Tổ chức chứng thực", "Số sê-ri chứng thư số", "Hiệu lực từ", "Hiệu lực đến")
    return [grid(of, (0.34, 0.34, 0.16, 0.16), heads, [row])]


def place_and_date(of: Type, place: str, date: str) -> Paragraph:
    """`Hà Nội, ngày 22 tháng 11 năm 2026`, on the right; `date` is dd/MM/yyyy."""
    day, _, rest = date.partition("/")
    month, _, year = rest.partition("/")
    said = f"{marked(place)}, ngày {marked(day)} tháng {marked(month)} năm {marked(year)}"
    return of.text(f"<i>{said}</i>", alignment=TA_RIGHT, rightIndent=WIDTH * 0.02)


def boxes(of: Type, *box: Box) -> Flowable:
    """Where it is signed, side by side, with room for a stamp."""
    rows: list[list[Any]] = [
        [of.centred(f"<b>{who}</b>") for who, _, _ in box],
        [of.centred(f"<i>{how}</i>", 0.88) for _, how, _ in box],
        [[of.gap(0.4), *(there or [of.gap(5.2)])] for _, _, there in box],
    ]
    return KeepTogether([Table(rows, colWidths=[WIDTH / len(box)] * len(box), style=[*_tight(0, 2), *_top()])])


def seal(of: Type, name: str, certificate: SigningCertificate, at: datetime) -> list[Flowable]:
    """What is shown of an electronic signature: by whom, with which certificate, when (Vietnam's time)."""
    lines = (
        "<b>ĐÃ KÝ SỐ</b>",
        f"Ký bởi: {marked(name)}",
        f"Chứng thư số: {marked(certificate.serial)}",
        f"Thời gian ký: {at.astimezone(VIETNAM):%d/%m/%Y %H:%M:%S} (GMT+7)",
    )
    shown = [[of.text(f'<font color="#{_SEAL.hexval()[2:]}">{line}</font>', 0.85)] for line in lines]
    shown[0] = [of.centred(f'<font color="#{_SEAL.hexval()[2:]}">{lines[0]}</font>', 0.95)]
    return [Table(shown, colWidths=[WIDTH * 0.46], style=[("BOX", (0, 0), (-1, -1), 1.0, _SEAL), *_tight(1, 5)])]


def on_one_page(story: Callable[[Type], list[Flowable]], title: str, foot: str) -> bytes:
    """The form as large as it fits on one page; on several pages in the smallest size when it does not fit at all."""
    load()
    for size in SIZES:
        pdf, pages = _built(story(Type(size)), title, foot)
        if pages == 1:
            break
    return pdf


def _built(story: list[Flowable], title: str, foot: str) -> tuple[bytes, int]:
    out = io.BytesIO()

    def page(canvas: Any, document: Any) -> None:
        canvas.setFont(PLAIN, 7.5)
        canvas.setFillColor(_FAINT)
        canvas.drawString(MARGIN_LEFT, MARGIN_BOTTOM - 5 * mm, foot)
        if document.page > 1:
            canvas.drawRightString(A4[0] - MARGIN_RIGHT, MARGIN_BOTTOM - 5 * mm, f"Trang {document.page}")

    frame = Frame(MARGIN_LEFT, MARGIN_BOTTOM, WIDTH, A4[1] - MARGIN_TOP - MARGIN_BOTTOM, 0, 0, 0, 0)
    document = BaseDocTemplate(
        out, pagesize=A4, title=title, author="", creator="hoso", lang="vi-VN", invariant=1, pageCompression=1
    )
    document.addPageTemplates([PageTemplate(frames=[frame], onPage=page)])
    document.build(story)
    return out.getvalue(), int(document.page)


class _Rule(Flowable):  # type: ignore[misc]  # reportlab has no types
    """A short line in the middle, below what it belongs to."""

    def __init__(self, length: float) -> None:
        super().__init__()
        self._length = length
        self.height = 3.0

    def wrap(self, width: float, height: float) -> tuple[float, float]:
        self.width = width
        return width, self.height

    def draw(self) -> None:
        self.canv.setLineWidth(0.7)
        start = (self.width - self._length) / 2
        self.canv.line(start, 0, start + self._length, 0)


def _tight(vertical: float, horizontal: float = 0.0) -> list[tuple[Any, ...]]:
    every = ((0, 0), (-1, -1))
    return [
        ("TOPPADDING", *every, vertical),
        ("BOTTOMPADDING", *every, vertical + 1),
        ("LEFTPADDING", *every, horizontal),
        ("RIGHTPADDING", *every, horizontal),
    ]


def _top() -> list[tuple[Any, ...]]:
    return [("VALIGN", (0, 0), (-1, -1), "TOP")]

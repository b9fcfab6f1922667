"""Sheets out: the template people fill in, and their own rows back with what became of each.

Every cell is written as text, so nothing in a sender's cell becomes a formula or a link when the file is opened.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import xlsxwriter

from hoso.domain.providers import providers
from hoso.domain.provinces import provinces
from services.intake.columns import COLUMNS
from services.intake.reasons import REASONS, StopReasons
from services.intake.sheets import EXAMPLE_MARK, HEADER_WITHIN, RESULT_HEADERS, Row, Sheet

_ROWS_PREPARED = 5_000
_LONGEST_CELL = 32_000
_SAFE = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
_HELP = (
    ("Mỗi dòng là một đơn vị (chi nhánh).", "Cột có dấu * là bắt buộc."),
    ("Mã đơn vị / Mã chi nhánh", "Điền ít nhất một trong hai. Mỗi đơn vị chỉ một dòng."),
    (
        "Ô là chữ, không phải số",
        "Các cột của mẫu đã ở định dạng Văn bản (Text) để giữ số 0 ở đầu. Không dùng công thức.",
    ),
    ("Dòng ví dụ", "Dòng có ghi “(ví dụ – xoá dòng này)” không được đăng ký."),
    (
        "Gửi lại cùng một tệp",
        "Không đơn vị nào bị đăng ký hai lần; dòng sai được báo lỗi riêng, dòng đúng vẫn được làm.",
    ),
    ("Sửa dữ liệu", "Trước khi hồ sơ được nộp: gửi lại dòng đã sửa với cùng mã. Sau khi nộp: dòng đó bị báo lỗi."),
)


@dataclass(frozen=True, slots=True)
class RowResult:
    """What became of a row: a word, what is to be done, and the enrolment's id when there is one."""

    result: str
    to_do: str = ""
    enrolment: str = ""
    wrong: frozenset[str] = frozenset()
    """Columns to mend, "" for the row as a whole."""
    remarked: frozenset[str] = frozenset()
    bad: bool = False
    """The row was not taken: it is to be mended and sent again."""
    good: bool = False


def template(reasons: StopReasons = REASONS) -> bytes:
    """An empty sheet with headers, remarks, choices, one example row, the lists, and a page of help."""
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True, **_SAFE}) as book:
        title = book.add_format({"bold": True, "bg_color": "#DDEBF7", "border": 1, "text_wrap": True, "valign": "top"})
        needed = book.add_format({"bold": True, "bg_color": "#FCE4D6", "border": 1, "text_wrap": True, "valign": "top"})
        text = book.add_format({"num_format": "@"})
        grey = book.add_format({"num_format": "@", "italic": True, "font_color": "#808080"})
        page = book.add_worksheet("Đơn vị")
        lists = book.add_worksheet("Danh mục")
        for place, column in enumerate(COLUMNS):
            page.set_column(place, place, max(14, min(40, len(column.example) + 2)), text)
            page.write_string(
                0, place, column.header + (" *" if column.required else ""), needed if column.required else title
            )
            page.write_comment(0, place, column.help, {"x_scale": 2})
            page.write_string(1, place, column.example, grey)
        page.set_column(len(COLUMNS), len(COLUMNS), 26, text)
        page.write_string(0, len(COLUMNS), "Ghi chú", title)
        page.write_string(1, len(COLUMNS), EXAMPLE_MARK, grey)
        page.freeze_panes(1, 0)
        _choices(page, lists, title, reasons)
        guide = book.add_worksheet("Hướng dẫn")
        guide.set_column(0, 0, 32)
        guide.set_column(1, 1, 110)
        for line, (what, how) in enumerate((*_HELP, *((c.header, c.help) for c in COLUMNS))):
            guide.write_string(line, 0, what)
            guide.write_string(line, 1, how)
    return buffer.getvalue()


def _choices(page: Any, lists: Any, title: Any, reasons: StopReasons) -> None:
    choices = {
        "province": [province.short_name for province in provinces()],
        "current_provider": [f"{p.code} - {p.name}" for p in providers()],
        "stop_reason": reasons.labels,
        "purpose": ["đăng ký", "chỉ ngừng", "thay đổi"],
        "first_time": ["Có", "Không"],
        "payment": ["hằng tháng", "3 tháng", "6 tháng"],
        "result": ["bản điện tử", "bưu điện", "tại cơ quan BHXH"],
    }
    for place, (key, values) in enumerate(choices.items()):
        column = next(number for number, c in enumerate(COLUMNS) if c.key == key)
        lists.set_column(place, place, 48)
        lists.write_string(0, place, COLUMNS[column].header, title)
        for line, value in enumerate(values, start=1):
            lists.write_string(line, place, value)
        letter = "ABCDEFG"[place]
        page.data_validation(
            1,
            column,
            _ROWS_PREPARED,
            column,
            {
                "validate": "list",
                "source": f"='Danh mục'!${letter}$2:${letter}${len(values) + 1}",
                "error_type": "warning",
                "error_title": COLUMNS[column].header,
                "error_message": "Giá trị không có trong trang “Danh mục”. Vẫn dùng?",
            },
        )


_NEEDS_MENDING, _DONE, _SHADED = "#F8CBAD", "#E2EFDA", "#FFF2CC"
"""Cells that are wrong, results that are good, cells somebody should look at."""


class ResultBook:
    """The sender's own sheet with what became of each row: his columns where they were, his rows under their own numbers.

    Three columns come behind his; the cells an error or a remark is about are coloured. Written row by row: memory does not grow
    with the sheet. A result sheet may be sent in again: its own columns are replaced, not repeated.
    """

    def __init__(self, sheet: Sheet, *, compact: bool = False) -> None:
        """`compact`: rows follow one another, without the gaps of those left out."""
        self._kept = [place for place, header in enumerate(sheet.headers) if header not in RESULT_HEADERS]
        self._place = {key: at for at, place in enumerate(self._kept) if (key := _key_at(sheet, place))}
        self._line = -1 if compact else None
        self._buffer = io.BytesIO()
        self._book = xlsxwriter.Workbook(self._buffer, {"constant_memory": True, **_SAFE})
        text = {"num_format": "@"}
        self._plain = self._book.add_format(text)
        self._wrong = self._book.add_format({**text, "bg_color": _NEEDS_MENDING})
        self._told = self._book.add_format({**text, "bg_color": _SHADED})
        self._good = self._book.add_format({**text, "bg_color": _DONE})
        bold = self._book.add_format({"bold": True, "bg_color": "#DDEBF7", "border": 1, "text_wrap": True})
        self._page = self._book.add_worksheet("Kết quả")
        width = len(self._kept)
        self._page.set_column(0, max(width - 1, 0), 20, self._plain)
        for offset, wide in enumerate((26, 80, 40)):
            self._page.set_column(width + offset, width + offset, wide, self._plain)
        for number, cells in sheet.above:
            self._write(number, [cells[k] if k < len(cells) else "" for k in self._kept], self._plain)
        headers = [sheet.headers[k] for k in self._kept]
        self._write(sheet.line, [*headers, *RESULT_HEADERS], bold)
        if sheet.line <= HEADER_WITHIN and not compact:
            self._page.freeze_panes(sheet.line, 0)

    def add(self, row: Row, result: RowResult) -> None:
        """The next row. Rows come in the order of their numbers."""
        own = [row.cells[k] if k < len(row.cells) else "" for k in self._kept]
        shades = [self._plain] * len(own)
        for keys, shade in ((result.remarked, self._told), (result.wrong, self._wrong)):
            for key in keys:
                if key in self._place:
                    shades[self._place[key]] = shade
        verdict = self._wrong if result.bad else self._good if result.good else self._plain
        values = [*own, result.result, result.to_do, result.enrolment]
        self._write(row.number, values, *shades, verdict, self._wrong if result.bad else self._plain, self._plain)

    def finish(self) -> bytes:
        """The file."""
        self._book.close()
        return self._buffer.getvalue()

    def _write(self, number: int, values: Sequence[str], *formats: Any) -> None:
        if self._line is None:
            line = number - 1
        else:
            line = self._line = self._line + 1
        for place, value in enumerate(values):
            shade = formats[place] if len(formats) > 1 else formats[0]
            if value:
                self._page.write_string(line, place, value[:_LONGEST_CELL], shade)
            elif shade is not self._plain:
                self._page.write_blank(line, place, None, shade)


def _key_at(sheet: Sheet, place: int) -> str | None:
    return sheet.keys[place] if place < len(sheet.keys) else None


def result_sheet(sheet: Sheet, result_of: Callable[[int], RowResult]) -> bytes:
    """All rows at once. `result_of` answers for a row's number in the file."""
    book = ResultBook(sheet)
    for row in sheet.rows:
        book.add(row, result_of(row.number))
    return book.finish()

"""A sheet file in: which kind it is, where its header is, and its rows as a stream.

Nothing is trusted: size, unpacked size, document types, encodings and counts are checked before a parser builds anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice

from hoso.domain.identifiers import fold
from services.intake import delimited, xlsx
from services.intake.cells import MAX_BYTES, MAX_ROWS, BadCell, Cell, Page, SheetError, shown
from services.intake.columns import COLUMN, COLUMNS, column_named
from services.intake.validation import CellError

HEADER_WITHIN = 10
"""The header is one of the first ten rows; in an Excel file, of those that have any content."""
_DAYS = frozenset(("licence_date",))
RESULT_HEADERS = ("Kết quả", "Lỗi / việc cần làm", "Mã hồ sơ đăng ký (enrolment)")
EXAMPLE_MARK = "(ví dụ – xoá dòng này)"
_OWN = frozenset(fold(header) for header in (*RESULT_HEADERS, "Ghi chú", "STT", "TT", "Dòng"))
"""Columns nobody needs to be told about: ours, and those every sheet has."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it stands in the file. `number` is what people see beside it."""

    number: int
    fields: dict[str, str]
    faults: tuple[CellError, ...]
    cells: tuple[str, ...]


@dataclass(slots=True)
class Sheet:
    """A readable sheet. `rows` can be gone through once and raises SheetError at its end when there is none, or too many.

    `notes` may grow while the rows are read.
    """

    headers: tuple[str, ...]
    notes: list[str]
    rows: Iterator[Row]
    keys: tuple[str | None, ...] = ()
    """The key of each column; None for one we do not know."""
    line: int = 1
    """The number of the header's row."""
    above: tuple[tuple[int, tuple[str, ...]], ...] = ()
    """What stands above the header, with the numbers of the rows."""


def read_sheet(data: bytes, filename: str = "") -> Sheet:
    """The sheet in `data`. What a file is, its bytes say; `filename` is only for messages. Raises SheetError."""
    if len(data) > MAX_BYTES:
        raise SheetError("Tệp lớn hơn 30 MB.", "Xoá hình ảnh và trang thừa, hoặc chia thành nhiều tệp.")
    if not data.strip():
        raise SheetError("Tệp rỗng.", "Chọn đúng tệp rồi gửi lại.")
    if _is_xlsx(data, filename):
        return _first_with_header(xlsx.pages(data))
    return _first_with_header(iter([delimited.page(data)]))


def _is_xlsx(data: bytes, filename: str) -> bool:
    """True for xlsx, False for what may be csv; raises SheetError for everything known to be neither."""
    called = f"Tệp “{filename}”" if filename else "Tệp"
    as_xlsx = "Mở tệp bằng Excel hoặc LibreOffice, chọn Lưu thành → “Excel Workbook (.xlsx)” rồi gửi lại."
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        if "EncryptedPackage".encode("utf-16-le") in data:
            raise SheetError(
                f"{called} có mật khẩu.", "Bỏ mật khẩu (Tệp → Thông tin → Bảo vệ sổ làm việc) rồi gửi lại."
            )
        raise SheetError(f"{called} là Excel kiểu cũ (.xls).", as_xlsx)
    if data.startswith(b"PK"):
        if b"mimetypeapplication/vnd.oasis.opendocument" in data[:200]:
            raise SheetError(f"{called} là OpenDocument (.ods).", as_xlsx)
        if b"xl/workbook.bin" in data:
            raise SheetError(f"{called} là Excel nhị phân (.xlsb).", as_xlsx)
        if b"xl/vbaProject" in data:
            raise SheetError(
                f"{called} có macro (.xlsm).",
                "Mở bằng Excel, chọn Lưu thành → “Excel Workbook (.xlsx)” (bỏ macro) rồi gửi lại.",
            )
        if b"xl/workbook" not in data:
            raise SheetError(f"{called} là tệp nén, không phải Excel (.xlsx).", as_xlsx)
        return True
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith(b"%pdf"):
        raise SheetError(f"{called} là PDF.", "Gửi tệp Excel hoặc CSV gốc, không gửi bản in.")
    if head.startswith((b"<!doctype", b"<html", b"<table", b"<?xml", b"{\\rtf", b"\x89png", b"\xff\xd8\xff")):
        raise SheetError(f"{called} không phải bảng tính (là trang web, XML hoặc hình ảnh).", as_xlsx)
    return False


# --- header -----------------------------------------------------------------------------------------------------


def _first_with_header(pages: Iterator[Page]) -> Sheet:
    best: SheetError | None = None
    for page in pages:
        if page.hidden:  # only what people see is theirs to answer for
            if _is_table(page):
                unhide = "Bỏ ẩn trang đó (bấm phải vào tên trang → Unhide) rồi gửi lại."
                raise SheetError(f"Bảng đơn vị nằm ở trang bị ẩn “{page.name}”.", unhide)
            continue
        rows = page.rows
        head = list(islice(rows, HEADER_WITHIN))
        place = _header_place(head)
        if place is None:
            continue
        number, cells = head[place]
        headers = tuple(
            shown(cell).replace("\0", "").strip() for cell in cells
        )  # a note of it is kept where no NUL can be
        try:
            keys, notes = _columns(headers)
        except SheetError as error:
            best = best or error
            continue
        merged = [note for note in page.notes if not note.startswith("Có ô gộp") or _last_row(note) > number]
        notes += [f"{note}: chỉ ô đầu tiên có giá trị; hãy bỏ gộp ô." for note in merged if note.startswith("Có ô gộp")]
        notes += [note for note in merged if not note.startswith("Có ô gộp")]
        if page.name and place is not None:
            notes.append(f"Đã đọc trang “{page.name}”, dòng tiêu đề là dòng {number}.")
        notes += _unread(pages)
        above = tuple((line, tuple(shown(cell) for cell in row)) for line, row in head[:place])
        sheet = Sheet(headers, notes, iter(()), tuple(keys), number, above)
        sheet.rows = _rows(chain(head[place + 1 :], rows), keys, sheet)
        return sheet
    if best is not None:
        raise best
    wanted = ", ".join(column.header for column in COLUMNS if column.required)
    raise SheetError(
        f"Không thấy dòng tiêu đề trong {HEADER_WITHIN} dòng đầu.",
        f"Dùng mẫu của hoso, hoặc thêm dòng tiêu đề có các cột: Mã đơn vị, {wanted}.",
    )


def _unread(pages: Iterator[Page]) -> list[str]:
    """Notes about further pages that look like tables of units too: nobody shall think that they were read."""
    notes = []
    for page in pages:
        if _is_table(page):
            what = "bị ẩn" if page.hidden else "cũng là một bảng đơn vị"
            notes.append(
                f"Trang “{page.name}” {what} và không được đọc; "
                "muốn đăng ký các dòng ở đó thì chép vào trang đầu hoặc gửi thành tệp riêng."
            )
    return notes


def _is_table(page: Page) -> bool:
    """Whether the page has a header with every column that a unit needs."""
    head = list(islice(page.rows, HEADER_WITHIN))
    place = _header_place(head)
    if place is None:
        return False
    try:
        _columns(tuple(shown(cell).strip() for cell in head[place][1]))
    except SheetError:
        return False
    return True


def _last_row(note: str) -> int:
    digits = "".join(sign for sign in note.rpartition(":")[2] if sign.isdigit())
    return int(digits) if digits else 0


def _header_place(head: list[tuple[int, list[Cell]]]) -> int | None:
    """Where in `head` the row is that names most columns; at least three."""
    scores = [len({column_named(shown(cell)) for cell in cells} - {None}) for _, cells in head]
    best = max(scores, default=0)
    return scores.index(best) if best >= 3 else None


def _columns(headers: tuple[str, ...]) -> tuple[list[str | None], list[str]]:
    """The key of each column, and notes. Raises SheetError for a missing or doubled column."""
    keys: list[str | None] = []
    notes: list[str] = []
    for header in headers:
        key = column_named(header) if header else None
        if key is not None and key in keys:
            first = headers[keys.index(key)]
            raise SheetError(
                f"Hai cột cùng nghĩa “{COLUMN[key].header}”: “{first}” và “{header}”.",
                "Xoá hoặc đổi tên một trong hai cột.",
            )
        if key is None and header and fold(header) not in _OWN:
            notes.append(f"Không biết cột “{header[:60]}”; đã bỏ qua.")
        keys.append(key)
    missing = [column.header for column in COLUMNS if column.required and column.key not in keys]
    if "unit_code" not in keys and "branch_id" not in keys:
        missing.insert(0, "Mã đơn vị (hoặc Mã chi nhánh)")
    if missing:
        raise SheetError(f"Thiếu cột: {', '.join(missing)}.", "Thêm cột vào dòng tiêu đề, hoặc dùng mẫu của hoso.")
    return keys, notes


# --- rows -------------------------------------------------------------------------------------------------------


def _rows(raw: Iterator[tuple[int, list[Cell]]], keys: list[str | None], sheet: Sheet) -> Iterator[Row]:
    count = 0
    for number, cells in raw:
        if not any(shown(cell).strip() for cell in cells):
            continue
        texts = tuple(shown(cell) for cell in cells)
        if EXAMPLE_MARK in texts:
            sheet.notes.append(f"Dòng {number} là dòng ví dụ của mẫu; đã bỏ qua.")
            continue
        fields: dict[str, str] = {}
        faults: list[CellError] = []
        for key, cell in zip(keys, cells, strict=False):
            if key is None:
                continue
            if isinstance(cell, BadCell) and cell.day and key in _DAYS:
                fields[key] = cell.day
            elif isinstance(cell, BadCell):
                faults.append(CellError(key, cell.message, cell.cure))
            elif cell:
                fields[key] = cell
        if not fields and not faults:
            continue  # only columns we do not know: a total, a signature line
        count += 1
        if count > MAX_ROWS:
            raise SheetError(
                f"Bảng có hơn {MAX_ROWS:,} dòng.".replace(",", "."), "Chia thành nhiều tệp rồi gửi lần lượt."
            )
        yield Row(number, fields, tuple(faults), texts)
    if not count:
        raise SheetError("Bảng không có dòng dữ liệu nào.", "Điền mỗi đơn vị một dòng, ngay dưới dòng tiêu đề.")

"""Excel files, read as a stream, with everything hostile refused before a parser builds trees of it.

openpyxl's read-only mode does the reading: it streams, knows formulas from values, and takes 0.1 ms a row. python-calamine is
faster, but gives no formulas, and allocates the whole rectangle: 100,000 rows took 490 MB, and one stray cell at XFD1048576
would ask for 17 billion cells.
"""

from __future__ import annotations

import contextlib
import datetime
import io
import re
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast
from xml.parsers import expat

from openpyxl.reader.excel import ExcelReader
from openpyxl.styles.numbers import is_date_format
from openpyxl.xml.constants import SHARED_STRINGS

from services.intake.cells import AS_TEXT, FORMULA, MAX_COLUMNS, BadCell, Cell, Page, SheetError, text_cell
from services.intake.texts import read_texts

MAX_UNPACKED = 300 * 1024 * 1024
MAX_TREE = 20 * 1024 * 1024
"""Parts that the library reads as one tree: styles, workbook, relations."""
_MAX_PARTS = 2_000
_MAX_ROW_ELEMENTS = 200_000
_MAX_PENDING = 200_000
"""Elements between two ends of rows: what a parser has to hold at once."""
_LAST_ROW = 1_048_576
_MAX_PAGES = 5
_ESCAPED = re.compile(r"_x((?![dD][89a-fA-F])[0-9A-Fa-f]{4})_")
_SAVE_AGAIN = "Mở tệp bằng Excel hoặc LibreOffice, lưu lại thành .xlsx rồi gửi lại."


def pages(data: bytes) -> Iterator[Page]:
    """The visible pages of a workbook, at most five, then the hidden ones. Raises SheetError when the file is broken or hostile."""
    surveys = _survey(data)
    warnings.filterwarnings("ignore", module=r"openpyxl\.")
    try:
        reader = _Reader(io.BytesIO(data), read_only=True, keep_links=False)
        reader.read()
        book: Any = reader.wb
    except SheetError:
        raise
    except Exception as error:  # the library raises whatever the broken part made it stumble over
        raise SheetError("Tệp Excel bị hỏng hoặc có cấu trúc lạ.", _SAVE_AGAIN) from error
    try:
        visible = [page for page in book.worksheets if page.sheet_state == "visible"]
        for page in visible[:_MAX_PAGES]:
            merged = surveys.get(str(getattr(page, "_worksheet_path", "")).lstrip("/"), _Survey()).merged
            yield Page(page.title, _rows(page), [f"Có ô gộp {ref}" for ref in merged])
        for page in book.worksheets:
            if page.sheet_state != "visible":
                yield Page(page.title, _rows(page), [], hidden=True)
    finally:
        book.close()


class _Reader(ExcelReader):
    """The library's reader with its texts kept small."""

    def read_strings(self) -> None:
        part: Any = self.package.find(SHARED_STRINGS)  # type: ignore[no-untyped-call]
        if part is not None:
            with self.archive.open(part.PartName[1:]) as stream:
                self.shared_strings = cast(Any, read_texts(stream))  # a list to whoever only asks for items


def _rows(page: Any) -> Iterator[tuple[int, list[Cell]]]:
    page.reset_dimensions()  # what a file says about its own size is often wrong, and rows beyond it would be lost
    try:
        blank: object = None  # rows left out of the file are all the same object: a million of them must cost nothing
        for number, row in enumerate(page.iter_rows(max_col=MAX_COLUMNS), start=1):
            if row is blank:
                continue
            cells = [_cell(cell) for cell in row]
            while cells and cells[-1] == "":
                cells.pop()
            if not cells:
                blank = row
                continue
            yield number, cells
    except SheetError:
        raise
    except Exception as error:
        raise SheetError(f"Trang “{page.title}” của tệp Excel bị hỏng.", _SAVE_AGAIN) from error


def _cell(cell: Any) -> Cell:
    value = cell.value
    if value is None:
        return ""
    kind = cell.data_type
    if kind == "f":
        return BadCell("=…", *FORMULA)
    if isinstance(value, str) and kind != "e":
        if "_x" in value:
            value = _ESCAPED.sub(lambda found: chr(int(found.group(1), 16)), value)
        return text_cell(value)
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float) and kind == "n":
        return _number(value)
    if isinstance(value, datetime.datetime | datetime.date | datetime.time | datetime.timedelta):
        day = value.strftime("%d/%m/%Y") if isinstance(value, datetime.date) else ""
        return BadCell(str(value), f"Ô ở định dạng ngày giờ ({value}), không phải chữ.", AS_TEXT, day)
    if kind == "e" and is_date_format(cell.number_format):
        return BadCell(str(value), "Ô là số nhưng ở định dạng ngày.", AS_TEXT)
    return BadCell(str(value), f"Ô báo lỗi {value}.", "Sửa ô trong Excel cho hết lỗi, hoặc gõ lại giá trị.")


def _number(value: float) -> Cell:
    if abs(value) >= 1e15:
        return BadCell(str(value), "Số quá dài, Excel đã làm tròn mất chữ số cuối.", AS_TEXT)
    return str(int(value)) if value == int(value) else str(value)


# --- the survey: sizes, counts and document types, before anything is built -------------------------------------


@dataclass(slots=True)
class _Survey:
    """What one pass over a page found."""

    merged: list[str] = field(default_factory=list)


def _survey(data: bytes) -> dict[str, _Survey]:
    """One pass over the packed parts, in constant memory. Raises SheetError for bombs, entities and broken XML."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        parts = archive.infolist()
        if len(parts) > _MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNPACKED:
            raise SheetError(
                "Tệp Excel khi giải nén lớn hơn 300 MB.", "Xoá hình ảnh, định dạng và dòng trống thừa rồi gửi lại."
            )
        found: dict[str, _Survey] = {}
        for part in parts:
            name = part.filename
            if part.flag_bits & 0x1:
                raise SheetError("Tệp nén có mật khẩu.", "Bỏ mật khẩu của tệp rồi gửi lại.")
            if not name.endswith((".xml", ".rels")):
                continue
            if name.lower() == "xl/sharedstrings.xml":
                continue  # `read_texts` looks while it reads
            streamed = name.startswith("xl/worksheets/")
            if not streamed and part.file_size > MAX_TREE:
                raise SheetError(f"Phần {name} của tệp Excel quá lớn.", _SAVE_AGAIN)
            with archive.open(part) as stream:
                found[name] = _look(stream, whole=streamed)
        return found
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, ValueError, RuntimeError) as error:
        raise SheetError("Tệp Excel bị hỏng, không giải nén được.", _SAVE_AGAIN) from error
    except expat.ExpatError as error:
        raise SheetError("Tệp Excel bị hỏng (XML sai).", _SAVE_AGAIN) from error


class _Enough(Exception):
    """The document element has begun; what follows needs no look."""


def _look(stream: Any, *, whole: bool) -> _Survey:
    survey = _Survey()
    pending = rows = 0

    def refuse(*_: Any) -> None:
        raise SheetError("Tệp Excel chứa khai báo DOCTYPE, không an toàn.", _SAVE_AGAIN)

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal pending, rows
        if not whole:
            raise _Enough
        pending += 1
        if pending > _MAX_PENDING:
            raise SheetError("Tệp Excel có quá nhiều định dạng hoặc ô trên một dòng.", _SAVE_AGAIN)
        local = name.rpartition(":")[2]
        if local == "row":
            rows += 1
            if rows > _MAX_ROW_ELEMENTS or float(attributes.get("r") or 1) > _LAST_ROW:
                raise SheetError(
                    f"Trang tính có hơn {_MAX_ROW_ELEMENTS} dòng, kể cả dòng trống có định dạng.",
                    "Xoá các dòng trống thừa ở cuối trang, hoặc chia thành nhiều tệp.",
                )
        elif local == "mergeCell" and len(survey.merged) < 20:
            survey.merged.append(attributes.get("ref", ""))

    def end(name: str) -> None:
        nonlocal pending
        if name.rpartition(":")[2] == "row":
            pending = 0

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    with contextlib.suppress(_Enough):
        parser.ParseFile(stream)
    return survey

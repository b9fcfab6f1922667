"""CSV files: whatever encoding and delimiter a Vietnamese Excel, an accounting program or a script writes."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

from services.intake.cells import FORMULA, MAX_COLUMNS, BadCell, Cell, Page, SheetError, text_cell
from services.intake.columns import column_named

_DELIMITERS = (",", ";", "\t", "|")
_SAVE_UTF8 = "Trong Excel chọn Lưu thành → “CSV UTF-8”, hoặc gửi tệp .xlsx."
_QUOTED_TEXT = re.compile(r'="([^"]*)"')
_SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)


def page(data: bytes) -> Page:
    """The file as one page. Raises SheetError when it is not text."""
    text, notes = _decode(data)
    told = _SEPARATOR_LINE.match(text)
    delimiter = told.group(1) if told else _sniff(text)
    return Page("", _rows(text, delimiter), notes)


def _decode(data: bytes) -> tuple[str, list[str]]:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings: tuple[str, ...] = ("utf-16",)
    elif data[:400].count(0) > len(data[:400]) // 4:
        encodings = ("utf-16-le",) if data[1:2] == b"\0" else ("utf-16-be",)
    else:
        encodings = ("utf-8-sig", "cp1258")
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        notes = ["Tệp không phải UTF-8; đã đọc theo bảng mã Windows-1258, hãy kiểm tra dấu tiếng Việt."]
        return text, notes if encoding == "cp1258" else []
    raise SheetError("Tệp không phải văn bản CSV đọc được.", _SAVE_UTF8)


def _sniff(text: str) -> str:
    """The delimiter under which one of the first lines looks most like a header."""
    head = "\n".join(text[:20_000].splitlines()[:10])

    def score(delimiter: str) -> int:
        lines = head.splitlines()
        return max(
            (len({column_named(c.strip('" ')) for c in line.split(delimiter)} - {None}) for line in lines), default=0
        )

    return max(_DELIMITERS, key=score)


def _rows(text: str, delimiter: str) -> Iterator[tuple[int, list[Cell]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    try:
        for number, record in enumerate(reader, start=1):
            cells = [_cell(field) for field in record[:MAX_COLUMNS]]
            while cells and cells[-1] == "":
                cells.pop()
            yield number, cells
    except csv.Error as error:
        raise SheetError(
            f"Dòng {number + 1}: dấu nháy kép không khép kín, không biết ô kết thúc ở đâu.",
            "Sửa dấu nháy ở dòng đó (nháy bên trong ô phải viết hai lần), hoặc gửi tệp .xlsx.",
        ) from error


def _cell(field: str) -> Cell:
    text = field.strip()
    if text.startswith("="):
        quoted = _QUOTED_TEXT.fullmatch(text)
        return quoted.group(1) if quoted else BadCell(text, *FORMULA)
    if text.startswith("'") and len(text) > 1:
        return text[1:]
    return text_cell(text)

"""Sheet files for tests, made in memory."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

import xlsxwriter  # type: ignore[import-untyped]

HEADERS = ("Mã đơn vị", "Tên đơn vị", "MST", "Tỉnh/TP", "Địa chỉ", "Email", "Điện thoại")
ROW = ("TZ1234Z", "CÔNG TY TNHH Hoa Ban", "9001234568", "Hà Nội", "Số 12", "a@hoaban.example", "0912345678")


def xlsx(rows: Sequence[Sequence[Any]], change: Callable[[Any, Any], None] | None = None) -> bytes:
    """A workbook of one page; `change(book, page)` may add to it."""
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True, "strings_to_formulas": False}) as book:
        page = book.add_worksheet("Đơn vị")
        for line, row in enumerate(rows):
            page.write_row(line, 0, row)
        if change is not None:
            change(book, page)
    return buffer.getvalue()


def with_part(data: bytes, name: str, change: Callable[[bytes], bytes]) -> bytes:
    """The same workbook with one part changed, or added when it is not there."""
    buffer = io.BytesIO()
    seen = False
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.infolist():
            body = old.read(part)
            if part.filename == name:
                body, seen = change(body), True
            new.writestr(part.filename, body)
        if not seen:
            new.writestr(name, change(b""))
    return buffer.getvalue()


def csv(rows: Sequence[Sequence[str]], delimiter: str = ",") -> str:
    return "".join(delimiter.join(row) + "\r\n" for row in rows)

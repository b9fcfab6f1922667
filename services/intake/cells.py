"""What every kind of sheet file is turned into, and the error that refuses a whole file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from hoso.runtime.failures import HosoError

MAX_BYTES = 30 * 1024 * 1024
MAX_ROWS = 100_000
MAX_COLUMNS = 60
"""Cells further to the right are not looked at."""


class SheetError(HosoError):
    """A file nobody can read as a sheet: what is wrong and how to mend it, in Vietnamese."""

    def __init__(self, message: str, cure: str) -> None:
        super().__init__(f"{message} {cure}")
        self.message = message
        self.cure = cure


@dataclass(frozen=True, slots=True)
class BadCell:
    """A cell whose value cannot be taken as text: `shown` is what a person sees there."""

    shown: str
    message: str
    cure: str
    day: str = ""
    """The day as dd/MM/yyyy, where the cell is one: a column of days takes it."""


Cell = str | BadCell


@dataclass(slots=True)
class Page:
    """One page of a file: numbered rows, as people count them, read as they are asked for."""

    name: str
    rows: Iterator[tuple[int, list[Cell]]]
    notes: list[str]
    hidden: bool = False


FORMULA = ("Ô chứa công thức.", "Chép ô rồi dán lại bằng “Dán giá trị” (Paste values).")
AS_TEXT = "Đổi định dạng cột sang Văn bản (Text) rồi gõ lại giá trị."

_SCIENTIFIC = re.compile(r"[0-9]([.,][0-9]+)?E\+?[0-9]{1,2}", re.IGNORECASE)


def text_cell(text: str) -> Cell:
    """A text as a cell: numbers that a spreadsheet wrote as 1.01E+09 have lost digits and are refused."""
    if text and text[0].isdigit() and "+" in text and _SCIENTIFIC.fullmatch(text.strip()):
        return BadCell(text, f"“{text}” là số bị rút gọn, đã mất chữ số.", AS_TEXT)
    return text


def shown(cell: Cell) -> str:
    """What a person sees in the cell."""
    return cell if isinstance(cell, str) else cell.shown

"""Sheets out: the template people fill in, and their own rows back with what became of each.

Every cell is written as text, so nothing in a sender's cell becomes a formula or a link when the file is opened.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import xlsxwriter

from hoso.domain.providers import providers
from hoso.domain.provinces import provinces
from services.intake.columns import COLUMNS
from services.intake.reasons import REASONS, StopReasons
from services.intake.sheets import EXAMPLE_MARK, RESULT_HEADERS, Row

_ROWS_PREPARED = 5_000
_LONGEST_CELL = 32_000
_LINE = "Dòng"
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


def result_sheet(headers: tuple[str, ...], rows: Iterable[Row], result_of: Callable[[int], RowResult]) -> bytes:
    """The sender's rows as they were, with three columns more. `result_of` answers for a row's number in the file.

    A result sheet may be sent in again: its own columns are replaced, not repeated.
    """
    buffer = io.BytesIO()
    kept = [place for place, header in enumerate(headers) if header not in (_LINE, *RESULT_HEADERS)]
    with xlsxwriter.Workbook(buffer, {"constant_memory": True, **_SAFE}) as book:
        bold = book.add_format({"bold": True, "bg_color": "#DDEBF7", "border": 1})
        text = book.add_format({"num_format": "@"})
        page = book.add_worksheet("Kết quả")
        page.freeze_panes(1, 0)
        page.set_column(0, len(kept), 20, text)
        page.set_column(len(kept) + 1, len(kept) + 1, 80, text)
        page.set_column(len(kept) + 2, len(kept) + 2, 40, text)
        for place, header in enumerate((_LINE, *(headers[k] for k in kept), *RESULT_HEADERS)):
            page.write_string(0, place, header, bold)
        for line, row in enumerate(rows, start=1):
            result = result_of(row.number)
            own = [row.cells[k] if k < len(row.cells) else "" for k in kept]
            values = (str(row.number), *own, result.result, result.to_do, result.enrolment)
            for place, value in enumerate(values):
                if value:
                    page.write_string(line, place, value[:_LONGEST_CELL], text)
    return buffer.getvalue()

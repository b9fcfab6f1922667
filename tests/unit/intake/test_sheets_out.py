"""Sheets that go out: the template reads back, results carry nothing that runs."""

from __future__ import annotations

import io
import zipfile

import pytest

from services.intake.cells import SheetError
from services.intake.columns import COLUMNS
from services.intake.rows import check_rows
from services.intake.sheets import RESULT_HEADERS, read_sheet
from services.intake.sheets_out import RowResult, result_sheet, template
from services.intake.validation import validate
from tests.unit.intake.sheets_made import HEADERS, ROW, xlsx


def test_the_template_has_every_column_and_only_an_example() -> None:
    sheet = read_sheet(template())
    assert [header.removesuffix(" *") for header in sheet.headers[: len(COLUMNS)]] == [c.header for c in COLUMNS]
    with pytest.raises(SheetError, match="không có dòng dữ liệu"):
        list(sheet.rows)
    assert any("ví dụ" in note for note in sheet.notes)


def test_the_example_row_is_a_good_row() -> None:
    checked = validate({column.key: column.example for column in COLUMNS})
    assert checked.form is not None
    assert checked.notes == ()


def test_results_stand_beside_the_sender_s_own_rows() -> None:
    sheet = read_sheet(xlsx([["Tiêu đề"], [*HEADERS, "Doanh thu"], [*ROW, "=1+1"]]))
    body = result_sheet(
        sheet.headers, sheet.rows, lambda number: RowResult(f"dòng {number}", "=cmd|'/c calc'!A1", "id")
    )
    again = read_sheet(body)
    (row,) = again.rows
    assert row.cells == ("3", *ROW, "=1+1", "dòng 3", "=cmd|'/c calc'!A1", "id")
    assert again.headers[-3:] == RESULT_HEADERS
    assert b"<f>" not in zipfile.ZipFile(io.BytesIO(body)).read("xl/worksheets/sheet1.xml")


def test_a_result_sheet_may_be_sent_again_and_keeps_its_width() -> None:
    sheet = read_sheet(xlsx([HEADERS, ROW]))
    once = result_sheet(sheet.headers, sheet.rows, lambda _: RowResult("lỗi"))
    sheet = read_sheet(once)
    twice = result_sheet(sheet.headers, sheet.rows, lambda _: RowResult("được"))
    sheet = read_sheet(twice)
    (item,) = check_rows(sheet.rows)
    assert item.checked.form is not None
    assert len(sheet.headers) == len(set(sheet.headers)) == len(HEADERS) + 4

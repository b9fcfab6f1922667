"""Sheets that go out: the template reads back, results carry nothing that runs."""

from __future__ import annotations

import io
import zipfile

import openpyxl
import pytest

from services.intake.cells import SheetError
from services.intake.columns import COLUMNS
from services.intake.rows import check_rows
from services.intake.sheets import RESULT_HEADERS, read_sheet
from services.intake.sheets_out import ResultBook, RowResult, result_sheet, template
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


def test_results_stand_behind_the_sender_s_own_columns_under_his_own_row_numbers() -> None:
    sheet = read_sheet(xlsx([["DANH SÁCH"], [], [*HEADERS, "Doanh thu"], ROW, [], [*ROW[:6], "x", "=1+1"]]))
    body = result_sheet(sheet, lambda number: RowResult(f"dòng {number}", "=cmd|'/c calc'!A1", "id"))
    again = read_sheet(body)
    first, second = again.rows
    assert again.above == ((1, ("DANH SÁCH",)),)
    assert again.headers == (*HEADERS, "Doanh thu", *RESULT_HEADERS)
    assert (first.number, second.number) == (4, 6), "each row stays where it was"
    assert second.cells == (*ROW[:6], "x", "=1+1", "dòng 6", "=cmd|'/c calc'!A1", "id")
    assert b"<f>" not in zipfile.ZipFile(io.BytesIO(body)).read("xl/worksheets/sheet1.xml")


def test_a_result_sheet_may_be_sent_again_and_keeps_its_width() -> None:
    sheet = read_sheet(xlsx([HEADERS, ROW]))
    once = result_sheet(sheet, lambda _: RowResult("lỗi"))
    twice = result_sheet(read_sheet(once), lambda _: RowResult("được"))
    sheet = read_sheet(twice)
    (item,) = check_rows(sheet.rows)
    assert item.checked.form is not None
    assert item.row.cells[-1] == "được"
    assert sheet.headers == (*HEADERS, *RESULT_HEADERS)


def test_the_cells_to_mend_are_coloured() -> None:
    sheet = read_sheet(xlsx([HEADERS, ROW, [*ROW[:6], ""]]))
    answers = {
        2: RowResult("xong", good=True, remarked=frozenset(("province",))),
        3: RowResult("sai", wrong=frozenset(("tax_code", "phone", "")), bad=True),
    }
    (page,) = openpyxl.load_workbook(io.BytesIO(result_sheet(sheet, answers.__getitem__))).worksheets

    def shades(line: int) -> list[str]:
        return [str(cell.fill.fgColor.rgb)[2:] if cell.fill.fill_type else "" for cell in page[line]]

    assert shades(2) == ["", "", "", "FFF2CC", "", "", "", "E2EFDA", "", ""]
    assert shades(3) == ["", "", "F8CBAD", "", "", "", "F8CBAD", "F8CBAD", "F8CBAD", ""], "an empty cell too"


def test_a_sheet_of_what_is_to_be_mended_has_no_gaps() -> None:
    sheet = read_sheet(xlsx([["DANH SÁCH"], HEADERS, ROW, ROW, ROW]))
    book = ResultBook(sheet, compact=True)
    for row in list(sheet.rows)[1:]:
        book.add(row, RowResult("sai"))
    again = read_sheet(book.finish())
    assert (again.line, [row.number for row in again.rows]) == (2, [3, 4])

"""Sheets as they come: titles above, odd encodings, formulas, dates, and files that are none."""

from __future__ import annotations

import datetime
import io
import unicodedata
import zipfile
from typing import Any

import pytest

from services.intake.cells import SheetError
from services.intake.rows import CheckedRow, check_rows
from services.intake.sheets import Row, read_sheet
from tests.unit.intake.sheets_made import HEADERS, ROW, csv, with_part, xlsx

PAGE = "xl/worksheets/sheet1.xml"


def rows_of(data: bytes) -> list[Row]:
    return list(read_sheet(data).rows)


def checked(data: bytes) -> list[CheckedRow]:
    return list(check_rows(read_sheet(data).rows))


def test_a_plain_sheet() -> None:
    (row,) = rows_of(xlsx([HEADERS, ROW]))
    assert (row.number, row.faults) == (2, ())
    assert row.fields["tax_code"] == "9001234568"
    assert row.cells == ROW


def test_a_title_above_empty_rows_and_an_unknown_column() -> None:
    sheet = read_sheet(xlsx([["DANH SÁCH"], [], [*HEADERS, "Doanh thu"], ROW, [], [""], [*ROW, "5"]]))
    assert [row.number for row in sheet.rows] == [4, 7]
    assert any("Doanh thu" in note for note in sheet.notes)


def test_numbers_are_the_digits_people_typed() -> None:
    (row,) = rows_of(xlsx([HEADERS, [*ROW[:2], 999123459, *ROW[3:6], 912345678.0]]))
    assert (row.fields["tax_code"], row.fields["phone"]) == ("999123459", "912345678")
    (item,) = checked(xlsx([HEADERS, [*ROW[:2], 999123459, *ROW[3:6], 912345678.0]]))
    assert item.checked.form is not None
    assert (item.checked.form.tax_code, item.checked.form.phone) == ("0999123459", "0912345678")


def test_a_formula_is_an_error_of_its_row_only() -> None:
    def change(book: Any, page: Any) -> None:
        page.write_formula(1, 2, "=1+1", None, "9001234568")

    bad, good = checked(xlsx([HEADERS, ROW, ["TZ1235Z", *ROW[1:]]], change))
    assert [(error.column, error.message_vi) for error in bad.checked.errors] == [("tax_code", "Ô chứa công thức.")]
    assert good.checked.form is not None


@pytest.mark.parametrize("number", [46054, 9001234568])
def test_a_date_where_a_text_belongs_is_an_error_with_a_cure(number: int) -> None:
    def change(book: Any, page: Any) -> None:
        page.write_number(1, 2, number, book.add_format({"num_format": "dd/mm/yyyy"}))

    (item,) = checked(xlsx([HEADERS, ROW], change))
    assert [error.column for error in item.checked.errors] == ["tax_code"]
    assert "ngày" in item.checked.errors[0].message_vi
    assert "Văn bản" in item.checked.errors[0].cure_vi


def test_a_real_date_and_an_error_value() -> None:
    def change(book: Any, page: Any) -> None:
        page.write_datetime(1, 0, datetime.datetime(2026, 2, 1), book.add_format({"num_format": "d-mmm"}))

    (item,) = checked(xlsx([HEADERS, ROW], change))
    assert [error.column for error in item.checked.errors] == ["unit_code"]
    broken = with_part(
        xlsx([HEADERS, [*ROW[:6], 5]]), PAGE, lambda xml: xml.replace(b'<c r="G2"><v>5', b'<c r="G2" t="e"><v>#N/A')
    )
    (item,) = checked(broken)
    assert "#N/A" in item.checked.errors[0].message_vi


def test_what_a_file_says_about_its_own_size_is_not_believed() -> None:
    data = with_part(xlsx([HEADERS, ROW, ROW]), PAGE, lambda xml: xml.replace(b'ref="A1:G3"', b'ref="A1"'))
    assert len(rows_of(data)) == 2


def test_a_stray_cell_far_away_costs_nothing() -> None:
    data = xlsx([HEADERS, ROW], lambda book, page: page.write_string(1_048_575, 16_383, "x"))
    assert len(rows_of(data)) == 1


def test_merged_cells_are_told() -> None:
    def change(book: Any, page: Any) -> None:
        page.merge_range("B2:B3", ROW[1], book.add_format({"bold": True}))

    sheet = read_sheet(xlsx([HEADERS, ROW, ["TZ1235Z", *ROW[1:]]], change))
    items = list(check_rows(sheet.rows))
    assert any("B2:B3" in note for note in sheet.notes)
    assert [error.column for error in items[1].checked.errors] == ["name"]


def test_the_first_page_with_a_header_is_read() -> None:
    def change(book: Any, page: Any) -> None:
        other = book.add_worksheet("Số liệu")
        other.write_row(0, 0, HEADERS)
        other.write_row(1, 0, ROW)

    sheet = read_sheet(xlsx([["Hướng dẫn"]], change))
    assert len(list(sheet.rows)) == 1
    assert any("Số liệu" in note for note in sheet.notes)


def test_a_missing_column_is_one_error_of_the_file() -> None:
    with pytest.raises(SheetError, match="Thiếu cột: Mã số thuế, Điện thoại"):
        read_sheet(xlsx([[h for h in HEADERS if h not in ("MST", "Điện thoại")], ROW]))


def test_two_columns_of_one_meaning_are_an_error() -> None:
    with pytest.raises(SheetError, match="Hai cột"):
        read_sheet(xlsx([[*HEADERS, "Mã số thuế"], ROW]))


def test_no_rows_is_an_error() -> None:
    with pytest.raises(SheetError, match="không có dòng dữ liệu"):
        rows_of(xlsx([HEADERS]))


# --- csv --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_in_every_ordinary_shape(encoding: str, delimiter: str) -> None:
    (row,) = rows_of(csv([HEADERS, ROW], delimiter).encode(encoding))
    assert row.fields["name"] == ROW[1]
    assert row.fields["province"] == "Hà Nội"


def _windows_1258(text: str) -> bytes:
    """As Vietnamese Windows writes it: some letters whole, others as a base letter and a combining tone mark."""
    tones = "\u0300\u0301\u0303\u0309\u0323"
    parts: list[str] = []
    for sign in text:
        try:
            sign.encode("cp1258")
            parts.append(sign)
        except UnicodeEncodeError:
            marks = unicodedata.normalize("NFD", sign)
            base = "".join(mark for mark in marks if mark not in tones)
            parts.append(unicodedata.normalize("NFC", base) + "".join(mark for mark in marks if mark in tones))
    return "".join(parts).encode("cp1258")


def test_csv_in_windows_1258_is_read_and_told() -> None:
    sheet = read_sheet(_windows_1258(csv([HEADERS, ROW])))
    (item,) = check_rows(sheet.rows)
    assert item.checked.form is not None
    assert item.checked.form.name == ROW[1]
    assert any("1258" in note for note in sheet.notes)


def test_csv_quotes_separator_line_and_excel_texts() -> None:
    line = '="TZ1234Z";"CÔNG TY ""HB""; chi nhánh";\'9001234568;Hà Nội;"Số 12\nngõ 3";a@hoaban.example;0912345678\r\n'
    (item,) = check_rows(read_sheet(("sep=;\r\n" + csv([HEADERS], ";") + line).encode()).rows)
    assert item.checked.form is not None
    assert item.checked.form.name == 'CÔNG TY "HB"; chi nhánh'
    assert item.checked.form.address == "Số 12 ngõ 3"


def test_csv_formulas_and_shortened_numbers_are_errors() -> None:
    (item,) = checked(csv([HEADERS, ["=HYPERLINK(1)", ROW[1], "9.00123E+09", *ROW[3:]]]).encode())
    assert [error.column for error in item.checked.errors] == ["unit_code", "tax_code"]


def test_an_open_quote_names_its_line() -> None:
    with pytest.raises(SheetError, match="Dòng 2"):
        rows_of((csv([HEADERS]) + '"TZ1234Z,x').encode())


# --- files that are none ----------------------------------------------------------------------------------------


def _zip(**parts: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, body in parts.items():
            archive.writestr(name, body)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "rỗng"),
        (b"  \n", "rỗng"),
        (b"\xd0\xcf\x11\xe0" + bytes(600), ".xls"),
        (b"\xd0\xcf\x11\xe0" + "EncryptedPackage".encode("utf-16-le"), "mật khẩu"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"<html><table>", "trang web"),
        (b"\x89PNG\r\n", "hình ảnh"),
        (_zip(mimetype=b"application/vnd.oasis.opendocument.spreadsheet"), ".ods"),
        (_zip(**{"word/document.xml": b"<x/>"}), "tệp nén"),
        (_zip(**{"xl/workbook.bin": b""}), ".xlsb"),
        (_zip(**{"xl/workbook.xml": b"<x/>"}), "Excel"),
        (b"PK\x03\x04 xl/workbook.xml broken", "hỏng"),
        (bytes(range(256)) * 8, "CSV"),
        ("chỉ là văn bản".encode(), "tiêu đề"),
        (b"x" * (30 * 1024 * 1024 + 1), "30 MB"),
    ],
)
def test_other_files_are_refused_in_a_sentence_with_a_cure(data: bytes, word: str) -> None:
    with pytest.raises(SheetError) as refused:
        rows_of(data)
    assert word in str(refused.value)
    assert refused.value.cure


@pytest.mark.parametrize("part", [PAGE, "xl/styles.xml", "xl/workbook.xml", "xl/sharedStrings.xml"])
def test_entities_are_refused_wherever_they_are(part: str) -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>'
    data = with_part(xlsx([HEADERS, ROW]), part, lambda xml: xml.replace(b"?>", b"?>" + bomb, 1))
    with pytest.raises(SheetError, match="DOCTYPE"):
        rows_of(data)


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    data = with_part(xlsx([HEADERS, ROW]), "xl/media/a.bin", lambda _: bytes(301 * 1024 * 1024))
    assert len(data) < 1_000_000
    with pytest.raises(SheetError, match="300 MB"):
        rows_of(data)


def test_a_row_of_a_million_cells_is_refused() -> None:
    data = with_part(xlsx([HEADERS, ROW]), PAGE, lambda xml: xml.replace(b"</row>", b"<c/>" * 300_000 + b"</row>", 1))
    with pytest.raises(SheetError, match="quá nhiều"):
        rows_of(data)


def test_a_row_number_beyond_excel_is_refused() -> None:
    data = with_part(xlsx([HEADERS, ROW]), PAGE, lambda xml: xml.replace(b'<row r="2"', b'<row r="99999999999"'))
    with pytest.raises(SheetError, match="dòng"):
        rows_of(data)


@pytest.mark.parametrize("cut", [30, 200, 2000])
def test_a_truncated_file_is_refused(cut: int) -> None:
    with pytest.raises(SheetError):
        rows_of(xlsx([HEADERS, ROW])[:-cut])


def test_a_broken_page_is_refused() -> None:
    data = with_part(xlsx([HEADERS, ROW]), PAGE, lambda xml: xml[: len(xml) // 2])
    with pytest.raises(SheetError, match="hỏng"):
        rows_of(data)


def test_too_many_rows_are_refused() -> None:
    line = ",".join(ROW) + "\r\n"
    with pytest.raises(SheetError, match=r"100\.000"):
        rows_of((csv([HEADERS]) + line * 100_001).encode())


# --- workbooks with more in them than a table ---------------------------------------------------------------------


def test_a_hidden_page_is_not_read_and_told() -> None:
    def change(book: Any, page: Any) -> None:
        hidden = book.add_worksheet("Cũ")
        hidden.write_row(0, 0, HEADERS)
        hidden.write_row(1, 0, ["TZ9999Z", *ROW[1:]])
        hidden.hide()

    sheet = read_sheet(xlsx([HEADERS, ROW], change))
    assert [row.fields["unit_code"] for row in sheet.rows] == ["TZ1234Z"]
    assert any("“Cũ” bị ẩn" in note for note in sheet.notes)


def test_a_second_table_is_not_read_and_told() -> None:
    def change(book: Any, page: Any) -> None:
        book.add_worksheet("Hà Nội 2").write_row(0, 0, HEADERS)
        book.add_worksheet("Danh bạ").write_row(0, 0, ("Tên đơn vị", "MST", "Email"))

    sheet = read_sheet(xlsx([HEADERS, *([ROW] * 3_000)], change))
    assert len(list(sheet.rows)) == 3_000, "the first page is read to its end all the same"
    told = [note for note in sheet.notes if "không được đọc" in note]
    assert len(told) == 1
    assert "“Hà Nội 2”" in told[0]


def test_a_table_only_on_a_hidden_page_is_answered_with_a_cure() -> None:
    def change(book: Any, page: Any) -> None:
        hidden = book.add_worksheet("Bảng")
        hidden.write_row(0, 0, HEADERS)
        hidden.hide()

    with pytest.raises(SheetError, match="trang bị ẩn “Bảng”") as refused:
        read_sheet(xlsx([["Bìa"]], change))
    assert "Bỏ ẩn" in refused.value.cure


def test_a_workbook_with_macros_is_refused_with_a_cure() -> None:
    data = with_part(xlsx([HEADERS, ROW]), "xl/vbaProject.bin", lambda _: b"macro")
    with pytest.raises(SheetError, match="macro") as refused:
        read_sheet(data, "danh-sach.xlsm")
    assert "danh-sach.xlsm" in str(refused.value)
    assert ".xlsx" in refused.value.cure


def test_a_day_in_a_column_of_days_is_a_day() -> None:
    def change(book: Any, page: Any) -> None:
        page.write_datetime(1, 7, datetime.date(2026, 3, 5), book.add_format({"num_format": "dd/mm/yyyy"}))

    (row,) = rows_of(xlsx([[*HEADERS, "Ngày cấp"], ROW], change))
    assert (row.fields["licence_date"], row.faults) == ("05/03/2026", ())


def test_what_stands_above_the_header_is_kept() -> None:
    sheet = read_sheet(xlsx([["DANH SÁCH"], [], HEADERS, ROW]))
    assert (sheet.above, sheet.line) == (((1, ("DANH SÁCH",)),), 3)
    assert sheet.keys[:3] == ("unit_code", "name", "tax_code")

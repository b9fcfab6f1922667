"""One row in, a form or every error at once out."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.columns import COLUMNS, column_named
from services.intake.validation import CellError, fingerprint, validate

GOOD = {
    "unit_code": "TZ1234Z",
    "name": "CÔNG TY TNHH Thực phẩm Hoa Ban - Chi nhánh Gia Lâm",
    "tax_code": "9001234568-001",
    "province": "Hà Nội",
    "address": "Số 12 đường Ngô Xuân Quảng",
    "email": "bhxh@hoaban.example",
    "phone": "0912345678",
}


def columns_of(fields: dict[str, str]) -> list[str]:
    return [error.column for error in validate(fields).errors]


def test_a_good_row_is_a_form() -> None:
    checked = validate(GOOD)
    assert (checked.errors, checked.notes) == ((), ())
    assert checked.form is not None
    assert checked.form.province == "01"
    assert checked.form.stop_reason == "CHUYEN_DOI_NHA_CUNG_CAP"
    assert checked.form.row_key == "TZ1234Z"


def test_all_errors_of_a_row_come_at_once_in_the_order_of_the_columns() -> None:
    fields = {"tax_code": "1", "email": "x", "province": "Xứ Sở", "phone": "1", "stop_reason": "vì thế"}
    assert columns_of(fields) == [
        "unit_code",
        "name",
        "tax_code",
        "province",
        "address",
        "email",
        "phone",
        "stop_reason",
    ]


def test_every_error_says_where_what_and_how() -> None:
    for error in validate({}).errors:
        assert str(error).startswith(tuple(column.header for column in COLUMNS))
        assert error.message_vi
        assert error.cure_vi


def test_without_a_unit_code_the_branch_id_is_mandatory() -> None:
    assert columns_of({**GOOD, "unit_code": ""}) == ["unit_code"]
    form = validate({**GOOD, "unit_code": "", "branch_id": "CN-7"}).form
    assert form is not None
    assert form.row_key == "CN-7"


def test_the_name_is_kept_exactly_but_for_unicode_form_and_what_surrounds_it() -> None:
    typed = unicodedata.normalize("NFD", "  công ty  Hoa\u00a0Ban ")
    form = validate({**GOOD, "name": typed, "address": " Số  12 "}).form
    assert form is not None
    assert form.name == "công ty  Hoa Ban", "the licence's own blanks stay"
    assert form.address == "Số 12"


def test_a_number_is_not_a_name() -> None:
    assert columns_of({**GOOD, "name": "45231"}) == ["name"]


def test_the_repeated_address_has_to_be_the_same() -> None:
    assert columns_of({**GOOD, "email_again": "bhxh@hoaban.exampel"}) == ["email_again"]
    assert columns_of({**GOOD, "email_again": "BHXH@hoaban.example"}) == []


def test_another_reason_needs_its_text() -> None:
    assert columns_of({**GOOD, "stop_reason": "Khác"}) == ["stop_reason_text"]
    form = validate({**GOOD, "stop_reason": "khac", "stop_reason_text": "gộp"}).form
    assert form is not None
    assert form.stop_reason == "KHAC"


def test_an_agency_may_be_named_in_hanoi_only() -> None:
    form = validate({**GOOD, "agency": "BHXH Huyện Gia Lâm"}).form
    assert form is not None
    assert form.agency == "00112"
    assert columns_of({**GOOD, "agency": "Gia Lâm", "province": "Huế"}) == ["agency"]


def test_an_agency_of_another_province_is_only_a_note() -> None:
    checked = validate({**GOOD, "agency": "07906 - BHXH"})
    assert checked.form is not None
    assert checked.notes[0].column == "agency"


def test_a_fault_of_the_sheet_stands_for_its_cell_alone() -> None:
    fault = CellError("tax_code", "Ô chứa công thức.", "Dán giá trị.")
    checked = validate({k: v for k, v in GOOD.items() if k != "tax_code"}, (fault,))
    assert checked.errors == (fault,)


def test_control_characters_and_long_texts_are_errors_of_their_cell() -> None:
    assert columns_of({**GOOD, "address": "Số\x0012"}) == ["address"]
    assert columns_of({**GOOD, "address": "x" * 251}) == ["address"]


def test_an_unknown_column_is_a_note() -> None:
    assert "Không có cột" in validate({**GOOD, "colour": "red"}).notes[0].message_vi


def test_the_fingerprint_is_of_the_data_not_of_the_typing() -> None:
    one, other = validate(GOOD).form, validate({**GOOD, "unit_code": "tz1234z", "province": "TP Hà Nội"}).form
    changed = validate({**GOOD, "address": "Số 13"}).form
    assert one is not None
    assert other is not None
    assert changed is not None
    assert fingerprint(one) == fingerprint(other) != fingerprint(changed)


@given(st.dictionaries(st.sampled_from([column.key for column in COLUMNS]), st.text(max_size=40)))
def test_any_text_gives_a_form_or_errors(fields: dict[str, str]) -> None:
    checked = validate(fields)
    assert (checked.form is None) == bool(checked.errors)


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("MST", "tax_code"),
        ("ma so thue *", "tax_code"),
        ("Mã ĐV BHXH", "unit_code"),
        ("MA_DON_VI", "unit_code"),
        ("Tinh/TP", "province"),
        ("Thư điện tử", "email"),
        ("NHẬP LẠI EMAIL", "email_again"),
        ("SĐT", "phone"),
        ("Tax code", "tax_code"),
        ("current_provider", "current_provider"),
        ("Chữ ký số", "profile"),
        ("Địa chỉ (theo giấy phép)", "address"),
        ("Doanh thu", None),
    ],
)
def test_headers_as_people_write_them(header: str, key: str | None) -> None:
    assert column_named(unicodedata.normalize("NFD", header)) == key

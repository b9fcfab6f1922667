"""Identifiers as people type them (domain.md §4.7)."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoso.domain.identifiers import (
    BadValue,
    clean,
    clean_name,
    fold,
    read_agency_code,
    read_date,
    read_email,
    read_phone,
    read_tax_code,
    read_unit_code,
    tax_check_digit,
)

NINE = st.text("0123456789", min_size=9, max_size=9)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("9001234568", "9001234568"),
        (" 9001234568 ", "9001234568"),
        ("900 123 4568", "9001234568"),
        ("9001234568001", "9001234568-001"),
        ("9001234568-001", "9001234568-001"),
        ("9001234568–001", "9001234568-001"),
    ],
)
def test_a_tax_code_is_written_one_way(typed: str, kept: str) -> None:
    reading = read_tax_code(typed)
    assert (reading.value, reading.notes) == (kept, ())


@pytest.mark.parametrize(("typed", "kept"), [("999123459", "0999123459"), ("999123459002", "0999123459-002")])
def test_an_eaten_zero_is_put_back_and_told(typed: str, kept: str) -> None:
    reading = read_tax_code(typed)
    assert reading.value == kept
    assert "mất số 0" in reading.notes[0]


@pytest.mark.parametrize(
    "typed", ["9001234569", "9001234557", "900123456", "12", "MST", "９００１２３４５６８", "", "90012345680010"]
)
def test_other_tax_codes_are_refused_with_a_cure(typed: str) -> None:
    with pytest.raises(BadValue) as refused:
        read_tax_code(typed)
    assert refused.value.message.endswith(".")
    assert refused.value.cure.endswith(".")


@given(NINE)
def test_exactly_one_check_digit_fits_or_none(nine: str) -> None:
    fitting = [d for d in "0123456789" if _accepted(nine + d)]
    expected = tax_check_digit(nine)
    assert fitting == ([] if expected is None else [str(expected)])


@given(NINE, st.integers(0, 8), st.integers(1, 9))
def test_one_mistyped_digit_never_passes(nine: str, place: int, by: int) -> None:
    digit = tax_check_digit(nine)
    if digit is None:
        return
    wrong = nine[:place] + str((int(nine[place]) + by) % 10) + nine[place + 1 :]
    assert not _accepted(wrong + str(digit))


def _accepted(text: str) -> bool:
    try:
        return read_tax_code(text).value == text
    except BadValue:
        return False


def test_a_unit_code_is_upper_case() -> None:
    assert read_unit_code("tz 1234 z").value == "TZ1234Z"
    assert read_unit_code("TZC001A").notes == ()


def test_an_unusual_unit_code_is_taken_with_a_note() -> None:
    reading = read_unit_code("ABC12345")
    assert reading.value == "ABC12345"
    assert "dạng lạ" in reading.notes[0]


@pytest.mark.parametrize("typed", ["TZ123", "ĐZ1234Z", "TZ1234Z/TZ1235Z", "TZ١٢٣٤Z"])
def test_other_unit_codes_are_refused(typed: str) -> None:
    with pytest.raises(BadValue):
        read_unit_code(typed)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("0912345678", "0912345678"),
        ("+84 912 345 678", "0912345678"),
        ("0084912345678", "0912345678"),
        ("(024) 3825.1234", "02438251234"),
        ("1900 1234", "19001234"),
        ("912345678", "0912345678"),
    ],
)
def test_a_phone_is_digits_with_a_leading_zero(typed: str, kept: str) -> None:
    assert read_phone(typed).value == kept


@pytest.mark.parametrize("typed", ["0912345678, 0987654321", "113", "+1 212 555 0100", "không có"])
def test_other_phones_are_refused(typed: str) -> None:
    with pytest.raises(BadValue):
        read_phone(typed)


def test_several_phones_are_named_as_such() -> None:
    with pytest.raises(BadValue, match="nhiều số"):
        read_phone("0912345678 hoặc 0987654321")


def test_one_address_with_its_domain_in_lower_case() -> None:
    assert read_email("Ke.Toan@CongTy.Example").value == "Ke.Toan@congty.example"


def test_yahoo_is_taken_with_a_note() -> None:
    assert "Yahoo" in read_email("a@yahoo.com.vn").notes[0]


@pytest.mark.parametrize(
    "typed", ["a@b.vn; c@d.vn", "a b@c.vn", "kế@toan.vn", "a@b", "a..b@c.vn", "@c.vn", "a@b@c.vn", "a@-b.vn"]
)
def test_other_addresses_are_refused(typed: str) -> None:
    with pytest.raises(BadValue):
        read_email(typed)


def test_an_agency_code_gets_its_zeros_back() -> None:
    assert read_agency_code("00112").notes == ()
    assert read_agency_code("112").value == "00112"
    assert read_agency_code("7906").value == "07906"
    with pytest.raises(BadValue):
        read_agency_code("12345")


def test_text_is_nfc_trimmed_and_collapsed_and_else_kept() -> None:
    typed = unicodedata.normalize("NFD", "  CÔNG TY\u00a0TNHH \n Hoa\u200b Ban ")
    assert clean(typed) == "CÔNG TY TNHH Hoa Ban"


@pytest.mark.parametrize("sign", ["\x00", "\x07", "\u202e", "\ud800", "\ue000", "\uffff"])
def test_signs_nobody_can_see_are_refused(sign: str) -> None:
    with pytest.raises(BadValue, match="ký tự điều khiển"):
        clean(f"Hoa{sign}Ban")


@given(st.text())
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    try:
        once = clean(text)
    except BadValue:
        return
    assert clean(once) == once


def test_folding_ignores_case_diacritics_and_punctuation() -> None:
    assert fold("Tỉnh/Thành phố ĐÀ NẴNG") == "tinhthanhphodanang"


# --- names and dates ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  CÔNG TY TNHH  Hoa Ban ", "CÔNG TY TNHH  Hoa Ban"),
        ("Hoa\u00a0Ban\u200b", "Hoa Ban"),
        ("Hoa\tBan", "Hoa Ban"),
        ("Hoa Ban\r\nChi nhánh 2", "Hoa Ban Chi nhánh 2"),
        (unicodedata.normalize("NFD", "Thuỷ sản Muối Biển"), "Thuỷ sản Muối Biển"),
        ("hoa ban, 2 - “ABC” & Cộng sự", "hoa ban, 2 - “ABC” & Cộng sự"),
    ],
)
def test_a_name_stays_as_the_licence_has_it(typed: str, kept: str) -> None:
    assert clean_name(typed) == kept


def test_a_name_with_an_invisible_control_is_refused() -> None:
    with pytest.raises(BadValue, match="điều khiển"):
        clean_name("Hoa\x07Ban")


@given(st.text(max_size=60))
def test_a_cleaned_name_is_clean(text: str) -> None:
    try:
        name = clean_name(text)
    except BadValue:
        return
    assert clean_name(name) == name
    assert clean(name) == " ".join(name.split())


@pytest.mark.parametrize(
    "typed", ["5/3/2026", "05/03/2026", "05-03-2026", "5.3.2026", "2026-03-05", "2026-03-05 00:00:00"]
)
def test_a_day_is_written_one_way(typed: str) -> None:
    assert read_date(typed).value == "05/03/2026"


@pytest.mark.parametrize("typed", ["31/02/2026", "2026", "03/2026", "5/3/26", "mai", "1/1/1800"])
def test_what_is_no_day_is_refused(typed: str) -> None:
    with pytest.raises(BadValue, match="không phải ngày"):
        read_date(typed)

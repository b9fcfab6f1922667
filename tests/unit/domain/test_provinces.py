"""Provinces then and now (domain.md §10)."""

from __future__ import annotations

from datetime import date

import pytest

from hoso.domain.identifiers import BadValue
from hoso.domain.provinces import agency_fits, agency_named, province_of, provinces, read_province


def test_there_are_34_and_each_is_found_by_its_own_name() -> None:
    assert len(provinces()) == 34
    for province in provinces():
        for text in (
            province.name,
            province.short_name,
            province.name.upper(),
            f"{province.code} - {province.short_name}",
        ):
            reading = read_province(text)
            assert (reading.value, reading.notes) == (province.code, ()), text


@pytest.mark.parametrize("typed", ["HN", "ha noi", "TP. Hà Nội", "Thành phố Hà Nội", "Hà Nội (01)", "01", "1"])
def test_ordinary_ways_to_write_hanoi(typed: str) -> None:
    assert read_province(typed).value == "01"


@pytest.mark.parametrize(
    ("typed", "code"),
    [("TP.HCM", "79"), ("Sài Gòn", "79"), ("TT Huế", "46"), ("Đắc Lắc", "66"), ("Daklak", "66"), ("Thanh Hoá", "38")],
)
def test_other_spellings(typed: str, code: str) -> None:
    assert read_province(typed).value == code


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("Yên Bái", "15"),
        ("Bắc Giang", "24"),
        ("Bà Rịa - Vũng Tàu", "79"),
        ("Tỉnh Hoà Bình", "25"),
        ("Thừa Thiên Huế", "46"),
        ("15 - Yên Bái", "15"),
    ],
)
def test_an_old_name_is_understood_and_told(typed: str, code: str) -> None:
    reading = read_province(typed)
    assert reading.value == code
    assert "nay thuộc" in reading.notes[0]


@pytest.mark.parametrize("code", ["15", "24", "44", "52", "80", "82", "91"])
def test_a_bare_code_that_changed_its_meaning_asks_for_the_name(code: str) -> None:
    with pytest.raises(BadValue, match="không rõ nghĩa") as refused:
        read_province(code)
    assert province_of(code).short_name in refused.value.cure
    assert province_of(code).name in refused.value.message


def test_a_moved_code_with_its_day_is_no_question() -> None:
    assert read_province("15", date(2025, 7, 1)).value == "15"
    assert read_province("15 (mới)").value == "15"
    for then in (read_province("82", date(2025, 6, 30)), read_province("82 (cũ)")):
        assert (then.value, "Tiền Giang" in then.notes[0]) == ("82", True)
    assert read_province("24 (cũ)").notes, "an old code is told"
    assert read_province("01", date(2020, 1, 1)) == read_province("01"), "where both lists agree the day is nothing"


def test_a_day_changes_no_name() -> None:
    assert read_province("Lào Cai", date(2020, 1, 1)).value == "15"
    assert read_province("Yên Bái (cũ)").value == "15"


@pytest.mark.parametrize(("code", "now"), [("02", "08"), ("77", "79"), ("10", "15")])
def test_an_old_code_that_is_free_now_is_understood_and_told(code: str, now: str) -> None:
    reading = read_province(code)
    assert reading.value == now
    assert "mã cũ" in reading.notes[0]


@pytest.mark.parametrize("typed", ["24 - Hà Nội", "Xứ Sở", "99", "001", "-", "Hà Nội Huế"])
def test_other_texts_are_refused(typed: str) -> None:
    with pytest.raises(BadValue):
        read_province(typed)


def test_an_agency_belongs_to_its_province_also_under_an_old_code() -> None:
    assert agency_fits("00112", "01")
    assert agency_fits("07701", "79")
    assert not agency_fits("07901", "01")


def test_hanoi_agencies_have_names() -> None:
    assert agency_named("BHXH Quận Ba Đình") == agency_named("ba đình") == "00101"
    assert agency_named("Ba Bể") is None

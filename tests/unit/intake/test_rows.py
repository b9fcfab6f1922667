"""Each unit once: doubled rows get their own error."""

from __future__ import annotations

from services.intake.rows import check_rows
from services.intake.sheets import Row
from tests.unit.intake.test_validation import GOOD


def row(number: int, **changed: str) -> Row:
    return Row(number, {**GOOD, **changed}, (), ())


def errors(*rows: Row) -> list[str]:
    return ["; ".join(map(str, item.checked.errors)) for item in check_rows(rows)]


def test_the_same_row_again_names_the_first() -> None:
    first, second = errors(row(2), row(5, unit_code="tz1234z"))
    assert first == ""
    assert "Trùng hoàn toàn với dòng 2" in second


def test_other_data_under_the_same_code_names_row_and_columns() -> None:
    _, second = errors(row(2), row(5, address="Số 13", phone="0912345679"))
    assert "dòng 2" in second
    assert "“Địa chỉ”, “Điện thoại”" in second


def test_a_wrong_row_takes_no_key() -> None:
    first, second = errors(row(2, tax_code="1"), row(3))
    assert first
    assert second == ""


def test_rows_without_a_code_are_known_by_their_branch_id() -> None:
    found = errors(
        row(2, unit_code="", branch_id="CN-1"),
        row(3, unit_code="", branch_id="CN-1"),
        row(4, unit_code="", branch_id="CN-2"),
    )
    assert [bool(text) for text in found] == [False, True, False]


def test_one_branch_with_and_without_a_code_is_doubled() -> None:
    found = errors(row(2, branch_id="CN-1"), row(3, unit_code="", branch_id="CN-1"))
    assert [bool(text) for text in found] == [False, True]
    found = errors(row(2, unit_code="", branch_id="CN-1"), row(3, branch_id="CN-1"))
    assert [bool(text) for text in found] == [False, True]


def test_one_tax_code_and_name_may_have_many_units() -> None:
    assert errors(row(2), row(3, unit_code="TZ1235Z"), row(4, unit_code="TZ1236Z")) == ["", "", ""]

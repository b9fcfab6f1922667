"""Each unit once: doubled rows get their own error."""

from __future__ import annotations

from services.intake.rows import RowCheck, check_rows
from services.intake.sheets import Row
from services.intake.validation import CellError
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


# --- the organisation feed ----------------------------------------------------------------------------------------

ORG = {"HN-07": {"name": "Chi nhánh Gia Lâm", "tax_code": "9001234568-001"}}


def test_the_feed_fills_what_is_empty_and_says_so() -> None:
    item = RowCheck().check(row(2, name="", tax_code="", unit_code="", org_unit=" HN-07 "), ORG)
    form = item.checked.form
    assert form is not None
    assert (form.name, form.tax_code, form.branch_id) == ("Chi nhánh Gia Lâm", "9001234568-001", "HN-07")
    assert item.checked.org_unit == "HN-07"
    told = [str(note) for note in item.checked.notes if note.column == "org_unit"]
    assert "“Tên đơn vị”, “Mã số thuế”" in told[0]


def test_what_the_row_says_itself_stands() -> None:
    form = RowCheck().check(row(2, org_unit="HN-07"), ORG).checked.form
    assert form is not None
    assert (form.name, form.branch_id) == (GOOD["name"], "HN-07")


def test_a_unit_the_feed_does_not_know_is_an_error() -> None:
    item = RowCheck().check(row(2, org_unit="HN-08"), ORG)
    assert [error.column for error in item.checked.errors] == ["org_unit"]
    assert RowCheck().check(row(2, org_unit="HN-08")).checked.form, "without a feed nobody can say"


def test_a_faulty_cell_is_not_filled() -> None:
    faulty = Row(
        2,
        {k: v for k, v in GOOD.items() if k != "tax_code"} | {"org_unit": "HN-07"},
        (CellError("tax_code", "x", "y"),),
        (),
    )
    assert [error.column for error in RowCheck().check(faulty, ORG).checked.errors] == ["tax_code"]

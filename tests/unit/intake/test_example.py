"""The example sheet: what make_branches.py makes is what lies beside it, and each row says what it should."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from services.intake.rows import check_rows
from services.intake.sheets import read_sheet

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_branches", EXAMPLES / "make_branches.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_sheet_is_what_the_maker_makes(maker: ModuleType, tmp_path: Path) -> None:
    maker.write(tmp_path / "again.xlsx")
    made = [row.cells for row in read_sheet((tmp_path / "again.xlsx").read_bytes()).rows]
    kept = [row.cells for row in read_sheet((EXAMPLES / "branches.xlsx").read_bytes()).rows]
    assert made == kept


def test_exactly_the_rows_marked_wrong_are_wrong() -> None:
    items = list(check_rows(read_sheet((EXAMPLES / "branches.xlsx").read_bytes()).rows))
    wrong = [item.row.cells[-1] for item in items if item.checked.form is None]
    marked = [item.row.cells[-1] for item in items if item.row.cells[-1].startswith("lỗi:")]
    assert len(items) == 100
    assert wrong == marked
    assert len(wrong) == 7


def test_mailboxes_are_shared_and_units_without_a_code_say_why() -> None:
    forms = [item.checked.form for item in check_rows(read_sheet((EXAMPLES / "branches.xlsx").read_bytes()).rows)]
    good = [form for form in forms if form is not None]
    assert len({form.email for form in good}) == len({form.tax_code for form in good}) == 10
    assert all(form.email.endswith(".example") for form in good)
    without = [form for form in good if form.unit_code is None]
    assert len([form for form in without if form.first_time is not None]) == 21
    assert [form.branch_id for form in without if form.first_time is None] == [
        "CS-SUOIGIANG",
        "HB-SOCSON",
        "HB-HOAIDUC",
    ]


def test_what_lies_beside_the_sheet_is_what_the_maker_makes(maker: ModuleType, tmp_path: Path) -> None:
    maker.write_beside(tmp_path)
    made = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()}
    assert made == {
        "branches-later.xlsx",
        "branches-org.csv",
        "branches-agency.json",
        *(f"attachments/{n}" for n in _FILES),
    }
    for name in ("branches-org.csv", "branches-agency.json", "attachments/giay-phep.pdf", "attachments/giay-phep.docx"):
        assert (tmp_path / name).read_bytes() == (EXAMPLES / name).read_bytes()


_FILES = ("anh-chup.pdf", "danh-sach-nguoi-lao-dong.xlsx", "giay-phep.docx", "giay-phep.pdf")

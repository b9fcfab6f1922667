"""A row that is mended where it waits is judged as a row."""

from __future__ import annotations

from uuid import UUID

import pytest

from app.mending import mended, read_fields
from schemas.units import Attachment, FirstTime
from services.ops.said import Unanswerable
from tests.support.stories import a_form

LICENCE = Attachment(name="giay-phep.pdf", media="pdf", size=9, sha256="ab" * 32, document=UUID(int=9))
FIRST = a_form(
    unit_code=None,
    branch_id="HUE-01",
    contact_name="Nguyễn Thị Lan",
    first_time=FirstTime(
        representative="Trần Văn Á",
        licence_number="0101243150",
        licence_place="Sở Tài chính Huế",
        licence_date="05/03/2026",
        payment="QUARTERLY",
        attachments=(LICENCE,),
    ),
)


@pytest.mark.parametrize("form", [a_form(), a_form(current_provider="VSS", purpose="stop"), FIRST], ids=str)
def test_only_what_was_mended_changes(form: object) -> None:
    checked = mended(form, {"address": "2 Lê Lợi, Huế"})  # type: ignore[arg-type]
    assert checked.errors == ()
    assert checked.form == form.model_copy(update={"address": "2 Lê Lợi, Huế"})  # type: ignore[attr-defined]


def test_other_files_have_to_be_found() -> None:
    checked = mended(FIRST, {"attachments": "giay-phep-moi.pdf"})
    assert checked.attachments == ("giay-phep-moi.pdf",)
    assert mended(FIRST, {"phone": "0901234568"}).attachments == ()


def test_the_whole_row_is_judged() -> None:
    checked = mended(FIRST, {"unit_code": "TZ0001Z"})  # it takes part for the first time
    assert [error.column for error in checked.errors] == ["first_time"]
    assert mended(a_form(), {"email": "moi@hoasen.example"}).form == a_form(email="moi@hoasen.example")
    both = mended(a_form(), {"phone": "1", "tax_code": "2"})
    assert {error.column for error in both.errors} == {"phone", "tax_code"}


@pytest.mark.parametrize("fields", [{}, {"colour": "red"}, {"phone": 901234567}, {"name": "x" * 501}])
def test_what_is_no_row(fields: dict[str, object]) -> None:
    with pytest.raises(Unanswerable):
        mended(a_form(), fields)


@pytest.mark.parametrize("text", ["", "[]", "7", "{", '"a"'])
def test_what_is_no_object(text: str) -> None:
    with pytest.raises(Unanswerable):
        read_fields(text)

"""What a row wants of its unit: the whole way, only a stop, only a change, or a first unit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hoso.runtime.failures import SettingsError
from schemas.units import Attachment, FirstTime
from services.intake.columns_first_time import FIRST_TIME
from services.intake.reasons import REASONS, read_reasons
from services.intake.validation import Checked, fields_of, fingerprint, validate
from tests.unit.intake.test_validation import GOOD, columns_of

NEW = {
    **{key: text for key, text in GOOD.items() if key != "unit_code"},
    "branch_id": "CN-9",
    "first_time": "Có",
    "contact_name": "Nguyễn Thị Hoa",
    "representative": "Trần Văn Núi",
    "licence_number": "9001234568-001",
    "licence_place": "Phòng Đăng ký kinh doanh Hà Nội",
    "licence_date": "5/3/2026",
    "attachments": "giay-phep.pdf; uy-quyen.docx",
}


def first_time(fields: dict[str, str]) -> FirstTime:
    form = validate(fields).form
    assert form is not None
    assert form.first_time is not None
    return form.first_time


def notes_of(fields: dict[str, str]) -> list[str]:
    return [note.column for note in validate(fields).notes]


# --- purpose ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("", "enrol"), ("Đăng ký", "enrol"), ("chỉ ngừng", "stop"), ("NGỪNG", "stop"), ("Thay đổi", "change"), ("change", "change")],
)  # fmt: skip
def test_the_words_for_what_is_wanted(typed: str, meant: str) -> None:
    form = validate({**GOOD, "purpose": typed, "current_provider": "TS24"}).form
    assert form is not None
    assert form.purpose == meant


def test_another_word_is_an_error() -> None:
    assert columns_of({**GOOD, "purpose": "xoá"}) == ["purpose"]
    assert columns_of({**GOOD, "purpose": "?"}) == ["purpose"]


def test_a_stop_needs_the_unit_code_and_the_provider() -> None:
    row = {**GOOD, "unit_code": "", "branch_id": "CN-1", "purpose": "chỉ ngừng"}
    assert columns_of(row) == ["unit_code", "current_provider"]
    assert columns_of({**GOOD, "purpose": "chỉ ngừng", "current_provider": "không"}) == ["current_provider"]
    assert columns_of({**GOOD, "purpose": "chỉ ngừng", "current_provider": "Cổng BHXH"}) == []


def test_a_wrong_provider_is_one_error_not_two() -> None:
    assert columns_of({**GOOD, "purpose": "chỉ ngừng", "current_provider": "Hãng Mây"}) == ["current_provider"]


def test_a_change_needs_the_unit_code() -> None:
    assert columns_of({**GOOD, "unit_code": "", "branch_id": "CN-1", "purpose": "thay đổi"}) == ["unit_code"]


# --- first time ---------------------------------------------------------------------------------------------------


def test_a_first_time_row_is_a_form_and_the_names_of_its_files() -> None:
    checked = validate(NEW)
    assert (checked.errors, checked.notes) == ((), ())
    assert checked.attachments == ("giay-phep.pdf", "uy-quyen.docx")
    assert first_time(NEW) == FirstTime(
        representative="Trần Văn Núi",
        licence_number="9001234568-001",
        licence_place="Phòng Đăng ký kinh doanh Hà Nội",
        licence_date="05/03/2026",
    )


def test_first_time_and_a_unit_code_is_an_error() -> None:
    (error,) = validate({**NEW, "unit_code": "TZ1234Z"}).errors
    assert error.column == "first_time"
    assert "TZ1234Z" in error.message_vi


def test_every_missing_field_of_a_first_time_row_is_named() -> None:
    bare = {**GOOD, "unit_code": "", "branch_id": "CN-9", "first_time": "x"}
    assert columns_of(bare) == [
        "contact_name", "representative", "licence_number", "licence_place", "licence_date", "attachments",
    ]  # fmt: skip


def test_a_first_time_row_still_needs_what_every_row_needs() -> None:
    assert columns_of({**NEW, "branch_id": "", "tax_code": "1"}) == ["unit_code", "tax_code"]
    assert columns_of({**NEW, "licence_date": "31/02/2026"}) == ["licence_date"]
    assert columns_of({**NEW, "attachments": ";".join(f"{n}.pdf" for n in range(11))}) == ["attachments"]


@pytest.mark.parametrize("typed", ["có thể", "?", "2"])
def test_another_word_for_first_time_is_an_error(typed: str) -> None:
    assert "first_time" in columns_of({**NEW, "first_time": typed})


def test_there_is_nothing_to_stop_or_to_change_the_first_time() -> None:
    assert "first_time" in columns_of({**NEW, "purpose": "thay đổi"})


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("", "MONTHLY"), ("Hằng tháng", "MONTHLY"), ("3 tháng", "QUARTERLY"), ("6 tháng một lần", "HALF_YEARLY")],
)
def test_ways_to_pay(typed: str, meant: str) -> None:
    assert first_time({**NEW, "payment": typed}).payment == meant


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("", "ELECTRONIC"), ("Bản điện tử", "ELECTRONIC"), ("bưu điện", "POST"), ("Tại cơ quan BHXH", "OFFICE")],
)
def test_ways_to_get_the_result(typed: str, meant: str) -> None:
    assert first_time({**NEW, "result": typed}).result == meant


def test_other_ways_are_errors() -> None:
    assert columns_of({**NEW, "payment": "năm", "result": "fax"}) == ["payment", "result"]


def test_without_code_and_not_first_time_a_note_says_that_it_waits() -> None:
    checked = validate({**GOOD, "unit_code": "", "branch_id": "CN-1"})
    assert checked.form is not None
    assert [note.column for note in checked.notes] == ["unit_code"]
    assert "chờ người nhập mã" in checked.notes[0].message_vi


def test_first_time_columns_of_another_row_are_told_to_be_unused() -> None:
    assert notes_of({**GOOD, "licence_date": "mai", "attachments": "a.pdf"}) == ["licence_date"]
    assert {column.key for column in FIRST_TIME} > {"first_time", "licence_date", "attachments"}


# --- the form and its row -----------------------------------------------------------------------------------------


def with_file(sha256: str, document: int) -> Checked:
    checked = validate(NEW)
    assert checked.form is not None
    assert checked.form.first_time is not None
    file = Attachment.model_validate(
        {"name": "giay-phep.pdf", "media": "pdf", "size": 3, "sha256": sha256, "document": f"{document:032x}"}
    )
    first = checked.form.first_time.model_copy(update={"attachments": (file,)})
    return Checked(checked.form.model_copy(update={"first_time": first}))


def test_files_count_by_their_bytes_not_by_where_they_lie() -> None:
    forms = [with_file("aa", 1).form, with_file("aa", 2).form, with_file("bb", 1).form]
    prints = [fingerprint(form) for form in forms if form is not None]
    assert prints[0] == prints[1] != prints[2]


def test_a_form_can_be_written_as_its_row_again() -> None:
    form = with_file("aa", 1).form
    assert form is not None
    again = validate(fields_of(form))
    assert again.attachments == ("giay-phep.pdf",)
    assert again.form == form.model_copy(update={"first_time": first_time(NEW)})
    plain = validate(
        {**GOOD, "purpose": "chỉ ngừng", "current_provider": "VSS", "stop_reason": "khác", "stop_reason_text": "gộp"}
    )
    assert plain.form is not None
    assert validate(fields_of(plain.form)).form == plain.form


# --- reasons ------------------------------------------------------------------------------------------------------


def test_a_deployment_may_bring_its_own_reasons(tmp_path: Path) -> None:
    rows = [
        {"code": "CHUYEN_DOI_NHA_CUNG_CAP", "label": "Đổi nhà cung cấp"},
        {"code": "SAP_NHAP", "label": "Sáp nhập đơn vị", "aliases": ["gộp"]},
    ]
    (tmp_path / "reasons.json").write_text(json.dumps(rows), "utf-8")
    reasons = read_reasons(tmp_path / "reasons.json")
    form = validate({**GOOD, "stop_reason": "GỘP"}, reasons=reasons).form
    assert form is not None
    assert (form.stop_reason, form.stop_reason_text) == ("KHAC", "Sáp nhập đơn vị")
    refused = validate({**GOOD, "stop_reason": "Hết hạn dịch vụ"}, reasons=reasons)
    assert [error.column for error in refused.errors] == ["stop_reason"]
    assert "Sáp nhập đơn vị" in refused.errors[0].cure_vi


def test_without_a_file_the_proposed_list_holds() -> None:
    assert read_reasons(None) is REASONS
    assert len(REASONS.labels) == 5


@pytest.mark.parametrize("text", ["{", '[{"code": "KHAC"}]', '[{"code": "KHAC", "label": "Khác"}]'])
def test_a_list_nobody_can_use_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "reasons.json").write_text(text)
    with pytest.raises(SettingsError, match="HOSO_STOP_REASONS"):
        read_reasons(tmp_path / "reasons.json")

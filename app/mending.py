"""A row that a person mends: the columns he gives put over the row as it stands, and the whole judged as a row again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from schemas.units import UnitForm
from services.intake.columns import COLUMN
from services.intake.validation import Checked, validate
from services.ops import views
from services.ops.said import Unanswerable

_LONGEST = 500


def fields_of(form: UnitForm) -> dict[str, str]:
    """The row that would give this form: column key -> text."""
    first = form.first_time
    said: dict[str, Any] = {**(first.model_dump() if first is not None else {}), **form.model_dump()}
    said["first_time"] = "x" if first is not None else ""
    return {key: str(said[key]) for key in COLUMN if said.get(key) not in (None, "")}


def mended(form: UnitForm, fields: Mapping[str, Any]) -> Checked:
    """The form with `fields` (column key -> text) put over it; an empty text empties the column. Raises Unanswerable."""
    unknown = sorted(str(key)[:40] for key in fields if key not in COLUMN)
    if unknown or not fields:
        raise Unanswerable(
            "fields-bad",
            f"Không có cột {', '.join(unknown) or 'nào được sửa'}; các cột: {', '.join(COLUMN)}.",
            f"no such column: {', '.join(unknown) or '(none given)'}; there are: {', '.join(COLUMN)}",
        )
    for key, value in fields.items():
        if not isinstance(value, str) or len(value) > _LONGEST:
            raise Unanswerable(
                "fields-bad",
                f"Cột {key} phải là chuỗi không quá {_LONGEST} ký tự.",
                f"column {key} must be a text of at most {_LONGEST} characters",
            )
    new = dict(fields)
    if "email" in new:
        new.setdefault("email_again", new["email"])
    checked = validate({**fields_of(form), **new})
    if checked.form is None:
        return checked
    kept: dict[str, Any] = {"purpose": form.purpose}
    first, before = checked.form.first_time, form.first_time
    if first is not None and before is not None and not first.attachments:
        kept["first_time"] = first.model_copy(update={"attachments": before.attachments})
    return Checked(checked.form.model_copy(update=kept), (), checked.notes)


async def mended_row(db: Any, enrolment: UUID, tenant: str | None, fields: Mapping[str, Any]) -> UnitForm:
    """The mended row of an enrolment. Raises Unanswerable with every error of the row."""
    found = await views.find(db, str(enrolment), tenant)
    form = await views.form_of(db, found[0]["unit"], enrolment) if found else None
    if form is None:
        raise Unanswerable(
            "not-found",
            "Không có hồ sơ đăng ký này, hoặc nó không thuộc về bạn.",
            f"there is no enrolment {enrolment}; see `hoso enrolment list`",
        )
    checked = mended(form, fields)
    if checked.form is None:
        errors = " ".join(str(error) for error in checked.errors)
        raise Unanswerable("fields-invalid", errors, errors)
    if checked.form.row_key != form.row_key and not checked.form.unit_code:
        raise Unanswerable(
            "row-key-changed",
            "Không đổi được mã chi nhánh của một đăng ký; huỷ đăng ký này rồi gửi dòng mới.",
            "the branch id of an enrolment cannot be changed: cancel it and send a new row",
        )
    return checked.form


def read_fields(text: str) -> dict[str, Any]:
    """Mended columns as JSON: an object of column key -> text. Raises Unanswerable."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Unanswerable(
            "fields-bad",
            'Các cột đã sửa phải là một đối tượng JSON, ví dụ {"tax_code": "0101243150-001"}.',
            'the mended columns must be a JSON object, e.g. {"tax_code": "0101243150-001"}',
        )
    return found

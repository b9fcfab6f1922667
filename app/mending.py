"""A row that a person mends: the columns he gives put over the row as it stands, and the whole judged as a row again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from schemas.units import UnitForm
from services.intake.admission import Request
from services.intake.attachments import attached
from services.intake.columns import COLUMN
from services.intake.reasons import REASONS, StopReasons
from services.intake.validation import Checked, fields_of, validate
from services.ops import views
from services.ops.said import Unanswerable

_LONGEST = 500


def mended(form: UnitForm, fields: Mapping[str, Any], reasons: StopReasons = REASONS) -> Checked:
    """The form with `fields` (column key -> text) put over it; an empty text empties the column. Raises Unanswerable.

    Files that the row named already stay with it; `attachments` of the answer names those that have to be found."""
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
    checked = validate({**fields_of(form), **new}, (), reasons)
    first, before = (checked.form or form).first_time, form.first_time
    if checked.form is None or first is None or before is None:
        return checked
    if checked.attachments != tuple(file.name for file in before.attachments):
        return checked
    kept = first.model_copy(update={"attachments": before.attachments})
    return replace(checked, form=checked.form.model_copy(update={"first_time": kept}), attachments=())


async def mended_row(
    db: Any, enrolment: UUID, tenant: str | None, fields: Mapping[str, Any], reasons: StopReasons = REASONS
) -> UnitForm:
    """The mended row of an enrolment, with the files it names. Raises Unanswerable with every error of the row."""
    found = await views.find(db, str(enrolment), tenant)
    form = await views.form_of(db, found[0]["unit"], enrolment) if found else None
    if form is None:
        raise Unanswerable(
            "not-found",
            "Không có hồ sơ đăng ký này, hoặc nó không thuộc về bạn.",
            f"there is no enrolment {enrolment}; see `hoso enrolment list`",
        )
    checked = mended(form, fields, reasons)
    if checked.form is None:
        errors = " ".join(str(error) for error in checked.errors)
        raise Unanswerable("fields-invalid", errors, errors)
    if checked.form.row_key != form.row_key and not checked.form.unit_code:
        raise Unanswerable(
            "row-key-changed",
            "Không đổi được mã chi nhánh của một đăng ký; huỷ đăng ký này rồi gửi dòng mới.",
            "the branch id of an enrolment cannot be changed: cancel it and send a new row",
        )
    return await _with_files(db, found[0]["tenant"], checked.form, checked.attachments)


async def _with_files(db: Any, tenant: str, form: UnitForm, names: tuple[str, ...]) -> UnitForm:
    """The form with files that were sent ahead, as a new row gets them."""
    if not names:
        return form
    asked = Request("mended", form, "", "", attachments=names)
    async with db.transaction():
        ((found, refused),) = await attached(db, tenant, [asked], take=True)
    if refused is not None:
        errors = " ".join(str(error) for error in refused.errors) or refused.code
        raise Unanswerable("attachments-bad", errors, errors)
    return found.form


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

"""The rows of one sheet, validated, each unit taken once.

The first good row of a key is taken; a later row of the same key gets an error that names it. A row that is itself wrong
takes no key, so a mended copy further down still goes on. Memory: some hundred bytes a row.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from schemas.units import UnitForm
from services.intake.columns import COLUMNS, header_of
from services.intake.places import Places
from services.intake.reasons import REASONS, StopReasons
from services.intake.sheets import Row
from services.intake.validation import CellError, CellNote, Checked, fields_of, validate

_KEYS = tuple(column.key for column in COLUMNS if column.key not in ("email_again", "org_unit"))
OrgUnits = Mapping[str, Mapping[str, str]]
"""What the organisation feed knows: the unit's id there -> column key -> text."""


@dataclass(frozen=True, slots=True)
class CheckedRow:
    """A row and what it says: a form, or its errors."""

    row: Row
    checked: Checked


class RowCheck:
    """Checks the rows of one sheet, one after the other, and remembers which unit was taken by which row.

    A row costs some 120 bytes of memory: its keys' hashes, its number, and two bytes a column.
    """

    def __init__(self, reasons: StopReasons = REASONS) -> None:
        self._reasons = reasons
        self._by_code = Places()
        self._by_branch = Places()
        self._only_branch = Places()
        self._numbers = array("I")
        self._digests = array("H")

    def check(self, row: Row, org: OrgUnits | None = None) -> CheckedRow:
        """The row's form, or all of its errors. `org` None: nobody can be asked, the row stands for itself."""
        checked = self._judged(row, org)
        form = checked.form
        if form is None:
            return CheckedRow(row, checked)
        if form.unit_code:
            first = self._by_code.get(form.unit_code)
            if first is None and form.branch_id:
                first = self._only_branch.get(form.branch_id)
        else:
            first = self._by_branch.get(form.branch_id or "")
        mine = _digest(checked)
        if first is not None:
            theirs = self._digests[first * len(_KEYS) : (first + 1) * len(_KEYS)]
            error = _doubled(form, mine, theirs, self._numbers[first])
            return CheckedRow(row, Checked(None, (error,), checked.notes))
        taken = len(self._numbers)
        self._numbers.append(row.number)
        self._digests.extend(mine)
        if form.unit_code:
            self._by_code.setdefault(form.unit_code, taken)
        else:
            self._only_branch.setdefault(form.branch_id or "", taken)
        if form.branch_id:
            self._by_branch.setdefault(form.branch_id, taken)
        return CheckedRow(row, checked)

    def _judged(self, row: Row, org: OrgUnits | None) -> Checked:
        id_ = org_unit_of(row.fields)
        if not id_ or org is None:
            return validate(row.fields, row.faults, self._reasons)
        known = org.get(id_)
        if known is None:
            checked = validate(row.fields, row.faults, self._reasons)
            return Checked(None, (*checked.errors, org_unit_unknown(id_)), checked.notes)
        fields, note = filled(row.fields, known, {fault.column for fault in row.faults})
        checked = validate(fields, row.faults, self._reasons)
        return replace(checked, notes=(*checked.notes, *note))


def org_unit_of(fields: Mapping[str, str]) -> str:
    """The id in the organisation feed that a row names; "" when none."""
    return " ".join(fields.get("org_unit", "").split())


def org_unit_unknown(id_: str) -> CellError:
    """The error of a row that names nobody the feed knows."""
    return CellError(
        "org_unit",
        f"Cơ cấu tổ chức chưa có đơn vị “{id_[:80]}”.",
        "Đồng bộ bằng `hoso org import`, sửa lại mã, hoặc để trống cột này.",
    )


def filled(
    fields: Mapping[str, str], known: Mapping[str, str], faulty: set[str]
) -> tuple[dict[str, str], tuple[CellNote, ...]]:
    """The row with what the feed knows in its empty cells, and a note that says which. A cell with a fault stays as it is."""
    missing = [key for key in known if key not in faulty and not fields.get(key, "").strip()]
    if not missing:
        return dict(fields), ()
    shown = ", ".join(f"“{header_of(key)}”" for key in missing)
    note = CellNote("org_unit", f"Lấy từ cơ cấu tổ chức: {shown}.")
    return {**fields, **{key: known[key] for key in missing}}, (note,)


def check_rows(rows: Iterable[Row], reasons: StopReasons = REASONS) -> Iterator[CheckedRow]:
    """Every row in order, once, with its form or with all of its errors; nobody is asked."""
    check = RowCheck(reasons)
    return (check.check(row) for row in rows)


def _digest(checked: Checked) -> array[int]:
    """A checksum of each column: enough to say where two rows differ."""
    assert checked.form is not None
    fields = fields_of(checked.form)
    fields["attachments"] = ";".join(checked.attachments)
    return array("H", [zlib.crc32(fields[key].encode()) & 0xFFFF if key in fields else 0 for key in _KEYS])


def _doubled(form: UnitForm, mine: array[int], theirs: array[int], number: int) -> CellError:
    column = "unit_code" if form.unit_code else "branch_id"
    differing = [f"“{header_of(key)}”" for key, one, other in zip(_KEYS, mine, theirs, strict=True) if one != other]
    if not differing:
        return CellError(column, f"Trùng hoàn toàn với dòng {number}; dòng đó đã được nhận.", "Xoá dòng này.")
    return CellError(
        column,
        f"“{form.row_key}” đã có ở dòng {number} nhưng khác ở cột {', '.join(differing)}; dòng {number} được nhận.",
        "Giữ một dòng đúng cho mỗi đơn vị; muốn sửa dữ liệu đã gửi thì gửi lại riêng dòng đúng.",
    )

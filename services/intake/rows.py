"""The rows of one sheet, validated, each unit taken once.

The first good row of a key is taken; a later row of the same key gets an error that names it. A row that is itself wrong
takes no key, so a mended copy further down still goes on. Memory: some hundred bytes a row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from schemas.units import UnitForm
from services.intake.columns import COLUMNS, header_of
from services.intake.sheets import Row
from services.intake.validation import CellError, Checked, validate

_KEYS = tuple(column.key for column in COLUMNS if column.key != "email_again")
_WIDTH = 6


@dataclass(frozen=True, slots=True)
class CheckedRow:
    """A row and what it says: a form, or its errors."""

    row: Row
    checked: Checked


@dataclass(frozen=True, slots=True)
class _First:
    number: int
    digest: bytes


def check_rows(rows: Iterable[Row]) -> Iterator[CheckedRow]:
    """Every row in order, once, with its form or with all of its errors."""
    by_code: dict[str, _First] = {}
    by_branch: dict[str, _First] = {}
    only_branch: dict[str, _First] = {}
    for row in rows:
        checked = validate(row.fields, row.faults)
        form = checked.form
        if form is None:
            yield CheckedRow(row, checked)
            continue
        if form.unit_code:
            first = by_code.get(form.unit_code) or only_branch.get(form.branch_id or "")
        else:
            first = by_branch.get(form.branch_id or "")
        if first is not None:
            yield CheckedRow(row, Checked(None, (_doubled(form, first),), checked.notes))
            continue
        mine = _First(row.number, _digest(form))
        if form.unit_code:
            by_code[form.unit_code] = mine
        else:
            only_branch[form.branch_id or ""] = mine
        if form.branch_id:
            by_branch.setdefault(form.branch_id, mine)
        yield CheckedRow(row, checked)


def _digest(form: UnitForm) -> bytes:
    return b"".join(hashlib.blake2b(str(getattr(form, key)).encode(), digest_size=_WIDTH).digest() for key in _KEYS)


def _doubled(form: UnitForm, first: _First) -> CellError:
    column = "unit_code" if form.unit_code else "branch_id"
    mine = _digest(form)
    places = range(0, len(mine), _WIDTH)
    differing = [
        f"“{header_of(key)}”"
        for key, at in zip(_KEYS, places, strict=True)
        if mine[at : at + _WIDTH] != first.digest[at : at + _WIDTH]
    ]
    if not differing:
        return CellError(column, f"Trùng hoàn toàn với dòng {first.number}; dòng đó đã được nhận.", "Xoá dòng này.")
    return CellError(
        column,
        f"“{form.row_key}” đã có ở dòng {first.number} nhưng khác ở cột {', '.join(differing)}; dòng {first.number} được nhận.",
        "Giữ một dòng đúng cho mỗi đơn vị; muốn sửa dữ liệu đã gửi thì gửi lại riêng dòng đúng.",
    )

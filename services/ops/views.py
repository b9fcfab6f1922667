"""What people ask about enrolments: queries on the schema `ops`. `tenant` None: the operator, who sees all of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from schemas.events import EnrolmentAnswered, EnrolmentRequested, MailExpected
from schemas.units import UnitForm

CLOSED = ("enrolled", "stopped", "cancelled", "refused-request")
WAITING = "waiting-for-person"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one enrolment stands, by the events that ops has read."""

    enrolment: UUID
    unit: UUID
    tenant: str
    unit_code: str | None
    stage: str
    cause: str | None
    answers: tuple[str, ...] = ()
    """What the enrolment said it can be answered; empty: what its cause allows."""

    @property
    def closed(self) -> bool:
        """Nothing can be answered or cancelled any more."""
        return self.stage in CLOSED


async def standing(tx: Any, enrolment: UUID, tenant: str | None) -> Standing | None:
    """The enrolment, its row locked until the transaction ends, so that two answers take turns."""
    row = await tx.fetchrow(
        "select enrolment, unit, tenant, unit_code, stage, cause, answers from ops.enrolment "
        "where enrolment = $1 and ($2::text is null or tenant = $2) for update",
        enrolment,
        tenant,
    )
    return None if row is None else standing_of(row)


def standing_of(row: Mapping[str, Any]) -> Standing:
    """The same from a row of `find`, `listing` or `waiting`."""
    return Standing(
        row["enrolment"],
        row["unit"],
        row["tenant"],
        row["unit_code"],
        row["stage"],
        row["cause"],
        tuple(row["answers"] or ()),
    )


_COLUMNS = (
    "enrolment, unit, tenant, unit_code, name, request, batch, row, stage, cause, message, number, attempt, kind, "
    "filed, employees, answers, until, method, progress, profile, purpose, opened_at, changed_at"
)


async def find(db: Any, key: str, tenant: str | None = None) -> list[dict[str, Any]]:
    """The enrolments an id, or a unit code, names; the newest first."""
    try:
        id_ = UUID(key)
    except ValueError:
        where, value = "unit_code = $1", key.strip().upper()
    else:
        where, value = "enrolment = $1::uuid", id_  # type: ignore[assignment]
    rows = await db.fetch(
        f"select {_COLUMNS} from ops.enrolment where {where} and ($2::text is null or tenant = $2) "
        "order by opened_at desc",
        value,
        tenant,
    )
    return [dict(row) for row in rows]


async def listing(
    db: Any, *, stage: str | None = None, tenant: str | None = None, limit: int = 1000
) -> list[dict[str, Any]]:
    """Enrolments, those that changed last first."""
    rows = await db.fetch(
        f"select {_COLUMNS} from ops.enrolment where ($1::text is null or stage = $1) "
        "and ($2::text is null or tenant = $2) order by changed_at desc, enrolment limit $3",
        stage,
        tenant,
        limit,
    )
    return [dict(row) for row in rows]


async def timeline(db: Any, enrolment: UUID) -> list[dict[str, Any]]:
    """Every event of an enrolment in the order of their times; topics are read each at its own pace. `data`: the fact as JSON text."""
    rows = await db.fetch(
        "select n, at, type, event, cause, data from ops.timeline where enrolment = $1 order by at, n", enrolment
    )
    return [dict(row) for row in rows]


async def stages(db: Any) -> list[dict[str, Any]]:
    """How many enrolments each tenant has in each stage."""
    rows = await db.fetch(
        "select tenant, stage, count(*) as count from ops.enrolment group by 1, 2 order by tenant, count desc, stage"
    )
    return [dict(row) for row in rows]


async def waiting(db: Any, limit: int) -> Sequence[dict[str, Any]]:
    """Enrolments that wait for a person, the longest first."""
    rows = await db.fetch(
        f"select {_COLUMNS} from ops.enrolment where stage = $1 order by changed_at limit $2", WAITING, limit
    )
    return [dict(row) for row in rows]


async def paper_forms(db: Any, tenant: str | None, after: UUID | None, limit: int) -> tuple[list[dict[str, Any]], int]:
    """Enrolments whose paper form waits to be sent, the oldest first, behind `after`; and how many more there are."""
    where = (
        "from ops.enrolment where stage = $1 and cause = 'paper-form' and ($2::text is null or tenant = $2) "
        "and ($3::uuid is null or enrolment > $3)"
    )
    rows = await db.fetch(f"select {_COLUMNS} {where} order by enrolment limit $4", WAITING, tenant, after, limit)
    left = 0
    if len(rows) == limit:
        left = await db.fetchval(f"select count(*) {where}", WAITING, tenant, rows[-1]["enrolment"])
    return [dict(row) for row in rows], left


async def form_of(db: Any, unit: UUID, enrolment: UUID) -> UnitForm | None:
    """The data of the row as they stand: of the request that counts, or of the answer that mended it later."""
    rows = await db.fetch(
        "select t.type, t.data from ops.timeline t where t.unit = $1 and t.type in "
        "('vn.hoso.enrolment.requested.v1', 'vn.hoso.enrolment.answered.v1') and ("
        "  t.type = $3 and t.data->>'request' = (select request from ops.enrolment where enrolment = $2)"
        "  or t.type = $4 and t.enrolment = $2 and t.data->>'form' is not null) order by t.n desc limit 1",
        unit,
        enrolment,
        EnrolmentRequested.TYPE,
        EnrolmentAnswered.TYPE,
    )
    return UnitForm.model_validate(json.loads(rows[0]["data"])["form"]) if rows else None


async def mail_expected(db: Any, enrolment: UUID, about: str) -> dict[str, Any] | None:
    """The newest attempt of an enrolment about which a mail of this kind may come; `about`: as `MailUndecided.kind`."""
    rows = await db.fetch(
        "select data from ops.timeline where enrolment = $1 and type = $2 order by n desc", enrolment, MailExpected.TYPE
    )
    kinds = _MAIL_KINDS.get(about)
    for row in rows:
        fact = MailExpected.model_validate_json(row["data"])
        if kinds is None or fact.kind in kinds:
            return {"dossier": fact.dossier, "attempt": fact.attempt}
    return None


_MAIL_KINDS = {
    "activation": ("register", "first_code", "change"),
    "stop-result": ("stop",),
    "change-result": ("change",),
    "unit-code-result": ("first_code",),
}

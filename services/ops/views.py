"""What people ask about enrolments: queries on the schema `ops`. `tenant` None: the operator, who sees all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

CLOSED = ("enrolled", "cancelled")
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

    @property
    def closed(self) -> bool:
        """Nothing can be answered or cancelled any more."""
        return self.stage in CLOSED


async def standing(tx: Any, enrolment: UUID, tenant: str | None) -> Standing | None:
    """The enrolment, its row locked until the transaction ends, so that two answers take turns."""
    row = await tx.fetchrow(
        "select enrolment, unit, tenant, unit_code, stage, cause from ops.enrolment "
        "where enrolment = $1 and ($2::text is null or tenant = $2) for update",
        enrolment,
        tenant,
    )
    return None if row is None else Standing(**row)


_COLUMNS = (
    "enrolment, unit, tenant, unit_code, name, request, batch, row, stage, cause, message, number, attempt, kind, "
    "filed, employees, opened_at, changed_at"
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
    """Every event of an enrolment, in the order ops read them. `data` is the fact as JSON text."""
    rows = await db.fetch(
        "select n, at, type, event, cause, data from ops.timeline where enrolment = $1 order by n", enrolment
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

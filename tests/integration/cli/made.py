"""Enrolments as ops sees them, made without running anything."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from hoso.setup.units import PostgresUnitRegistry, RowKey
from hoso.store.postgres import Database
from schemas.envelope import decode


async def waits(db: Database, cause: str | None, tenant: str = "acme", stage: str = "waiting-for-person") -> UUID:
    """An enrolment as ops sees it."""
    (claimed,) = await PostgresUnitRegistry().claim(db.pool, tenant, [RowKey(None, f"CN-{uuid4()}")])
    enrolment = uuid4()
    await db.pool.execute(
        "insert into ops.enrolment(enrolment, unit, tenant, name, stage, cause, opened_at, changed_at) "
        "values ($1, $2, $3, 'CÔNG TY Ô MAI', $4, $5, now(), now())",
        enrolment,
        claimed.unit,
        tenant,
        stage,
        cause,
    )
    return enrolment


async def on_the_log(db: Database) -> list[Any]:
    """Every event, decoded."""
    return [
        decode(r["type"], r["body"]) for r in await db.pool.fetch("select type, body from log.event order by at, off")
    ]

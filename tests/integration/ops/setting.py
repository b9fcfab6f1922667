"""Rows that stand for what a service did, in tests of what operators see."""

from __future__ import annotations

from uuid import UUID, uuid4

from hoso.store.postgres import Database


async def position(db: Database, group: str, topic: str, part: int, *, off: int = 0, kafka: int | None = None) -> None:
    """Where a group stands."""
    await db.pool.execute(
        "insert into log.position(grp, topic, part, off, at, kafka) values ($1, $2, $3, $4, '-infinity', $5)",
        group,
        topic,
        part,
        off,
        kafka,
    )


async def dead_letter(
    db: Database, group: str, topic: str, body: bytes, *, off: int = 7, reason: str = "no-unit", error: str = "broken"
) -> UUID:
    """A record nobody could read; its id."""
    id_ = uuid4()
    await db.pool.execute(
        "insert into log.dead(id, grp, topic, part, off, reason, error, body, at) values ($1, $2, $3, 2, $4, $5, $6, $7, now())",
        id_,
        group,
        topic,
        off,
        reason,
        error,
        body,
    )
    return id_

"""What people ask about the kernel: held units, dead letters, waiting calls, living processes. Schema `log` only."""

from __future__ import annotations

from typing import Any
from uuid import UUID

ALIVE = "seen_at > now() - interval '8 seconds'"
"""As the kernel counts (docs/kernel.md §3)."""


async def held(db: Any) -> list[dict[str, Any]]:
    """Units whose next event could not be handled, the longest held first."""
    rows = await db.fetch(
        'select h.grp as "group", h.subject as unit, h.since, h.reason, h.error, h.released, count(e.n) as events, '
        "(select u.unsure from log.call u where u.subject = h.subject and u.unsure limit 1) is true as unsure "
        "from log.held h left join log.held_event e on (e.grp, e.subject) = (h.grp, h.subject) "
        "group by h.grp, h.subject order by h.since, h.grp, h.subject"
    )
    return [dict(row) for row in rows]


async def held_events(db: Any, unit: UUID, group: str | None) -> list[dict[str, Any]]:
    """What waits behind a held unit, in order."""
    rows = await db.fetch(
        'select grp as "group", n, topic, part as partition, off as "offset", type, tenant, body '
        "from log.held_event where subject = $1 and ($2::text is null or grp = $2) order by grp, n",
        unit,
        group,
    )
    return [{**row, "body": row["body"].decode("utf-8", "backslashreplace")} for row in rows]


async def dead(db: Any, limit: int) -> list[dict[str, Any]]:
    """Records nobody could read, the newest first."""
    rows = await db.fetch(
        'select id, grp as "group", topic, part as partition, off as "offset", reason, error, at '
        "from log.dead order by at desc limit $1",
        limit,
    )
    return [dict(row) for row in rows]


async def dead_letter(db: Any, id_: UUID) -> dict[str, Any] | None:
    """One of them, with its bytes."""
    row = await db.fetchrow(
        'select id, grp as "group", topic, part as partition, off as "offset", reason, error, at, body '
        "from log.dead where id = $1",
        id_,
    )
    return dict(row) if row is not None else None


async def lanes(db: Any) -> list[dict[str, Any]]:
    """Calls that are due now by lane: how many, how old the oldest is, how many have an unknown outcome."""
    rows = await db.fetch(
        "select lane, count(*) as calls, count(*) filter (where unsure) as unsure, "
        "extract(epoch from now() - min(greatest(asked_at, not_before)))::float8 as oldest "
        "from log.call where not_before <= now() group by lane order by lane"
    )
    return [{**row, "oldest": max(0.0, row["oldest"])} for row in rows]


async def members(db: Any) -> list[dict[str, Any]]:
    """Processes that said they are alive within the last seconds."""
    rows = await db.fetch(
        f'select grp as "group", host, pid, address, since from log.member where {ALIVE} order by grp, since'
    )
    return [dict(row) for row in rows]


async def heads(db: Any) -> dict[str, dict[str, Any]]:
    """Per topic: partitions, events ever written, when the last one was, the groups that read it."""
    rows = await db.fetch(
        "select h.topic, count(*) as partitions, sum(h.next)::bigint as events, "
        "max(h.last_at) filter (where h.next > 0) as at, "
        "(select array_agg(distinct p.grp order by p.grp) from log.position p where p.topic = h.topic) as groups "
        "from log.head h group by h.topic order by h.topic"
    )
    return {row["topic"]: dict(row) for row in rows}

"""What people ask about the kernel: living processes, topics. Schema `log` only; see also app/stopped.py, hoso/process/lag.py."""

from __future__ import annotations

from typing import Any

ALIVE = "seen_at > now() - interval '8 seconds'"
"""As the kernel counts (docs/kernel.md §3)."""


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

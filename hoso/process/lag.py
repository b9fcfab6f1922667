"""Lag: how far each group is behind, in records and in seconds; looked at by `hoso lag` and at every scrape of /metrics."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hoso.runtime.kernel import Kernel

_LAG = """
select p.grp, p.topic, p.part, h.next - p.off as records,
  coalesce(extract(epoch from $1 - (select e.at from log.event e where e.topic = p.topic and e.part = p.part and e.off = p.off and e.at >= p.at)), 0) as seconds,
  extract(epoch from now() - p.moved_at) as commit_age
from log.position p join log.head h using (topic, part) where $2::text is null or p.grp = $2 order by 1, 2, 3
"""


async def lag_by_partition(db: Any, now: datetime, group: str | None = None) -> list[dict[str, Any]]:
    """Per group, topic and partition: records behind, age in seconds of the oldest one not handled, seconds since the last commit."""
    return [
        {
            "group": r["grp"],
            "topic": r["topic"],
            "partition": r["part"],
            "records": r["records"],
            "seconds": max(0.0, float(r["seconds"])) if r["records"] else 0.0,
            "commit_age": float(r["commit_age"]),
        }
        for r in await db.fetch(_LAG, now, group)
    ]


async def lag(db: Any, now: datetime, group: str | None = None) -> list[dict[str, Any]]:
    """The same per group and topic: the sum of the records, the age of the oldest."""
    sums: dict[tuple[str, str], dict[str, Any]] = {}
    for row in await lag_by_partition(db, now, group):
        known = sums.setdefault(
            (row["group"], row["topic"]), {"group": row["group"], "topic": row["topic"], "records": 0, "seconds": 0.0}
        )
        known["records"] += row["records"]
        known["seconds"] = max(known["seconds"], row["seconds"])
    return list(sums.values())


async def measure(kernel: Kernel) -> None:
    """Bring the gauges of this process's group up to date."""
    m = kernel.metrics
    async with kernel.db.quick.acquire() as db:
        for row in await lag(db, kernel.clock.now(), kernel.group):
            m.lag_records.labels(row["group"], row["topic"]).set(row["records"])
            m.lag_seconds.labels(row["group"], row["topic"]).set(row["seconds"])
        m.held_units.labels(kernel.group).set(
            await db.fetchval("select count(*) from log.held where grp = $1", kernel.group)
        )
        m.waiting.clear()
        for found in await db.fetch(
            "select lane, extract(epoch from now() - min(greatest(asked_at, not_before))) as s from log.call "
            "where grp = $1 and not_before <= now() group by 1",
            kernel.group,
        ):
            m.waiting.labels(found["lane"]).set(max(0.0, float(found["s"])))

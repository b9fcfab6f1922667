"""What keeps lanes and timers going, done by every process: calls of the dead, queues without a head, timers that are due."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hoso.runtime.outgoing import Cause, Source, promote, write
from hoso.runtime.steps import Tell
from schemas.envelope import fact_types


async def sweep(tx: Any, dead_after: timedelta = timedelta(seconds=8)) -> int:
    """Calls of members that died become unsure and free. Returns how many; one process at a time does it."""
    if not await tx.fetchval("select pg_try_advisory_xact_lock(hashtext('hoso.sweep'))"):
        return 0
    await tx.execute("delete from log.member where seen_at < now() - $1::interval", dead_after)
    freed = await tx.fetch(
        "update log.call c set owner = null, unsure = true, looks = 0 where owner is not null "
        "and not exists (select 1 from log.member m where m.id = c.owner) returning id"
    )
    return len(freed)


async def mend_queues(tx: Any) -> None:
    """A queue whose head was never made ready (two transactions passed each other) gets one."""
    stuck = await tx.fetch(
        "select distinct on (lane, subject) lane, subject from log.call c where not ready "
        "and not exists (select 1 from log.call r where r.lane = c.lane and r.subject = c.subject and r.ready) limit 1000"
    )
    await promote(tx, {(r["lane"], r["subject"]) for r in stuck})


async def ring_timers(tx: Any, source: Source, now: datetime, limit: int = 500) -> tuple[int, set[str]]:
    """Due timers of this group come back as events; in the caller's transaction. Those of a newer release are left to it."""
    types = fact_types()
    rows = await tx.fetch(
        "delete from log.timer t using (select grp, subject, name from log.timer where grp = $1 and due <= $2 "
        "and type = any($4) order by due limit $3 for update skip locked) d where (t.grp, t.subject, t.name) = (d.grp, d.subject, d.name) "
        "returning t.subject, t.type, t.tenant, t.correlation, t.cause, t.body",
        source.group,
        now,
        limit,
        list(types),
    )
    return len(rows), await write(
        tx,
        source,
        [
            (
                Cause(r["subject"], r["tenant"], r["correlation"], r["cause"]),
                Tell(types[r["type"]].model_validate_json(r["body"])),
            )
            for r in rows
        ],
        now,
    )

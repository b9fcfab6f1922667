"""After a restore: what was asked since the backup is forgotten here and known to the world (docs/backup.md, docs/kernel.md §3).

open      one transaction before any service starts: new epochs, a row for each lane of deeds, every open call of theirs unsure
standing  what is still unsure, which enrolments of before are still open
unread    with Kafka: what lies there from before and was not read. Kafka was not restored, and knows requests forgotten here
close     refuses while a call is unsure, or something of before is unread
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hoso.process.lag import MISSING, RELAY, TRUNCATED, UNKNOWN, Ends, lag_by_partition
from schemas.units import Stage

DEEDS = ("agency.submit", "agency.activate")
"""Every lane of every service that is not harmless: asked twice, the world changes twice. The others ask questions, work inside
the house, or tell people and programs, who know a repeat by its id; doing those again hurts nobody."""

ENDED = (Stage.ENROLLED, Stage.STOPPED, Stage.CANCELLED, Stage.REFUSED_REQUEST)

_EPOCH = "update log.head set epoch = greatest(epoch + 1, (extract(epoch from now()) - 1577836800)::int)"
"""Never the same number twice, also when one backup is restored twice: seconds since 2020."""
_LATE = """
select now() - greatest((select max(seen_at) from log.member), (select max(asked_at) from log.call), (select max(moved_at) from log.position))
"""
"""How long nothing happened in this database: since then nobody's patience was spent."""
_UNSENT = """
select h.topic, sum(e.first - coalesce(p.off, h.first))::bigint
from log.head h join log.epoch e using (topic, part, epoch) left join log.position p on p.grp = $1 and (p.topic, p.part) = (h.topic, h.part)
where coalesce(p.off, h.first) < e.first group by h.topic order by h.topic
"""
"""Of what was here when the newest epoch began."""

CLOCKS_S = 60.0
"""So far apart may the clocks of the database and of Kafka be."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A topic that a group has not read up to the restore, or of which nobody knows it."""

    group: str
    topic: str
    records: int
    state: str
    """As in hoso/process/lag.py."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a recovery is."""

    since: datetime
    known_until: datetime
    unsure: dict[str, int]
    """Calls that may have been made before, by lane."""
    enrolments: int
    """Open ones that were open before the restore: they may file again what is forgotten."""
    unread: Sequence[Unread] = ()


async def open_recovery(tx: Any, actor: str, *, fence: bool = True) -> None:
    """In one transaction, while no service runs. Safe to repeat. `fence` False only in the control of the drill."""
    await tx.execute(_EPOCH)
    await tx.execute(
        "insert into log.epoch(topic, part, epoch, first) select topic, part, epoch, next from log.head on conflict do nothing"
    )
    late = await tx.fetchval(_LATE)
    await tx.execute("update log.call set give_up_at = give_up_at + greatest($1::interval, interval '0')", late)
    await tx.execute(
        "update log.call set owner = null, unsure = true, looks = 0, deadline = coalesce(deadline, now()) where owner is not null"
    )
    await tx.execute("delete from log.member")
    if fence:
        await tx.execute(
            "insert into log.recovery(lane, since, known_until) "
            "select unnest($1::text[]), now(), coalesce((select max(last_at) from log.head where last_at > '-infinity'), now() - $2::interval) "
            "on conflict (lane) do update set since = excluded.since",
            list(DEEDS),
            late or timedelta(0),
        )
        await tx.execute(
            "update log.call set unsure = true, looks = 0, deadline = now(), not_before = now() where lane = any($1)",
            list(DEEDS),
        )
    await _written_down(tx, actor, "restore.open")


async def standing(db: Any) -> Standing | None:
    """How far it is; None when no recovery is open."""
    row = await db.fetchrow("select min(since) as since, min(known_until) as known_until from log.recovery")
    if row["since"] is None:
        return None
    unsure = await db.fetch(
        "select lane, count(*) as n from log.call where unsure and lane = any($1) group by lane order by lane",
        list(DEEDS),
    )
    enrolments = await db.fetchval(
        "select count(*) from ops.enrolment where stage <> all($1) and opened_at <= $2",
        [stage.value for stage in ENDED],
        row["known_until"],
    )
    return Standing(row["since"], row["known_until"], {r["lane"]: r["n"] for r in unsure}, enrolments)


async def unread(db: Any, ends: Ends) -> list[Unread]:
    """What lies in Kafka from before the restore and was not read; what the relay has not sent of before it. Old is a record by
    its time in Kafka; one whose time is not known is old."""
    open_for = await db.fetchval("select extract(epoch from clock_timestamp() - min(since))::float8 from log.recovery")
    if open_for is None:
        return []
    found: dict[tuple[str, str], Unread] = {}
    for row in await lag_by_partition(db, datetime.now(UTC), None, ends):
        old = row["records"] and (row["seconds"] >= open_for - CLOCKS_S or row["seconds"] == 0.0)
        if row["group"] != RELAY and (old or row["state"] in (MISSING, UNKNOWN, TRUNCATED)):
            key = (row["group"], row["topic"])
            known = found.get(key, Unread(*key, 0, row["state"]))
            found[key] = replace(known, records=known.records + row["records"])
    for topic, records in await db.fetch(_UNSENT, RELAY):
        found[RELAY, topic] = Unread(RELAY, topic, records, "ok")
    return list(found.values())


async def close_recovery(
    tx: Any, actor: str, *, anyway: bool = False, unread: Sequence[Unread] = ()
) -> Standing | None:
    """End it, unless a call is unsure, or something of before is `unread`, or (without `anyway`) an enrolment of before is still
    open: then it goes on and what comes back says so. Nobody asks anything meanwhile."""
    await tx.execute("lock table log.recovery in access exclusive mode")
    found = await standing(tx)
    if found is None or found.unsure or unread or (found.enrolments and not anyway):
        return found and replace(found, unread=unread)
    await tx.execute("delete from log.recovery")
    await _written_down(tx, actor, "restore.done", since=found.since, enrolments=found.enrolments)
    return found


async def _written_down(tx: Any, actor: str, what: str, **detail: Any) -> None:
    await tx.execute(
        "insert into store.audit(actor, what, detail) values ($1, $2, $3)", actor, what, json.dumps(detail, default=str)
    )

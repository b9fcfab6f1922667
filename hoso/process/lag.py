"""Lag: how far each group is behind, in records and in seconds, both logs alike; what `hoso lag` shows.

records     what lies in the log and was not handled
seconds     age of the oldest of them; 0 when there is none
commit_age  seconds since the position last moved; None when it never did
state       ok, or one of:
  never-read  the group has no position there, although it reads others: nobody works on it
  truncated   records are gone that this group never read: the log begins behind its position, or Kafka ends before what
              the relay of this database has brought there
  missing     Kafka has no such topic or partition (or does not show it to us)
  unknown     Kafka does not answer, or nobody leads the partition. Where all are unknown, what is told comes from PostgreSQL
              and knows nothing of records of others

With Kafka lag has two halves: what the relay has not brought to Kafka (group `hoso.relay`), and what lies in Kafka and was
not handled. Without the first a dead relay looks like an idle system.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from schemas.topics import REQUESTS, TOPICS

log = logging.getLogger(__name__)

RELAY = "hoso.relay"
OK, NEVER_READ, TRUNCATED, MISSING, UNKNOWN = "ok", "never-read", "truncated", "missing", "unknown"
_STRANGERS = REQUESTS.name.removesuffix("<tenant>")
_WORST = (OK, NEVER_READ, UNKNOWN, MISSING, TRUNCATED)


class LogAway(ConnectionError):
    """Kafka does not answer: {0}."""


class Place(NamedTuple):
    """Where a group stands in Kafka: the offset it reads next; None when it has read nothing."""

    topic: str
    part: int
    offset: int | None


class Behind(NamedTuple):
    """What lies before it."""

    records: int
    seconds: float
    state: str


class Ends(Protocol):
    """What Kafka can tell of lag; PostgreSQL cannot know the records of others."""

    answers: bool
    """Whether Kafka answered when it was asked last."""

    async def behind(self, places: Sequence[Place]) -> Sequence[Behind]:
        """For each place. Raises LogAway."""
        ...


# Which partitions a group ought to read: those of its topics, once it has read any of them in this database.
_READS = """
with known as (select distinct grp from log.position where $1::text[] is null or grp = any($1)),
reads as (
  select k.grp, h.topic, h.part from log.head h join unnest($2::text[], $3::text[]) as x(grp, pattern) on h.topic like x.pattern
    join known k on k.grp = x.grp
  union select grp, topic, part from log.position where $1::text[] is null or grp = any($1))
select r.grp, r.topic, r.part, h.first, h.next, p.off, {more} extract(epoch from clock_timestamp() - p.moved_at)::float8 as commit_age
from reads r join log.head h using (topic, part) left join log.position p using (grp, topic, part) order by 1, 2, 3
"""
_POSTGRES = _READS.format(
    more="case when h.next > coalesce(p.off, h.first) then (select extract(epoch from $4::timestamptz - e.at)::float8 from log.event e "
    "where e.topic = r.topic and e.part = r.part and e.off = greatest(p.off, h.first) and e.at >= coalesce(p.at, '-infinity')) end as seconds,"
)
_KAFKA = _READS.format(
    more="p.kafka, p.topic is not null as joined, (select s.off from log.position s where s.grp = 'hoso.relay' "
    "and (s.topic, s.part) = (r.topic, r.part)) - greatest(p.off, h.first) as unseen,"
)


def _who_reads(relayed: bool) -> tuple[list[str], list[str]]:
    """Groups and the patterns of the topics they read, as columns."""
    pairs = [(group, t.name.replace("<tenant>", "%")) for t in (*TOPICS, REQUESTS) for group in t.consumers]
    pairs += [(RELAY, "%")] if relayed else []
    return [group for group, _ in pairs], [pattern for _, pattern in pairs]


async def lag_by_partition(
    db: Any, now: datetime, groups: Sequence[str] | None = None, ends: Ends | None = None
) -> list[dict[str, Any]]:
    """Per group, topic and partition, as said above. `now`: the world's; `ends`: with Kafka, what tells of its partitions."""
    rows = await _by_postgres(db, now, groups, ends is not None)
    if ends is None:
        return [row for row in rows if row["group"] != RELAY]
    relay = [row for row in rows if row["group"] == RELAY]
    others = [row for row in rows if row["group"] != RELAY]
    try:
        others = await _by_kafka(db, groups, ends)
    except LogAway as error:
        log.warning("the lag of Kafka is not known", extra={"error": str(error)})
        others = [{**row, "state": UNKNOWN} for row in others]
    return [*others, *relay]


async def _by_postgres(db: Any, now: datetime, groups: Sequence[str] | None, relayed: bool) -> list[dict[str, Any]]:
    who, what = _who_reads(relayed)
    found = []
    for r in await db.fetch(_POSTGRES, _asked(groups), who, what, now):
        records = r["next"] - max(r["off"] or 0, r["first"])
        truncated = r["off"] is not None and r["off"] < r["first"]
        state = TRUNCATED if truncated else NEVER_READ if r["off"] is None else OK
        found.append(_row(r, Behind(records, max(0.0, r["seconds"] or 0.0), state)))
    return found


async def _by_kafka(db: Any, groups: Sequence[str] | None, ends: Ends) -> list[dict[str, Any]]:
    who, what = _who_reads(False)
    rows = [r for r in await db.fetch(_KAFKA, _asked(groups), who, what) if r["grp"] != RELAY]
    told = await ends.behind([Place(r["topic"], r["part"], r["kafka"]) for r in rows])
    found = []
    for r, behind in zip(rows, told, strict=True):
        if behind.state == NEVER_READ and r["joined"] and not behind.records:
            behind = behind._replace(state=OK)  # it belongs to somebody, and nothing was ever in it
        unseen = 0 if r["topic"].startswith(_STRANGERS) else r["unseen"] or 0  # there nobody notes what came from where
        if behind.state == OK and not behind.records and r["joined"] and unseen > 0:
            behind = Behind(unseen, r["commit_age"] or 0.0, TRUNCATED)
        found.append(_row(r, behind))
    return found


def _asked(groups: Sequence[str] | None) -> list[str] | None:
    return None if groups is None else list(groups)


def _row(r: Any, behind: Behind) -> dict[str, Any]:
    return {
        "group": r["grp"],
        "topic": r["topic"],
        "partition": r["part"],
        "records": behind.records,
        "seconds": behind.seconds if behind.records else 0.0,
        "commit_age": r["commit_age"],
        "state": behind.state,
    }


def by_topic(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same per group and topic: the sum of the records; the age of the oldest, the longest since a position moved, the
    worst state."""
    sums: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        known = sums.get((row["group"], row["topic"]))
        if known is None:
            sums[row["group"], row["topic"]] = {name: value for name, value in row.items() if name != "partition"}
            continue
        known["records"] += row["records"]
        known["seconds"] = max(known["seconds"], row["seconds"])
        ages = [age for age in (known["commit_age"], row["commit_age"]) if age is not None]
        known["commit_age"] = max(ages, default=None)
        known["state"] = max(known["state"], row["state"], key=_WORST.index)
    return list(sums.values())


async def lag(
    db: Any, now: datetime, groups: Sequence[str] | None = None, ends: Ends | None = None
) -> list[dict[str, Any]]:
    """Per group and topic."""
    return by_topic(await lag_by_partition(db, now, groups, ends))


async def lanes(db: Any, groups: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Calls that are due now by group and lane: how many, how old the oldest is, how many have an unknown outcome."""
    rows = await db.fetch(
        'select grp as "group", lane, count(*) as calls, count(*) filter (where unsure) as unsure, '
        "extract(epoch from now() - min(greatest(asked_at, not_before)))::float8 as oldest "
        "from log.call where not_before <= now() and ($1::text[] is null or grp = any($1)) group by grp, lane order by lane, grp",
        _asked(groups),
    )
    return [{**row, "oldest": max(0.0, row["oldest"])} for row in rows]


async def stopped(db: Any, groups: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Per group: units held now, dead letters that nobody has redriven or settled, and those of them Kafka does not have yet."""
    rows = await db.fetch(
        "with held as (select grp, count(*) as n from log.held group by grp), "
        "dead as (select grp, count(*) filter (where coalesce(redriven_at, settled_at) is null) as n, count(*) filter (where published_at is null) as kept "
        "from log.dead group by grp), "
        "groups as (select grp from held union select grp from dead union select distinct grp from log.position) "
        'select g.grp as "group", coalesce(h.n, 0) as held, coalesce(d.n, 0) as dead, coalesce(d.kept, 0) as unpublished '
        "from groups g left join held h using (grp) left join dead d using (grp) "
        "where $1::text[] is null or g.grp = any($1) order by 1",
        _asked(groups),
    )
    return [dict(row) for row in rows]


async def oldest_snapshot(db: Any) -> float:
    """Seconds since the oldest transaction that keeps old rows alive began; 0 when there is none. It slows all hot rows down."""
    return float(
        await db.fetchval(
            "select coalesce(extract(epoch from clock_timestamp() - min(xact_start)), 0)::float8 from pg_stat_activity "
            "where datname = current_database() and backend_xmin is not null "
            "and backend_type is distinct from 'autovacuum worker' and pid <> pg_backend_pid()"
        )
    )

"""What stopped: held units and dead letters, and which of them somebody means. Reads schema `log`; writes nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from schemas.topics import tenant_of

MOST_REDRIVES = 3
"""What failed so often again is not mended by once more."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which ones. Nothing said: all."""

    reason: str | None = None
    group: str | None = None
    topic: str | None = None
    tenant: str | None = None
    since: datetime | None = None
    before: datetime | None = None

    @property
    def says_nothing(self) -> bool:
        """Whether it means every one there is."""
        return self == Filter()

    def fits(self, row: dict[str, Any], at: datetime) -> bool:
        """Whether a row with these columns, of that time, is meant."""
        return (
            all(
                wanted is None or row[name] == wanted
                for name, wanted in (
                    ("reason", self.reason),
                    ("group", self.group),
                    ("topic", self.topic),
                    ("tenant", self.tenant),
                )
            )
            and (self.since is None or at >= self.since)
            and (self.before is None or at < self.before)
        )


ALL = Filter()

_HELD = """
select h.grp as "group", h.subject as unit, h.since, h.reason, h.error, h.released, first.topic, first.tenant,
  (select count(*) from log.held_event e where (e.grp, e.subject) = (h.grp, h.subject)) as events,
  exists (select 1 from log.call u where u.subject = h.subject and u.unsure) as unsure
from log.held h left join lateral (
  select topic, tenant from log.held_event e where (e.grp, e.subject) = (h.grp, h.subject) order by n limit 1) first on true
order by h.since, h.grp, h.subject
"""


async def held(db: Any, chosen: Filter = ALL) -> list[dict[str, Any]]:
    """Units whose next event could not be handled, the longest held first; topic and tenant are that event's. `unsure`: a
    call of the unit has an unknown outcome."""
    return [row for row in map(dict, await db.fetch(_HELD)) if chosen.fits(row, row["since"])]


async def held_events(db: Any, unit: UUID, group: str | None) -> list[dict[str, Any]]:
    """What waits behind a held unit, in order."""
    rows = await db.fetch(
        'select grp as "group", n, topic, part as partition, off as "offset", type, tenant, body '
        "from log.held_event where subject = $1 and ($2::text is null or grp = $2) order by grp, n",
        unit,
        group,
    )
    return [{**row, "body": row["body"].decode("utf-8", "backslashreplace")} for row in rows]


_DEAD = """
select d.id, d.grp as "group", d.topic, d.part as partition, d.off as "offset", d.reason, d.error, d.at, d.failed_at, d.redriven_at,
  d.settled_at, d.published_at, case when $8 then d.body end as body
from log.dead d
where ($1::uuid is null or d.id = $1) and ($2::text is null or d.reason = $2) and ($3::text is null or d.grp = $3)
  and ($4::text is null or d.topic = $4) and ($5::timestamptz is null or d.failed_at >= $5)
  and ($6::timestamptz is null or d.failed_at < $6) and ($7 or coalesce(d.redriven_at, d.settled_at) is null)
order by d.failed_at desc, d.id desc
"""


async def dead(db: Any, chosen: Filter = ALL, *, limit: int | None = None, done: bool = True) -> list[dict[str, Any]]:
    """Records nobody could read, the newest first. `done`: also those that went back onto the log or were settled."""
    times = await _all_redrives(db)
    given = (chosen.reason, chosen.group, chosen.topic, chosen.since, chosen.before)
    rows = await db.fetch(_DEAD, None, *given, done, bool(times))
    found = [{**row, "tenant": tenant_of(row["topic"])} for row in rows]
    found = [row for row in found if chosen.fits(row, row["failed_at"])][:limit]
    for row in found:
        body = row.pop("body")
        row["redrives"] = times.get(likeness(row["topic"], body), 0) if body is not None else 0
    return found


async def dead_letter(db: Any, id_: UUID) -> dict[str, Any] | None:
    """One of them, with its bytes."""
    row = await db.fetchrow(_DEAD, id_, None, None, None, None, None, True, True)
    if row is None:
        return None
    return {**row, "tenant": tenant_of(row["topic"]), "redrives": await redrives(db, row["topic"], row["body"])}


async def redrives(db: Any, topic: str, body: bytes) -> int:
    """How often such a letter was put back onto the log."""
    return int(await db.fetchval("select count(*) from log.redrive where likeness = $1", likeness(topic, body)))


async def _all_redrives(db: Any) -> dict[bytes, int]:
    """How often what is alike was put back."""
    rows = await db.fetch("select likeness, count(*) as n from log.redrive group by likeness")
    return {row["likeness"]: row["n"] for row in rows}


def likeness(topic: str, body: bytes) -> bytes:
    """What stays the same about a letter when it goes back and fails again: on a tenant's topic the request it carries (its
    envelope is made anew on the way in), elsewhere everything but the id; bytes that are no JSON object: the bytes."""
    told = json_object(body)
    kept: Any = body.hex()
    if told is not None:
        kept = told.get("data", told) if tenant_of(topic) else told
        kept = {name: value for name, value in kept.items() if name != "id"} if isinstance(kept, dict) else kept
    return sha256(json.dumps([topic, kept], sort_keys=True).encode()).digest()


def json_object(body: bytes) -> dict[str, Any] | None:
    """The JSON object in these bytes; None when there is none."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None

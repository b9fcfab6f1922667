"""Where a group stands in Kafka, in its database: positions and marks, which move in the transaction of the effects."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import asyncpg

from hoso.kafka.marks import Known, Mark, Partition, Place
from hoso.log.port import PositionMoved
from hoso.points import holds
from hoso.store.postgres import columns

_MAKE = """
insert into log.position(grp, topic, part, off, at) select $1, t, p, 0, '-infinity' from unnest($2::text[], $3::smallint[]) as n(t, p)
on conflict do nothing
"""
_KNOWN = """
select p.topic, p.part, p.kafka, p.off,
  (select json_agg(json_build_array(m.source, m.epoch, m.off)) from log.mark m where (m.grp, m.topic, m.part) = (p.grp, p.topic, p.part))::text as marks,
  (select json_agg(json_build_array(e.epoch, e.first)) from log.epoch e where (e.topic, e.part) = (p.topic, p.part))::text as restores,
  coalesce(h.first, 0) as first, p.moved_at as moved
from log.position p left join log.head h using (topic, part) where p.grp = $1 and p.topic = any($2)
"""
_MOVE = """
with marked as (
  insert into log.mark(grp, source, topic, part, epoch, off)
  select $1, * from unnest($7::text[], $8::text[], $9::smallint[], $10::int[], $11::bigint[])
  on conflict (grp, source, topic, part) do update set epoch = excluded.epoch, off = excluded.off)
update log.position p set kafka = w.kafka, off = coalesce(w.own, p.off), at = case when w.own is null then p.at else w.at end, moved_at = clock_timestamp()
from unnest($2::text[], $3::smallint[], $4::bigint[], $5::bigint[], $6::timestamptz[]) as w(topic, part, kafka, own, at)
where p.grp = $1 and (p.topic, p.part) = (w.topic, w.part) returning p.topic, p.part, p.moved_at
"""
_SKIP = """
update log.position p set kafka = w.kafka from unnest($2::text[], $3::smallint[], $4::bigint[]) as w(topic, part, kafka)
where p.grp = $1 and (p.topic, p.part) = (w.topic, w.part)
"""


class Positions:
    """Of one group. `tx` is always the caller's open transaction."""

    def __init__(self, pool: asyncpg.Pool, group: str) -> None:
        self._pool = pool
        self._group = group

    async def source(self) -> str:
        """The database's own name."""
        return str(await self._pool.fetchval("select id from log.source"))

    async def known(self, parts: Collection[Partition]) -> dict[Partition, Known]:
        """Positions and marks; makes the positions that are missing."""
        names = [topic for topic, _ in parts]
        async with self._pool.acquire() as db:
            await db.execute(_MAKE, self._group, names, [part for _, part in parts])
            rows = await db.fetch(_KNOWN, self._group, sorted(set(names)))
        return {
            (r["topic"], r["part"]): Known(
                r["kafka"],
                r["off"],
                {source: Mark(epoch, off) for source, epoch, off in json.loads(r["marks"] or "[]")},
                [(epoch, first) for epoch, first in json.loads(r["restores"] or "[]")],
                r["first"],
                r["moved"],
            )
            for r in rows
        }

    async def relayed(self, parts: Collection[Partition]) -> dict[Partition, int]:
        """Up to where the own relay has brought the log to Kafka."""
        rows = await self._pool.fetch(
            "select topic, part, off from log.position where grp = 'hoso.relay' and topic = any($1)",
            sorted({topic for topic, _ in parts}),
        )
        wanted = set(parts)
        return {key: r["off"] for r in rows if (key := (r["topic"], r["part"])) in wanted}

    async def fence(self, tx: Any, places: Mapping[Partition, Place]) -> None:
        """Lock the positions. Raises PositionMoved unless each is where its place says."""
        # The same partition number of all topics, as in hoso/log/postgres.py: nobody else decides about these units now.
        rows = await tx.fetch(
            "select topic, part, kafka, off, moved_at from log.position where grp = $1 and part = any($2) order by topic, part for update",
            self._group,
            sorted({part for _, part in places}),
        )
        now = {(r["topic"], r["part"]): (r["kafka"], r["off"], r["moved_at"]) for r in rows}
        if any(now.get(key) != (place.kafka, place.off, place.moved) for key, place in places.items()):
            raise PositionMoved(self._group)

    async def move(
        self,
        tx: Any,
        ends: Mapping[Partition, tuple[int, Any]],
        marks: Mapping[tuple[str, Partition], Mark],
        own: str,
    ) -> dict[Partition, datetime]:
        """Put the positions at the Kafka offsets in `ends` (with the event's time), and write the marks; when each was moved."""
        offs = {key: mark.off + 1 for (source, key), mark in marks.items() if source == own}
        new = sorted((source, *key, *mark) for (source, key), mark in marks.items())
        written = columns(new) if new and holds("mark-with-effects") else [[]] * 5
        places = columns([(*key, kafka, offs.get(key), at) for key, (kafka, at) in ends.items()])
        rows = await tx.fetch(_MOVE, self._group, *places, *written)
        return {(r["topic"], r["part"]): r["moved_at"] for r in rows}

    async def skip(self, places: Mapping[Partition, Place]) -> bool:
        """Put the positions behind what was seen before; False when they are no longer where the places say."""
        async with self._pool.acquire() as tx:
            try:
                async with tx.transaction():
                    await self.fence(tx, places)
                    await tx.execute(
                        _SKIP,
                        self._group,
                        *columns([(*key, place.behind(place.next)) for key, place in places.items()]),
                    )
            except PositionMoved:
                return False
        return True

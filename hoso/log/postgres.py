"""The event log in PostgreSQL: offsets without gaps, positions that commit with their effects.

Offsets are handed out under the lock of the partition's head row, which is held until commit, so a reader never sees a
gap. Heads are taken last in every unit of work, in sorted order, by one statement (docs/kernel.md §5).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

import asyncpg

from hoso.log.port import Entry, GapFound, PositionMoved, Record
from hoso.points import holds
from hoso.store.postgres import columns
from schemas.topics import REQUESTS, Topic

APPEND = """
with input as (
  select *, row_number() over (partition by topic, part order by n) - 1 as k
  from unnest($1::text[], $2::smallint[], $3::uuid[], $4::text[], $5::uuid[], $6::text[], $7::bytea[]) with ordinality
    as t(topic, part, id, type, subject, tenant, body, n)),
need as (select topic, part, count(*) as c from input group by 1, 2),
locked as materialized (
  select h.topic, h.part from log.head h join need using (topic, part) order by 1, 2 for update of h),
moved as (
  update log.head h set next = h.next + need.c, last_at = greatest(h.last_at, $8)
  from need, locked where (h.topic, h.part) = (need.topic, need.part) and (locked.topic, locked.part) = (h.topic, h.part)
  returning h.topic, h.part, h.next - need.c as base, h.last_at),
written as (
  insert into log.event(topic, part, off, at, id, type, subject, tenant, body)
  select i.topic, i.part, m.base + i.k, m.last_at, i.id, i.type, i.subject, i.tenant, i.body
  from input i join moved m using (topic, part) returning 1)
select count(*) from written
"""

READ = """
select e.topic, e.part, e.off, e.at, e.type, e.subject, e.tenant, e.body
from unnest($1::text[], $2::smallint[], $3::bigint[], $4::timestamptz[]) as p(topic, part, off, at)
join log.head h on h.topic = p.topic and h.part = p.part and h.next > p.off
cross join lateral (
  select * from log.event e where e.topic = p.topic and e.part = p.part and e.off >= p.off and e.at >= p.at
  order by e.off limit $5) e
"""


async def append(tx: Any, entries: Sequence[Entry], now: datetime) -> None:
    """Append in order. The last thing a unit of work does: it takes the heads' locks, which are held until commit."""
    if not entries:
        return
    written = await tx.fetchval(APPEND, *columns(entries), now)
    if written != len(entries):
        missing = sorted(
            {e.topic for e in entries} - {r["topic"] for r in await tx.fetch("select topic from log.head")}
        )
        raise LookupError(f"topics without partitions: {missing}; run `hoso migrate`")


async def create_topics(tx: Any, topics: Sequence[Topic]) -> None:
    """Make the partitions of topics that have none. Counts are never changed afterwards."""
    rows = [(t.name, part) for t in topics for part in range(t.partitions)]
    await tx.execute(
        "insert into log.head(topic, part) select * from unnest($1::text[], $2::smallint[]) on conflict do nothing",
        [r[0] for r in rows],
        [r[1] for r in rows],
    )


async def create_days(tx: Any, day: datetime, ahead: int = 2) -> None:
    """Make the day partitions of the log from `day` (world's time, UTC) to `ahead` days later."""
    for n in range(-1, ahead + 1):
        start = day.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=n)
        name = f"event_{start:%Y%m%d}"
        if await tx.fetchval("select to_regclass($1)", f"log.{name}") is None:
            await tx.execute("select pg_advisory_xact_lock(hashtext('log.event'))")
            await tx.execute(
                f"create table if not exists log.{name} partition of log.event "
                f"for values from ('{start.isoformat()}') to ('{(start + timedelta(days=1)).isoformat()}')"
            )


async def trim(tx: Any, now: datetime, keep: timedelta) -> list[str]:
    """Drop whole days older than `keep` that every known group has read. Returns the dropped tables."""
    dropped = []
    days = await tx.fetch(
        "select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid "
        "where i.inhparent = 'log.event'::regclass order by 1"
    )
    for row in days:
        end = datetime.strptime(row["name"], "event_%Y%m%d").replace(tzinfo=UTC) + timedelta(days=1)
        if end > now - keep:
            break
        last = f"(select topic, part, max(off) as off from log.{row['name']} group by 1, 2) d"
        if await tx.fetchval(
            f"select exists (select 1 from {last} join log.position p using (topic, part) "
            "where (p.kafka is null or not p.topic like $1) and p.off <= d.off)",  # in Kafka strangers' requests move no `off`
            REQUESTS.name.replace("<tenant>", "%"),
        ):
            break
        await tx.execute(
            "lock table log.event in access exclusive mode"
        )  # before the heads: writers take them in this order too
        await tx.execute(
            f"update log.head h set first = greatest(h.first, d.off + 1) from {last} where (h.topic, h.part) = (d.topic, d.part)"
        )
        await tx.execute(f"drop table log.{row['name']}")
        dropped.append(row["name"])
    return dropped


class PostgresLog:
    """The log as one member of one group reads it. Not safe for concurrent use: one consumer loop owns it.

    Which member reads which partition is only a hint (members in order of id share them out); the row lock of the
    position is what makes a second reader harmless.
    """

    def __init__(self, pool: Any, group: str, topics: Sequence[Topic], member: UUID, _wake: Any = None) -> None:
        self._pool = pool
        self._group = group
        self._topics = list(topics)
        self.words = [t.name for t in topics]
        self.member = member
        self._positions: dict[tuple[str, int], tuple[int, datetime]] = {}
        self._mine: set[tuple[str, int]] = set()

    async def reload(self) -> None:
        # A topic of the table may stand for one a tenant ("enrolment.requests.<tenant>"): new ones are found here.
        like = [t.name.replace("<tenant>", "%") for t in self._topics]
        async with self._pool.acquire() as db:
            await db.execute(
                "insert into log.position(grp, topic, part, off, at) "
                "select $1, topic, part, first, '-infinity' from log.head where topic like any($2) on conflict do nothing",
                self._group,
                like,
            )
            rows = await db.fetch(
                "select topic, part, off, at from log.position where grp = $1 and topic like any($2) order by topic, part",
                self._group,
                like,
            )
        self._positions = {(r["topic"], r["part"]): (r["off"], r["at"]) for r in rows}
        await self.reshare()

    async def reshare(self) -> None:
        """Share the partitions out among the members that are alive now."""
        rows = await self._pool.fetch(
            "select id from log.member where grp = $1 and seen_at > now() - interval '8 seconds'", self._group
        )
        members = sorted({self.member} | {r["id"] for r in rows})
        self._mine = {key for key in self._positions if key[1] % len(members) == members.index(self.member)}

    async def read(self, limit: int) -> Sequence[Record]:
        if not self._positions:
            await self.reload()
        keys = sorted(self._mine)
        rows = await self._pool.fetch(
            READ,
            [k[0] for k in keys],
            [k[1] for k in keys],
            [self._positions[k][0] for k in keys],
            [self._positions[k][1] for k in keys],
            limit,
        )
        records = [Record(*row) for row in rows]
        for (topic, part), group in groupby(records, key=lambda r: (r.topic, r.part)):
            expected = self._positions[topic, part][0]
            for record in group:
                if record.off != expected:
                    raise GapFound(
                        f"{topic}/{part}: {self._group} has to read {expected}, the log goes on at {record.off}"
                    )
                expected += 1
        return records

    @staticmethod
    def _ends(records: Sequence[Record]) -> dict[tuple[str, int], tuple[Record, Record]]:
        ends: dict[tuple[str, int], tuple[Record, Record]] = {}
        for r in records:
            ends[r.topic, r.part] = (ends.get((r.topic, r.part), (r, r))[0], r)
        return ends

    async def fence(self, tx: Any, records: Sequence[Record]) -> None:
        if not holds("position"):
            return
        ends = self._ends(records)
        # A unit's events lie in one partition number on all topics: locking that number everywhere keeps a second member,
        # which may have the other topic's events in hand, from deciding about the same unit at the same moment.
        rows = await tx.fetch(
            "select topic, part, off from log.position where grp = $1 and part = any($2) order by topic, part for update",
            self._group,
            sorted({part for _, part in ends}),
        )
        now = {(r["topic"], r["part"]): r["off"] for r in rows}
        if any(now.get(key) != first.off for key, (first, _) in ends.items()):
            raise PositionMoved(self._group)

    async def move(self, tx: Any, records: Sequence[Record]) -> None:
        ends = self._ends(records)
        await tx.execute(
            "update log.position p set off = w.off, at = w.at, moved_at = clock_timestamp() "
            "from unnest($2::text[], $3::smallint[], $4::bigint[], $5::timestamptz[]) as w(topic, part, off, at) "
            "where p.grp = $1 and (p.topic, p.part) = (w.topic, w.part)",
            self._group,
            [k[0] for k in ends],
            [k[1] for k in ends],
            [last.off + 1 for _, last in ends.values()],
            [last.at for _, last in ends.values()],
        )

    async def close(self) -> None: ...

    def moved(self, records: Sequence[Record]) -> None:
        for key, (_, last) in self._ends(records).items():
            self._positions[key] = (last.off + 1, last.at)


class Bell:
    """Tells other processes, after commit, that there is something for them; and wakes this one when told.

    Notifying inside a transaction serialises all commits of the database (2,640 -> 845 tx/s), so it is done here, on a
    connection of its own, at least 5 ms apart. A lost ring is harmless: everybody also looks each second.
    """

    CHANNEL = "hoso"
    APART = 0.005

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._due: set[str] = set()
        self._ring = asyncio.Event()

    def on(self, *words: str, event: asyncio.Event | None = None) -> asyncio.Event:
        """An event that is set whenever one of `words` (a topic, "lane:<name>", "clock", ...) is rung anywhere."""
        event = event or asyncio.Event()
        for word in words:
            self._waiting.setdefault(word, set()).add(event)
        return event

    def ring(self, words: set[str]) -> None:
        """Something for `words` was committed."""
        if words:
            self._hear(words)
            self._due |= words
            self._ring.set()

    def _hear(self, words: set[str]) -> None:
        for word in words:
            for event in self._waiting.get(word, ()):
                event.set()

    async def run(self, db: asyncpg.Connection) -> None:
        """Listen and notify on a connection of its own, until cancelled or until that connection is lost (ConnectionError)."""
        lost = asyncio.Event()

        def gone(_db: Any) -> None:
            lost.set()
            self._ring.set()

        db.add_termination_listener(gone)
        await db.add_listener(self.CHANNEL, lambda _db, _pid, _channel, payload: self._hear(set(payload.split(" "))))
        self._hear(set(self._waiting))
        while True:
            await self._ring.wait()
            self._ring.clear()
            if lost.is_set():
                raise ConnectionError("the listening connection was lost")
            due, self._due = self._due, set()
            if due:
                await db.execute("select pg_notify($1, $2)", self.CHANNEL, " ".join(sorted(due))[:7900])
                await asyncio.sleep(self.APART)

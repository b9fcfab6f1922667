"""The log as one member of one group reads it from Kafka.

Kafka may give a record again (after a relay's failover, after a crash, after `hoso topics resend`) but never out of order;
so per source partition one number tells what was seen: at or below it a record is dropped, the next one is taken, one
beyond that is a gap and stops the service. The numbers and the Kafka offset to be read next are written in the
transaction of the effects; what is committed to Kafka afterwards only feeds lag tools.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    IllegalStateError,
    KafkaError,
    TopicAuthorizationFailedError,
)

from hoso.kafka import headers, strangers
from hoso.kafka.connection import SESSION_MS, Broker, connected, quiet
from hoso.kafka.headers import Origin
from hoso.log.port import GapFound, PositionMoved, Record
from hoso.points import holds
from hoso.runtime.consumer import LOST
from hoso.runtime.failures import HosoError
from hoso.runtime.outgoing import Environment
from schemas.topics import Topic

log = logging.getLogger(__name__)

COMMIT_S = 1.0
HELPING = 500
"""Records of one transaction at most."""
Partition = tuple[str, int]

_LOAD = """
insert into log.position(grp, topic, part, off, at) select $1, t, p, 0, '-infinity' from unnest($2::text[], $3::smallint[]) as n(t, p)
on conflict do nothing
"""
_MOVE = """
update log.position p set kafka = w.kafka, off = coalesce(w.own, p.off), at = case when w.own is null then p.at else w.at end, moved_at = clock_timestamp()
from unnest($2::text[], $3::smallint[], $4::bigint[], $5::bigint[], $6::timestamptz[]) as w(topic, part, kafka, own, at)
where p.grp = $1 and (p.topic, p.part) = (w.topic, w.part)
"""
_MARK = """
insert into log.mark(grp, source, topic, part, epoch, off)
select $1, * from unnest($2::text[], $3::text[], $4::smallint[], $5::int[], $6::bigint[])
on conflict (grp, source, topic, part) do update set epoch = excluded.epoch, off = excluded.off
"""


class KafkaLog(ConsumerRebalanceListener):  # type: ignore[misc]
    """One reader of one group. Not safe for concurrent use: one consumer loop owns it.

    Kafka's group says who reads which partition. That is a hint: the row lock of the position is what makes a second
    reader harmless. Partitions are shared by range, so one member has the same partition numbers of all topics.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        group: str,
        topics: Sequence[Topic],
        member: UUID,
        wake: Callable[[], None],
        *,
        broker: Broker,
        environment: Environment,
        now: Callable[[], datetime],
        instance: str | None = None,
    ) -> None:
        """`wake` is called when records lie ready. `now`: the world's clock. `instance`: a name that this process, and no other that lives, has every
        time it starts; its partitions then wait for it instead of being shared out anew."""
        self.member = member
        self._pool = pool
        self._group = group
        self._wake = wake
        self._broker = broker
        self._environment = environment
        self._now = now
        self._instance = instance
        self._strangers = {t.name for t in topics if t.strangers}
        self._topics = [t.name for t in topics]
        self._consumer: AIOKafkaConsumer | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._committing: asyncio.Task[None] | None = None
        self._fetched: dict[TopicPartition, list[ConsumerRecord]] = {}
        self._taken = asyncio.Event()
        self._failed: BaseException | None = None
        self._source = ""
        self._kafka: dict[Partition, int] = {}
        """Where the database has this group's reading, per partition; -1: nowhere yet."""
        self._marks: dict[tuple[str, Partition], tuple[int, int]] = {}
        self._origins: dict[tuple[str, int, int], Origin | None] = {}
        self._next: dict[Partition, int] = {}
        """Where the reading goes on, per partition of the records in hand: behind what was dropped too."""
        self._to_commit: dict[TopicPartition, int] = {}

    # --- joining ----------------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        quiet()
        self._source = str(await self._pool.fetchval("select id from log.source"))
        pattern = "|".join(re.escape(name).replace(re.escape("<tenant>"), "[^.]+") for name in self._topics)

        async def start() -> AIOKafkaConsumer:
            made = AIOKafkaConsumer(
                **self._broker.arguments(),
                group_id=self._group,
                group_instance_id=self._instance,
                client_id=self._instance or self._group,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                partition_assignment_strategy=(RangePartitionAssignor,),
                session_timeout_ms=SESSION_MS,
                heartbeat_interval_ms=1_000,
                max_poll_interval_ms=600_000,
                fetch_max_wait_ms=500,
                max_partition_fetch_bytes=4 * 1024 * 1024,
            )
            made.subscribe(pattern=f"^({pattern})$", listener=self)
            self._consumer = made  # partitions may be given to it while it starts
            try:
                await made.start()
            except BaseException:
                self._consumer = None
                with contextlib.suppress(Exception):
                    await made.stop()
                raise
            return made

        await connected(start, self._broker)
        await self._check_topics()
        self._fetching = asyncio.create_task(self._fetch())
        self._committing = asyncio.create_task(self._commit())

    async def _check_topics(self) -> None:
        assert self._consumer is not None
        there = await self._consumer.topics()
        missing = [name for name in self._topics if "<" not in name and name not in there]
        if missing:
            raise HosoError(
                f"Kafka has no topic {', '.join(missing)} (or {self._group} may not read it): run `hoso topics apply`"
            )

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        for part in revoked:
            self._fetched.pop(part, None)

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Read where the database says, not where Kafka thinks."""
        self._fetched = {}
        while True:
            try:
                await self._seek(assigned)
                return
            except LOST:
                await asyncio.sleep(0.3)
            except Exception as error:  # the client would log it and read on from where Kafka thinks
                self._failed = error
                self._wake()
                return

    async def _seek(self, parts: Sequence[TopicPartition]) -> None:
        assert self._consumer is not None
        keys = [(p.topic, p.partition) for p in parts]
        async with self._pool.acquire() as db:
            await db.execute(_LOAD, self._group, [k[0] for k in keys], [k[1] for k in keys])
            found = await db.fetch("select topic, part, kafka, off from log.position where grp = $1", self._group)
            marks = await db.fetch("select source, topic, part, epoch, off from log.mark where grp = $1", self._group)
        rows = {(r["topic"], r["part"]): r for r in found}
        for key in keys:
            row = rows[key]
            self._kafka[key] = -1 if row["kafka"] is None else row["kafka"]
            if row["off"]:  # read from PostgreSQL until now: Kafka goes on there
                self._marks.setdefault((self._source, key), (0, row["off"] - 1))
        self._marks |= {(m["source"], (m["topic"], m["part"])): (m["epoch"], m["off"]) for m in marks}
        fresh = [p for p in parts if self._kafka[p.topic, p.partition] < 0]
        begin = await self._consumer.beginning_offsets(list(parts)) if parts else {}
        for part in parts:
            at = self._kafka[part.topic, part.partition]
            if part not in fresh and at < begin[part]:
                raise GapFound(
                    f"{part.topic}/{part.partition}: {self._group} has to read {at}, Kafka has dropped everything before {begin[part]}"
                )
            self._next[part.topic, part.partition] = max(at, begin[part])
            with contextlib.suppress(IllegalStateError):  # taken from us meanwhile
                self._consumer.seek(part, max(at, begin[part]))

    # --- fetching ---------------------------------------------------------------------------------------------------

    async def _fetch(self) -> None:
        """Keep one helping ready, so that Kafka is asked while the last one is written."""
        assert self._consumer is not None
        while True:
            try:
                got = await self._consumer.getmany(timeout_ms=1_000, max_records=HELPING)
            except (TopicAuthorizationFailedError, GroupAuthorizationFailedError) as error:
                self._failed = HosoError(f"Kafka refuses {self._group}: {error}; see `hoso topics acls`")
                self._wake()
                return
            except GapFound as error:
                self._failed = error
                self._wake()
                return
            except KafkaError as error:
                log.warning("Kafka cannot be read; going on trying", extra={"group": self._group, "error": repr(error)})
                await asyncio.sleep(1)
                continue
            if not got:
                continue
            self._taken.clear()
            self._fetched = got
            self._wake()
            await self._taken.wait()

    async def read(self, limit: int) -> Sequence[Record]:
        if self._consumer is None:
            await self._start()
        if self._failed is not None:
            raise self._failed
        assert self._consumer is not None
        got, self._fetched = self._fetched, {}
        if not got:
            return []
        records: list[Record] = []
        assigned = self._consumer.assignment()
        passed = {}
        for part, found in got.items():
            if part not in assigned:
                continue
            key = (part.topic, part.partition)
            fresh, after = self._sift(key, found)
            records += fresh
            if after is not None:
                self._next[key] = after
                passed[key] = after
        self._taken.set()
        if passed and not records:
            await self._skip(passed)
        return records

    def _sift(self, key: Partition, found: Sequence[ConsumerRecord]) -> tuple[list[Record], int | None]:
        """The records that were not seen yet, and where the reading goes on behind all of them."""
        fresh: list[Record] = []
        marks: dict[str, tuple[int, int]] = {}
        after = None
        stranger = any(key[0].startswith(name.removesuffix("<tenant>")) for name in self._strangers)
        for one in found:
            if one.offset < self._next.get(key, 0):
                continue
            after = one.offset + 1
            if stranger:
                fresh.append(self._of_stranger(one))
                self._note_own(key, one)
                continue
            told = headers.read(one.topic, one.partition, one.offset, one.key, one.value, one.headers)
            if told is None:
                fresh.append(headers.unmarked(one.topic, one.partition, one.offset, one.key, one.value, one.timestamp))
                continue
            record, origin = told
            mark = marks.get(origin.source) or self._marks.get((origin.source, key))
            if holds("mark") and mark is not None and not self._is_next(key, origin, mark):
                continue
            marks[origin.source] = (origin.epoch, origin.off)
            self._origins[key[0], key[1], one.offset] = origin
            fresh.append(record)
        return fresh, after

    def _note_own(self, key: Partition, one: ConsumerRecord) -> None:
        """What came through our own outbox counts for the lag; whether it is taken never hangs on a stranger's headers."""
        told = headers.read(one.topic, one.partition, one.offset, one.key, one.value, one.headers)
        if told is not None and told[1].source == self._source:
            self._origins[key[0], key[1], one.offset] = told[1]

    def _of_stranger(self, one: ConsumerRecord) -> Record:
        return strangers.read(
            one.topic,
            one.partition,
            one.offset,
            one.value,
            one.headers,
            at=self._now(),
            environment=self._environment,
            stamp=one.timestamp,
        )

    def _is_next(self, key: Partition, origin: Origin, mark: tuple[int, int]) -> bool:
        epoch, off = mark
        if origin.epoch < epoch or (origin.epoch == epoch and origin.off <= off):
            return False
        if origin.off > off + 1:
            raise GapFound(
                f"{key[0]}/{key[1]}: {self._group} has to read {off + 1} of {origin.source}, Kafka goes on at {origin.off}; "
                "`hoso topics resend` fills a topic from the outbox"
            )
        return True

    # --- positions ----------------------------------------------------------------------------------------------------

    async def fence(self, tx: Any, records: Sequence[Record]) -> None:
        if holds("position"):
            await self._fence(tx, {(r.topic, r.part) for r in records})

    async def _fence(self, tx: Any, keys: set[Partition]) -> None:
        # The same partition number of all topics, as in hoso/log/postgres.py: nobody else decides about these units now.
        rows = await tx.fetch(
            "select topic, part, kafka from log.position where grp = $1 and part = any($2) order by topic, part for update",
            self._group,
            sorted({part for _, part in keys}),
        )
        now = {(r["topic"], r["part"]): -1 if r["kafka"] is None else r["kafka"] for r in rows}
        if any(now.get(key) != self._kafka.get(key) for key in keys):
            raise PositionMoved(self._group)

    async def move(self, tx: Any, records: Sequence[Record]) -> None:
        last = {(r.topic, r.part): r for r in records}
        marks = self._marks_of(records)
        own = {key: mark for (source, key), mark in marks.items() if source == self._source}
        keys = list(last)
        await tx.execute(
            _MOVE,
            self._group,
            [k[0] for k in keys],
            [k[1] for k in keys],
            [last[k].off + 1 for k in keys],
            [own[k][1] + 1 if k in own else None for k in keys],
            [last[k].at for k in keys],
        )
        if marks and holds("mark-with-effects"):
            await self._write_marks(tx, marks)

    async def _write_marks(self, tx: Any, marks: dict[tuple[str, Partition], tuple[int, int]]) -> None:
        rows = sorted((source, topic, part, epoch, off) for (source, (topic, part)), (epoch, off) in marks.items())
        await tx.execute(_MARK, self._group, *([row[n] for row in rows] for n in range(5)))

    def _marks_of(self, records: Sequence[Record]) -> dict[tuple[str, Partition], tuple[int, int]]:
        marks = {}
        for r in records:
            origin = self._origins.get((r.topic, r.part, r.off))
            if origin is not None:
                marks[origin.source, (r.topic, r.part)] = (origin.epoch, origin.off)
        return marks

    def moved(self, records: Sequence[Record]) -> None:
        self._marks |= self._marks_of(records)
        for r in records:
            self._origins.pop((r.topic, r.part, r.off), None)
            self._kafka[r.topic, r.part] = r.off + 1
            self._to_commit[TopicPartition(r.topic, r.part)] = r.off + 1

    async def _skip(self, passed: dict[Partition, int]) -> None:
        """Everything in hand had been seen before: only the positions move."""
        async with self._pool.acquire() as tx, tx.transaction():
            try:
                await self._fence(tx, set(passed))
            except PositionMoved:
                return
            rows = [(t, p, off) for (t, p), off in passed.items()]
            await tx.execute(
                "update log.position p set kafka = w.kafka from unnest($2::text[], $3::smallint[], $4::bigint[]) as w(topic, part, kafka) "
                "where p.grp = $1 and (p.topic, p.part) = (w.topic, w.part)",
                self._group,
                *([row[n] for row in rows] for n in range(3)),
            )
        self._kafka |= passed
        self._to_commit |= {TopicPartition(*key): off for key, off in passed.items()}

    async def _commit(self) -> None:
        """Tell Kafka, for lag tools, what the database has committed."""
        assert self._consumer is not None
        while True:
            await asyncio.sleep(COMMIT_S)
            done, self._to_commit = self._to_commit, {}
            mine = self._consumer.assignment()
            offsets = {part: off for part, off in done.items() if part in mine}
            if offsets:
                with contextlib.suppress(KafkaError):
                    await self._consumer.commit(offsets)

    async def reload(self) -> None:
        if self._consumer is None:
            return
        if self._failed is not None:
            raise self._failed
        # What lies ready was fetched from where we thought we were.
        self._fetched = {}
        self._origins.clear()
        self._marks.clear()
        await self._seek(sorted(self._consumer.assignment()))
        self._fetched = {}
        self._taken.set()

    async def reshare(self) -> None:
        """Kafka shares the partitions out."""

    async def close(self) -> None:
        """Leave; what is committed to Kafka is brought up to date first."""
        for task in (self._fetching, self._committing):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await task
        if self._consumer is not None:
            began = time.monotonic()
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self._consumer.stop(), 3)
            log.info("left Kafka", extra={"group": self._group, "seconds": round(time.monotonic() - began, 2)})

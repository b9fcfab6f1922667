"""The log as one member of one group reads it from Kafka.

Kafka may give a record again (after a relay's failover, after a crash, after `hoso topics resend`) but never out of order:
hoso/kafka/marks.py drops what was seen. The marks and the Kafka offset to be read next are written in the transaction of the
effects; what is committed to Kafka afterwards only feeds lag tools.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import re
import time
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
)

from hoso.kafka.client import bounds, check_topics, reading, refused
from hoso.kafka.connection import Broker, connected, quiet
from hoso.kafka.headers import Origin
from hoso.kafka.marks import Mark, Partition, Place, Sieve, lost_tail, placed
from hoso.kafka.positions import Positions
from hoso.kafka.telling import Telling
from hoso.kafka.unreadable import FAILURES, past
from hoso.log.port import GapFound, Record
from hoso.points import holds
from hoso.runtime.consumer import LOST
from hoso.runtime.failures import HosoError
from hoso.runtime.outgoing import Environment
from schemas.topics import Topic

log = logging.getLogger(__name__)

COMMIT_S = 1.0
TAILS_S = 5.0
"""So often a reader asks whether Kafka still has everything that the relay brought there."""
PATIENCE_S = 5.0
HELPING = 500
"""Records of one transaction at most."""


class KafkaLog(ConsumerRebalanceListener):  # type: ignore[misc]
    """One reader of one group. Not safe for concurrent use: one consumer loop owns it.

    Kafka's group says who reads which partition. That is a hint: the row lock of the position is what makes a second
    reader harmless. Partitions are shared by range, so one member has the same partition numbers of all topics.
    """

    linger = 0.0
    """The relay has gathered already: waiting for more would only make every hop later."""

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
        self._positions = Positions(pool, group)
        self._group = self._joins = group
        self._wake = wake
        self._broker = broker
        self._instance = instance
        self._topics = [t.name for t in topics]
        strange = tuple(t.name.removesuffix("<tenant>") for t in topics if t.strangers)
        self._sieve = Sieve(group, "", strange, environment, now)
        self._starting: asyncio.Task[None] | None = None
        self._consumer: AIOKafkaConsumer | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._failed: BaseException | None = None
        self._astray = False
        """Kafka does not have the offset we read at: where to read on has to be found anew."""
        self._places: dict[Partition, Place] = {}
        """Of the partitions that are ours and where Kafka reads on from where the database says."""
        self._waiting: set[TopicPartition] = set()
        """Ours, but without a leader when Kafka was asked."""
        self._fetched: dict[TopicPartition, list[ConsumerRecord]] = {}
        self._room = asyncio.Event()
        self._room.set()
        self._hand: dict[Partition, Place] = {}
        self._origins: dict[Partition, dict[int, Origin]] = {}
        """Of the records in hand."""
        self._in_hand = 0
        """Records that were given out and not told to be moved."""
        self._passed: dict[Partition, Place] = {}
        """Places behind which everything had been seen before."""
        self._told = Telling(group)

    # --- joining ----------------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        quiet()
        self._sieve = dataclasses.replace(self._sieve, source=await self._positions.source())
        pattern = "|".join(re.escape(name).replace(re.escape("<tenant>"), "[^.]+") for name in self._topics)

        async def start() -> None:
            made = reading(self._broker, self._joins, self._group, self._instance)
            made.subscribe(pattern=f"^({pattern})$", listener=self)
            self._consumer = made  # partitions may be given to it while it starts
            try:
                await made.start()
                await check_topics(made, self._topics, self._group)
            except BaseException:
                self._consumer = None
                self._places.clear()
                with contextlib.suppress(Exception):
                    await asyncio.wait_for(made.stop(), 3)
                raise

        try:
            await connected(start, self._broker)
        except (TopicAuthorizationFailedError, GroupAuthorizationFailedError) as error:
            raise refused(error, self._group) from error
        self._tasks = [asyncio.create_task(self._fetch()), asyncio.create_task(self._look_after())]

    async def _joined(self) -> bool:
        """Whether there is a reader; makes one beside the loop that asks, which may end while no broker answers."""
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
            self._starting.add_done_callback(lambda _task: self._wake())
        if not self._starting.done():
            await asyncio.wait([self._starting], timeout=1.0)
        if not self._starting.done():
            return False
        try:
            self._starting.result()
        except BaseException:
            self._starting = None
            raise
        return True

    # --- which partitions, from where -------------------------------------------------------------------------------

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        self._leave(revoked)

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Read where the database says, not where Kafka thinks."""
        self._leave(assigned)
        while True:
            try:
                await self._seek(assigned)
                return
            except (TopicAuthorizationFailedError, GroupAuthorizationFailedError) as error:
                self._fail(refused(error, self._group))
                return
            except (*LOST, KafkaError):
                await asyncio.sleep(0.3)
            except Exception as error:  # the client would log it and go on
                self._fail(error)
                return

    def _fail(self, error: BaseException) -> None:
        self._failed = error
        self._wake()

    def _leave(self, parts: Collection[TopicPartition]) -> None:
        """What lies ready of these partitions was read from elsewhere than where the next reading begins."""
        for part in parts:
            self._places.pop((part.topic, part.partition), None)
            self._passed.pop((part.topic, part.partition), None)
            self._fetched.pop(part, None)
            self._waiting.discard(part)
        if not self._fetched:
            self._room.set()

    async def _seek(self, parts: Collection[TopicPartition]) -> None:
        """Put the reading where the database says. Between asking and putting nothing is taken from these partitions: `_leave`."""
        if not parts:
            return
        assert self._consumer is not None
        known = await self._positions.known([(p.topic, p.partition) for p in parts])
        found = await bounds(self._consumer, list(parts))
        for part, (begin, end) in found.items():
            key = (part.topic, part.partition)
            place = placed(key, known[key], begin, end, self._sieve)
            if place.kafka is not None and not begin <= place.kafka <= end:
                log.error(
                    "Kafka does not have what was read last, or what comes next; reading what there is from its beginning",
                    extra={"group": self._group, "topic": part.topic, "part": part.partition, "read": place.kafka},
                )
            with contextlib.suppress(IllegalStateError):  # taken from us meanwhile
                self._consumer.seek(part, place.next)
                self._consumer.resume(part)
                self._places[key] = place
                if place.kafka is not None:
                    self._told.reached(*key, place.next)
        self._waiting -= set(found)
        for part in set(parts) - set(found) - self._waiting:
            log.warning("a partition does not answer; the others are read", extra={"group": self._group, "part": part})
            self._waiting.add(part)
            with contextlib.suppress(IllegalStateError):
                self._consumer.seek(part, known[part.topic, part.partition].kafka or 0)
                self._consumer.pause(part)

    async def reload(self) -> None:
        if self._failed is not None:
            raise self._failed
        if self._consumer is None or not self._tasks:
            return
        self._astray = True
        parts = self._consumer.assignment()
        self._leave(parts)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._seek(parts)
        except (KafkaError, TimeoutError) as error:
            log.warning(
                "Kafka does not say where it stands; asking again", extra={"group": self._group, "error": repr(error)}
            )
            return
        self._hand, self._origins, self._in_hand, self._astray = {}, {}, 0, False

    async def reshare(self) -> None:
        """Kafka shares the partitions out."""

    # --- reading ----------------------------------------------------------------------------------------------------

    async def _fetch(self) -> None:
        """Keep one helping ready, so that Kafka is asked while the last one is written."""
        assert self._consumer is not None
        try:
            while True:
                await self._room.wait()
                try:
                    got = await self._consumer.getmany(timeout_ms=1_000, max_records=HELPING)
                except NoOffsetForPartitionError:
                    continue  # it will be put where the database says
                except OffsetOutOfRangeError:
                    self._astray = True
                    self._wake()
                    await asyncio.sleep(0.2)
                    continue
                except FAILURES as error:
                    got = await past(error, self._consumer, self._broker, self._places, self._sieve.patterns)
                except KafkaError as error:
                    if not error.retriable:
                        raise
                    log.warning(
                        "Kafka cannot be read; going on trying", extra={"group": self._group, "error": repr(error)}
                    )
                    await asyncio.sleep(1)
                    continue
                ours = {part: found for part, found in got.items() if (part.topic, part.partition) in self._places}
                if ours:
                    self._fetched = ours
                    self._room.clear()
                    self._wake()
                await self._pass_over(got)
        except (TopicAuthorizationFailedError, GroupAuthorizationFailedError) as error:
            self._fail(refused(error, self._group))
        except Exception as error:
            self._fail(
                HosoError(
                    f"Kafka cannot be read by {self._group} ({error!r}); starting again goes on from its position"
                )
            )

    async def _pass_over(self, got: Collection[TopicPartition]) -> None:
        """Of a partition that gave nothing the client may have read on: behind the marks of a transaction, or one that was aborted."""
        assert self._consumer is not None
        for key, place in list(self._places.items()):
            part = TopicPartition(*key)
            if part not in got and part in self._consumer.assignment():
                at = await self._consumer.position(part)  # at once, for it was put there
                if at > place.next and self._places.get(key) is place:
                    place.next, self._passed[key] = at, place

    async def read(self, limit: int) -> Sequence[Record]:
        """As the port says; `limit` counts for all owned partitions together, times their number."""
        if not await self._joined():
            return []
        if self._failed is not None:
            raise self._failed
        if (self._in_hand and holds("back-to-position")) or self._astray:
            await self.reload()  # what was given out last time was not committed
            if self._astray:
                return []
        records = self._take(limit * max(1, len(self._places)))
        if not records and (gap := self._gap()):
            before = {key: place.kafka for key, place in self._places.items()}
            await self.reload()
            if self._astray or any(place.kafka != before.get(key) for key, place in self._places.items()):
                return []  # somebody put us elsewhere: `hoso topics resend`, another member
            raise GapFound(gap)
        if self._passed and not records:
            await self._skip()
        return records

    def _gap(self) -> str:
        """What is missing and has not come later either, in words."""
        assert self._consumer is not None
        for key, place in self._places.items():
            with contextlib.suppress(IllegalStateError):
                if place.gaps and place.next >= (self._consumer.highwater(TopicPartition(*key)) or 0):
                    return next(iter(place.gaps.values())).words
        return ""

    def _take(self, most: int) -> list[Record]:
        records: list[Record] = []
        self._hand, self._origins = {}, {}
        for part in list(self._fetched):
            if most <= 0:
                break
            key = (part.topic, part.partition)
            found = self._fetched.pop(part)
            if len(found) > most:
                self._fetched[part] = found[most:]
            place = self._places[key]
            taken = self._sieve.sift(key, place, found[:most])
            most -= len(taken.records)
            records += taken.records
            if taken.records:
                self._hand[key], self._origins[key] = place, taken.origins
            self._passed[key] = place
        if not self._fetched:
            self._room.set()
        self._in_hand = len(records)
        return records

    # --- positions --------------------------------------------------------------------------------------------------

    async def fence(self, tx: Any, records: Sequence[Record]) -> None:
        if holds("position"):
            await self._positions.fence(tx, {(r.topic, r.part): self._hand[r.topic, r.part] for r in records})

    async def move(self, tx: Any, records: Sequence[Record]) -> None:
        ends = {key: (self._hand[key].behind(r.off + 1), r.at) for r in records for key in [(r.topic, r.part)]}
        await self._positions.move(tx, ends, self._marks_of(records), self._sieve.source)

    def _marks_of(self, records: Sequence[Record]) -> dict[tuple[str, Partition], Mark]:
        last = {}
        for r in records:
            origin = self._origins[r.topic, r.part].get(r.off)
            if origin is not None:
                last[origin.source, (r.topic, r.part)] = origin
        return {key: Mark(origin.epoch, origin.off) for key, origin in last.items()}

    def moved(self, records: Sequence[Record]) -> None:
        for (source, key), mark in self._marks_of(records).items():
            self._hand[key].marks[source] = mark
            if source == self._sieve.source:
                self._hand[key].off = mark.off + 1
        for key, off in {(r.topic, r.part): r.off for r in records}.items():
            self._hand[key].kafka = reached = self._hand[key].behind(off + 1)
            self._told.reached(*key, reached)
        self._in_hand -= len(records)

    async def _skip(self) -> None:
        """Everything since the positions had been seen before: only they move."""
        passed = {key: place for key, place in self._passed.items() if place.kafka != place.behind(place.next)}
        self._passed = {}
        if not passed:
            return
        reached = {key: place.behind(place.next) for key, place in passed.items()}
        if not await self._positions.skip(passed):
            self._astray = True
            return
        for key, place in passed.items():
            place.kafka = reached[key]
            self._told.reached(*key, reached[key])

    # --- beside the reading -----------------------------------------------------------------------------------------

    async def _look_after(self) -> None:
        """Tell Kafka what was read; ask again for partitions that did not answer; see whether the end of a topic was lost."""
        assert self._consumer is not None
        looked = time.monotonic()
        while True:
            await asyncio.sleep(COMMIT_S)
            await self._told.tell(self._consumer)
            try:
                if self._waiting:
                    await self._seek(self._waiting & self._consumer.assignment())
                if time.monotonic() - looked >= TAILS_S:
                    looked = time.monotonic()
                    await self.look_for_tails()
            except (KafkaError, TimeoutError, *LOST):
                continue
            except Exception as error:
                self._fail(error)

    async def look_for_tails(self) -> None:
        """Note a gap where everything was read that Kafka has, and the relay of this database had brought more: a topic that
        was made anew, or lost its end. What others brought cannot be known here."""
        assert self._consumer is not None
        sent = await self._positions.relayed(list(self._places))  # before Kafka is asked: it has acknowledged this much
        ends = await self._consumer.end_offsets([TopicPartition(*key) for key in sent])
        for part, end in ends.items():
            key = (part.topic, part.partition)
            place = self._places.get(key)
            busy = self._in_hand or part in self._fetched or key in self._passed
            if place is None or busy or place.next < end or place.expected >= sent[key]:
                continue
            place.gaps[self._sieve.source] = lost_tail(key, place, sent[key], self._sieve)
            self._wake()

    async def close(self) -> None:
        """Leave; what is committed to Kafka is brought up to date first."""
        began = time.monotonic()
        tasks = [task for task in (self._starting, *self._tasks) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._consumer is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self._told.tell(self._consumer), 1)
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self._consumer.stop(), 3)
            log.info("left Kafka", extra={"group": self._group, "seconds": round(time.monotonic() - began, 2)})

"""The log as one member of one group reads it from Kafka.

Kafka may give a record again (after a relay's failover, after a crash, after `hoso topics resend`) but never out of order:
hoso/kafka/marks.py drops what was seen. The marks and the Kafka offset to be read next are written in the transaction of the
effects; what is committed to Kafka afterwards only feeds lag tools.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from hoso.kafka.connection import Broker
from hoso.kafka.fetching import Fetching
from hoso.kafka.headers import Origin
from hoso.kafka.marks import Mark, Partition, Place, Sieve
from hoso.kafka.positions import Positions
from hoso.log.port import GapFound, Record
from hoso.points import holds
from hoso.runtime.outgoing import Environment
from schemas.topics import Topic


class KafkaLog:
    """One reader of one group. Not safe for concurrent use: one consumer loop owns it.

    Kafka's group says who reads which partition. That is a hint: the row lock of the position is what makes a second
    reader harmless. Partitions are shared by range, so one member has the same partition numbers of all topics.
    """

    words = ()
    """Kafka itself wakes who reads it: an event that was committed here is not there yet."""

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
        strange = tuple(t.name.removesuffix("<tenant>") for t in topics if t.strangers)
        sieve = Sieve(group, "", strange, environment, now)
        self._fetching = Fetching(sieve, self._positions, topics, wake, broker, instance)
        self._hand: dict[Partition, Place] = {}
        self._origins: dict[Partition, dict[int, Origin]] = {}
        """Of the records in hand."""
        self._moved: dict[Partition, datetime] = {}
        """When the positions were moved last, in a transaction that has not been told to have committed."""

    # --- reading ----------------------------------------------------------------------------------------------------

    async def read(self, limit: int) -> Sequence[Record]:
        """As the port says; `limit` counts for all owned partitions together, times their number."""
        fetching = self._fetching
        if not await fetching.joined():
            return []
        fetching.check()
        if (fetching.in_hand and holds("back-to-position")) or fetching.astray:
            await self.reload()  # what was given out last time was not committed
            if fetching.astray:
                return []
        records = self._take(limit * max(1, len(fetching.places)))
        if not records and (gap := self._gap()):
            before = {key: place.kafka for key, place in fetching.places.items()}
            await self.reload()
            if fetching.astray or any(place.kafka != before.get(key) for key, place in fetching.places.items()):
                return []  # somebody put us elsewhere: `hoso topics resend`, another member
            raise GapFound(gap)
        if fetching.passed and not records:
            await self._skip()
        return records

    def _gap(self) -> str:
        """What is missing and has not come later either, in words."""
        for key, place in self._fetching.places.items():
            if place.gaps and self._fetching.at_end(key, place):
                return next(iter(place.gaps.values())).words
        return ""

    def _take(self, most: int) -> list[Record]:
        records: list[Record] = []
        self._hand, self._origins = {}, {}
        for key, place, taken in self._fetching.take(most):
            records += taken.records
            if taken.records:
                self._hand[key], self._origins[key] = place, taken.origins
        return records

    async def reload(self) -> None:
        if await self._fetching.back():
            self._hand, self._origins = {}, {}

    async def reshare(self) -> None:
        """Kafka shares the partitions out."""

    # --- positions --------------------------------------------------------------------------------------------------

    async def fence(self, tx: Any, records: Sequence[Record]) -> None:
        if holds("position"):
            await self._positions.fence(tx, {(r.topic, r.part): self._hand[r.topic, r.part] for r in records})

    async def move(self, tx: Any, records: Sequence[Record]) -> None:
        ends = {key: (self._hand[key].behind(r.off + 1), r.at) for r in records for key in [(r.topic, r.part)]}
        self._moved = await self._positions.move(tx, ends, self._marks_of(records), self._fetching.sieve.source)

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
            if source == self._fetching.sieve.source:
                self._hand[key].off = mark.off + 1
        for key, off in {(r.topic, r.part): r.off for r in records}.items():
            self._hand[key].moved = self._moved[key]
            self._hand[key].kafka = reached = self._hand[key].behind(off + 1)
            self._fetching.told.reached(*key, reached)
        self._fetching.in_hand -= len(records)

    async def _skip(self) -> None:
        """Everything since the positions had been seen before: only they move."""
        passed = {key: place for key, place in self._fetching.passed.items() if place.kafka != place.behind(place.next)}
        self._fetching.passed = {}
        if not passed:
            return
        reached = {key: place.behind(place.next) for key, place in passed.items()}
        if not await self._positions.skip(passed):
            self._fetching.astray = True
            return
        for key, place in passed.items():
            place.kafka = reached[key]
            self._fetching.told.reached(*key, reached[key])

    async def close(self) -> None:
        """Leave; what is committed to Kafka is brought up to date first."""
        await self._fetching.close()

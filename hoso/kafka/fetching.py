"""What a reader has of Kafka: its place in the group, the partitions that it was given, and what was fetched of them.

Partitions come and go while a batch is handled, and the next records are fetched meanwhile. So what lies ready belongs to one
Place: a partition that is given to us again gets a new one, and nothing that was fetched for the old one is given out.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import re
import time
from collections.abc import Callable, Collection, Sequence

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
)

from hoso.kafka.client import bounds, check_topics, reading, refused, since
from hoso.kafka.connection import Broker, connected, quiet
from hoso.kafka.marks import Partition, Place, Sieve, Taken, lost_tail, placed
from hoso.kafka.positions import Positions
from hoso.kafka.telling import Telling
from hoso.kafka.unreadable import FAILURES, past
from hoso.runtime.consumer import LOST
from hoso.runtime.failures import HosoError
from schemas.topics import Topic

log = logging.getLogger(__name__)

COMMIT_S = 1.0
TAILS_S = 5.0
"""So often a reader asks whether Kafka still has everything that the relay brought there."""
PATIENCE_S = 5.0
HELPING = 500
"""Records of one transaction at most."""


class Fetching(ConsumerRebalanceListener):  # type: ignore[misc]
    """What one reader of one group has of Kafka. Not safe for concurrent use; tasks of its own run beside the loop that asks it.

    They fetch, tell Kafka what was read, and see whether something was lost. What they find is kept until the loop asks.
    """

    def __init__(
        self,
        sieve: Sieve,
        positions: Positions,
        topics: Sequence[Topic],
        wake: Callable[[], None],
        broker: Broker,
        instance: str | None,
    ) -> None:
        """`wake` and `instance`: as KafkaLog has them. `sieve`: its source is filled in from the database."""
        self.sieve = sieve
        self.places: dict[Partition, Place] = {}
        """Of the partitions that are ours and where Kafka reads on from where the database says."""
        self.passed: dict[Partition, Place] = {}
        """Places behind which everything had been seen before."""
        self.in_hand = 0
        """Records that were given out and not told to be moved."""
        self.astray = False
        """Kafka does not have the offset we read at: where to read on has to be found anew."""
        self.told = Telling(sieve.group)
        """What the database has committed: told to Kafka once a second."""
        self._group = self._joins = sieve.group
        self._positions = positions
        self._topics = [t.name for t in topics]
        self._wake = wake
        self._broker = broker
        self._instance = instance
        self._starting: asyncio.Task[None] | None = None
        self._consumer: AIOKafkaConsumer | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._failed: BaseException | None = None
        self._waiting: set[TopicPartition] = set()
        """Ours, but without a leader when Kafka was asked."""
        self._fetched: dict[TopicPartition, list[ConsumerRecord]] = {}
        self._room = asyncio.Event()
        self._room.set()

    # --- joining ----------------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        quiet()
        self.sieve = dataclasses.replace(self.sieve, source=await self._positions.source())
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
                self.places.clear()
                with contextlib.suppress(Exception):
                    await asyncio.wait_for(made.stop(), 3)
                raise

        try:
            await connected(start, self._broker)
        except (TopicAuthorizationFailedError, GroupAuthorizationFailedError) as error:
            raise refused(error, self._group) from error
        jobs = (self._fetch(), self._look_after(), self._look_behind())
        self._tasks = [asyncio.create_task(job) for job in jobs]

    async def joined(self) -> bool:
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

    def check(self) -> None:
        """Raise what went wrong beside the loop that asks."""
        if self._failed is not None:
            raise self._failed

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
            self.places.pop((part.topic, part.partition), None)
            self.passed.pop((part.topic, part.partition), None)
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
            if (known[key].kafka or 0) > end and self.sieve.strange(part.topic):
                begin = await since(self._consumer, part, known[key].moved, end)
            place = placed(key, known[key], begin, end, self.sieve)
            if place.kafka is not None and not begin <= place.kafka <= end:
                log.error(
                    "Kafka does not have what was read last, or what comes next; reading what there is from its beginning",
                    extra={"group": self._group, "topic": part.topic, "part": part.partition, "read": place.kafka},
                )
            with contextlib.suppress(IllegalStateError):  # taken from us meanwhile
                self._consumer.seek(part, place.next)
                self._consumer.resume(part)
                self.places[key] = place
                if place.kafka is not None:
                    self.told.reached(*key, place.next)
        self._waiting -= set(found)
        for part in set(parts) - set(found) - self._waiting:
            log.warning("a partition does not answer; the others are read", extra={"group": self._group, "part": part})
            self._waiting.add(part)
            with contextlib.suppress(IllegalStateError):
                self._consumer.seek(part, known[part.topic, part.partition].kafka or 0)
                self._consumer.pause(part)

    async def back(self) -> bool:
        """Put the reading back where the database says, and forget what was given out. False: it is not, Kafka has to answer first."""
        self.check()
        if self._consumer is None or not self._tasks:
            return False
        self.astray = True
        parts = self._consumer.assignment()
        self._leave(parts)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._seek(parts)
        except (KafkaError, TimeoutError) as error:
            log.warning(
                "Kafka does not say where it stands; asking again", extra={"group": self._group, "error": repr(error)}
            )
            return False
        self.in_hand, self.astray = 0, False
        return True

    # --- fetching ---------------------------------------------------------------------------------------------------

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
                    self.astray = True
                    self._wake()
                    await asyncio.sleep(0.2)
                    continue
                except FAILURES as error:
                    got = await past(error, self._consumer, self._broker, self.places, self.sieve.patterns)
                except KafkaError as error:
                    if not error.retriable:
                        raise
                    log.warning(
                        "Kafka cannot be read; going on trying", extra={"group": self._group, "error": repr(error)}
                    )
                    await asyncio.sleep(1)
                    continue
                ours = {part: found for part, found in got.items() if (part.topic, part.partition) in self.places}
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
        for key, place in list(self.places.items()):
            part = TopicPartition(*key)
            if part not in got and part in self._consumer.assignment():
                at = await self._consumer.position(part)  # at once, for it was put there
                if at > place.next and self.places.get(key) is place:
                    place.next, self.passed[key] = at, place

    def take(self, most: int) -> list[tuple[Partition, Place, Taken]]:
        """Give out what is new of what lies ready, `most` records if there are as many: they are in hand now."""
        given: list[tuple[Partition, Place, Taken]] = []
        count = 0
        for part in list(self._fetched):
            if count >= most:
                break
            key = (part.topic, part.partition)
            found = self._fetched.pop(part)
            if len(found) > most - count:
                self._fetched[part] = found[most - count :]
            place = self.places[key]
            taken = self.sieve.sift(key, place, found[: most - count])
            count += len(taken.records)
            given.append((key, place, taken))
            self.passed[key] = place
        if not self._fetched:
            self._room.set()
        self.in_hand = count
        return given

    def at_end(self, key: Partition, place: Place) -> bool:
        """Whether everything was read that Kafka had of a partition when it answered last."""
        assert self._consumer is not None
        with contextlib.suppress(IllegalStateError):  # taken from us meanwhile
            return place.next >= (self._consumer.highwater(TopicPartition(*key)) or 0)
        return False

    # --- beside the reading -----------------------------------------------------------------------------------------

    async def _look_after(self) -> None:
        """Tell Kafka what was read, and ask again for partitions that did not answer."""
        assert self._consumer is not None
        while True:
            await asyncio.sleep(COMMIT_S)
            if self._consumer._fetcher is not None and self._consumer._fetcher._fetch_task.done():
                # Seen when a broker was killed: an assertion of the client's own, and it never fetches again.
                self._fail(
                    HosoError(
                        f"Kafka's client has stopped fetching for {self._group}; starting again goes on from its position"
                    )
                )
                return
            try:
                await self.told.tell(self._consumer)
                if self._waiting:
                    await self._seek(self._waiting & self._consumer.assignment())
            except (KafkaError, TimeoutError, *LOST):
                continue
            except Exception as error:
                self._fail(error)

    async def _look_behind(self) -> None:
        """See whether the end of a topic was lost."""
        while True:
            await asyncio.sleep(TAILS_S)
            try:
                await self.look_for_tails()
            except (KafkaError, TimeoutError, *LOST):
                continue
            except Exception as error:
                self._fail(error)

    async def look_for_tails(self) -> None:
        """Note a gap where everything was read that Kafka has, and the relay of this database had brought more: a topic that
        was made anew, or lost its end. What others brought cannot be known here, and where strangers write nothing is noted."""
        assert self._consumer is not None
        own = [key for key in self.places if not self.sieve.strange(key[0])]
        sent = await self._positions.relayed(own)  # before Kafka is asked: it has acknowledged this much
        if not sent:
            return
        for part, (_, end) in (await bounds(self._consumer, [TopicPartition(*key) for key in sent])).items():
            key = (part.topic, part.partition)
            place = self.places.get(key)
            busy = self.in_hand or part in self._fetched or key in self.passed
            if place is None or busy or place.next < end or place.expected >= sent[key]:
                continue
            place.gaps.setdefault(self.sieve.source, lost_tail(key, place, sent[key], self.sieve))
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
                await asyncio.wait_for(self.told.tell(self._consumer), 1)
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self._consumer.stop(), 3)
            log.info("left Kafka", extra={"group": self._group, "seconds": round(time.monotonic() - began, 2)})

"""How far Kafka's partitions go and how old the record is that a group has to read next; for `hoso lag` and /metrics.

Kafka keeps no time with a position, and rates lie when traffic comes in bursts. So the record that lies there is read and
its timestamp taken: real time, put on by the relay or by whoever produced it. The client is one of its own, because asking
a consumer that is long-polling waits behind the poll.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from hoso.kafka.client import bounds
from hoso.kafka.connection import Broker, quiet
from hoso.kafka.unreadable import FAILURES
from hoso.process.lag import MISSING, NEVER_READ, OK, TRUNCATED, UNKNOWN, Behind, LogAway, Place

PATIENCE_S = 5.0
"""One look takes no longer."""
ROUND_S = 1.0
"""Nothing comes where only the marks of a stranger's transaction lie: their age is 0."""


class KafkaEnds:
    """Reads where partitions end. Connects when it is first asked, and anew after Kafka was away; one look at a time."""

    def __init__(self, broker: Broker, *, patience: float = PATIENCE_S) -> None:
        self._broker = broker
        self._patience = patience
        self.answers = True
        self._client: AIOKafkaConsumer | None = None
        self._looking = asyncio.Lock()

    async def behind(self, places: Sequence[Place]) -> Sequence[Behind]:
        """For each place, what lies before it. Raises hoso.process.lag.LogAway."""
        async with self._looking:
            self.answers = False
            try:
                async with asyncio.timeout(self._patience):
                    found = await self._look(places)
                self.answers = True
                return found
            except (KafkaError, OSError, TimeoutError) as error:
                await self._drop()
                raise LogAway(f"{','.join(self._broker.servers)}: {error!r}") from error
            except BaseException:
                await self._drop()
                raise

    async def close(self) -> None:
        """Let go of the connection."""
        async with self._looking:
            await self._drop()

    async def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(client.stop(), 2)

    async def _connected(self) -> AIOKafkaConsumer:
        if self._client is None:
            quiet()
            # Small fetches: one record of a partition is wanted, and at least one batch is always given.
            self._client = AIOKafkaConsumer(
                **self._broker.arguments(),
                client_id="hoso.lag",
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                isolation_level="read_committed",
                max_partition_fetch_bytes=4096,
                fetch_max_wait_ms=50,
            )
            await self._client.start()
        return self._client

    async def _look(self, places: Sequence[Place]) -> list[Behind]:
        client = await self._connected()
        cluster = await client._client.fetch_all_metadata()
        wanted = {TopicPartition(p.topic, p.part) for p in places}
        there = sorted(part for part in wanted if part.partition in (cluster.partitions_for_topic(part.topic) or ()))
        known = await bounds(client, there) if there else {}
        stamps = await _stamps(client, _next_of(places, known))
        now = time.time()
        return [_behind(place, set(there), known, stamps, now) for place in places]


def _behind(
    place: Place,
    there: set[TopicPartition],
    known: Mapping[TopicPartition, tuple[int, int]],
    stamps: Mapping[tuple[TopicPartition, int], float],
    now: float,
) -> Behind:
    part = TopicPartition(place.topic, place.part)
    if part not in known:
        return Behind(0, 0.0, UNKNOWN if part in there else MISSING)
    begin, end = known[part]
    at = max(place.offset or 0, begin)
    state = NEVER_READ if place.offset is None else TRUNCATED if place.offset < begin else OK
    age = now - stamps[part, at] if (part, at) in stamps else 0.0
    return Behind(max(0, end - at), max(0.0, age), state)


def _next_of(
    places: Sequence[Place], known: Mapping[TopicPartition, tuple[int, int]]
) -> dict[TopicPartition, set[int]]:
    """The offsets that have to be read next, of partitions that have more."""
    wanted: dict[TopicPartition, set[int]] = defaultdict(set)
    for place in places:
        part = TopicPartition(place.topic, place.part)
        begin, end = known.get(part, (0, 0))
        if (at := max(place.offset or 0, begin)) < end:
            wanted[part].add(at)
    return wanted


async def _stamps(
    client: AIOKafkaConsumer, wanted: dict[TopicPartition, set[int]]
) -> dict[tuple[TopicPartition, int], float]:
    """When the records were written, in seconds since 1970. One round reads one offset of each partition. What the client cannot
    read (strangers write such things) has no age: its partition is left out, the others are asked each alone."""
    stamps: dict[tuple[TopicPartition, int], float] = {}
    for round_ in _rounds(wanted):
        try:
            await _read(client, round_, stamps)
        except FAILURES:
            for part, at in round_.items():
                if (part, at) not in stamps:
                    with contextlib.suppress(*FAILURES):
                        await _read(client, {part: at}, stamps)
    client.unsubscribe()
    return stamps


async def _read(
    client: AIOKafkaConsumer,
    round_: Mapping[TopicPartition, int],
    stamps: dict[tuple[TopicPartition, int], float],
) -> None:
    client.assign(list(round_))
    for part, at in round_.items():
        client.seek(part, at)
    left, until = set(round_), time.monotonic() + ROUND_S
    while left and time.monotonic() < until:
        for part, records in (await client.getmany(*left, timeout_ms=200)).items():
            if part in left:
                left.discard(part)
                stamps[part, round_[part]] = records[0].timestamp / 1000
                client.pause(part)


def _rounds(wanted: dict[TopicPartition, set[int]]) -> Iterable[dict[TopicPartition, int]]:
    lists = {part: sorted(offsets) for part, offsets in wanted.items()}
    for n in range(max((len(offsets) for offsets in lists.values()), default=0)):
        yield {part: offsets[n] for part, offsets in lists.items() if n < len(offsets)}

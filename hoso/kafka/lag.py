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
from collections.abc import Iterable, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from hoso.kafka.connection import Broker, quiet
from hoso.process.lag import MISSING, NEVER_READ, OK, TRUNCATED, Behind, LogAway, Place

PATIENCE_S = 5.0
"""One look takes no longer."""
ROUND_S = 1.0
"""Nothing comes where only the marks of a stranger's transaction lie: their age is 0."""


class KafkaEnds:
    """Reads where partitions end. Connects when it is first asked, and anew after Kafka was away; one look at a time."""

    def __init__(self, broker: Broker, *, patience: float = PATIENCE_S) -> None:
        self._broker = broker
        self._patience = patience
        self._client: AIOKafkaConsumer | None = None
        self._looking = asyncio.Lock()

    async def behind(self, places: Sequence[Place]) -> Sequence[Behind]:
        """For each place, what lies before it. Raises hoso.process.lag.LogAway."""
        async with self._looking:
            try:
                async with asyncio.timeout(self._patience):
                    return await self._look(places)
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
        there = await client.topics()
        parts = sorted({TopicPartition(p.topic, p.part) for p in places if p.topic in there})
        if not parts:
            return [Behind(0, 0.0, MISSING) for _ in places]
        begins, ends = await client.beginning_offsets(parts), await client.end_offsets(parts)
        wanted: dict[TopicPartition, set[int]] = defaultdict(set)
        for place in places:
            part = TopicPartition(place.topic, place.part)
            if part in ends and (at := max(place.offset or 0, begins[part])) < ends[part]:
                wanted[part].add(at)
        stamps = await _stamps(client, wanted)
        now = time.time()
        found = []
        for place in places:
            part = TopicPartition(place.topic, place.part)
            if part not in ends:
                found.append(Behind(0, 0.0, MISSING))
                continue
            at = max(place.offset or 0, begins[part])
            state = NEVER_READ if place.offset is None else TRUNCATED if place.offset < begins[part] else OK
            age = now - stamps[part, at] if (part, at) in stamps else 0.0
            found.append(Behind(max(0, ends[part] - at), max(0.0, age), state))
        return found


async def _stamps(
    client: AIOKafkaConsumer, wanted: dict[TopicPartition, set[int]]
) -> dict[tuple[TopicPartition, int], float]:
    """When the records were written, in seconds since 1970. One round reads one offset of each partition."""
    stamps: dict[tuple[TopicPartition, int], float] = {}
    for round_ in _rounds(wanted):
        client.assign(list(round_))
        for part, at in round_.items():
            client.seek(part, at)
        left, until = set(round_), time.monotonic() + ROUND_S
        while left and time.monotonic() < until:
            for part, records in (await client.getmany(timeout_ms=200)).items():
                if part in left:
                    left.discard(part)
                    stamps[part, round_[part]] = records[0].timestamp / 1000
                    client.pause(part)
    client.unsubscribe()
    return stamps


def _rounds(wanted: dict[TopicPartition, set[int]]) -> Iterable[dict[TopicPartition, int]]:
    lists = {part: sorted(offsets) for part, offsets in wanted.items()}
    for n in range(max((len(offsets) for offsets in lists.values()), default=0)):
        yield {part: offsets[n] for part, offsets in lists.items() if n < len(offsets)}

"""Records of strangers that the client library itself cannot read: a header name that is no UTF-8, a codec that is not installed.

It raises, every time, and whatever lies behind in the same batch cannot be had either. So somebody looks again, one record at
a time, with a client of its own: what can be read is given out, and in place of each record that cannot stands one that becomes a dead
letter. The record itself stays in Kafka, at its offset.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CorruptRecordException, IllegalStateError, UnsupportedCodecError

from hoso.kafka.connection import Broker
from hoso.kafka.marks import Partition, Place
from hoso.kafka.strangers import UNREADABLE

log = logging.getLogger(__name__)

FAILURES = (UnicodeDecodeError, CorruptRecordException, UnsupportedCodecError)
HELPING = 100
"""Records of one partition in one go."""


class StandIn(NamedTuple):
    """In place of a record that cannot be read."""

    topic: str
    partition: int
    offset: int
    headers: tuple[tuple[str, bytes], ...]
    key: None = None
    value: None = None
    timestamp: int = 0


async def past(
    error: Exception,
    consumer: AIOKafkaConsumer,
    broker: Broker,
    places: Mapping[Partition, Place],
    strange: Sequence[str],
) -> dict[TopicPartition, list[Any]]:
    """What to give out instead of what could not be read; the reader goes on behind it, elsewhere from its places.

    `places`: the reader's own, as they change: where the reading was put elsewhere meanwhile, nothing of what was found is given out.
    `strange`: how the topics begin that others write to. Raises `error` when none of these is the reason: in a topic of our own
    nothing is passed over.
    """
    log.warning("a record cannot be read", extra={"error": repr(error)})
    began = dict(places)
    back_to(consumer, began)
    looked = {TopicPartition(*key): place.next for key, place in began.items() if key[0].startswith(tuple(strange))}
    found = await around(broker, looked)
    if not found:
        raise error
    given = {}
    for part, records in found.items():
        key = (part.topic, part.partition)
        if places.get(key) is not began[key]:
            continue
        with contextlib.suppress(IllegalStateError):  # taken from us meanwhile
            consumer.seek(part, records[-1].offset + 1)
            given[part] = records
    return given


def back_to(consumer: AIOKafkaConsumer, places: Mapping[Partition, Place]) -> None:
    """Read on from the places: a fetch that failed may have begun to give out some partitions."""
    for key, place in places.items():
        with contextlib.suppress(IllegalStateError):
            consumer.seek(TopicPartition(*key), place.next)


async def around(broker: Broker, places: Mapping[TopicPartition, int]) -> dict[TopicPartition, list[Any]]:
    """What lies from each place on, where something there cannot be read or a whole helping can: that may lie behind it. Raises KafkaError."""
    client = AIOKafkaConsumer(
        **broker.arguments(), client_id="hoso-around", enable_auto_commit=False, isolation_level="read_committed"
    )
    try:
        await client.start()
        ends = await client.end_offsets(list(places)) if places else {}
        found = {part: await one_by_one(client, part, start, ends[part]) for part, start in places.items()}
    finally:
        await client.stop()
    return {
        part: records
        for part, records in found.items()
        if len(records) >= HELPING or any(isinstance(one, StandIn) for one in records)
    }


async def one_by_one(client: AIOKafkaConsumer, part: TopicPartition, at: int, end: int) -> list[Any]:
    """One helping of a partition from `at` on. The client is assigned this partition only, from then on."""
    found: list[Any] = []
    if at >= end:
        return found
    client.assign([part])
    client.seek(part, at)
    while at < end and len(found) < HELPING:
        try:
            got = (await client.getmany(part, timeout_ms=1_000, max_records=1)).get(part, [])
        except FAILURES as error:
            why = f"the record cannot be read: {type(error).__name__} {error}"[:200]
            found.append(StandIn(part.topic, part.partition, at, ((UNREADABLE, why.encode()),)))
            at += 1
            client.seek(part, at)
            continue
        if not got:
            break
        found += got
        at = got[-1].offset + 1
    return found

"""Reading from Kafka while partitions change hands, logs are changed over, batches take their time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka import TopicPartition

from hoso.log.partitions import partition_of
from hoso.log.port import Entry
from hoso.log.postgres import PostgresLog, append
from hoso.runtime.ids import uuid7
from hoso.runtime.steps import Tell
from tests.contract.log.on_kafka import KafkaStage, Reader
from tests.contract.log.stage import (
    COUNTED,
    GROUP,
    Counted,
    admit,
    consumer,
    count,
    echoes,
    ready,
    service,
    settle,
    turn,
)
from tests.contract.log.test_consumer import Pausing
from tests.support.waiting import eventually

pytestmark = pytest.mark.parametrize("stage", ["kafka"], indirect=True)


async def test_a_batch_read_before_the_partition_went_away_and_came_back_is_fenced(stage: KafkaStage) -> None:
    """What was learnt when it came back is not what the batch was read at."""
    unit = uuid7()
    await count(stage, unit, [1, 2, 3])
    events = stage.reader(GROUP, [COUNTED])
    asleep = Pausing(events)
    await ready(asleep)
    first = asyncio.create_task(consumer(stage, service(), events=asleep).turn())
    await asleep.has_read.wait()
    parts = {TopicPartition(*key) for key in events.parts}
    await events._fetching.on_partitions_revoked(parts)
    assert await turn(consumer(stage, service())) == 3
    await events._fetching.on_partitions_assigned(parts)
    asleep.go_on.set()
    assert (await first)[0] == 0
    assert await echoes(stage, unit) == [1, 2, 3]
    await count(stage, unit, [4])
    assert await settle(consumer(stage, service(), events=events)) == 1


async def test_a_batch_in_hand_is_committed_although_its_partition_went_away(stage: KafkaStage) -> None:
    unit = uuid7()
    await count(stage, unit, [1, 2, 3])
    events = stage.reader(GROUP, [COUNTED])
    asleep = Pausing(events)
    await ready(asleep)
    first = asyncio.create_task(consumer(stage, service(), events=asleep).turn())
    await asleep.has_read.wait()
    await events._fetching.on_partitions_revoked({TopicPartition(*key) for key in events.parts})
    asleep.go_on.set()
    assert (await first)[0] == 3
    assert await settle(consumer(stage, service())) == 0


async def test_what_lay_ready_when_a_partition_went_away_is_read_when_it_comes_back(stage: KafkaStage) -> None:
    unit = uuid7()
    await count(stage, unit, [1, 2, 3])
    events = stage.reader(GROUP, [COUNTED])
    assert await ready(events)
    assert events.lies_ready == 3
    parts = {TopicPartition(*key) for key in events.parts}
    await events._fetching.on_partitions_revoked(parts)
    assert events.lies_ready == 0
    await events._fetching.on_partitions_assigned(parts)
    assert await asyncio.wait_for(settle(consumer(stage, service(), events=events)), 20) == 3
    assert await echoes(stage, unit) == [1, 2, 3]


async def test_from_postgresql_to_kafka_and_back_and_again_nothing_is_read_twice(stage: KafkaStage) -> None:
    unit = uuid7()
    kafka: Callable[[], Any] = lambda: stage.reader(GROUP, [COUNTED])  # noqa: E731
    postgres: Callable[[], Any] = lambda: PostgresLog(stage.quick, GROUP, [COUNTED], uuid7())  # noqa: E731
    told: Sequence[Callable[[], Any]] = (postgres, kafka, postgres, kafka, postgres)
    for n, events in enumerate(told):
        await count(stage, unit, [2 * n, 2 * n + 1])
        own = consumer(stage, service(), events=events())
        assert await settle(own) == 2
        await own._events.close()
    assert await echoes(stage, unit) == list(range(10))


async def test_a_reader_of_kafka_is_fenced_by_one_of_postgresql(stage: KafkaStage) -> None:
    """While a deployment changes over, both may run."""
    unit = uuid7()
    await count(stage, unit, [1, 2])
    asleep = Pausing(stage.reader(GROUP, [COUNTED]))
    await ready(asleep)
    first = asyncio.create_task(consumer(stage, service(), events=asleep).turn())
    await asleep.has_read.wait()
    other = PostgresLog(stage.quick, GROUP, [COUNTED], uuid7())
    assert (await consumer(stage, service(), events=other).turn())[0] == 2
    asleep.go_on.set()
    assert (await first)[0] == 0
    assert await echoes(stage, unit) == [1, 2]


async def test_a_slow_consumer_reads_on_where_it_was(stage: KafkaStage) -> None:
    """More than a helping lies ready while a batch takes its time."""
    units = [uuid7() for _ in range(10)]
    for n in range(120):
        await admit(stage, *((unit, Tell(Counted(n=n))) for unit in units))
    asleep = Pausing(stage.reader(GROUP, [COUNTED]))
    await ready(asleep)
    own = consumer(stage, service(), events=asleep)
    first = asyncio.create_task(own.turn())
    await asleep.has_read.wait()
    reading: Reader = asleep.events  # type: ignore[assignment]

    async def next_one() -> bool:
        return reading.lies_ready > 0

    await eventually(next_one, "the next helping to lie ready meanwhile")
    asleep.go_on.set()
    handled = (await first)[0]
    assert handled + await settle(own) == 1200
    for unit in units:
        assert await echoes(stage, unit) == list(range(120))


async def test_a_record_that_no_relay_wrote_is_read_as_what_it_says(stage: KafkaStage) -> None:
    """Somebody who may write to an internal topic did: it takes effect by its own words, or is a dead letter."""
    from aiokafka import AIOKafkaProducer

    unit = uuid7()
    async with stage.pool.acquire() as tx, tx.transaction():
        await append(
            tx,
            [Entry(COUNTED.name, partition_of(unit, 8), uuid7(), Counted.TYPE, unit, "acme", b"{}")],
            datetime.now(UTC),
        )
    producer = AIOKafkaProducer(bootstrap_servers=list(stage.broker.servers))
    await producer.start()
    try:
        await producer.send_and_wait(COUNTED.name, b"no event", partition=0)
    finally:
        await producer.stop()
    own = consumer(stage, service())
    assert await settle(own) == 2
    dead = await stage.pool.fetch("select topic, part, reason, body from log.dead")
    assert [tuple(r) for r in dead] == [(COUNTED.name, 0, "no-unit", b"no event")]

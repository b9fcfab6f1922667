"""Reading from Kafka where events are missing: nothing is skipped, it is said, and what comes later heals it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from aiokafka import TopicPartition

from hoso.kafka.lag import KafkaEnds
from hoso.kafka.relay import GROUP as RELAY
from hoso.kafka.resend import resend
from hoso.log.partitions import partition_of
from hoso.log.port import GapFound
from hoso.process.embedded import EmbeddedServer
from hoso.process.lag import lag_by_partition
from hoso.runtime.ids import uuid7
from tests.contract.log.on_kafka import KafkaStage, lay_out_topics
from tests.contract.log.stage import (
    COUNTED,
    GROUP,
    TOPICS,
    consumer,
    count,
    echoes,
    reader,
    ready,
    service,
    settle,
)
from tests.contract.log.test_consumer import Pausing
from tests.contract.log.test_kafka_rules import at, elsewhere, relay_back, relayed
from tests.support.waiting import eventually

pytestmark = pytest.mark.parametrize("stage", ["kafka"], indirect=True)


async def gap(stage: KafkaStage, unit: UUID) -> None:
    """The events 3 and 4 never came to Kafka, 5 and 6 did."""
    await count(stage, unit, range(7))
    part = partition_of(unit, 8)
    until = "update log.position set off = $3 where grp = $1 and topic = $2 and part = $4"
    held = await stage.pool.fetch("delete from log.event where topic = $1 and off >= 3 returning *", COUNTED.name)
    await stage.pool.execute("update log.head set next = 3 where topic = $1 and part = $2", COUNTED.name, part)
    await stage.relayed()
    async with stage.pool.acquire() as tx, tx.transaction():
        for row in held:
            await tx.execute(
                "insert into log.event(topic, part, off, at, id, type, subject, tenant, body) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                *(row[c] for c in ("topic", "part", "off", "at", "id", "type", "subject", "tenant", "body")),
            )
        await tx.execute("update log.head set next = 7 where topic = $1 and part = $2", COUNTED.name, part)
        await tx.execute(until, RELAY, COUNTED.name, 5, part)
    await stage.relayed()


async def test_a_gap_stops_the_reader_and_says_how_to_fill_it(stage: KafkaStage) -> None:
    unit = uuid7()
    await gap(stage, unit)
    own = consumer(stage, service())
    with pytest.raises(GapFound, match=r"test\.echo has to read 3 of .*, Kafka goes on at 5.*hoso topics resend"):
        await settle(own)
    assert await echoes(stage, unit) == [0, 1, 2], "nothing behind the gap is handled"
    with pytest.raises(GapFound):
        await settle(consumer(stage, service()))


async def test_a_gap_is_found_again_although_others_went_on_behind_it(
    stage: KafkaStage, server: EmbeddedServer
) -> None:
    unit = uuid7()
    async with elsewhere(server, stage) as (db, relay):
        await count(db, unit, [1, 2])
        await relayed(relay)
        assert await settle(consumer(stage, service())) == 2
        await count(db, unit, [3, 4, 5])
        await db.pool.execute("update log.position set off = 3 where grp = $1 and off = 2", RELAY)
        await relayed(relay)
        await count(stage, unit, [101, 102])
        for _ in range(2):
            with pytest.raises(GapFound, match=r"has to read 2 of .*, Kafka goes on at 3"):
                await settle(consumer(stage, service()))
        assert await echoes(stage, unit) == [1, 2, 101, 102], "others do not wait"
        await relay_back(db, 2)
        await relayed(relay)
        assert await settle(consumer(stage, service())) == 3
        assert await settle(consumer(stage, service())) == 0
    assert await echoes(stage, unit) == [1, 2, 101, 102, 3, 4, 5]


async def test_behind_a_gap_too_a_member_that_slept_handles_nothing_twice(
    stage: KafkaStage, server: EmbeddedServer
) -> None:
    """What others sent is handled there, and neither Kafka's offset nor the own number moves."""
    unit = uuid7()
    await gap(stage, unit)
    async with elsewhere(server, stage) as (db, relay):
        with pytest.raises(GapFound):
            await settle(consumer(stage, service()))
        await count(db, unit, [101, 102])
        await relayed(relay)
        asleep = Pausing(reader(stage))
        slow = consumer(stage, service(), events=asleep)
        await ready(asleep)
        turning = asyncio.create_task(slow.turn())
        await asyncio.wait_for(asleep.has_read.wait(), 20)
        with pytest.raises(GapFound):
            await settle(consumer(stage, service()))
        assert await echoes(stage, unit) == [0, 1, 2, 101, 102]
        asleep.go_on.set()
        assert (await turning)[0] == 0
    assert await echoes(stage, unit) == [0, 1, 2, 101, 102]


async def test_a_group_that_is_new_begins_where_the_outbox_does(stage: KafkaStage) -> None:
    """The topic was made anew, and the relay went on: what the outbox still keeps is not left out."""
    unit = uuid7()
    await count(stage, unit, range(6))
    await stage.relay.reload()
    await stage.pool.execute("update log.position set off = 3 where grp = $1 and topic = $2 and part = $3",
        RELAY, COUNTED.name, partition_of(unit, 8))  # fmt: skip
    with pytest.raises(GapFound, match=r"has to read 0 of .*, Kafka goes on at 3"):
        await settle(consumer(stage, service()))
    async with stage.pool.acquire() as tx, tx.transaction():
        await resend(tx, COUNTED)
    assert await settle(consumer(stage, service())) == 6
    assert await echoes(stage, unit) == list(range(6))


async def test_a_group_that_is_new_does_not_ask_for_what_was_trimmed(stage: KafkaStage) -> None:
    unit = uuid7()
    await count(stage, unit, range(6))
    await stage.pool.execute("delete from log.event where topic = $1 and off < 3", COUNTED.name)
    await stage.pool.execute("update log.head set first = 3 where topic = $1 and next > 3", COUNTED.name)
    await stage.pool.execute("delete from log.position where grp = $1", RELAY)
    assert await settle(consumer(stage, service())) == 3
    assert await echoes(stage, unit) == [3, 4, 5]


async def test_what_was_missing_is_found_behind_the_gap_when_it_was_resent(stage: KafkaStage) -> None:
    unit = uuid7()
    await gap(stage, unit)
    with pytest.raises(GapFound):
        await settle(consumer(stage, service()))
    async with stage.pool.acquire() as tx, tx.transaction():
        await resend(tx, COUNTED)
    assert await settle(consumer(stage, service())) == 4
    assert await echoes(stage, unit) == list(range(7))


async def test_a_topic_made_anew_is_filled_and_read_by_the_process_that_runs(stage: KafkaStage, kafka: str) -> None:
    unit, own = uuid7(), consumer(stage, service())
    await count(stage, unit, range(5))
    await settle(own)
    await stage.relay.close()
    await lay_out_topics(kafka, TOPICS)
    assert await stage.relay.open()
    await count(stage, unit, [5])
    async with stage.pool.acquire() as tx, tx.transaction():
        await resend(tx, COUNTED)

    async def read() -> bool:
        await stage.relayed()
        await own.turn()
        return len(await echoes(stage, unit)) == 6

    await eventually(read, "the sixth event to be read", 30)
    assert await echoes(stage, unit) == list(range(6))
    assert await at(stage) == 6


@pytest.mark.parametrize("read_before", [0, 5])
async def test_the_lost_end_of_a_topic_stops_the_reader_although_nothing_comes_after_it(
    stage: KafkaStage, kafka: str, read_before: int
) -> None:
    unit, own = uuid7(), consumer(stage, service())
    await count(stage, unit, range(5))
    await stage.relayed()
    assert not read_before or await settle(own) == read_before
    await count(stage, unit, range(5, 7))
    await stage.relayed()
    await lay_out_topics(kafka, TOPICS)  # made anew and empty; the relay goes on behind it

    async def stopped() -> bool:
        try:
            await own.turn()
        except GapFound as gap:
            return f"has to read {read_before} of" in str(gap) and "hoso topics resend" in str(gap)
        return False

    await eventually(stopped, "the reader to stop", 30)
    ends = KafkaEnds(stage.broker)
    rows = await lag_by_partition(stage.pool, datetime.now(UTC), [service().group], ends)
    await ends.close()
    assert [(row["records"], row["state"]) for row in rows if row["state"] != "ok"] == [(7 - read_before, "truncated")]
    async with stage.pool.acquire() as tx, tx.transaction():
        await resend(tx, COUNTED)
    await stage.relayed()
    assert await settle(consumer(stage, service())) == 7 - read_before
    assert await echoes(stage, unit) == list(range(7))


async def test_a_reader_that_is_only_slow_has_lost_nothing(stage: KafkaStage) -> None:
    """The relay is ahead of it, what it brought lies ready or is in hand."""
    unit, events = uuid7(), stage.reader(GROUP, [COUNTED])
    own = consumer(stage, service(), events=events)
    await count(stage, unit, range(3))
    await stage.relayed()

    async def fetched() -> bool:
        return await events._fetching.joined() and events.lies_ready > 0

    await eventually(fetched, "a helping to lie ready", 30)
    await events._fetching.look_for_tails()
    assert await settle(own) == 3
    await events._fetching.look_for_tails()
    assert await settle(own) == 0


async def test_records_that_expired_unread_stop_the_reader(stage: KafkaStage, kafka: str) -> None:
    unit = uuid7()
    await count(stage, unit, range(5))
    own = consumer(stage, service())
    await settle(own)
    await own._events.close()
    await count(stage, unit, range(5, 9))
    await stage.relayed()
    from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

    admin: Any = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    part = TopicPartition(COUNTED.name, partition_of(unit, 8))
    await admin.delete_records({part: RecordsToDelete(before_offset=7)})
    await admin.close()
    with pytest.raises(GapFound, match=r"has to read 5, Kafka has dropped everything before 7"):
        await settle(consumer(stage, service()))

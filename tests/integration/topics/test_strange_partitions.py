"""Partitions that strangers write to as they like: transactions, old times, records that are gone; and one that has no leader."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from app.world import world_clock
from hoso.kafka.client import bounds
from hoso.kafka.connection import Broker
from hoso.kafka.log import KafkaLog
from hoso.kafka.topics import Copies, wanted
from hoso.store.postgres import Database
from schemas.topics import topic_named
from tests.integration.topics.test_unreadable import made
from tests.support.waiting import eventually


async def read_until(db: Database, kafka: str, name: str, group: str, at: int) -> list[int]:
    """The offsets of what the group is given until its position is `at`."""
    found: list[int] = []
    log = KafkaLog(
        db.pool, group, [topic_named(name)], uuid4(), lambda: None,
        broker=Broker.of(f"kafka://{kafka}"), environment="test", now=(await world_clock(db.pool)).now,
    )  # fmt: skip

    async def there() -> bool:
        if records := list(await log.read(100)):
            async with db.pool.acquire() as tx, tx.transaction():
                await log.fence(tx, records)
                await log.move(tx, records)
            log.moved(records)
            found.extend(r.off for r in records)
        return bool(await db.pool.fetchval("select kafka = $2 from log.position where grp = $1", group, at))

    try:
        await eventually(there, f"the position to be {at}; found {found}", 30)
    finally:
        await log.close()
    return found


async def test_transactions_that_were_aborted_are_not_read_and_their_marks_are_passed(db: Database, kafka: str) -> None:
    name, group = await made(kafka), f"hoso.{uuid4().hex}"
    producer = AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=name)
    await producer.start()
    try:
        async with producer.transaction():
            await producer.send(name, b"{}", partition=0)
        await producer.begin_transaction()
        await producer.send_and_wait(name, b"{}", partition=0)
        await producer.abort_transaction()
    finally:
        await producer.stop()
    assert await read_until(db, kafka, name, group, 4) == [0]
    assert await read_until(db, kafka, name, group, 4) == []


async def test_requests_that_expired_unread_are_told_and_the_next_ones_are_read(
    db: Database, kafka: str, caplog: pytest.LogCaptureFixture
) -> None:
    name, group = await made(kafka), f"hoso.{uuid4().hex}"
    producer: Any = AIOKafkaProducer(bootstrap_servers=kafka)
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await producer.start()
    await admin.start()
    try:
        for _ in range(2):
            await producer.send_and_wait(name, b"{}", partition=0)
        assert await read_until(db, kafka, name, group, 2) == [0, 1]
        for _ in range(4):
            await producer.send_and_wait(name, b"{}", partition=0)
        await admin.delete_records({TopicPartition(name, 0): RecordsToDelete(before_offset=4)})
    finally:
        await producer.stop()
        await admin.close()
    assert await read_until(db, kafka, name, group, 6) == [4, 5]
    assert "ERROR" in {r.levelname for r in caplog.records if "Kafka does not have what was read last" in r.message}


async def test_a_partition_without_a_leader_does_not_keep_the_others(kafka: str) -> None:
    there = TopicPartition(await made(kafka), 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False)
    await consumer.start()
    try:
        async with asyncio.timeout(20):
            assert await bounds(consumer, [there, there._replace(partition=99)]) == {there: (0, 0)}
    finally:
        await consumer.stop()


def test_who_writes_to_our_topics_does_not_choose_when_a_record_expires() -> None:
    settings = wanted(topic_named("enrolment.requests.acme"), Copies(1, 1)).settings
    assert settings["message.timestamp.type"] == "LogAppendTime"
    assert "message.timestamp.type" not in wanted(topic_named("agency.replied"), Copies(1, 1)).settings

"""A stranger's record that the client library cannot read stops nobody: it is a dead letter, and what lies around it is read."""

from __future__ import annotations

import asyncio
import subprocess
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from app.world import world_clock
from hoso.kafka.connection import Broker
from hoso.kafka.log import KafkaLog
from hoso.kafka.marks import Place
from hoso.kafka.unreadable import HELPING, past
from hoso.log.port import Record
from hoso.store.postgres import Database
from schemas.topics import topic_named
from tests.integration.intake.test_kafka_doors import kcat
from tests.support.waiting import eventually

VALUE = b'{"request": "%d", "fields": {}, "remarks": "' + b"x" * 5_000 + b'"}'
"""Long enough to be worth compressing."""
HEADERS = [b"ce_specversion=1.0", b"ce_type=vn.hoso.enrolment.request.v1"]


async def made(kafka: str) -> str:
    """A topic of one partition, as somebody made it who does not know `hoso topics apply`."""
    name = f"enrolment.requests.t{uuid4().hex[:12]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    answer = await admin.create_topics([NewTopic(name, 1, 1)])
    await admin.close()
    assert [code for _, code, _ in answer.topic_errors] == [0]
    return name


def publish(kafka: str, name: str, number: int, *words: bytes) -> None:
    told = [word for header in HEADERS for word in (b"-H", header)]
    subprocess.run(
        [kcat().encode(), b"-P", b"-b", kafka.encode(), b"-t", name.encode(), b"-p", b"0", *told, *words],
        input=VALUE % number, check=True, timeout=30,
    )  # fmt: skip


async def read(db: Database, kafka: str, name: str, wanted: int) -> list[Record]:
    """So many records of the topic, as a group that is new reads them."""
    found: list[Record] = []
    log = KafkaLog(
        db.pool, f"hoso.{uuid4().hex}", [topic_named(name)], uuid4(), lambda: None,
        broker=Broker.of(f"kafka://{kafka}"), environment="test", now=(await world_clock(db.pool)).now,
    )  # fmt: skip

    async def all_read() -> bool:
        records = list(await log.read(100))
        if records:
            async with db.pool.acquire() as tx, tx.transaction():
                await log.fence(tx, records)
                await log.move(tx, records)
            log.moved(records)
            found.extend(records)
        return len(found) >= wanted

    try:
        await eventually(all_read, f"{wanted} records, found {found[-3:]}", 60)
    finally:
        await log.close()
    return found


async def test_a_header_name_that_is_no_text_and_a_codec_nobody_has_are_passed(db: Database, kafka: str) -> None:
    kcat()
    name = await made(kafka)
    publish(kafka, name, 0)
    publish(kafka, name, 1, b"-H", b"\xff\xfe=1")
    publish(kafka, name, 2)
    publish(kafka, name, 3, b"-z", b"zstd")
    publish(kafka, name, 4, b"-H", b"\xff=1", b"-z", b"gzip")
    publish(kafka, name, 5)
    found = await read(db, kafka, name, 6)
    assert [(r.off, r.subject is None) for r in found] == [
        (0, False),
        (1, True),
        (2, False),
        (3, True),
        (4, True),
        (5, False),
    ]
    assert "UnicodeDecodeError" in found[1].type
    assert "zstd" in found[3].type


async def test_what_cannot_be_read_may_lie_behind_more_than_a_helping(db: Database, kafka: str) -> None:
    kcat()
    name, good = await made(kafka), 2 * HELPING + 10
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    await asyncio.gather(*[await producer.send(name, b"{}", partition=0) for _ in range(good)])
    await producer.stop()
    publish(kafka, name, 1, b"-H", b"\xff=1")
    publish(kafka, name, 2)
    found = await read(db, kafka, name, good + 2)
    assert [r.off for r in found] == list(range(good + 2))
    assert "UnicodeDecodeError" in found[good].type


async def test_what_was_found_is_not_given_out_when_the_reading_went_back_meanwhile(kafka: str) -> None:
    """While somebody looks around what cannot be read, the transaction of what came before fails."""
    kcat()
    name = await made(kafka)
    for number in range(3):
        publish(kafka, name, number)
    publish(kafka, name, 3, b"-H", b"\xff=1")
    key, part = (name, 0), TopicPartition(name, 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign([part])
        places = {key: Place(None, 0, 2)}

        def look() -> asyncio.Task[object]:
            broker = Broker.of(f"kafka://{kafka}")
            return asyncio.create_task(past(ValueError("unreadable"), consumer, broker, places, ["enrolment."]))

        looking = look()
        await asyncio.sleep(0)  # it has noted where we stand
        places[key] = Place(None, 0, 1)
        consumer.seek(part, 1)
        assert await looking == {}
        assert await consumer.position(part) == 1, "the reading goes on where it was put"
        again = await look()
        assert [one.offset for one in again[part]] == [1, 2, 3]  # type: ignore[index]
        assert await consumer.position(part) == 4
    finally:
        await consumer.stop()

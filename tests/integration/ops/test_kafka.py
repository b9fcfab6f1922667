"""With Kafka: lag read from its partitions, whoever wrote into them; dead letters as copies in `<topic>.<group>.dlq`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete

from app.stopped import redrives
from hoso.kafka.connection import Broker
from hoso.kafka.dead_letters import CUT, DeadLetters
from hoso.kafka.lag import KafkaEnds
from hoso.kafka.resend import held
from hoso.kafka.topics import dlq_of
from hoso.process.gauges import Gauges
from hoso.process.lag import RELAY, LogAway, Place, lag_by_partition
from hoso.runtime.kernel import Kernel
from hoso.store.postgres import Database
from tests.integration.cli.command import Cli
from tests.integration.intake.test_kafka_doors import kcat
from tests.integration.ops.setting import dead_letter, position
from tests.integration.topics.test_unreadable import made, publish

NOW = datetime.now(UTC)
GROUP = "hoso.enrolment"


async def make(kafka: str, *names: str, partitions: int = 3, **settings: str) -> None:
    configs = {name.replace("_", "."): value for name, value in settings.items()}
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    answer = await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=configs) for name in names])
    await admin.close()
    assert {code for _, code, _ in answer.topic_errors} == {0}


async def drop_before(kafka: str, topic: str, part: int, offset: int) -> None:
    """What retention does."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.delete_records({TopicPartition(topic, part): RecordsToDelete(before_offset=offset)})
    await admin.close()


async def produce(kafka: str, topic: str, part: int, ages: Sequence[float], **more: Any) -> None:
    """Records of these ages in seconds, as a stranger writes them."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka, **more)
    await producer.start()
    async with producer.transaction() if "transactional_id" in more else contextlib.nullcontext():
        for age in ages:
            stamp = int((time.time() - age) * 1000)
            await producer.send_and_wait(topic, b"x" * 500, partition=part, timestamp_ms=stamp)
    await producer.stop()


@pytest.fixture
async def topic(kafka: str, db: Database) -> str:
    """A topic of three partitions, in the log and in Kafka."""
    name = f"t.{uuid4().hex}"
    await make(kafka, name)
    await db.pool.execute("insert into log.head(topic, part) select $1, generate_series(0, 2)", name)
    return name


@pytest.fixture
async def ends(kafka: str) -> AsyncIterator[KafkaEnds]:
    own = KafkaEnds(Broker((kafka,)))
    yield own
    await own.close()


async def test_records_and_age_are_of_the_oldest_not_read_whoever_wrote_it(
    kafka: str, db: Database, topic: str, ends: KafkaEnds
) -> None:
    await produce(kafka, topic, 0, [300, 200, 100, 50])
    await produce(kafka, topic, 1, [70])
    for group, kafka_offset in ((GROUP, 2), ("hoso.ops", 3)):
        await position(db, group, topic, 0, kafka=kafka_offset)
        await position(db, group, topic, 1, kafka=1)
        await position(db, group, topic, 2)
    async with db.pool.acquire() as tx:
        rows = await lag_by_partition(tx, NOW, None, ends)
    found = {(row["group"], row["partition"]): row for row in rows if row["topic"] == topic}
    assert {place: (row["records"], row["state"]) for place, row in found.items()} == {
        (GROUP, 0): (2, "ok"),
        (GROUP, 1): (0, "ok"),
        (GROUP, 2): (0, "ok"),
        ("hoso.ops", 0): (1, "ok"),
        ("hoso.ops", 1): (0, "ok"),
        ("hoso.ops", 2): (0, "ok"),
    }
    assert 100 <= found[GROUP, 0]["seconds"] < 115
    assert 50 <= found["hoso.ops", 0]["seconds"] < 65
    assert found[GROUP, 1]["seconds"] == 0.0


async def test_never_read_truncated_and_missing_are_each_said(
    kafka: str, db: Database, topic: str, ends: KafkaEnds
) -> None:
    await produce(kafka, topic, 0, [10])
    await produce(kafka, topic, 1, [90, 80, 70, 60])
    await drop_before(kafka, topic, 1, 3)
    await position(db, GROUP, topic, 0)
    await position(db, GROUP, topic, 1, kafka=1)
    await db.pool.execute("insert into log.head(topic, part) values ('t.gone', 0)")
    await position(db, GROUP, "t.gone", 0, kafka=5)
    async with db.pool.acquire() as tx:
        rows = await lag_by_partition(tx, NOW, [GROUP], ends)
    found = {(row["topic"], row["partition"]): (row["records"], row["state"]) for row in rows}
    assert found[topic, 0] == (1, "never-read")
    assert found[topic, 1] == (1, "truncated")
    assert found["t.gone", 0] == (0, "missing")
    assert 60 <= next(r["seconds"] for r in rows if r["partition"] == 1 and r["topic"] == topic) < 70


async def test_the_relays_backlog_is_told_as_its_own_half(db: Database, topic: str, ends: KafkaEnds) -> None:
    await db.pool.execute("update log.head set next = 9 where topic = $1 and part = 0", topic)
    await position(db, RELAY, topic, 0, off=4)
    await position(db, GROUP, topic, 0, off=4, kafka=0)
    async with db.pool.acquire() as tx:
        rows = await lag_by_partition(tx, NOW, None, ends)
    found = {row["group"]: row["records"] for row in rows if (row["topic"], row["partition"]) == (topic, 0)}
    assert found == {RELAY: 5, GROUP: 0}


async def test_markers_of_a_strangers_transaction_do_not_hold_up_the_answer(
    kafka: str, topic: str, ends: KafkaEnds
) -> None:
    await produce(kafka, topic, 0, [20, 10], transactional_id=f"t-{uuid4()}")
    first, last = await ends.behind([Place(topic, 0, 1), Place(topic, 0, 2)])
    assert (last.records, last.seconds) == (1, 0.0)
    assert first.records == 2
    assert 10 <= first.seconds < 20


async def test_kafka_away_is_said_and_postgresql_tells_what_it_knows(db: Database, unused_port: int) -> None:
    ends = KafkaEnds(Broker((f"127.0.0.1:{unused_port}",)), patience=1)
    with pytest.raises(LogAway):
        await ends.behind([Place("t", 0, 1)])
    await db.pool.execute("update log.head set next = 9 where topic = 'mail.received' and part = 0")
    await position(db, GROUP, "mail.received", 0, off=4)
    async with db.pool.acquire() as tx:
        rows = await lag_by_partition(tx, NOW, [GROUP], ends)
    found = {row["partition"]: row for row in rows if row["topic"] == "mail.received"}
    assert (found[0]["records"], found[0]["state"]) == (5, "unknown")
    kernel = Kernel(db, GROUP, "test")
    await Gauges(kernel.metrics.registry).measure(kernel, ends)
    assert kernel.metrics.registry.get_sample_value("hoso_kafka_answers") == 0.0
    relay = Kernel(db, RELAY, "test")
    await Gauges(relay.metrics.registry).measure(relay, ends)
    assert relay.metrics.registry.get_sample_value("hoso_kafka_answers") == 0.0, "although it measures no reader"
    await ends.close()


async def test_what_cannot_be_read_of_a_stranger_hides_nobodys_lag(db: Database, kafka: str, topic: str) -> None:
    kcat()
    name = await made(kafka)
    publish(kafka, name, 0, b"-H", b"\xff\xfe=1")
    publish(kafka, name, 1)
    await produce(kafka, topic, 0, [40])
    await db.pool.execute("insert into log.head(topic, part) values ($1, 0)", name)
    await position(db, "hoso.intake", name, 0, kafka=0)
    await position(db, GROUP, topic, 0, kafka=0)
    kernel = Kernel(db, "hoso.ops", "test")
    ends = KafkaEnds(Broker((kafka,)))
    await Gauges(kernel.metrics.registry).measure(kernel, ends)
    await ends.close()
    told = kernel.metrics.registry.get_sample_value
    assert told("hoso_lag_records", {"group": "hoso.intake", "topic": name, "partition": "0"}) == 2.0
    assert 40 <= (told("hoso_lag_seconds", {"group": GROUP, "topic": topic, "partition": "0"}) or 0) < 60
    assert told("hoso_kafka_answers") == 1.0
    assert (await held(Broker((kafka,)), name, [0], "x")).begins == {}


async def test_a_partition_that_is_not_there_is_missing_and_hides_no_other(
    db: Database, kafka: str, topic: str, ends: KafkaEnds
) -> None:
    await produce(kafka, topic, 0, [40])
    found = await ends.behind([Place(topic, 7, 0), Place(topic, 0, 0)])
    assert [(one.records, one.state) for one in found] == [(0, "missing"), (1, "ok")]


async def test_what_ourselves_put_onto_a_strangers_topic_is_not_missed_there(
    db: Database, kafka: str, ends: KafkaEnds
) -> None:
    """There nobody notes which of the events are ours."""
    name = await made(kafka)
    publish(kafka, name, 0)
    await db.pool.execute("insert into log.head(topic, part, next) values ($1, 0, 1)", name)
    await position(db, RELAY, name, 0, off=1)
    await position(db, "hoso.intake", name, 0, kafka=1)
    async with db.pool.acquire() as tx:
        rows = await lag_by_partition(tx, NOW, ["hoso.intake"], ends)
    assert {row["state"] for row in rows if row["topic"] == name} == {"ok"}


async def test_hoso_lag_tells_both_halves(kafka: str, cli: Cli, db: Database, topic: str) -> None:
    await produce(kafka, topic, 0, [30])
    await position(db, GROUP, topic, 0, kafka=0)
    await position(db, RELAY, topic, 0)
    told = await cli("lag", "--json", "--partitions", HOSO_LOG=f"kafka://{kafka}")
    assert told.status == 0, told.err
    (mine,) = [r for r in told.json["groups"] if (r["topic"], r["partition"]) == (topic, 0)]
    assert (mine["records"], mine["state"], 30 <= mine["seconds"] < 60) == (1, "ok", True)
    assert any(row["topic"] == topic for row in told.json["relay"])
    plain = await cli("lag", HOSO_LOG=f"kafka://{kafka}")
    assert "Not yet brought to Kafka" in plain.out


# --- dead letters -----------------------------------------------------------------------------------------------


async def records(kafka: str, topic: str, count: int) -> list[ConsumerRecord]:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(15):
            return [await consumer.getone() for _ in range(count)]
    finally:
        await consumer.stop()


async def unpublished(db: Database) -> set[UUID]:
    return {row["id"] for row in await db.pool.fetch("select id from log.dead where published_at is null")}


async def test_a_letter_is_published_once_with_its_headers_and_its_bytes(kafka: str, db: Database) -> None:
    topic, group = f"t.{uuid4().hex}", "hoso.intake"
    await make(kafka, dlq_of(topic, group))
    plain = await dead_letter(db, group, topic, b"\xff{", error="the value is not UTF-8")
    body = json.dumps({"traceparent": "00-a-b-01", "n": "ố"}).encode()
    traced = await dead_letter(db, group, topic, body, off=8, reason="KeyError")
    kernel = Kernel(db, RELAY, "test")
    letters = DeadLetters(kernel, Broker((kafka,)), redrives)
    task = asyncio.create_task(letters.run())
    found = {UUID(one.key.decode()): one for one in await records(kafka, dlq_of(topic, group), 2)}
    kernel.drained.set()
    await task
    assert await unpublished(db) == set()
    assert {id_: one.value for id_, one in found.items()} == {plain: b"\xff{", traced: body}
    said = {name: value.decode() for name, value in found[plain].headers}
    failed_at = await db.pool.fetchval("select failed_at from log.dead where id = $1", plain)
    assert said == {
        "dlq-id": str(plain),
        "dlq-reason": "no-unit",
        "dlq-error": "the value is not UTF-8",
        "dlq-source-topic": topic,
        "dlq-source-partition": "2",
        "dlq-source-offset": "7",
        "dlq-group": group,
        "dlq-attempts": "1",
        "dlq-failed-at": failed_at.isoformat(),
    }
    assert dict(found[traced].headers)["traceparent"] == b"00-a-b-01"
    assert await letters.turn() == 0


async def test_a_topic_that_is_not_there_holds_up_its_own_letters_only(
    kafka: str, db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    topic, group = f"t.{uuid4().hex}", "hoso.intake"
    await make(kafka, dlq_of(topic, group))
    waiting = await dead_letter(db, group, f"{topic}.other", b"1")
    await dead_letter(db, group, topic, b"2", off=8)
    kernel = Kernel(db, RELAY, "test")
    letters = DeadLetters(kernel, Broker((kafka,)), redrives)
    try:
        assert await letters.turn() == 1
        assert await letters.turn() == 0
        assert await unpublished(db) == {waiting}
        assert [
            r.getMessage().count(f"{topic}.other.{group}.dlq") for r in caplog.records if r.levelname == "ERROR"
        ] == [1]
        gauges = Gauges(kernel.metrics.registry)
        ends = KafkaEnds(Broker((kafka,)))
        await position(db, RELAY, "mail.received", 0)
        await db.pool.execute("update log.dead set grp = $1", RELAY)
        await gauges.measure(kernel, ends)
        await ends.close()
        assert kernel.metrics.registry.get_sample_value("hoso_dead_letters_unpublished", {"group": RELAY}) == 1.0
        await db.pool.execute("update log.dead set grp = $1", group)
        await make(kafka, dlq_of(f"{topic}.other", group))
        assert await letters.turn() == 1
    finally:
        kernel.drained.set()
        await letters.run()
    assert await unpublished(db) == set()


@pytest.mark.parametrize("limit", [1024 * 1024 + 12, 100_000])
async def test_a_letter_larger_than_kafka_takes_is_cut_and_holds_nobody_up(
    kafka: str, db: Database, limit: int
) -> None:
    """More than a client may send, and more than the broker takes of this topic."""
    topic, group = f"t.{uuid4().hex}", "hoso.intake"
    await make(kafka, dlq_of(topic, group), partitions=1, max_message_bytes=str(limit))
    before = await dead_letter(db, group, topic, b"1", off=1)
    body = b"x" * min(limit, 1024 * 1024)
    large = await dead_letter(db, group, topic, body, off=2, error="e" * 5000)
    after = await dead_letter(db, group, topic, b"2", off=3)
    letters = DeadLetters(Kernel(db, RELAY, "test"), Broker((kafka,)), redrives)
    try:
        assert await letters.turn() == 3
        later = await dead_letter(db, group, topic, b"3", off=4)
        assert await letters.turn() == 1
    finally:
        await letters.close()
    found = await records(kafka, dlq_of(topic, group), 4)
    assert {UUID(one.key.decode()): one.value for one in found} == {
        before: b"1",
        large: body[:CUT],
        after: b"2",
        later: b"3",
    }
    said = {UUID(one.key.decode()): dict(one.headers) for one in found}
    assert (said[large]["dlq-cut"], "dlq-cut" in said[after]) == (str(len(body)).encode(), False)
    assert await db.pool.fetchval("select length(body) from log.dead where id = $1", large) == len(body)


async def test_a_letter_that_cannot_go_at_all_waits_alone(kafka: str, db: Database) -> None:
    """Sent again each second it would be published a hundred times, and those behind it never."""
    topic, group = f"t.{uuid4().hex}", "hoso.intake"
    await make(kafka, dlq_of(topic, group), partitions=1, max_message_bytes="5000")
    strange = await dead_letter(db, group, topic, b"strange", off=1)
    large = await dead_letter(db, group, topic, b"x" * 10_000, off=2)
    await dead_letter(db, group, topic, b"2", off=3)

    async def asked(db: Any, of: str, body: bytes) -> int:
        if body == b"strange":
            raise KeyError("nobody foresaw it")
        return await redrives(db, of, body)

    letters = DeadLetters(Kernel(db, RELAY, "test"), Broker((kafka,)), asked)
    try:
        assert await letters.turn() == 1
        assert await letters.turn() == 0
        assert await unpublished(db) == {strange, large}
    finally:
        await letters.close()

"""Starting against a broker that is away, elsewhere, or does not let us in: waited for, or one sentence; never a flood."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from demo.broker import Cluster
from hoso.kafka.connection import Broker
from hoso.kafka.log import KafkaLog
from hoso.kafka.relay import GROUP as RELAY
from hoso.kafka.relay import CannotSend, Relay
from hoso.runtime.clock import WorldClock
from hoso.runtime.failures import HosoError
from hoso.runtime.ids import uuid7
from hoso.runtime.kernel import Kernel
from hoso.store.postgres import Database
from schemas.topics import Topic
from tests.contract.log.on_kafka import KafkaStage, lay_out_topics
from tests.contract.log.stage import COUNTED, GROUP, TOPICS, count, echoes
from tests.contract.log.test_kernel import running
from tests.support.kafka import MakeCluster, allow
from tests.support.waiting import eventually

ABSENT = Topic("test.absent", (), (), (), "never made")


def reading(db: Database, broker: Broker, topic: Topic = COUNTED) -> KafkaLog:
    return KafkaLog(
        db.quick,
        GROUP,
        (topic,),
        uuid7(),
        lambda: None,
        broker=broker,
        environment="test",
        now=WorldClock().now,
    )


async def refused(db: Database, broker: Broker, topic: Topic = COUNTED) -> str:
    """The sentence a reader ends with."""
    events = reading(db, broker, topic)

    async def ends() -> str:
        try:
            await events.read(1)
        except HosoError as error:
            return str(error)
        return ""

    try:
        return await eventually(ends, "the reader to be refused", 30)
    finally:
        await events.close()


def library(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the Kafka library said, at WARNING and above."""
    return [r.getMessage() for r in caplog.records if r.name.startswith("aiokafka") and r.levelno >= logging.WARNING]


async def test_a_broker_that_comes_later_is_waited_for_and_said_once(
    stage: Database, kafka_cluster: MakeCluster, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = kafka_cluster()
    await lay_out_topics(cluster.bootstrap, TOPICS)
    cluster.kill(1)
    caplog.clear()
    unit, broker = uuid7(), Broker.of(f"kafka://{cluster.bootstrap}")

    def log_of(*reader: Any) -> KafkaLog:
        return KafkaLog(*reader, broker=broker, environment="test", now=WorldClock().now)

    relay = Kernel(stage, RELAY, "test")
    await relay.start()
    relaying = asyncio.create_task(relay.run(None, extra=[Relay(relay, broker).run]))
    async with running(stage, log_of=log_of):
        await count(stage, unit, [1, 2])

        def told() -> list[str]:
            return [r.getMessage() for r in caplog.records if "no Kafka answers yet" in r.getMessage()]

        async def both() -> bool:
            return len(told()) == 2

        await eventually(both, "the relay and the reader to say that they wait", 20)
        await asyncio.wait([relaying], timeout=4)
        assert len(told()) == 2, "once, not at every try"
        assert len(library(caplog)) < 12, library(caplog)
        cluster.start(1)
        cluster.until_ready()

        async def said() -> bool:
            return await echoes(stage, unit) == [1, 2]

        await eventually(said, "both events to be handled", 40)
    relay.drained.set()
    await relaying


async def test_a_service_ends_at_once_while_no_broker_answers(stage: Database) -> None:
    def log_of(*reader: Any) -> KafkaLog:
        return KafkaLog(*reader, broker=Broker.of("kafka://127.0.0.1:1"), environment="test", now=WorldClock().now)

    async with running(stage, log_of=log_of) as kernel:
        await asyncio.wait([asyncio.create_task(kernel.drained.wait())], timeout=1.5)


@pytest.mark.parametrize("stage", ["kafka"], indirect=True)
async def test_a_missing_topic_is_named(stage: KafkaStage) -> None:
    said = await refused(stage, stage.broker, ABSENT)
    assert said == "Kafka has no topic test.absent (or test.echo may not read it): run `hoso topics apply`"


async def test_whoever_is_not_let_in_hears_why_in_one_sentence(
    stage: Database, kafka_cluster: MakeCluster, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cluster: Cluster = kafka_cluster(security=True, users={"hoso": "correct-horse"})
    admin: Any = AIOKafkaAdminClient(**cluster.arguments())
    await admin.start()
    await admin.create_topics([NewTopic(t.name, t.partitions, 1) for t in TOPICS])
    await admin.close()
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text("correct-horse\n")
    wrong.write_text("battery-staple\n")
    there = f"kafka+sasl-ssl://{cluster.bootstrap}"

    def broker(url: str = there, *, ca: Path | None = cluster.ca, word: Path = right) -> Broker:
        return Broker.of(url, ca=ca, user="hoso", password_file=word)

    for case in (
        broker(word=wrong),
        broker(ca=None),
        broker(f"kafka://{cluster.bootstrap}"),
        broker(f"kafka+ssl://{cluster.bootstrap}"),
    ):
        caplog.clear()
        said = await refused(stage, case)
        assert said.startswith(f"Kafka at {cluster.bootstrap} does not let us in ("), said
        assert "HOSO_KAFKA_CA" in said
        assert "battery" not in said
        assert len(library(caplog)) < 8, library(caplog)

    said = await refused(stage, broker())
    assert "refuses test.echo" in said or "has no topic" in said
    assert "hoso topics" in said
    await allow(cluster, "hoso", ["read"], "topic:test.*")
    said = await refused(stage, broker())
    assert "refuses test.echo" in said
    assert "hoso topics acls" in said

    await allow(cluster, "hoso", ["read"], f"group:{GROUP}")
    kernel = Kernel(stage, RELAY, "test")
    await kernel.start()
    relay = Relay(kernel, broker())
    with pytest.raises(CannotSend, match=r"does not let the relay write.*hoso topics acls"):
        await relay.open()
    await allow(cluster, "hoso", ["write"], "topic:another")
    assert await relay.open()
    try:
        await count(stage, uuid7(), [1])
        await relay.reload()
        with pytest.raises(CannotSend, match=r"does not let the relay write.*hoso topics acls"):
            await relay.turn()
        await allow(cluster, "hoso", ["write"], "topic:test.*")
        await relay.close()
        assert await relay.open()
        await relay.reload()
        assert await relay.turn() == 1
    finally:
        await relay.close()
    events = reading(stage, broker())
    try:
        assert len(await eventually(lambda: events.read(10), "the event to be read", 30)) == 1
    finally:
        await events.close()

"""The relay: in order, contiguous, only what is committed; it ends itself where it cannot know; two of them do no harm."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from demo.broker import Cluster
from hoso.kafka.connection import Broker
from hoso.kafka.relay import GROUP as RELAY
from hoso.kafka.relay import CannotSend, Relay
from hoso.log.partitions import partition_of
from hoso.log.port import Entry, GapFound
from hoso.log.postgres import append, create_days, create_topics
from hoso.runtime.ids import uuid7
from hoso.runtime.kernel import Kernel
from hoso.runtime.steps import Tell
from hoso.store.postgres import Database
from schemas.topics import Topic
from tests.contract.log.on_kafka import KafkaStage, lay_out_topics
from tests.contract.log.stage import (
    COUNTED,
    TOPICS,
    Counted,
    admit,
    consumer,
    count,
    echoes,
    log_of,
    service,
    settle,
)
from tests.support.kafka import MakeCluster
from tests.support.waiting import eventually

on_kafka = pytest.mark.parametrize("stage", ["kafka"], indirect=True)


def offs(records: Sequence[Any]) -> dict[int, list[int]]:
    """By partition, which events of the outbox lie in Kafka, in order."""
    found: dict[int, list[int]] = defaultdict(list)
    for r in records:
        found[r.partition].append(int(dict(r.headers)["hoso-off"]))
    return found


def contiguous(run: Sequence[int]) -> bool:
    """No event comes for the first time before the one before it came."""
    seen = -1
    for off in run:
        if off > seen + 1:
            return False
        seen = max(seen, off)
    return True


async def position(db: Database) -> int:
    return int(await db.pool.fetchval("select sum(off) from log.position where grp = $1", RELAY))


@on_kafka
async def test_an_event_lies_in_its_own_partition_as_it_was_written(stage: KafkaStage) -> None:
    units = [uuid7() for _ in range(20)]
    for n in range(3):
        await admit(stage, *((unit, Tell(Counted(n=n))) for unit in units))
    assert await stage.relayed() == 60
    source = str(await stage.pool.fetchval("select id from log.source"))
    lying = await stage.records(COUNTED)
    written = await log_of(stage, COUNTED)
    assert [(r.partition, r.offset, r.value, r.key) for r in lying] == [
        (w.part, w.off, w.body, str(w.subject).encode()) for w in written
    ]
    for r, w in zip(lying, written, strict=True):
        told = dict(r.headers)
        assert (told["hoso-source"].decode(), int(told["hoso-epoch"]), int(told["hoso-off"])) == (source, 0, w.off)
        assert told["content-type"].startswith(b"application/cloudevents+json")
    assert await stage.relayed() == 0


@on_kafka
async def test_what_is_not_committed_is_not_sent_and_nothing_passes_it(stage: KafkaStage) -> None:
    unit = uuid7()
    part = partition_of(unit, 8)
    async with stage.pool.acquire() as tx:
        opened = tx.transaction()
        await opened.start()
        await append(tx, [Entry(COUNTED.name, part, uuid7(), Counted.TYPE, unit, "acme", b"1")], datetime.now(UTC))
        assert await stage.relayed() == 0
        await opened.commit()
    assert await stage.relayed() == 1


@on_kafka
async def test_records_carry_real_time_wherever_the_worlds_clock_stands(stage: KafkaStage) -> None:
    unit, later = uuid7(), datetime.now(UTC) + timedelta(days=40)
    async with stage.pool.acquire() as tx, tx.transaction():
        await create_days(tx, later)
    await admit(stage, (unit, Tell(Counted(n=1))), now=later)
    await stage.relayed()
    (record,) = await stage.records(COUNTED)
    assert abs(record.timestamp / 1000 - time.time()) < 60, "Kafka refuses what lies more than an hour ahead"
    seen: list[datetime] = []

    def handle(state: Any, event: Any, now: datetime) -> tuple[Any, list[Any]]:
        seen.append(now)
        return state, []

    assert await settle(consumer(stage, service(handle))) == 1
    assert abs(seen[0] - later) < timedelta(seconds=1), "the event's time is the world's"


@on_kafka
async def test_a_relay_that_died_behind_the_acknowledgement_sends_again_from_its_position(stage: KafkaStage) -> None:
    unit = uuid7()
    await count(stage, unit, range(10))
    await stage.relayed()
    await stage.pool.execute("update log.position set off = greatest(0, off - 4) where grp = $1", RELAY)
    assert await stage.relayed() >= 4
    (run,) = offs(await stage.records(COUNTED)).values()
    assert run == [*range(10), *range(6, 10)]
    assert await settle(consumer(stage, service())) == 10
    assert await echoes(stage, unit) == list(range(10))


@on_kafka
async def test_two_live_relays_do_no_harm(stage: KafkaStage) -> None:
    """No lock between them: both read the same positions and send the same, as when one was stopped and wakes up."""
    units = [uuid7() for _ in range(16)]
    other = Relay(stage.kernel, stage.broker)
    assert await other.open()
    try:
        for n in range(20):
            await admit(stage, *((unit, Tell(Counted(n=n))) for unit in units))
            await asyncio.gather(stage.relay.reload(), other.reload())
            await asyncio.gather(stage.relay.turn(), other.turn())
    finally:
        await other.close()
    await stage.relayed()
    lying = await stage.records(COUNTED)
    assert len(lying) > 20 * 16, "each sent what the other had sent: else this test shows nothing"
    assert all(contiguous(run) for run in offs(lying).values())
    assert await settle(consumer(stage, service())) == 20 * 16
    for unit in units:
        assert await echoes(stage, unit) == list(range(20))


@on_kafka
async def test_one_relay_works_and_the_other_takes_over_when_its_session_ends(stage: KafkaStage) -> None:
    kernels = [Kernel(stage, RELAY, "test"), Kernel(stage, RELAY, "test")]
    for kernel in kernels:
        await kernel.start()
    tasks = [asyncio.create_task(Relay(kernel, stage.broker).run()) for kernel in kernels]
    unit = uuid7()

    async def holder() -> int | None:
        found: int | None = await stage.pool.fetchval(
            "select pid from pg_locks join pg_database d on d.oid = database "
            "where locktype = 'advisory' and granted and datname = current_database()"
        )
        return found

    async def sent(least: int) -> bool:
        return await position(stage) >= least

    first = await eventually(holder, "one relay to lead")
    await count(stage, unit, [1, 2])
    await eventually(lambda: sent(2), "two events to be sent")
    assert len(await stage.records(COUNTED)) == 2
    await stage.pool.fetchval("select pg_terminate_backend($1)", first)
    await count(stage, unit, [3])
    await eventually(lambda: sent(3), "the third to be sent, by whomever")
    assert await eventually(holder, "one relay to lead") != first
    for kernel in kernels:
        kernel.drained.set()
    await asyncio.wait_for(asyncio.gather(*tasks), 6)
    assert await settle(consumer(stage, service())) == 3
    assert await echoes(stage, unit) == [1, 2, 3]


# --- where it ends itself ---------------------------------------------------------------------------------------


@on_kafka
async def test_an_outbox_with_a_hole_stops_the_relay(stage: KafkaStage) -> None:
    unit = uuid7()
    await count(stage, unit, range(5))
    await stage.pool.execute("delete from log.event where topic = $1 and off = 2", COUNTED.name)
    with pytest.raises(GapFound, match=r"the relay has to read \d, the log goes on at 3"):
        await stage.relayed()
    assert await stage.records(COUNTED) == []


async def large(db: Database, unit: UUID) -> None:
    """A run whose first batch the topic refuses and whose second it would take."""
    part = partition_of(unit, 8)
    sizes = [60_000] * 10 + [1_000]
    async with db.pool.acquire() as tx, tx.transaction():
        await append(
            tx,
            [Entry(COUNTED.name, part, uuid7(), Counted.TYPE, unit, "acme", b" " * size) for size in sizes],
            datetime.now(UTC),
        )


NARROW = {"max.message.bytes": "150000"}


async def widen(stage: KafkaStage) -> None:
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=",".join(stage.broker.servers))
    await admin.start()
    try:
        await admin.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, COUNTED.name, {"max.message.bytes": "1000000"})]
        )
    finally:
        await admin.close()


@on_kafka
async def test_a_refused_batch_ends_the_relay_and_nothing_is_sent_behind_it(stage: KafkaStage, kafka: str) -> None:
    await lay_out_topics(kafka, TOPICS, **NARROW)
    await large(stage, uuid7())
    with pytest.raises(CannotSend, match=r"larger than the topic takes.*max\.message\.bytes"):
        await stage.relayed()
    await stage.relay.close()
    assert await position(stage) == 0
    assert await stage.records(COUNTED) == []
    await widen(stage)

    async def through() -> bool:
        assert await stage.relay.open()
        try:
            await stage.relayed()
            return True
        except CannotSend:  # not every node has heard of it yet
            await stage.relay.close()
            return False

    await eventually(through, "the topic to take larger batches")
    (run,) = offs(await stage.records(COUNTED)).values()
    assert run == list(range(11))


@on_kafka
async def test_a_topic_deleted_meanwhile_ends_the_relay_with_what_to_do(stage: KafkaStage, kafka: str) -> None:
    unit = uuid7()
    await count(stage, unit, [1])
    await stage.relayed()
    await stage.relay.close()
    stage.relay = Relay(stage.kernel, stage.broker, patience=0.5)
    assert await stage.relay.open()
    await stage.relay.reload()
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.delete_topics([COUNTED.name])

    async def gone() -> bool:
        return COUNTED.name not in await admin.list_topics()

    await eventually(gone, "the topic to be gone")
    await admin.close()
    await count(stage, unit, [2])
    with pytest.raises(CannotSend, match=r"(does not have a topic|goes on from its position)"):
        await stage.relay.turn()
    assert await position(stage) == 1
    await stage.relay.close()
    await lay_out_topics(kafka, TOPICS)
    assert await stage.relay.open()
    assert await stage.relayed() == 1


@on_kafka
async def test_a_partition_that_kafka_does_not_have_waits_and_the_others_go_on(stage: KafkaStage, kafka: str) -> None:
    """As where a broker made the topic by itself, before `hoso topics apply`."""
    few = Topic(f"test.few{uuid7().hex[:8]}", (), (), (), "one partition in Kafka, eight here")
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.create_topics([NewTopic(few.name, 1, 1)])
    await admin.close()
    unit = uuid7()
    async with stage.pool.acquire() as tx, tx.transaction():
        await create_topics(tx, [few])
        await append(tx, [Entry(few.name, n, uuid7(), "t", unit, "acme", b"{}") for n in (0, 5)], datetime.now(UTC))
    await count(stage, unit, [1, 2])
    moved: list[int] = []

    async def carried() -> bool:
        moved.append(await stage.relayed())
        return sum(moved) >= 3

    await eventually(carried, "the broker to tell of the new topic", 30)
    assert await stage.relayed() == 0
    assert sum(moved) == 3
    assert await settle(consumer(stage, service())) == 2


@contextlib.asynccontextmanager
async def relaying(db: Database, cluster: Cluster, **how: Any) -> AsyncIterator[Relay]:
    """A relay to a cluster of the test's own."""
    await lay_out_topics(cluster.bootstrap, TOPICS)
    kernel = Kernel(db, RELAY, "test")
    await kernel.start()
    relay = Relay(kernel, Broker.of(f"kafka://{cluster.bootstrap}"), **how)
    assert await relay.open()
    try:
        yield relay
    finally:
        await relay.close()


async def test_without_a_leader_the_relay_ends_within_its_patience_and_goes_on_later(
    stage: Database, kafka_cluster: MakeCluster
) -> None:
    cluster, unit = kafka_cluster(), uuid7()
    async with relaying(stage, cluster, patience=0.5) as relay:
        await count(stage, unit, [1])
        await relay.reload()
        assert await relay.turn() == 1
        cluster.kill(1)
        await count(stage, unit, [2])
        with pytest.raises(CannotSend, match="goes on from its position"):
            await asyncio.wait_for(relay.turn(), 30)
        await relay.close()
        cluster.start(1)
        cluster.until_ready()
        assert await relay.open()
        await relay.reload()
        assert await relay.turn() == 1
        assert await position(stage) == 2


async def test_a_partition_without_a_leader_waits_and_the_others_go_on(
    stage: Database, kafka_cluster: MakeCluster
) -> None:
    """Its one copy lies on a broker that is gone: the relay ends, and started again it leaves that partition out."""
    cluster = kafka_cluster(nodes=3)
    units: dict[int, UUID] = {}
    while len(units) < 8:
        unit = uuid7()
        units[partition_of(unit, 8)] = unit
    async with relaying(stage, cluster, patience=0.5) as relay:
        await relay.reload()
        known = relay._producer.client.cluster  # type: ignore[union-attr]
        await relay._producer.partitions_for(COUNTED.name)  # type: ignore[union-attr]
        gone = known.leader_for_partition(TopicPartition(COUNTED.name, 0))
        left = [n for n in units if known.leader_for_partition(TopicPartition(COUNTED.name, n)) != gone]
        assert 0 < len(left) < 8
        cluster.kill(gone)
        for unit in units.values():
            await count(stage, unit, [1])

        async def carried() -> bool:
            try:
                await relay.reload()
                while await relay.turn():
                    pass
            except CannotSend:
                await relay.close()
                assert await relay.open()
            rows = await stage.pool.fetch(
                "select part from log.position where grp = $1 and topic = $2 and off = 1", RELAY, COUNTED.name
            )
            return {row["part"] for row in rows} == set(left)

        await eventually(carried, "what has a leader to be carried", 60)
        cluster.start(gone)
        cluster.until_ready()

        async def all_carried() -> bool:
            await relay.reload()
            await relay.turn()
            return bool(
                await stage.pool.fetchval(
                    "select count(*) = 8 from log.position where grp = $1 and topic = $2 and off = 1",
                    RELAY,
                    COUNTED.name,
                )
            )

        await eventually(all_carried, "the rest to be carried without a new start", 60)


async def sent_while_paused(db: Database, cluster: Cluster, relay: Relay) -> int:
    """A broker stands still with a batch in its socket, for longer than a request may take; how many records lie there in the end."""
    witness = AIOKafkaConsumer(bootstrap_servers=cluster.bootstrap)
    await witness.start()
    unit = uuid7()
    try:
        await count(db, unit, [1])
        await relay.reload()
        assert await relay.turn() == 1
        cluster.pause(1)
        await count(db, unit, [2])
        sending = asyncio.create_task(relay.turn())
        await asyncio.wait([sending], timeout=2.5)
        cluster.resume(1)
        try:
            await sending
        except CannotSend:
            await relay.close()
            assert await relay.open()
            await relay.reload()
            assert await relay.turn() == 1
        part = TopicPartition(COUNTED.name, partition_of(unit, 8))
        return int((await witness.end_offsets([part]))[part])
    finally:
        await witness.stop()


@pytest.mark.parametrize("idempotent", [True, False], ids=["idempotent", "control"])
async def test_an_answer_that_comes_late_doubles_nothing_because_the_producer_is_idempotent(
    stage: Database, kafka_cluster: MakeCluster, without: Callable[[str], None], idempotent: bool
) -> None:
    if not idempotent:
        without("idempotent")
    cluster = kafka_cluster()
    async with relaying(stage, cluster, patience=1.0) as relay:
        assert await sent_while_paused(stage, cluster, relay) == (2 if idempotent else 3)

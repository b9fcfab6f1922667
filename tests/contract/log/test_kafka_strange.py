"""Records that no relay of ours wrote: whatever they say, the partition is read on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from hoso.kafka.resend import resend
from hoso.log.port import Record
from hoso.runtime.failures import HosoError
from hoso.runtime.ids import uuid7
from tests.contract.log.on_kafka import KafkaStage, lay_out_topics
from tests.contract.log.stage import COUNTED, TOPICS, Counted, consumer, count, echoes, reader, ready, service, settle
from tests.contract.log.test_consumer import Pausing
from tests.support.waiting import eventually

pytestmark = pytest.mark.parametrize("stage", ["kafka"], indirect=True)


async def written(stage: KafkaStage, topic: str, *records: dict[str, Any]) -> None:
    """Records of another producer, into partition 0."""
    producer = AIOKafkaProducer(bootstrap_servers=list(stage.broker.servers))
    await producer.start()
    try:
        for one in records:
            await producer.send_and_wait(topic, partition=0, **{"value": b"{}"} | one)
    finally:
        await producer.stop()


class Saying(Pausing):
    """Gives every record out as one without a unit, of a type that PostgreSQL does not take."""

    async def read(self, limit: int) -> Sequence[Record]:
        return [r._replace(subject=None, type="a\0b") for r in await self.events.read(limit)]


async def test_a_reason_that_postgresql_does_not_take_stops_nobody(stage: KafkaStage) -> None:
    await count(stage, uuid7(), [1])
    odd = Saying(reader(stage))
    assert await ready(odd)
    assert (await consumer(stage, service(), events=odd).turn())[0] == 1
    assert "a\ufffdb" in await stage.pool.fetchval("select error from log.dead")


async def test_what_an_internal_topic_says_of_itself_need_not_be_writable(stage: KafkaStage) -> None:
    unit = uuid7()
    await count(stage, unit, [1])
    told = {"subject": str(uuid7()), "type": "a\0b\ud800", "tenant": "\0"}
    ours = {"hoso-epoch": b"0", "hoso-off": b"0", "hoso-at": b"0", "hoso-type": b"t", "hoso-tenant": b"acme"}
    await written(
        stage,
        COUNTED.name,
        {"value": json.dumps(told).encode()},
        {"headers": list((ours | {"hoso-source": b"a\0b"}).items())},
        {"headers": list((ours | {"hoso-source": b"x", "hoso-type": b"a\0b"}).items())},
        {"value": b'{"type": "%b"}' % Counted.TYPE.encode()},
    )
    assert await settle(consumer(stage, service())) == 5
    assert await echoes(stage, unit) == [1]
    assert [r["type"] for r in await stage.pool.fetch("select type from log.held_event")] == ["a\ufffdb\ufffd"]
    assert await stage.pool.fetchval("select count(*) from log.dead") == 3


async def test_a_client_that_has_stopped_fetching_ends_the_process_and_the_next_goes_on(stage: KafkaStage) -> None:
    """As its own assertion did once a broker was killed: it says nothing more, and gives out nothing."""
    unit, own = uuid7(), consumer(stage, service())
    await count(stage, unit, [1])
    assert await settle(own) == 1
    own._events._fetching._consumer._fetcher._fetch_task.cancel()

    async def ended() -> bool:
        try:
            await own.turn()
        except HosoError as error:
            return "has stopped fetching" in str(error)
        return False

    await eventually(ended, "the reader to end", 20)
    await own._events.close()
    await count(stage, unit, [2])
    assert await settle(consumer(stage, service())) == 1
    assert await echoes(stage, unit) == [1, 2]


FOREIGN = replace(COUNTED, strangers=True)
"""The same topic, read as one that others write to."""


async def requests(stage: KafkaStage, count: int) -> None:
    """Records that are dead letters, for nothing in them can be read: each is handled, and seen to be."""
    await written(stage, COUNTED.name, *({"value": b"?"} for _ in range(count)))


async def dead(stage: KafkaStage) -> int:
    return int(await stage.pool.fetchval("select count(*) from log.dead"))


async def test_a_request_topic_that_lost_its_end_is_not_decided_again(stage: KafkaStage) -> None:
    await requests(stage, 5)
    own = consumer(stage, service(topics=[FOREIGN]))
    assert await settle(own) == 5
    await own._events.close()
    await stage.pool.execute(  # as if two more had been read, a while after these, and a broker had lost them
        "update log.position set kafka = 7, moved_at = now() + interval '5 minutes' where topic = $1 and part = 0",
        COUNTED.name,
    )
    later = consumer(stage, service(topics=[FOREIGN]))
    assert await settle(later) == 0
    await requests(stage, 1)
    assert await settle(later) == 1
    assert await dead(stage) == 6


async def test_a_request_topic_made_anew_is_read_from_its_beginning(stage: KafkaStage, kafka: str) -> None:
    await requests(stage, 5)
    own = consumer(stage, service(topics=[FOREIGN]))
    assert await settle(own) == 5
    await own._events.close()
    await lay_out_topics(kafka, TOPICS)
    await requests(stage, 2)
    assert await settle(consumer(stage, service(topics=[FOREIGN]))) == 2
    assert await dead(stage) == 7


@pytest.mark.parametrize(("end", "again"), [(5, 0), (4, 5)], ids=["still there", "lost"])
async def test_resending_a_request_topic_reads_only_what_kafka_lost_anew(
    stage: KafkaStage, end: int, again: int
) -> None:
    await stage.relayed()
    await requests(stage, 5)
    own = consumer(stage, service(topics=[FOREIGN]))
    assert await settle(own) == 5
    async with stage.pool.acquire() as tx, tx.transaction():
        await resend(tx, FOREIGN, 0, {0: end})
    await own._events.reload()
    assert await settle(own) == again

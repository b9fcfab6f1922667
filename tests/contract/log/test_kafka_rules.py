"""Reading from Kafka: what is seen is dropped, what is missing is told, positions are the database's and nobody else's.

Each rule has a test that turns red without it; where a rule can be switched off (hoso/points.py), its control shows that.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from hoso.kafka.relay import GROUP as RELAY
from hoso.kafka.relay import Relay
from hoso.log.partitions import partition_of
from hoso.process.embedded import EmbeddedServer
from hoso.runtime.consumer import LOST
from hoso.runtime.ids import uuid7
from hoso.runtime.kernel import Kernel
from hoso.store.postgres import Database
from tests.contract.log.conftest import lay_out
from tests.contract.log.on_kafka import KafkaStage
from tests.contract.log.stage import (
    COUNTED,
    GROUP,
    consumer,
    count,
    echoes,
    reader,
    service,
    settle,
    turn,
)
from tests.contract.log.test_consumer import Fragile
from tests.support.postgres import fresh

pytestmark = pytest.mark.parametrize("stage", ["kafka"], indirect=True)


async def relay_back(db: Database, to: int = 0) -> None:
    """What `hoso topics resend` does to the relay, or a relay that died behind its acknowledgements."""
    await db.pool.execute("update log.position set off = least(off, $2), at = '-infinity' where grp = $1", RELAY, to)


async def at(db: Database, column: str = "kafka") -> int:
    return int(
        await db.pool.fetchval(f"select coalesce(sum({column}), 0) from log.position where grp = $1", GROUP) or 0
    )


@contextlib.asynccontextmanager
async def elsewhere(server: EmbeddedServer, stage: KafkaStage) -> AsyncIterator[tuple[Database, Relay]]:
    """Another service's database, whose relay writes to the same topics."""
    db = await Database.open(await fresh(server), name="elsewhere", size=3, quick=2)
    await lay_out(db)
    await db.pool.execute("update log.source set id = gen_random_uuid()")  # databases of tests are copies of one
    kernel = Kernel(db, RELAY, "test")
    await kernel.start()
    relay = Relay(kernel, stage.broker)
    assert await relay.open()
    try:
        yield db, relay
    finally:
        await relay.close()
        await db.close()


async def relayed(relay: Relay) -> None:
    await relay.reload()
    while await relay.turn():
        pass


# --- what was seen ----------------------------------------------------------------------------------------------


async def test_what_is_sent_again_is_dropped_and_the_position_passes_it(stage: KafkaStage) -> None:
    unit = uuid7()
    own = consumer(stage, service())
    await count(stage, unit, range(5))
    await settle(own)
    await relay_back(stage)
    await count(stage, unit, [5])
    assert await settle(own) == 1
    await relay_back(stage)
    assert await settle(own) == 0
    assert await echoes(stage, unit) == list(range(6))
    assert (await at(stage), await at(stage, "off")) == (6 + 5 + 6, 6), "nothing is behind any more"
    assert await settle(consumer(stage, service())) == 0


async def test_control_without_the_mark_what_is_sent_again_doubles(
    stage: KafkaStage, without: Callable[[str], None]
) -> None:
    without("mark")
    unit = uuid7()
    await count(stage, unit, [1])
    await settle(consumer(stage, service()))
    await relay_back(stage)
    assert await settle(consumer(stage, service())) == 1
    assert await echoes(stage, unit) == [1, 1]


async def foreign_again(stage: KafkaStage, server: EmbeddedServer) -> list[int]:
    """Another database's events are handled, the reader dies, they are sent again, a new reader reads on."""
    unit = uuid7()
    async with elsewhere(server, stage) as (db, relay):
        await count(db, unit, [1, 2])
        await relayed(relay)
        own = consumer(stage, service())
        assert await settle(own) == 2
        await own._events.close()
        await relay_back(db)
        await relayed(relay)
        await settle(consumer(stage, service()))
    return await echoes(stage, unit)


async def test_marks_are_written_with_the_effects(stage: KafkaStage, server: EmbeddedServer) -> None:
    assert await foreign_again(stage, server) == [1, 2]


async def test_control_without_marks_written_with_the_effects_a_new_reader_doubles(
    stage: KafkaStage, server: EmbeddedServer, without: Callable[[str], None]
) -> None:
    without("mark-with-effects")
    assert await foreign_again(stage, server) == [1, 2, 1, 2]


async def test_a_mark_whose_effects_were_rolled_back_never_was(stage: KafkaStage, server: EmbeddedServer) -> None:
    unit = uuid7()
    async with elsewhere(server, stage) as (db, relay):
        await count(db, unit, [1, 2])
        await relayed(relay)
        fragile = Fragile(stage, "before the commit", reader(stage))
        with pytest.raises(LOST):
            await turn(consumer(stage, service(kept=fragile), events=fragile))
        assert await stage.pool.fetchval("select count(*) from log.mark") == 0
        assert await settle(consumer(stage, service())) == 2
    assert await echoes(stage, unit) == [1, 2]


async def test_sources_have_marks_of_their_own(stage: KafkaStage, server: EmbeddedServer) -> None:
    unit = uuid7()
    async with elsewhere(server, stage) as (first, one), elsewhere(server, stage) as (second, two):
        for n in range(3):
            await count(first, unit, [n])
            await count(second, unit, [100 + n])
            await count(stage, unit, [200 + n])
            await relayed(one)
            await relayed(two)
            await settle(consumer(stage, service()))
        await relay_back(second, 1)
        await relay_back(first)
        await relayed(two)
        await relayed(one)
        assert await settle(consumer(stage, service())) == 0
    seen = await echoes(stage, unit)
    for start in (0, 100, 200):
        assert [n for n in seen if start <= n < start + 100] == [start, start + 1, start + 2]
    rows = await stage.pool.fetch("select source, off from log.mark where grp = $1", GROUP)
    assert sorted(r["off"] for r in rows) == [2, 2, 2]
    assert len({r["source"] for r in rows}) == 3


async def restored(db: Database, topic: str, back_to: int) -> None:
    """What `hoso restore` leaves: a log that goes on earlier, under the next epoch, and a relay that stands earlier too."""
    await db.pool.execute("delete from log.event where topic = $1 and off >= $2", topic, back_to)
    await db.pool.execute(
        "update log.head set next = $2, epoch = epoch + 1 where topic = $1 and next >= $2", topic, back_to
    )
    await db.pool.execute("insert into log.epoch select topic, part, epoch, next from log.head where epoch > 0")
    await relay_back(db, back_to - 1)


async def test_after_a_restore_elsewhere_its_offsets_come_again_under_a_new_epoch_and_are_taken(
    stage: KafkaStage, server: EmbeddedServer
) -> None:
    unit = uuid7()
    async with elsewhere(server, stage) as (db, relay):
        await count(db, unit, range(6))
        await relayed(relay)
        assert await settle(consumer(stage, service())) == 6
        await restored(db, COUNTED.name, 4)
        await count(db, unit, [104, 105, 106])
        await relayed(relay)
        assert await settle(consumer(stage, service())) == 3
        assert await echoes(stage, unit) == [*range(6), 104, 105, 106]
        mark = await stage.pool.fetchrow("select epoch, off from log.mark where grp = $1", GROUP)
        assert tuple(mark) == (1, 6)
        await relay_back(db)
        await relayed(relay)
        assert await settle(consumer(stage, service())) == 0, "the old epoch lies below the mark"


async def test_what_the_restore_of_the_own_database_took_back_is_not_read(stage: KafkaStage) -> None:
    """Kafka still has the events that the restored log does not: they are another history."""
    unit = uuid7()
    await count(stage, unit, range(6))
    await stage.relayed()
    await restored(stage, COUNTED.name, 4)
    await count(stage, unit, [104, 105])
    await settle(consumer(stage, service()))
    assert await echoes(stage, unit) == [0, 1, 2, 3, 104, 105]


# --- whose position ---------------------------------------------------------------------------------------------


async def told(stage: KafkaStage, group: str) -> dict[TopicPartition, int]:
    """What Kafka was told that a group has read."""
    asking = AIOKafkaConsumer(bootstrap_servers=list(stage.broker.servers), group_id=group, enable_auto_commit=False)
    await asking.start()
    try:
        parts = [TopicPartition(COUNTED.name, part) for part in range(8)]
        asking.assign(parts)
        found = {part: await asking.committed(part) for part in parts}
        return {part: off for part, off in found.items() if off is not None}
    finally:
        await asking.stop()


async def test_kafka_is_told_after_the_database_and_only_what_the_database_has(stage: KafkaStage) -> None:
    unit = uuid7()
    part = TopicPartition(COUNTED.name, partition_of(unit, 8))
    await count(stage, unit, [1, 2])
    events = stage.reader(GROUP, [COUNTED])
    fragile = Fragile(stage, "before the commit", events)
    own = consumer(stage, service(kept=fragile), events=fragile)
    with pytest.raises(LOST):
        await turn(own)
    await events._fetching.told.tell(events._fetching._consumer)
    assert await told(stage, events._fetching._joins) == {}
    assert await settle(own) == 2
    await events.close()
    assert await told(stage, events._fetching._joins) == {part: 2}, "up to date when the reader leaves"


async def test_what_kafka_believes_of_our_position_is_not_believed(stage: KafkaStage) -> None:
    """A database restored from a backup stands before what Kafka was told."""
    unit = uuid7()
    await count(stage, unit, range(4))
    events = stage.reader(GROUP, [COUNTED], together=True)
    await settle(consumer(stage, service(), events=events))
    await events.close()
    await stage.pool.execute("delete from log.mark; ")
    await stage.pool.execute("update log.position set kafka = 1, off = 1 where grp = $1 and off > 0", GROUP)
    await stage.pool.execute("delete from log.event where topic = 'test.echoed'")
    again = stage.reader(GROUP, [COUNTED], together=True)
    assert await settle(consumer(stage, service(), events=again)) == 3
    assert await echoes(stage, unit) == [1, 2, 3]


async def failing_once(stage: KafkaStage) -> list[int]:
    """A batch fails and nobody says `reload`; the next records are there already."""
    unit = uuid7()
    await count(stage, unit, [1, 2])
    fragile = Fragile(stage, "before the commit", reader(stage))
    own = consumer(stage, service(kept=fragile), events=fragile)
    with pytest.raises(LOST):
        await turn(own)
    await count(stage, unit, [3])
    await stage.relayed()
    with contextlib.suppress(AssertionError):
        await settle(own)
    return await echoes(stage, unit)


async def test_after_a_failed_transaction_the_reader_goes_back_to_its_position(stage: KafkaStage) -> None:
    assert await failing_once(stage) == [1, 2, 3]


async def test_control_without_going_back_a_failed_batch_is_lost(
    stage: KafkaStage, without: Callable[[str], None]
) -> None:
    without("mark")  # which would tell that something is missing
    without("back-to-position")
    assert await failing_once(stage) == [3]


class Away:
    """A pool of a database that cannot be reached for a while."""

    def __init__(self, pool: Any) -> None:
        self.pool = pool
        self.away = False

    def acquire(self) -> Any:
        if self.away:
            raise ConnectionRefusedError("the database is away")
        return self.pool.acquire()


async def test_a_database_that_stays_away_for_several_tries_costs_nothing(stage: KafkaStage) -> None:
    unit = uuid7()
    await count(stage, unit, [1, 2])
    events = stage.reader(GROUP, [COUNTED])
    fragile = Fragile(stage, "before the commit", events)
    own = consumer(stage, service(kept=fragile), events=fragile)
    away = Away(stage.quick)
    with pytest.raises(LOST):
        await turn(own)
    events._positions._pool = away
    away.away = True
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            await events.reload()
        with pytest.raises(ConnectionRefusedError):
            await own.turn()
    await count(stage, unit, [3])
    await stage.relayed()
    away.away = False
    assert await settle(own) == 3
    assert await echoes(stage, unit) == [1, 2, 3]

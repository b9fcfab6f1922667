"""The consumer loop: every event takes effect exactly once, whatever dies; a sick unit waits alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from hoso.log.partitions import partition_of
from hoso.log.port import Entry, EventLog, Record
from hoso.log.postgres import append
from hoso.runtime.consumer import LOST, Braked, Consumer
from hoso.runtime.ids import uuid7
from hoso.runtime.metrics import Metrics
from hoso.runtime.steps import Step, Tell
from hoso.store.postgres import Database
from schemas.envelope import Event
from tests.contract.log.stage import (
    COUNTED,
    GROUP,
    NUDGED,
    Counted,
    Echo,
    Echoed,
    Nudged,
    Seen,
    admit,
    consumer,
    count,
    echoes,
    held,
    reader,
    ready,
    service,
    settle,
    states,
    turn,
)
from tests.support.waiting import eventually

pytestmark = pytest.mark.parametrize("stage", ["postgres", "kafka"], indirect=True)


async def numbers(db: Database, unit: UUID) -> tuple[int, ...]:
    """The state of a unit."""
    async with db.pool.acquire() as tx:
        return (await states().load(tx, [unit]))[unit].numbers


async def release(db: Database, unit: UUID) -> None:
    await db.pool.execute("update log.held set released = true where grp = $1 and subject = $2", GROUP, unit)


async def positions(db: Database, group: str = GROUP) -> int:
    return int(await db.pool.fetchval("select coalesce(sum(off), 0) from log.position where grp = $1", group))


# --- the plain way ----------------------------------------------------------------------------------------------


async def test_state_effect_and_position_commit_together(stage: Database) -> None:
    unit, other = uuid7(), uuid7()
    await count(stage, unit, [1, 2, 3])
    await count(stage, other, [7])
    assert await settle(consumer(stage, service())) == 4
    assert await numbers(stage, unit) == (1, 2, 3)
    assert await echoes(stage, unit) == [1, 2, 3]
    assert await echoes(stage, other) == [7]
    assert await positions(stage) == 4
    assert await settle(consumer(stage, service())) == 0, "another member finds nothing left"


async def test_an_effect_names_its_cause_its_enrolment_and_its_tenant(stage: Database) -> None:
    unit = uuid7()
    await admit(stage, (unit, Tell(Counted(n=1))), tenant="beta")
    told = await stage.pool.fetchrow("select id, at, body from log.event where topic = $1", COUNTED.name)
    await settle(consumer(stage, service()))
    row = await stage.pool.fetchrow("select tenant, body from log.event where type = $1", Echoed.TYPE)
    event = Event[Echoed].model_validate_json(row["body"])
    assert (event.causationid, event.correlationid, event.subject, event.tenant) == (told["id"], unit, unit, "beta")
    assert event.traceparent is not None
    assert unit.hex in event.traceparent
    assert (row["tenant"], event.source, event.environment) == ("beta", f"hoso/{GROUP}", "test")


async def test_a_handlers_now_is_the_events_time(stage: Database) -> None:
    unit, then = uuid7(), datetime.now(UTC).replace(microsecond=0)
    seen: list[datetime] = []

    def handle(state: Seen, event: Event[Any], now: datetime) -> tuple[Seen, Sequence[Step]]:
        seen.append(now)
        return state, []

    await admit(stage, (unit, Tell(Counted(n=1))), now=then)
    await settle(consumer(stage, service(handle)))
    assert seen == [then]


# --- crashes ----------------------------------------------------------------------------------------------------


@dataclass
class Fragile:
    """A log and states that lose their connection at one place, once."""

    db: Database
    place: str
    events: EventLog
    broken: bool = False
    places: list[str] = field(default_factory=list)

    async def _at(self, place: str, tx: Any) -> None:
        self.places.append(place)
        if place == self.place and not self.broken:
            self.broken = True
            pid = await tx.fetchval("select pg_backend_pid()")
            await self.db.pool.fetchval("select pg_terminate_backend($1)", pid)

    async def read(self, limit: int) -> Sequence[Record]:
        return await self.events.read(limit)

    async def fence(self, tx: Any, records: Sequence[Record]) -> None:
        await self._at("before the fence", tx)
        await self.events.fence(tx, records)
        await self._at("after the fence", tx)

    async def load(self, tx: Any, subjects: Sequence[UUID]) -> dict[UUID, Seen]:
        await self._at("before the states are loaded", tx)
        return await states().load(tx, subjects)

    async def save(self, tx: Any, kept: dict[UUID, Seen]) -> None:
        await self._at("before the states are saved", tx)
        await states().save(tx, kept)

    async def move(self, tx: Any, records: Sequence[Record]) -> None:
        await self._at("before the position moves", tx)
        await self.events.move(tx, records)
        await self._at("before the commit", tx)

    def moved(self, records: Sequence[Record]) -> None:
        if self.place == "after the commit" and not self.broken:
            self.broken = True
            raise ConnectionResetError("the commit's answer never came")
        self.events.moved(records)

    async def reload(self) -> None:
        await self.events.reload()


PLACES = (
    "before the fence",
    "after the fence",
    "before the states are loaded",
    "before the states are saved",
    "before the position moves",
    "before the commit",
    "after the commit",
)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("successor", ["the same process", "another process"])
async def test_a_lost_connection_anywhere_leaves_one_effect(stage: Database, place: str, successor: str) -> None:
    unit = uuid7()
    await count(stage, unit, [1, 2])
    fragile = Fragile(stage, place, reader(stage))
    own = consumer(stage, service(kept=fragile), events=fragile)
    with pytest.raises(LOST):
        await turn(own)
    assert fragile.broken
    committed = place == "after the commit"
    assert await positions(stage) == (2 if committed else 0)
    assert await echoes(stage, unit) == ([1, 2] if committed else [])
    if successor == "the same process":
        await fragile.reload()
        assert await settle(own) == (0 if committed else 2)
    else:
        assert await settle(consumer(stage, service())) == (0 if committed else 2)
    assert await echoes(stage, unit) == [1, 2]
    assert await numbers(stage, unit) == (1, 2)


async def test_a_commit_whose_answer_was_lost_is_fenced_when_it_is_not_read_again(stage: Database) -> None:
    unit = uuid7()
    await count(stage, unit, [1])
    fragile = Fragile(stage, "after the commit", reader(stage))
    own = consumer(stage, service(kept=fragile), events=fragile)
    with pytest.raises(ConnectionResetError):
        await turn(own)
    assert await turn(own) == 0
    assert await echoes(stage, unit) == [1]


# --- the fence --------------------------------------------------------------------------------------------------


class Pausing:
    """A log that stands still between reading and the fence: the zombie."""

    def __init__(self, events: EventLog) -> None:
        self.events = events
        self.has_read = asyncio.Event()
        self.go_on = asyncio.Event()

    async def read(self, limit: int) -> Sequence[Record]:
        records = await self.events.read(limit)
        self.has_read.set()
        await self.go_on.wait()
        return records

    async def fence(self, tx: Any, records: Sequence[Record]) -> None:
        await self.events.fence(tx, records)

    async def move(self, tx: Any, records: Sequence[Record]) -> None:
        await self.events.move(tx, records)

    def moved(self, records: Sequence[Record]) -> None:
        self.events.moved(records)

    async def reload(self) -> None:
        await self.events.reload()


async def zombie(db: Database, unit: UUID) -> Metrics:
    """One consumer reads and stands still, another handles the same, the first goes on."""
    await count(db, unit, [1, 2, 3])
    asleep = Pausing(reader(db))
    metrics = Metrics()
    await ready(asleep)
    first = asyncio.create_task(consumer(db, service(), events=asleep, metrics=metrics).turn())
    await asleep.has_read.wait()
    assert await turn(consumer(db, service())) == 3
    asleep.go_on.set()
    await first
    return metrics


def fenced(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("hoso_fenced_total", {"group": GROUP})


async def test_a_zombie_takes_no_effect(stage: Database) -> None:
    unit = uuid7()
    metrics = await zombie(stage, unit)
    assert await echoes(stage, unit) == [1, 2, 3]
    assert await numbers(stage, unit) == (1, 2, 3)
    assert fenced(metrics) == 1
    await count(stage, unit, [4])
    assert await settle(consumer(stage, service())) == 1


async def test_control_without_the_fence_the_zombie_doubles(stage: Database, without: Callable[[str], None]) -> None:
    without("position")
    unit = uuid7()
    metrics = await zombie(stage, unit)
    assert await echoes(stage, unit) == [1, 2, 3, 1, 2, 3]
    assert fenced(metrics) is None


async def test_two_members_at_once_on_all_partitions_do_everything_once(stage: Database) -> None:
    units = [uuid7() for _ in range(20)]
    for n in range(5):
        await admit(stage, *((unit, Tell(Counted(n=n))) for unit in units))
    await asyncio.gather(*(settle_patiently(stage, consumer(stage, service(), limit=3)) for _ in range(3)))
    for unit in units:
        assert await echoes(stage, unit) == [0, 1, 2, 3, 4]


async def settle_patiently(db: Database, own: Consumer[Any]) -> None:
    """Turn until everything is handled, by whomever."""
    while await positions(db) < await db.pool.fetchval("select sum(next) from log.head where topic = $1", COUNTED.name):
        await ready(own._events)
        await own.turn()


class Gated:
    """States that wait once they are loaded."""

    def __init__(self) -> None:
        self.loaded = asyncio.Event()
        self.go_on = asyncio.Event()

    async def load(self, tx: Any, subjects: Sequence[UUID]) -> dict[UUID, Seen]:
        found = await states().load(tx, subjects)
        self.loaded.set()
        await self.go_on.wait()
        return found

    async def save(self, tx: Any, kept: dict[UUID, Seen]) -> None:
        await states().save(tx, kept)


async def test_two_members_never_decide_about_one_unit_at_once_also_on_two_topics(stage: Database) -> None:
    """While partitions change hands, one member may have a unit's events of one topic and another those of the next."""
    unit, gated = uuid7(), Gated()
    await settle(consumer(stage, service(topics=[COUNTED, NUDGED])))
    await count(stage, unit, [1])
    first = asyncio.create_task(turn(consumer(stage, service(topics=[COUNTED], kept=gated))))
    await gated.loaded.wait()
    await admit(stage, (unit, Tell(Nudged(n=2))))
    second = asyncio.create_task(turn(consumer(stage, service(topics=[NUDGED]))))

    async def waits_or_is_through() -> bool:
        return second.done() or await stage.pool.fetchval(
            "select exists (select 1 from pg_stat_activity "
            "where datname = current_database() and wait_event_type = 'Lock')"
        )

    await eventually(waits_or_is_through, "the second member to wait or to finish")
    gated.go_on.set()
    await asyncio.gather(first, second)
    assert await numbers(stage, unit) == (1, 2), "nobody's decision was overwritten"


# --- held units -------------------------------------------------------------------------------------------------


async def test_a_unit_that_cannot_be_handled_waits_alone_with_its_later_events_in_order(stage: Database) -> None:
    sick, well, handle = uuid7(), uuid7(), Echo()
    handle.poison = {2}
    own = consumer(stage, service(handle))
    await count(stage, sick, [1, 2, 3])
    await count(stage, well, [1, 2001, 3])
    await settle(own)
    await count(stage, sick, [4])
    await count(stage, well, [4])
    await settle(own)
    assert await echoes(stage, sick) == [1]
    assert await echoes(stage, well) == [1, 2001, 3, 4]
    assert await held(stage) == {sick: ("RuntimeError", [2, 3, 4])}
    assert await numbers(stage, sick) == (1,)
    assert await positions(stage) == 8, "a position always moves on"


async def test_a_released_unit_is_drained_in_order_and_exactly_once(stage: Database) -> None:
    unit, handle = uuid7(), Echo()
    handle.poison = {2}
    own, other = consumer(stage, service(handle)), consumer(stage, service(handle))
    await count(stage, unit, [1, 2, 3, 4])
    await settle(own)
    await own.drain_released()
    assert await echoes(stage, unit) == [1], "nothing is drained that nobody released"
    handle.poison = set()
    await release(stage, unit)
    await asyncio.gather(own.drain_released(), other.drain_released(), own.drain_released())
    assert await echoes(stage, unit) == [1, 2, 3, 4]
    assert await numbers(stage, unit) == (1, 2, 3, 4)
    assert await held(stage) == {}
    await count(stage, unit, [5])
    await settle(own)
    assert await echoes(stage, unit) == [1, 2, 3, 4, 5]


async def test_a_released_unit_that_fails_again_stays_held_from_there_on(stage: Database) -> None:
    unit, handle = uuid7(), Echo()
    handle.poison = {2, 4}
    own = consumer(stage, service(handle))
    await count(stage, unit, [1, 2, 3, 4, 5])
    await settle(own)
    handle.poison = {4}
    await release(stage, unit)
    await own.drain_released()
    assert await echoes(stage, unit) == [1, 2, 3]
    assert await held(stage) == {unit: ("RuntimeError", [4, 5])}
    assert not await stage.pool.fetchval("select released from log.held")


async def test_events_that_arrive_while_a_unit_is_drained_come_after_what_waited(stage: Database) -> None:
    unit, handle, gated = uuid7(), Echo(), Gated()
    handle.poison = {1}
    await count(stage, unit, [1, 2])
    await settle(consumer(stage, service(handle)))
    handle.poison = set()
    await release(stage, unit)
    draining = asyncio.create_task(consumer(stage, service(handle, kept=gated)).drain_released())
    await gated.loaded.wait()
    await count(stage, unit, [3])
    later = asyncio.create_task(settle(consumer(stage, service(handle))))
    gated.go_on.set()
    await asyncio.gather(draining, later)
    assert await numbers(stage, unit) == (1, 2, 3)
    assert await echoes(stage, unit) == [1, 2, 3]


async def test_more_than_one_drain_full_of_waiting_events_is_drained(stage: Database) -> None:
    unit, handle = uuid7(), Echo()
    handle.poison = {0}
    own = consumer(stage, service(handle), limit=1000)
    await count(stage, unit, range(750))
    await settle(own)
    handle.poison = set()
    await release(stage, unit)
    await own.drain_released()
    assert len(await echoes(stage, unit)) == 500
    await own.drain_released()
    assert await echoes(stage, unit) == list(range(750))
    assert await held(stage) == {}


async def test_a_type_of_a_newer_release_holds_its_unit(stage: Database) -> None:
    unit, well = uuid7(), uuid7()
    await raw(stage, unit, "vn.hoso.test.counted.v9", b"{}")
    await count(stage, well, [1])
    await count(stage, unit, [2])
    await settle(consumer(stage, service()))
    assert (await held(stage))[unit][0] == "unknown-type"
    assert await stage.pool.fetchval("select count(*) from log.held_event where subject = $1", unit) == 2
    assert await echoes(stage) == [1]


async def test_bytes_that_are_no_event_hold_their_unit(stage: Database) -> None:
    unit = uuid7()
    await raw(stage, unit, Counted.TYPE, b'{"specversion": "1.0", "data"')
    await settle(consumer(stage, service()))
    assert (await held(stage))[unit][0] == "broken-event"


async def test_a_record_without_a_unit_is_a_dead_letter(stage: Database) -> None:
    well = uuid7()
    async with stage.pool.acquire() as tx:
        await append(tx, [Entry(COUNTED.name, 3, uuid7(), Counted.TYPE, None, "acme", b"?")], datetime.now(UTC))
    await count(stage, well, [1])
    await settle(consumer(stage, service()))
    dead = await stage.pool.fetch("select grp, topic, part, off, reason, body from log.dead")
    assert [tuple(r) for r in dead] == [(GROUP, COUNTED.name, 3, 0, "no-unit", b"?")]
    assert await echoes(stage) == [1]


async def raw(db: Database, unit: UUID, type_: str, body: bytes) -> None:
    async with db.pool.acquire() as tx:
        await append(
            tx, [Entry(COUNTED.name, partition_of(unit, 8), uuid7(), type_, unit, "acme", body)], datetime.now(UTC)
        )


class Refusing:
    """States of which one unit's cannot be saved, or loaded."""

    def __init__(self, sick: UUID, error: Callable[[Any], Any], where: str) -> None:
        self.sick, self.error, self.where = sick, error, where
        self.mended = False

    async def load(self, tx: Any, subjects: Sequence[UUID]) -> dict[UUID, Seen]:
        if self.where == "load" and self.sick in subjects and not self.mended:
            await self.error(tx)
        return await states().load(tx, subjects)

    async def save(self, tx: Any, kept: dict[UUID, Seen]) -> None:
        if self.where == "save" and self.sick in kept and not self.mended:
            await self.error(tx)
        await states().save(tx, kept)


async def _says_the_server(tx: Any) -> None:
    await tx.execute("select 1 / 0")


async def _says_the_client(tx: Any) -> None:
    await tx.execute("select $1::int", 2**40)


async def _says_the_code(tx: Any) -> None:
    raise KeyError("a state of a shape nobody knows")


ERRORS = {"the server": _says_the_server, "the client": _says_the_client, "the code": _says_the_code}


@pytest.mark.parametrize("where", ["load", "save"])
@pytest.mark.parametrize("who", list(ERRORS))
async def test_a_state_that_cannot_be_written_or_read_isolates_its_unit(stage: Database, where: str, who: str) -> None:
    sick, well = uuid7(), [uuid7() for _ in range(5)]
    await count(stage, well[0], [1, 2])
    await count(stage, sick, [1, 2])
    for unit in well[1:]:
        await count(stage, unit, [1, 2])
    refusing = Refusing(sick, ERRORS[who], where)
    own = consumer(stage, service(kept=refusing))
    await settle(own)
    for unit in well:
        assert await echoes(stage, unit) == [1, 2]
    found = await held(stage)
    assert list(found) == [sick]
    assert found[sick][1] == [1, 2]
    assert found[sick][0].endswith("while writing")
    await release(stage, sick)
    await own.drain_released()
    assert await held(stage) == found, "released too early, it stays held and nobody dies of it"
    assert not await stage.pool.fetchval("select released from log.held")
    refusing.mended = True
    await release(stage, sick)
    await own.drain_released()
    assert await echoes(stage, sick) == [1, 2]


async def test_a_zombie_is_fenced_also_when_it_goes_record_by_record(stage: Database) -> None:
    unit = uuid7()

    async def overtaken(tx: Any) -> None:
        if not refusing.mended:
            refusing.mended = True
            raise RuntimeError("the batch cannot be written")

    refusing = Refusing(unit, overtaken, "save")
    await count(stage, unit, [1, 2])

    class Overtaken(Pausing):
        async def fence(self, tx: Any, records: Sequence[Record]) -> None:
            if refusing.mended and len(records) == 1 and records[0].off == 1:
                assert await turn(consumer(stage, service(), limit=1)) == 1
            await super().fence(tx, records)

    metrics, overtaken_log = Metrics(), Overtaken(reader(stage))
    overtaken_log.go_on.set()
    own = consumer(stage, service(kept=refusing), events=overtaken_log, metrics=metrics)
    assert await turn(own) == 0
    assert fenced(metrics) == 1
    assert await echoes(stage, unit) == [1, 2]


async def test_a_full_database_holds_nobody(stage: Database) -> None:
    unit = uuid7()
    await count(stage, unit, [1])

    async def full(tx: Any) -> None:
        await tx.execute("do $$ begin raise exception 'no space left' using errcode = '53100'; end $$")

    refusing = Refusing(unit, full, "save")
    own = consumer(stage, service(kept=refusing))
    with pytest.raises(asyncpg.DiskFullError):
        await turn(own)
    assert issubclass(asyncpg.DiskFullError, LOST), "so the loop waits and goes on"
    assert await held(stage) == {}
    refusing.mended = True
    assert await settle(own) == 1


# --- the brake --------------------------------------------------------------------------------------------------


async def test_ten_units_with_one_error_stop_the_service_before_anything_of_the_batch_is_written(
    stage: Database,
) -> None:
    handle = Echo()
    handle.poison = {13}
    for _ in range(10):
        await count(stage, uuid7(), [13])
    own = consumer(stage, service(handle))
    with pytest.raises(Braked, match="10 of 10 units within a minute: RuntimeError"):
        await turn(own)
    assert await held(stage) == {}
    assert await positions(stage) == 0
    handle.poison = set()
    assert await settle(consumer(stage, service(handle))) == 10, "a mended release goes on where it stopped"


async def test_nine_units_are_their_data(stage: Database) -> None:
    handle = Echo()
    handle.poison = {13}
    for _ in range(9):
        await count(stage, uuid7(), [13])
    assert await settle(consumer(stage, service(handle))) == 9
    assert len(await held(stage)) == 9

"""A whole process on the log: everything together, lost connections, a declared death, a killed PostgreSQL, the end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from app.preparing import prepare
from hoso.kafka.relay import GROUP as RELAY
from hoso.kafka.relay import Relay
from hoso.log.partitions import partition_of
from hoso.log.port import Entry
from hoso.log.postgres import append, create_topics
from hoso.process.embedded import EmbeddedServer
from hoso.process.lag import lag
from hoso.runtime.ids import uuid7
from hoso.runtime.kernel import Kernel
from hoso.runtime.steps import Call, Lane, Service, Step, Tell, Timer
from hoso.settings import load
from hoso.store.postgres import Database
from schemas.envelope import Event
from schemas.topics import Topic
from tests.contract.log.conftest import lay_out
from tests.contract.log.on_kafka import KafkaStage
from tests.contract.log.stage import (
    COUNTED,
    ECHOED,
    GROUP,
    LANE,
    Asked,
    Counted,
    Desk,
    Echo,
    Echoed,
    Rang,
    Seen,
    admit,
    echoes,
    facts_of,
    service,
)
from tests.support.waiting import eventually

BOTH = pytest.mark.parametrize("stage", ["postgres", "kafka"], indirect=True)
"""What a process reads is what differs; bells, members and jobs are the same on both logs."""


@contextlib.asynccontextmanager
async def running(db: Database, own: Service[Any] | None = None, **how: Any) -> AsyncIterator[Kernel]:
    """A kernel at work, on Kafka with a relay beside it; drained at the end, which must not take long."""
    kernels = [Kernel(db, GROUP, "test", **how, **(db.reading if isinstance(db, KafkaStage) else {}))]
    works = [kernels[0].run(own or service())]
    if isinstance(db, KafkaStage):
        kernels.append(Kernel(db, RELAY, "test"))
        works.append(kernels[1].run(None, extra=[Relay(kernels[1], db.broker).run]))
    for kernel in kernels:
        await kernel.start()
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield kernels[0]
    finally:
        for kernel in kernels:
            kernel.drained.set()
        await asyncio.wait_for(asyncio.gather(*tasks), 6)


async def said(db: Database, unit: UUID, numbers: Sequence[int], seconds: float = 10.0) -> None:
    """Wait for exactly these effects."""

    async def there() -> bool:
        return len(await echoes(db, unit)) >= len(numbers)

    await eventually(there, f"{len(numbers)} effects", seconds)
    assert await echoes(db, unit) == list(numbers)


@BOTH
async def test_an_event_becomes_a_call_its_outcome_a_timer_and_the_timer_an_event(stage: Database) -> None:
    unit = uuid7()

    def handle(state: Seen, event: Event[Any], now: datetime) -> tuple[Seen, list[Step]]:
        match event.data:
            case Counted(n=n):
                return state, [Call(LANE, unit, f"call:{n}", Asked(n=n))]
            case Echoed(n=n):
                return state, [Timer("remind", now, Rang(k=n))]
            case Rang(k=k):
                return Seen((*state.numbers, k)), []
        raise AssertionError(event)

    desk = Desk()
    async with running(stage, service(handle, topics=[COUNTED, ECHOED], lanes={LANE: Lane(desk)})) as kernel:
        async with stage.pool.acquire() as tx, tx.transaction():
            ring = await kernel.admit(tx, [Tell(Counted(n=5))], tenant="acme", subject=unit, correlation=unit)
        ring()

        async def rang() -> bool:
            return await stage.pool.fetchval("select exists (select 1 from probe.state where subject = $1)", unit)

        await eventually(rang, "the timer's event to be handled")
    facts = await facts_of(stage, ECHOED, unit)
    assert facts == [Echoed(n=5), Rang(k=5)]
    rows = await stage.pool.fetch("select body from log.event where subject = $1 order by at, off", unit)
    events = [Event[Any].model_validate_json(r["body"]) for r in rows]
    assert {e.correlationid for e in events} == {unit}, "one enrolment from end to end"
    assert await stage.pool.fetchval("select count(*) from log.member where id = $1", kernel.member) == 0, (
        "it said good-bye"
    )


@BOTH
async def test_an_ending_process_ends_its_turn_its_calls_and_nothing_more(stage: Database) -> None:
    gate = asyncio.Event()

    async def answer(asked: Asked, this: Any) -> Sequence[Step]:
        await gate.wait()
        return [Tell(Echoed(n=asked.n))]

    desk, unit, later = Desk(answer), uuid7(), uuid7()
    await admit(stage, (unit, Call(LANE, unit, "begun", Asked(n=1))))
    async with running(stage, service(lanes={LANE: Lane(desk)})) as kernel:
        await eventually(
            lambda: stage.pool.fetchval("select exists (select 1 from log.call where owner = $1)", kernel.member),
            "the call to begin",
        )
        kernel.drained.set()
        gate.set()
    assert await echoes(stage, unit) == [1]
    await admit(stage, (later, Tell(Counted(n=2))))
    assert await echoes(stage, later) == []
    async with running(stage):
        await said(stage, later, [2])


async def test_a_failure_that_is_not_the_databases_ends_the_process(stage: Database) -> None:
    kernel = Kernel(stage, GROUP, "test")
    await kernel.start()

    async def stumbles() -> None:
        raise ZeroDivisionError("a job has a bug")

    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(kernel.run(service(), extra=[stumbles]), 6)
    assert kernel.drained.is_set()
    assert await stage.pool.fetchval("select count(*) from log.member") == 0


@BOTH
async def test_a_process_that_was_declared_dead_takes_a_new_member_id_and_goes_on(stage: Database) -> None:
    unit = uuid7()
    async with running(stage) as kernel:
        before = kernel.member
        await stage.pool.execute("delete from log.member where id = $1", before)

        async def renamed() -> bool:
            return kernel.member != before and await stage.pool.fetchval(
                "select exists (select 1 from log.member where id = $1)", kernel.member
            )

        await eventually(renamed, "a new member id")
        await admit(stage, (unit, Tell(Counted(n=1))))
        await said(stage, unit, [1])
        assert await stage.pool.fetchval("select count(*) from log.member where grp = $1", GROUP) == 1


async def listeners(db: Database) -> set[int]:
    rows = await db.pool.fetch(
        "select pid from pg_stat_activity where datname = current_database() and application_name = 'hoso-bell'"
    )
    return {r["pid"] for r in rows}


async def test_a_lost_listening_connection_is_made_anew_and_hears_again(stage: Database) -> None:
    async with running(stage) as kernel:
        before = await eventually(lambda: listeners(stage), "the bell to listen")
        for pid in before:
            await stage.pool.fetchval("select pg_terminate_backend($1)", pid)

        async def anew() -> bool:
            found = await listeners(stage)
            return bool(found) and not found & before

        await eventually(anew, "the bell to listen anew")
        heard = kernel.bell.on("word")

        async def told() -> bool:
            await stage.pool.execute("select pg_notify('hoso', 'other word')")
            return heard.is_set()

        await eventually(told, "a word from elsewhere")


async def test_one_process_wakes_another_after_the_commit(stage: Database) -> None:
    speaker = Kernel(stage, "test.speaker", "test")
    async with running(stage) as listener:
        heard, another = listener.bell.on(ECHOED.name), listener.bell.on("another")
        task = asyncio.create_task(speaker.run(None))

        async def both() -> bool:
            return len(await listeners(stage)) == 2

        await eventually(both, "two bells to listen")
        # Who begins to listen wakes everybody once by itself: that is over when another word was heard.
        await stage.pool.execute("select pg_notify('hoso', 'another')")
        await asyncio.wait_for(another.wait(), 10)
        heard.clear()
        unit = uuid7()
        async with stage.pool.acquire() as tx, tx.transaction():
            ring = await speaker.admit(tx, [Tell(Echoed(n=1))], tenant="acme", subject=unit, correlation=unit)
        assert not heard.is_set(), "committing tells nobody by itself"
        ring()
        await asyncio.wait_for(heard.wait(), 10)
        speaker.drained.set()
        await asyncio.wait_for(task, 6)


@BOTH
async def test_every_session_of_a_process_may_be_ended_again_and_again(stage: Database) -> None:
    unit, edge = uuid7(), await Database.open(stage.url, name="edge", size=1, quick=1)
    try:
        async with running(stage):
            for n in range(10):
                await admit(edge, (unit, Tell(Counted(n=n))))
                await edge.pool.fetch(
                    "select pg_terminate_backend(pid) from pg_stat_activity "
                    "where datname = current_database() and application_name in ('test', 'hoso-bell')"
                )
            await said(edge, unit, range(10), 20)
    finally:
        await edge.close()


async def test_a_topic_made_meanwhile_is_read(stage: Database) -> None:
    pattern = Topic("test.requests.<tenant>", (), (), (), "one a tenant")
    acme, unit = Topic("test.requests.acme", (), (), (), "acme's"), uuid7()
    async with running(stage, service(topics=[pattern])):
        await eventually(lambda: listeners(stage), "the bell to listen")
        async with stage.pool.acquire() as tx, tx.transaction():
            await create_topics(tx, [acme])
        await stage.pool.execute("select pg_notify('hoso', 'topics')")
        await admit(stage, (unit, Tell(Counted(n=1))))
        body = await stage.pool.fetchval("select body from log.event where topic = $1", COUNTED.name)
        async with stage.pool.acquire() as tx, tx.transaction():
            await append(
                tx,
                [Entry(acme.name, partition_of(unit, 8), uuid7(), Counted.TYPE, unit, "acme", body)],
                datetime.now(UTC),
            )
        await said(stage, unit, [1])


@BOTH
async def test_released_units_are_drained_by_the_running_process(stage: Database) -> None:
    unit, handle = uuid7(), Echo()
    handle.poison = {1}
    async with running(stage, service(handle)):
        await admit(stage, (unit, Tell(Counted(n=1))), (unit, Tell(Counted(n=2))))
        await eventually(lambda: stage.pool.fetchval("select exists (select 1 from log.held)"), "the unit to be held")
        handle.poison = set()
        await stage.pool.execute("update log.held set released = true")
        await said(stage, unit, [1, 2])


async def test_lag_counts_records_and_the_age_of_the_oldest(stage: Database) -> None:
    unit, then = uuid7(), datetime.now(UTC)
    async with running(stage):
        await admit(stage, (unit, Tell(Counted(n=1))))
        await said(stage, unit, [1])
    await admit(stage, (unit, Tell(Counted(n=2))), (unit, Tell(Counted(n=3))), now=then)
    async with stage.pool.acquire() as db:
        (found,) = await lag(db, then + timedelta(seconds=90), [GROUP])
    assert (found["topic"], found["records"]) == (COUNTED.name, 2)
    assert 80 < found["seconds"] <= 91


async def test_postgresql_is_killed_again_and_again_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    own = EmbeddedServer(tmp_path / "pg", settings={"max_connections": "60"})
    own.start()
    try:
        await prepare(load(environment="test"), own.url)
        db = await Database.open(own.url, name="test", size=6)
        await lay_out(db)
        units = [uuid7() for _ in range(10)]
        desk = Desk()
        admitted: list[int] = []

        def handle(state: Seen, event: Event[Any], now: datetime) -> tuple[Seen, list[Step]]:
            n = event.data.n
            return Seen((*state.numbers, n)), [
                Tell(Echoed(n=n)),
                Call(LANE, event.subject, f"{event.subject}:{n}", Asked(n=1000 + n)),
            ]

        async def found(asked: Asked, this: Any) -> Sequence[Step]:
            return [Tell(Echoed(n=asked.n))] if this.name in asked_for else []

        asked_for = set[str]()

        async def answer(asked: Asked, this: Any) -> Sequence[Step]:
            assert this.name not in asked_for, "the world was asked twice"
            asked_for.add(this.name)
            return [Tell(Echoed(n=asked.n))]

        desk.answer, desk.look = answer, found
        stop = asyncio.Event()

        async def edge() -> None:
            n = 0
            while not stop.is_set():
                try:
                    await admit(db, *((unit, Tell(Counted(n=n))) for unit in units))
                except Exception:
                    if await counted(db, units[0], n):
                        admitted.append(n)
                        n += 1
                    continue
                admitted.append(n)
                n += 1

        async def counted(db: Database, unit: UUID, n: int) -> bool:
            """Whether a request whose answer was lost is there: the edge asks again by its key."""

            async def look() -> list[bool]:
                try:
                    facts = await facts_of(db, COUNTED, unit)
                except Exception:
                    return []
                return [any(f.n == n for f in facts)]

            return (await eventually(look, "the database to answer", 30))[0]

        async with running(db, service(handle, lanes={LANE: Lane(desk, transport_bound=timedelta(0))})):
            writing = asyncio.create_task(edge())
            for round_ in range(3):

                async def progress(least: int = 20 * (round_ + 1)) -> bool:
                    return len(admitted) >= least

                await eventually(progress, "the edge to go on", 30)
                pid = own.leftover()
                assert pid is not None
                os.kill(pid, signal.SIGKILL)
                await asyncio.to_thread(own.start)
            await eventually(progress, "the edge to go on", 30)
            stop.set()
            await writing

            async def through() -> bool:
                return await db.pool.fetchval(
                    "select (select count(*) from log.event where topic = $1) >= $2 "
                    "and not exists (select 1 from log.call)",
                    ECHOED.name,
                    2 * len(admitted) * len(units),
                )

            await eventually(through, "everything to be handled", 40)
        for unit in units:
            numbers = await echoes(db, unit)
            assert [n for n in numbers if n < 1000] == list(range(len(admitted)))
            assert [n - 1000 for n in numbers if n >= 1000] == list(range(len(admitted)))
        await db.close()
    finally:
        own.stop()

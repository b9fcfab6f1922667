"""Ops on a real log: tasks are what the events say, also when they are read twice."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

from hoso.runtime.kernel import Kernel
from hoso.runtime.outgoing import Cause, Source, write
from hoso.runtime.steps import Tell
from hoso.store.postgres import Database
from schemas import events as e
from schemas.envelope import Fact
from services.ops import task_views
from services.ops.projection import Projection
from services.ops.service import GROUP, service
from tests.support.stories import a_form
from tests.support.waiting import eventually
from tests.unit.ops.heard import ENROLMENT, MAIL, UNIT, answered, at, awaited, progressed, undecided, waits


@contextlib.asynccontextmanager
async def reading(db: Database) -> AsyncIterator[None]:
    """The service, running."""
    kernel = Kernel(db, GROUP, "test")
    await kernel.start()
    running = asyncio.create_task(kernel.run(service()))
    try:
        yield
    finally:
        kernel.drained.set()
        await running


async def say(db: Database, *facts: Fact) -> None:
    """Each fact a transaction of its own, as services do."""
    clock = Kernel(db, "hoso.test", "test").clock
    for fact in facts:
        subject = MAIL if isinstance(fact, e.MailUndecided | e.MailSettled) else UNIT
        async with db.pool.acquire() as tx, tx.transaction():
            source = Source("hoso.enrolment", "test", {})
            await write(tx, source, [(Cause(subject, "acme", ENROLMENT, None), Tell(fact))], clock.now())


async def caught_up(db: Database, events: int) -> None:
    async def look() -> bool:
        return bool(await db.pool.fetchval("select count(*) >= $1 from ops.timeline", events))

    await eventually(look, f"{events} events")


async def causes(db: Database) -> list[str]:
    return [row["cause"] for row in await task_views.tasks(db.pool)]


async def test_tasks_open_and_end_as_the_log_goes_on(db: Database) -> None:
    requested = e.EnrolmentRequested(
        enrolment=ENROLMENT, request="r", form=a_form(), mailbox=uuid4(), contact="hue@hoasen.example", actor="lan"
    )
    async with reading(db):
        await say(db, requested, awaited("approval"), undecided("nobody"))
        await caught_up(db, 3)
        assert sorted(await causes(db)) == ["mail-nobody", "signature-approval"]
        await say(db, waits("data", answers=("data", "retry")))
        await caught_up(db, 4)
    async with reading(db):
        await say(
            db, answered("retry", cause="data"), progressed("cancelled"), e.MailSettled(mail=MAIL, how="set-aside")
        )
        await caught_up(db, 7)
    assert await causes(db) == []
    (decision,) = [row for row in await task_views.of_enrolment(db.pool, ENROLMENT) if row["cause"] == "data"]
    assert (decision["answer"], decision["actor"], decision["name"]) == ("retry", "lan", a_form().name)


async def test_everything_read_a_second_time_is_the_same(db: Database) -> None:
    async with reading(db):
        await say(db, waits("data"), answered("retry", cause="data"), progressed("signing"), waits("certificate"))
        await caught_up(db, 4)
    before = await _kept(db)
    await db.pool.execute("update log.position set off = 0, at = at - interval '1 day' where grp = $1", GROUP)
    async with reading(db):

        async def again() -> bool:
            return bool(await db.pool.fetchval("select sum(off) = 4 from log.position where grp = $1", GROUP))

        await eventually(again, "the second reading")
    assert await _kept(db) == before
    assert await causes(db) == ["certificate"]


async def _kept(db: Database) -> list[Any]:
    rows = await db.pool.fetch("select task, cause, ended_at, answer from ops.task order by task")
    return [tuple(row) for row in rows]


async def test_an_answer_read_long_before_its_wait_is_still_its_answer(db: Database) -> None:
    story = [at(0, waits("data")), at(1, answered("retry", cause="data")), at(2, progressed("signing"))]
    async with db.pool.acquire() as tx:
        for event in (story[1], story[0], story[2]):
            async with tx.transaction():
                await Projection().save(tx, {event.subject: (event,)})
    assert [row[1:] for row in await _kept(db)] == [("data", story[2].time, "retry")]

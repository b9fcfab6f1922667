"""Timers and the world's clock."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hoso.log.postgres import create_days
from hoso.runtime.clock import Setting, WorldClock
from hoso.runtime.ids import uuid7
from hoso.runtime.kernel import Kernel
from hoso.runtime.steps import Step, Timer, Withdraw
from hoso.runtime.upkeep import ring_timers
from hoso.store.postgres import Database
from tests.contract.log.stage import ECHOED, GROUP, Rang, admit, facts_of, log_of, source

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)


async def ring(db: Database, now: datetime, group: str = GROUP) -> int:
    async with db.pool.acquire() as tx, tx.transaction():
        count, _ = await ring_timers(tx, source(group), now)
        return count


def timer(unit: UUID, name: str, due: datetime, k: int) -> tuple[UUID, Step]:
    return unit, Timer(name, due, Rang(k=k))


async def rung(db: Database) -> list[int]:
    return [f.k for f in await facts_of(db, ECHOED) if isinstance(f, Rang)]


async def test_a_timer_rings_when_the_worlds_clock_says_so_and_once(stage: Database) -> None:
    unit = uuid7()
    await admit(stage, timer(unit, "remind", NOW + HOUR, 1))
    assert await ring(stage, NOW + HOUR - timedelta(seconds=1)) == 0
    assert await ring(stage, NOW + HOUR) == 1
    assert await ring(stage, NOW + 2 * HOUR) == 0
    (record,) = await log_of(stage, ECHOED)
    assert record.subject == unit
    assert await rung(stage) == [1]


async def test_setting_a_timer_again_moves_it(stage: Database) -> None:
    unit = uuid7()
    await admit(stage, timer(unit, "remind", NOW, 1))
    await admit(stage, timer(unit, "remind", NOW + HOUR, 2), timer(unit, "remind", NOW + 2 * HOUR, 3))
    assert await ring(stage, NOW + HOUR) == 0
    assert await ring(stage, NOW + 2 * HOUR) == 1
    assert await rung(stage) == [3]


async def test_timers_are_told_apart_by_unit_and_name(stage: Database) -> None:
    one, two = uuid7(), uuid7()
    await admit(stage, timer(one, "a", NOW, 1), timer(one, "b", NOW, 2), timer(two, "a", NOW, 3))
    await admit(stage, (one, Withdraw("a")))
    assert await ring(stage, NOW) == 2
    assert sorted(await rung(stage)) == [2, 3]


async def test_a_timer_withdrawn_in_the_same_breath_never_was(stage: Database) -> None:
    unit = uuid7()
    await admit(stage, timer(unit, "a", NOW, 1), (unit, Withdraw("a")))
    assert await ring(stage, NOW) == 0
    await admit(stage, (unit, Withdraw("a")), timer(unit, "a", NOW, 2))
    assert await ring(stage, NOW) == 1
    assert await rung(stage) == [2]


async def test_two_ringers_ring_each_timer_once(stage: Database) -> None:
    await admit(stage, *(timer(uuid7(), "remind", NOW, k) for k in range(300)))

    async def ringer() -> int:
        total = 0
        while count := await ring(stage, NOW):
            total += count
        return total

    counts = await asyncio.gather(*(ringer() for _ in range(4)))
    assert sum(counts) == 300
    assert sorted(await rung(stage)) == list(range(300))


async def test_a_group_rings_its_own_timers_only(stage: Database) -> None:
    await admit(stage, timer(uuid7(), "remind", NOW, 1), group="test.other")
    assert await ring(stage, NOW) == 0
    assert await ring(stage, NOW, "test.other") == 1


async def test_a_timer_that_could_not_be_told_rings_again(stage: Database) -> None:
    await admit(stage, timer(uuid7(), "remind", NOW, 1))
    async with stage.pool.acquire() as tx:
        gone = tx.transaction()
        await gone.start()
        assert (await ring_timers(tx, source(), NOW))[0] == 1
        await gone.rollback()
    assert await rung(stage) == []
    assert await ring(stage, NOW) == 1


async def test_a_timer_of_a_newer_release_is_left_to_it(stage: Database) -> None:
    await admit(stage, timer(uuid7(), "newer", NOW, 1), timer(uuid7(), "known", NOW, 2))
    await stage.pool.execute("update log.timer set type = 'vn.hoso.test.rang.v9' where name = 'newer'")
    assert await ring(stage, NOW) == 1
    assert await rung(stage) == [2]
    assert await stage.pool.fetchval("select name from log.timer") == "newer"


async def test_every_process_follows_the_clocks_history_and_the_log_has_room_for_the_jump(stage: Database) -> None:
    kernel = Kernel(stage, GROUP, "test")
    await kernel.start()
    assert abs(kernel.clock.now() - datetime.now(UTC)) < timedelta(seconds=5)
    anchor = datetime.now(UTC)
    jumped = anchor + timedelta(days=30)
    await stage.pool.execute(
        "insert into log.clock(anchor, base, rate, actor) values ($1, $2, 1, 'test')", anchor, jumped
    )
    late = Kernel(stage, GROUP, "test")
    await late.start()
    assert abs(late.clock.now() - datetime.now(UTC) - timedelta(days=30)) < timedelta(seconds=5)
    assert late.clock.world(anchor - HOUR) == anchor - HOUR, "a mail from before the jump keeps its time"
    assert late.clock.world(anchor + HOUR) == jumped + HOUR
    unit = uuid7()
    async with stage.pool.acquire() as tx, tx.transaction():
        await late.admit(tx, [timer(unit, "x", jumped, 1)[1]], tenant="acme", subject=unit, correlation=unit)
    assert await ring(stage, late.clock.now()) == 1
    (record,) = await log_of(stage, ECHOED)
    assert record.at >= jumped


async def test_in_production_the_clock_is_the_real_one_whatever_the_table_says(stage: Database) -> None:
    now = datetime.now(UTC)
    await stage.pool.execute(
        "insert into log.clock(anchor, base, rate, actor) values ($1, $2, 1, 'test')", now, now + timedelta(days=30)
    )
    kernel = Kernel(stage, GROUP, "production")
    await kernel.start()
    assert abs(kernel.clock.now() - datetime.now(UTC)) < timedelta(seconds=5)


async def test_days_are_made_for_the_day_before_until_two_days_ahead(stage: Database) -> None:
    day = datetime(2031, 3, 1, 23, 30, tzinfo=UTC)
    async with stage.pool.acquire() as tx, tx.transaction():
        await create_days(tx, day)
    made = await stage.pool.fetch("select relname from pg_class where relname like 'event\\_2031____' order by 1")
    assert [r["relname"] for r in made] == [f"event_{d}" for d in ("20310228", "20310301", "20310302", "20310303")]


async def test_a_history_of_settings_is_followed_from_anchor_to_anchor() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    clock = WorldClock(
        [
            Setting(start, start + timedelta(days=1), 1.0),
            Setting(start + HOUR, start + timedelta(days=10), 60.0),
        ]
    )
    assert clock.world(start - HOUR) == start - HOUR
    assert clock.world(start + HOUR / 2) == start + timedelta(days=1) + HOUR / 2
    assert clock.world(start + HOUR + timedelta(minutes=1)) == start + timedelta(days=10) + HOUR

"""Processes on Kafka that are killed, restarted, added and taken away: nothing lost, nothing twice, order per unit kept."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest

from hoso.runtime.ids import uuid7
from hoso.runtime.steps import Tell
from hoso.store.postgres import Database
from tests.contract.log.on_kafka import KafkaStage
from tests.contract.log.stage import COUNTED, GROUP, Counted, admit, echoes
from tests.support.waiting import eventually

pytestmark = pytest.mark.parametrize("stage", ["kafka"], indirect=True)
Start = Callable[..., "Process"]


class Process:
    """One process of the stage."""

    def __init__(self, arguments: list[str], environment: dict[str, str], said: Path) -> None:
        self._arguments, self._environment, self._said = arguments, environment, said
        self.start()

    def start(self) -> None:
        with self._said.open("ab") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.contract.log.member", *self._arguments],
                env=os.environ | self._environment,
                stdout=said,
                stderr=said,
            )

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        self._process.terminate()


@pytest.fixture
def start(stage: KafkaStage, tmp_path: Path) -> Iterator[Start]:
    """Starts processes; none outlives the test."""
    made: list[Process] = []

    def begin(kind: str, instance: str = "") -> Process:
        arguments = [kind, stage.url, ",".join(stage.broker.servers), *([instance] if instance else [])]
        made.append(Process(arguments, {"HOSO_POINTS": str(tmp_path)}, tmp_path / f"{kind}{len(made)}.log"))
        return made[-1]

    yield begin
    for process in made:
        process.kill()


async def total(db: Database) -> int:
    return int(await db.pool.fetchval("select count(*) from log.event where topic = 'test.echoed'"))


async def handled(db: Database, least: int, seconds: float = 60) -> None:
    async def enough() -> bool:
        return await total(db) >= least

    await eventually(enough, f"{least} effects", seconds)


class Load:
    """Counts for each unit, from 0 on, until told to stop."""

    def __init__(self, db: Database, units: int) -> None:
        self.db = db
        self.units = [uuid7() for _ in range(units)]
        self.rounds = 0
        self.stop = asyncio.Event()

    async def run(self, rounds_a_second: float) -> None:
        while not self.stop.is_set():
            await admit(self.db, *((unit, Tell(Counted(n=self.rounds))) for unit in self.units))
            self.rounds += 1
            await self.db.pool.execute("select pg_notify('hoso', $1)", COUNTED.name)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stop.wait(), 1 / rounds_a_second)

    async def judge(self, seconds: float = 60) -> None:
        """Everything once, in order."""
        await handled(self.db, self.rounds * len(self.units), seconds)
        for unit in self.units:
            assert await echoes(self.db, unit) == list(range(self.rounds))


@contextlib.asynccontextmanager
async def under_load(db: Database, units: int, rounds_a_second: float) -> AsyncIterator[Load]:
    load = Load(db, units)
    running = asyncio.create_task(load.run(rounds_a_second))
    try:
        yield load
    finally:
        load.stop.set()
        await running


async def standing_still(stage: KafkaStage, start: Start, instance: str) -> float:
    """A consumer is killed and started again; seconds until its units are served again."""
    group = start("consumer", instance)
    unit = uuid7()
    before = await total(stage)
    await told(stage, unit, 1)
    await handled(stage, before + 1)
    group.kill()
    await told(stage, unit, 2)
    began = time.monotonic()
    group.start()
    await handled(stage, before + 2)
    took = time.monotonic() - began
    group.kill()
    assert await echoes(stage, unit) == [1, 2]
    return took


async def told(db: Database, unit: UUID, n: int) -> None:
    await admit(db, (unit, Tell(Counted(n=n))))
    await db.pool.execute("select pg_notify('hoso', $1)", COUNTED.name)


async def test_a_restarted_process_has_its_partitions_back_without_waiting_for_the_session(
    stage: KafkaStage, start: Start
) -> None:
    start("relay")
    known = await standing_still(stage, start, "test.echo.here.1")
    unknown = await standing_still(stage, start, "")
    assert known < unknown / 2, f"{known:.1f} s with a name it has again, {unknown:.1f} s without"


async def test_from_one_copy_to_four_and_back_under_load(stage: KafkaStage, start: Start) -> None:
    start("relay")
    async with under_load(stage, 24, 20) as load:
        copies = [start("consumer")]
        await handled(stage, 24 * 10)
        copies += [start("consumer") for _ in range(3)]
        await eventually(lambda: members(stage, 4), "four copies to be there", 60)
        await handled(stage, await total(stage) + 24 * 40)
        for copy in copies[:3]:
            copy.stop()
        await eventually(lambda: members(stage, 1), "one copy to be left", 60)
        await handled(stage, await total(stage) + 24 * 20)
    await load.judge()
    lying = await stage.pool.fetchval(
        "select sum(h.next - p.off) from log.head h join log.position p using (topic, part) where p.grp = $1", GROUP
    )
    assert lying == 0


async def members(db: Database, number: int) -> bool:
    found = await db.pool.fetchval(
        "select count(*) from log.member where grp = $1 and seen_at > now() - interval '6 seconds'", GROUP
    )
    return bool(found == number)


POINTS = ("relay.before-send", "relay.after-send", "test.echo.before-commit", "test.echo.after-commit")


async def test_killed_at_every_named_point(stage: KafkaStage, start: Start, tmp_path: Path) -> None:
    processes = {"relay": start("relay"), "consumer": start("consumer", "test.echo.here.1")}
    async with under_load(stage, 16, 20) as load:
        for point in POINTS * 2:
            await handled(stage, await total(stage) + 16 * 5)
            victim = processes["relay" if point.startswith("relay") else "consumer"]
            (tmp_path / point).write_text("kill")

            async def dead(victim: Process = victim) -> bool:
                return victim.ended

            await eventually(dead, f"it to die at {point}", 30)
            victim.start()
    await load.judge()


async def test_killed_at_random(stage: KafkaStage, start: Start) -> None:
    chance = random.Random(20261123)
    processes = [start("relay"), start("relay"), start("consumer", "a"), start("consumer", "b")]
    async with under_load(stage, 16, 25) as load:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            await handled(stage, await total(stage) + chance.randrange(16, 16 * 40))
            victim = chance.choice(processes)
            victim.kill()
            victim.start()
    await load.judge()

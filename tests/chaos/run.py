"""The chaos run: a generated sheet is handed in bit by bit while everything is killed and stopped; then the judge reads.

Long: at least 300 enrolments, every point killed and stopped, 40 random blows, sleepers longer than the gateway's deadline
against an agency that ignores keys and one that honours them. Short: some points of the seed's choice, two at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.edge import announce
from app.requests import append_requests, read_requests
from demo.judge import Findings
from tests.chaos.arena import AWAY, Arena, arena
from tests.chaos.faults import KAFKA, POINTS, Fault, Suffered, Surgeon, at_points, blows, in_pairs, summary
from tests.chaos.fences import MARKS, provoke
from tests.chaos.sheets import Maker, Row, sheets, tenants


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is to do."""

    seed: int = 1
    long: bool = False
    enrolments: int = 0
    points: Sequence[str] = ()
    blows: int = 0
    keep: Path | None = None

    @property
    def rows(self) -> int:
        return self.enrolments or (310 if self.long else 70)


@dataclass(slots=True)
class Result:
    """What came of it."""

    findings: Findings = field(default_factory=Findings)
    suffered: list[Suffered] = field(default_factory=list)
    never: list[Fault] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0
    stages: dict[str, int] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        return not self.everything

    @property
    def everything(self) -> list[str]:
        late = [s.said() for s in self.suffered if s.bad]
        return [*self.findings.everything, *self.wrong, *late, *(f"nobody ever came to {f.target}" for f in self.never)]

    def data(self) -> dict[str, Any]:
        return {
            "clean": self.clean,
            "rows": self.findings.rows,
            "accepted": self.findings.accepted,
            "enrolled": self.findings.enrolled,
            "waiting_for_person": self.findings.waiting_for_person,
            "open": self.findings.open,
            "lost": len(self.findings.lost),
            "filed_twice": len(self.findings.filed_twice),
            "seconds": round(self.seconds),
            **summary(self.suffered, self.never),
        }


def say(text: str) -> None:
    print(text, flush=True)


class Feed:
    """Hands the rows in, a few at a time, some of them over the topic; each hand-in waits out whatever is down."""

    def __init__(self, arena: Arena, maker: Maker, rows: Sequence[Row]) -> None:
        self._arena = arena
        self._maker = maker
        self._rows = list(rows)
        self._tasks: list[asyncio.Task[None]] = []
        self._count = 0

    @property
    def left(self) -> int:
        return len(self._rows)

    def give(self, count: int) -> None:
        """Hand `count` rows in, in the background; straight ones when the sheet is used up."""
        rows, self._rows = self._rows[:count], self._rows[count:]
        rows += [self._maker.row("") for _ in range(count - len(rows))]
        self._tasks.append(asyncio.create_task(self._hand_in(rows)))

    def publish(self) -> None:
        """Put one request onto its tenant's topic, in the background."""
        self._tasks.append(asyncio.create_task(self._publish(self._maker.row(""))))

    async def _hand_in(self, rows: Sequence[Row]) -> None:
        for tenant, data, _ in sheets(rows, len(rows)):
            await self._arena.hand_in(tenant, data, patience=120)

    async def _publish(self, row: Row) -> None:
        self._count += 1
        topic = f"enrolment.requests.{row.tenant}"
        fields = {key: value for key, value in row.fields.items() if value}
        tenant, asks = read_requests(
            topic, json.dumps({"request": f"chaos-{self._count}", "fields": fields}).encode(), "chaos"
        )
        while True:
            with contextlib.suppress(*AWAY):
                async with self._arena.open() as own:
                    async with own.db.pool.acquire() as tx, tx.transaction():
                        await append_requests(tx, tenant, asks, "test")
                    await announce(own.db.pool, {topic})
                return
            await asyncio.sleep(0.3)

    def handed_in(self) -> bool:
        """Whether everything given so far has been promised."""
        return all(task.done() for task in self._tasks)

    async def end(self) -> None:
        """Hand in the rest and wait for every promise."""
        while self.left:
            self.give(20)
        await asyncio.gather(*self._tasks)

    def cancel(self) -> None:
        """Give up."""
        for task in self._tasks:
            task.cancel()


class Run:
    """One world and its plan."""

    def __init__(self, arena: Arena, plan: Plan, maker: Maker) -> None:
        self._arena = arena
        self._plan = plan
        self._maker = maker
        self._surgeon = Surgeon(arena, maker, plan.seed)
        self._result = Result()
        self._feed = Feed(arena, maker, maker.rows(plan.rows, days=plan.long))

    async def all(self) -> Result:
        """Hurt, wait for the end, judge."""
        await self._arena.until_working()
        rounds = list(self._rounds())
        each = max(1, -(-self._plan.rows // len(rounds)))
        try:
            for faults in rounds:
                for fault in faults:
                    if fault.target.startswith("intake"):
                        self._feed.publish()
                self._feed.give(each if self._feed.left else 2)
                await asyncio.gather(*(self._do(fault) for fault in faults))
            await self._feed.end()
            if not await self._arena.until_ended(400, done=self._feed.handed_in):
                self._result.wrong.append("something never ended, however far the clock was moved")
        finally:
            self._feed.cancel()
        if self._plan.long:
            await self._sleepers()
        return await self._judged()

    def _rounds(self) -> Iterator[list[Fault]]:
        chance = random.Random(self._plan.seed)
        named = self._plan.points or POINTS
        if self._plan.long or self._plan.points:
            faults = [
                *at_points(named, self._plan.seed),
                *blows(self._plan.blows or (44 if self._plan.long else 0), self._plan.seed, self._broker()),
            ]
            chance.shuffle(faults)
            yield from ([fault] for fault in faults)
            return
        yield from in_pairs(self._plan.seed)
        yield [Fault("nap", chance.choice(POINTS))]
        yield [Fault("stop", "agency-submit.before-outcome")]
        yield from ([fault] for fault in blows(self._plan.blows or 4, self._plan.seed, self._broker()))
        yield [Fault("kill", "hoso", False)]

    def _broker(self) -> str:
        return "broker" if self._arena.cluster is not None else "kafka"

    async def _do(self, fault: Fault) -> None:
        for _ in range(4):
            suffered = await self._surgeon.do(fault, 8)
            if suffered is not None:
                self._result.suffered.append(suffered)
                say(f"  {len(self._result.suffered):>4} {suffered.said()}")
                return
            self._feed.give(2)
            if fault.target.startswith("intake"):
                self._feed.publish()
        self._result.never.append(fault)

    async def _sleepers(self) -> None:
        """A submitter that sleeps longer than its deadline before and after it writes; this agency ignores keys."""
        for place in ("before-write", "after-write"):
            say(f"  a submitter sleeps longer than its deadline, {place}")
            self._result.wrong += await provoke(self._arena, self._maker, "sleeper", broken=False, place=place)

    async def _judged(self) -> Result:
        self._result.findings = await self._arena.judge()
        async with self._arena.open() as own:
            rows = await own.db.pool.fetch(
                "select stage, cause, count(*) as n from ops.enrolment group by 1, 2 order by 3 desc"
            )
            self._result.stages = {f"{r['stage']} {r['cause'] or ''}".strip(): r["n"] for r in rows}
        return self._result


class Red(Exception):
    """The judge found faults: {0}"""


async def chaos(plan: Plan) -> Result:
    """One whole run; a world that went wrong keeps its folder and shows the timelines of the units concerned."""
    began = time.monotonic()
    owners = tenants(3 if plan.long else 2)
    result = Result()
    with contextlib.suppress(Red):
        async with arena(owners, keep=plan.keep, brokers=3 if KAFKA and plan.long else 0) as world:
            result = await Run(world, plan, Maker(plan.seed, owners)).all()
            await _red(world, result.everything, "the world of this run")
    if plan.long:
        with contextlib.suppress(Red):
            result.wrong += await _with_keys(plan)
    result.seconds = time.monotonic() - began
    return result


async def _with_keys(plan: Plan) -> list[str]:
    """The same sleepers against an agency that honours keys."""
    owners = tenants(1)
    async with arena(owners, honour_keys=True) as world:
        await world.until_working()
        maker = Maker(plan.seed + 1, owners)
        found: list[str] = []
        for place in ("before-write", "after-write"):
            say(f"  the same with an agency that honours keys, {place}")
            found += await provoke(world, maker, "sleeper", broken=False, place=place)
        return found


async def break_fence(fence: str, seed: int = 1) -> bool:
    """Provoke the fence's situation with it and without it; True when the judge is green with it and red without."""
    owners = tenants(1)
    async with arena(owners) as world:
        await world.until_working()
        maker = Maker(seed, owners)
        standing = await provoke(world, maker, fence, broken=False)
        say(f"{fence} stands: {'GREEN' if not standing else 'RED'}")
        for fault in standing:
            say(f"  {fault}")
        broken = await provoke(world, maker, fence, broken=True)
        say(f"{fence} is broken: {'RED' if broken else 'GREEN'}")
        for fault in broken[:10]:
            say(f"  {fault}")
        return not standing and any(MARKS[fence] in fault for fault in broken)


async def _red(world: Arena, faults: Sequence[str], where: str) -> None:
    if faults:
        for fault in faults:
            say(f"FAULT: {fault}")
        say(await world.timelines(faults))
        raise Red(where)

"""Every scenario of tests/e2e once more, with a process killed or stopped at a named point in the middle of it.

The scenario's own assertions hold all the same, and the judge finds nothing afterwards. The seed chooses the point, the kind
of fault and the moment. While something is down the world's clock stands: what is slow is not late.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import inspect
import itertools
import random
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.chaos.arena import AWAY, Arena, arena
from tests.chaos.faults import BYWAYS, POINTS, Fault, Suffered, Surgeon
from tests.chaos.sheets import Maker
from tests.e2e.scene import Branch, Scene
from tests.e2e.town import Town, owners

FOLDER = Path(__file__).parents[1] / "e2e"
EACH_S = 1.0
"""Where nobody has come to the point for so long, another is chosen."""
MOST_FAULTS = 5
"""A run with more of them says nothing new."""
MIDDLE_S = 0.8
"""The first point is armed up to this long after the scenario began."""


@dataclass(frozen=True, slots=True)
class Play:
    """One scenario with one choice of its parameters."""

    name: str
    run: Callable[..., Awaitable[None]]
    given: dict[str, Any] = field(default_factory=dict)


def plays() -> list[Play]:
    """Every scenario that needs nothing but the scene, in the order of the files."""
    return [play for file in sorted(FOLDER.glob("test_*.py")) for play in _in(f"tests.e2e.{file.stem}")]


def _in(module: str) -> Iterator[Play]:
    found = vars(importlib.import_module(module))
    for name, run in found.items():
        marks = {mark.name for mark in getattr(run, "pytestmark", ())}
        if not name.startswith("test_") or "statement" not in marks:
            continue
        for given in _choices(run):
            if {*inspect.signature(run).parameters} == {"scene", *given}:
                said = "-".join(str(value) for value in given.values())
                yield Play(f"{name}[{said}]" if said else name, run, given)


def _choices(run: Any) -> Iterator[dict[str, Any]]:
    """What `parametrize` gives, as pytest would combine it."""
    marks = [mark for mark in run.pytestmark if mark.name == "parametrize"]
    sets = []
    for mark in marks:
        names = mark.args[0].split(",") if isinstance(mark.args[0], str) else list(mark.args[0])
        sets.append([dict(zip(names, row if len(names) > 1 else (row,), strict=True)) for row in mark.args[1]])
    for chosen in itertools.product(*sets):
        yield {name.strip(): value for one in chosen for name, value in one.items()}


class Hurt(Scene):
    """A scene whose clock stands while a process is being brought back, so that only what really waits sees time pass."""

    async def _busy(self, branch: Branch) -> str:
        if not await self._works() or await self._in_hand(branch):
            return "working"
        return await super()._busy(branch)

    async def _on(self, branch: Branch) -> bool:
        await self.town.arena.until_working()
        return await self._busy(branch) == "working" or await super()._on(branch)

    async def pass_time(self, delta: timedelta) -> None:
        await self.town.arena.until_working()
        await super().pass_time(delta)

    async def _works(self) -> bool:
        return await self.town.arena.until_working(0.3) < 0.3

    async def _in_hand(self, branch: Branch) -> bool:
        """Whether a call of the branch is being made, is in doubt, or is tried again within seconds."""
        try:
            async with self.town.arena.open() as own:
                found = await own.db.pool.fetchval(
                    "select count(*) from log.call where correlation::text = $1 and (unsure or (lane <> 'agency.replies' "
                    "and (owner is not null or not_before < now() + interval '4 seconds')))",
                    branch.enrolment,
                )
                return bool(found)
        except AWAY:
            return True


@dataclass(slots=True)
class Outcome:
    """What came of a run of plays."""

    played: list[str] = field(default_factory=list)
    suffered: list[Suffered] = field(default_factory=list)
    never: list[str] = field(default_factory=list)
    """Plays that ended before anybody came to any of the points chosen for them."""
    faults: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not self.faults


class Stage:
    """A world on which scenarios are played and hurt."""

    def __init__(self, world: Arena, seed: int) -> None:
        self._town = Town(world)
        self._world = world
        self._chance = random.Random(seed)
        self._surgeon = Surgeon(world, Maker(seed, world.tenants), seed)
        self._armed: Fault | None = None
        self.outcome = Outcome()

    async def play(self, play: Play) -> None:
        """Play it, and hurt somebody in it; its assertions are its own."""
        began = time.monotonic()
        hurting = asyncio.create_task(self._hurt())
        failed = ""
        try:
            await play.run(Hurt(self._town), **play.given)
        except AssertionError as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            failed = f"{Path(last.filename).name}:{last.lineno} {last.line} {str(error)[:3000]}"
        except (
            ProcessLookupError
        ):  # it ends processes itself, and one of them had just been ended: neither hurt nor played
            self.outcome.never.append(play.name)
        finally:
            suffered = await self._over(hurting)
        if failed:
            self.outcome.faults.append(f"{play.name}{' with ' + suffered.said() if suffered else ''}: {failed}")
        if suffered is None or play.name in self.outcome.never:
            self.outcome.never += [play.name] if play.name not in self.outcome.never else []
            return
        self.outcome.suffered.append(suffered)
        self.outcome.played.append(play.name)
        print(f"  {time.monotonic() - began:6.1f} s  {suffered.said():<70} {play.name}", flush=True)

    async def _hurt(self) -> Suffered:
        """Arm one point after the other until somebody comes to one."""
        await asyncio.sleep(self._chance.uniform(0, MIDDLE_S))  # the moment is part of the fault
        while True:
            names = POINTS if self._chance.random() < 0.9 else BYWAYS
            self._armed = Fault(self._chance.choice(("kill", "kill", "nap")), self._chance.choice(names))
            suffered = await self._surgeon.do(self._armed, EACH_S)
            if suffered is not None:
                return suffered

    async def _over(self, hurting: asyncio.Task[Suffered]) -> Suffered | None:
        """The scenario is over: whoever came to a point is waited for, a point that nobody came to is no more."""
        target = self._armed.target if self._armed else ""
        with contextlib.suppress(FileNotFoundError):
            (self._world.points / (target or "none")).unlink()
        if not hurting.done() and not list(self._world.points.glob(f"taken-{target}-*")):
            hurting.cancel()
        self._armed = None
        with contextlib.suppress(asyncio.CancelledError):
            return await hurting
        return None

    async def judged(self) -> None:
        """Nothing lost, nothing twice. How soon services are back is measured by the other run, without scenarios beside it."""
        await self._world.until_working()
        await self._world.until_read()
        late = [one.said() for one in self.outcome.suffered if one.note]
        found = [*(await self._world.judge()).everything, *late]
        self.outcome.faults += [fault for fault in found if fault not in self.outcome.faults]


async def rehearse(seed: int, count: int = 0, keep: Path | None = None, names: Sequence[str] = ()) -> Outcome:
    """All scenarios on one world in an order that the seed shuffles, or until `count` of them were hurt, or those named."""
    chosen = [play for play in plays() if not names or play.name in names]
    random.Random(seed).shuffle(chosen)
    async with _stage(seed, keep) as stage:
        for number, play in enumerate(chosen, 1):
            await stage.play(play)
            if count and len(stage.outcome.suffered) == count:
                break
            if not count and number % 20 == 0:
                await stage.judged()
            if len(stage.outcome.faults) > MOST_FAULTS:
                return stage.outcome
        await stage.judged()
        return stage.outcome


@contextlib.asynccontextmanager
async def _stage(seed: int, keep: Path | None) -> AsyncIterator[Stage]:
    async with arena(owners(), keep=keep) as world:
        await world.until_working()
        yield Stage(world, seed)

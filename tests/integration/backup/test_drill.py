"""The drill of docs/backup.md: back up, go on filing, lose the database, restore, finish. The judge reads the agency's ledger."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import asyncpg
import pytest
import pytest_asyncio

from demo.judge import ledger
from tests.chaos.arena import Arena, arena
from tests.chaos.sheets import Maker, Row, sheets, tenants
from tests.integration.backup.dying import command, everybody_killed
from tests.integration.cli.command import Ended
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")
ROWS = 8


class Drill:
    """A world whose database is lost and comes back from a backup."""

    def __init__(self, world: Arena) -> None:
        self.world = world
        self.maker = Maker(7, world.tenants)
        self.folder = world.world.folder / "backups"
        self.forgotten = [self.maker.row("") for _ in range(ROWS)]

    async def hoso(self, *words: str) -> Ended:
        """A command of an operator, on this world."""
        return await command(self.world.world.environment(), *words)

    async def send(self, rows: Sequence[Row]) -> None:
        for tenant, data, _ in sheets(rows, 1000):
            await self.world.hand_in(tenant, data)

    def arrivals(self) -> list[tuple[str, ...]]:
        """Filings that were given to the agency's processing, in order."""
        with contextlib.closing(ledger(self.world.world.folder / "simulator" / "simulator.db")) as agency:
            found = agency.execute(
                "select unit_code, procedure, idempotency_key, outcome, code, datetime(at_world, 'unixepoch') from arrivals order by id"
            )
            return [tuple(map(str, row)) for row in found]

    async def arrived(self, count: int) -> None:
        async def enough() -> bool:
            return len(self.arrivals()) >= count

        await eventually(enough, f"{count} filings", 30)

    async def settled(self) -> None:
        assert await self.world.until_ended(60, jumps=False), await self.world.stuck()

    @contextlib.asynccontextmanager
    async def nothing_is_signed(self) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
        """Meanwhile the signer waits for its positions. What is given waits until so many more attempts are prepared."""
        db = await asyncpg.connect(self.world.url)
        prepared = "select coalesce(sum(next), 0) from log.head where topic = 'dossier.prepared'"
        try:
            await db.execute("begin")
            await db.execute("select 1 from log.position where grp = 'hoso.signer' for update")
            first = await db.fetchval(prepared)

            async def until(count: int) -> None:
                async def enough() -> bool:
                    return bool(await db.fetchval(prepared) >= first + count)

                await eventually(enough, f"{count} attempts to be signed", 30)

            yield until
        finally:
            await db.close()

    async def lose_everything(self) -> None:
        """The machine dies: hoso, its services and the database at once, and the disk with the data."""
        await everybody_killed(self.world)
        shutil.rmtree(self.world.world.folder / "hoso" / "pg")

    async def restore(self) -> None:
        restored = await self.hoso("restore", "--from", str(self.folder))
        assert restored.status == 0, restored.err
        early = await self.hoso("restore", "--done", "--json")
        assert early.json["open"] is (not (self.world.points / "break-restore").exists()), early.out
        await self.world.start_again("hoso")
        assert await self.world.until_working(60) < 60


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def drill() -> AsyncIterator[Drill]:
    async with contextlib.AsyncExitStack() as stack:
        world = await stack.enter_async_context(arena(tenants(1)))
        await world.until_working()
        yield Drill(world)


async def test_after_a_restore_nothing_is_filed_twice(drill: Drill) -> None:
    world = drill.world
    await drill.send([drill.maker.row(flow) for flow in ("", "T01", "C04", "")])
    await drill.arrived(3)
    async with drill.nothing_is_signed() as prepared:
        await drill.send([drill.maker.row("") for _ in range(ROWS)])
        await prepared(ROWS)  # they will be signed anew after the restore: other bytes, the same attempts
        made = await drill.hoso("backup", "--to", str(drill.folder), "--json")
    assert made.status == 0, made.err
    await drill.send(drill.forgotten)
    await drill.settled()
    before = drill.arrivals()

    await drill.lose_everything()
    await drill.restore()
    await drill.send(drill.forgotten)  # who had no answer, or reads here that nobody knows it, sends it again
    assert await world.until_ended(60), await world.stuck()
    found = await world.judge()
    assert found.everything == []
    more = [one for one in drill.arrivals() if one not in before]
    assert drill.arrivals() == before, await world.timelines([" ".join(one) for one in more])
    assert (found.open, found.enrolled) == (0, 4 + 2 * ROWS)
    done = await drill.hoso("restore", "--done", "--json")
    assert (done.status, done.json["open"]) == (0, False), done.out


async def test_without_the_fence_the_judge_is_red(drill: Drill) -> None:
    """The control: the same backup, restored without the fence."""
    await drill.lose_everything()
    (drill.world.points / "break-restore").touch()
    await drill.restore()
    await drill.send(drill.forgotten)
    await drill.world.until_ended(40, jumps=False)
    twice = [fault for fault in (await drill.world.judge()).filed_twice if "arrived 2 times" in fault]
    assert len(twice) >= ROWS

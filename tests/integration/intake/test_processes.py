"""Ten thousand rows, each once: killed in the middle, started again, and with two processes at the same batches."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from hoso.store.postgres import Database
from tests.integration.intake.house import Door, House, furnished, line, sheet
from tests.integration.intake.process import Process
from tests.support.waiting import eventually

ROWS = 10_000
Start = Callable[[], Awaitable[Process]]


@pytest_asyncio.fixture
async def settled(db: Database, tmp_path: Path) -> House:
    """Tenants and keys; nobody serves."""
    return await furnished(db, tmp_path)


@pytest_asyncio.fixture
async def start(url: str, tmp_path: Path, settled: House) -> AsyncIterator[Start]:
    """Processes of intake, drained at the end."""
    made: list[Process] = []

    async def one() -> Process:
        made.append(await Process(url, tmp_path).start())
        return made[-1]

    yield one
    for process in made:
        await process.stop()


async def promised(house: House, process: Process, data: bytes) -> str:
    """A batch that is promised."""
    house.url = process.http
    door = house.door()
    answer = await door.upload(data, Content_Disposition="attachment; filename=lon.csv")
    await door.close()
    assert answer.status == 202, answer.body
    return str(answer.json["batch"])


async def position(house: House, batch: str) -> int:
    found: int = await house.db.quick.fetchval("select position from intake.batch where batch = $1::text::uuid", batch)
    return found


async def passed(house: House, batch: str, rows: int) -> None:
    async def look() -> bool:
        return await position(house, batch) >= rows

    await eventually(look, f"row {rows} of the batch", 60)


async def done(house: House, *batches: str) -> None:
    async def look() -> bool:
        return not await house.db.quick.fetchval("select count(*) from intake.batch where state = 'working'")

    await eventually(look, "the end of the batches", 90)
    for batch in batches:
        state = await house.db.quick.fetchval("select state from intake.batch where batch = $1::text::uuid", batch)
        assert state == "done"


async def every_row_once(house: House, batch: str, rows: int) -> None:
    count = await house.db.quick.fetchrow(
        "select count(*) as rows, count(distinct enrolment) as enrolments, bool_and(outcome = 'accepted') as all "
        "from intake.batch_row where batch = $1::text::uuid",
        batch,
    )
    assert tuple(count) == (rows, rows, True)
    told = await house.requested()
    assert len(told) == rows
    assert len({fact.form.unit_code for fact in told}) == rows
    assert sorted(fact.row or 0 for fact in told) == list(range(2, rows + 2))
    await house.sound()


async def test_ten_thousand_rows_by_two_processes_one_of_which_is_killed(settled: House, start: Start) -> None:
    """Both work at the same batch; one dies before a commit, and the other goes on with what it left."""
    one, _ = await asyncio.gather(start(), start())
    batch = await promised(settled, one, sheet([line(n) for n in range(ROWS)]))
    await passed(settled, batch, 1_000)
    one.arm("intake.before-commit")
    await done(settled, batch)

    assert list(one.points.glob("taken-*")), "nobody passed the point"
    await every_row_once(settled, batch, ROWS)


@pytest.mark.parametrize("point", ["intake.before-commit", "intake.after-commit"])
async def test_a_batch_killed_in_the_middle_goes_on_where_it_was(settled: House, start: Start, point: str) -> None:
    first = await start()
    batch = await promised(settled, first, sheet([line(n) for n in range(4_000)]))
    await passed(settled, batch, 500)
    first.arm(point)
    assert await first.ended() == -signal.SIGKILL
    stood = await position(settled, batch)
    assert 500 <= stood < 4_000
    assert len(await settled.requested()) == stood, "rows of a chunk are done with it, or not at all"
    await start()
    await done(settled, batch)

    await every_row_once(settled, batch, 4_000)


@pytest.mark.parametrize("point", ["intake.before-commit", "intake.after-commit"])
async def test_an_upload_whose_answer_was_lost_is_one_batch(settled: House, start: Start, point: str) -> None:
    """Killed around the promise: the sender repeats under the same key, and every row is taken once."""
    first = await start()
    first.arm(point)
    settled.url = first.http
    door, data = settled.door(), sheet([line(n) for n in range(10)])
    with pytest.raises((aiohttp.ClientError, OSError), match=r"(?i)disconnected|reset|closed"):
        await door.upload(data, Idempotency_Key="may")
    assert await first.ended() == -signal.SIGKILL
    again = Door((await start()).http, door.token)
    answer = await again.upload(data, Idempotency_Key="may")
    await again.close()
    await door.close()
    assert answer.json["repeated"] is (point == "intake.after-commit")
    await done(settled, answer.json["batch"])

    await every_row_once(settled, answer.json["batch"], 10)


async def test_a_process_that_stood_still_does_its_chunk_or_nothing(settled: House, start: Start) -> None:
    """Stopped with a chunk uncommitted: the database ends that transaction, the other process does the chunk once."""
    frozen, _ = await asyncio.gather(start(), start())
    batch = await promised(settled, frozen, sheet([line(n) for n in range(3_000)]))
    await passed(settled, batch, 500)
    frozen.arm("intake.before-commit", "stop")
    await done(settled, batch)

    assert list(frozen.points.glob("taken-*")), "nobody passed the point"
    await every_row_once(settled, batch, 3_000)

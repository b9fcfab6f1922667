"""Each fence of docs/kernel.md §3: the judge is green while it stands, and red when it alone is taken away."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.chaos.arena import Arena, arena
from tests.chaos.faults import KAFKA
from tests.chaos.fences import MARKS, provoke
from tests.chaos.sheets import Maker, tenants

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(KAFKA, reason="the fences of the log are proved on both logs in tests/contract/log"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground() -> AsyncIterator[tuple[Arena, Maker]]:
    """One world for all fences: the processes that go without one are second ones, and end with their provocation."""
    owners = tenants(1)
    async with contextlib.AsyncExitStack() as stack:
        world = await stack.enter_async_context(arena(owners))
        await world.until_working()
        yield world, Maker(3, owners)


async def test_with_every_fence_nothing_happens_twice(ground: tuple[Arena, Maker]) -> None:
    world, maker = ground
    assert await provoke(world, maker, "position", "outcome", "mailbox", broken=False) == []
    assert await provoke(world, maker, "sleeper", broken=False) == []
    assert await provoke(world, maker, "sleeper", broken=False, place="after-write") == []


@pytest.mark.parametrize("fence", MARKS)
async def test_without_a_fence_the_judge_is_red(ground: tuple[Arena, Maker], fence: str) -> None:
    world, maker = ground
    found: list[str] = []
    for _ in range(3):  # on a busy machine the sleeper may wake to a picture that is true again
        found += await provoke(world, maker, fence, broken=True)
        if any(MARKS[fence] in fault for fault in found):
            return
    pytest.fail(f"without the fence nothing happened: {found}")

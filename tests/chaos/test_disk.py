"""The broker's disk is full. `make test-kafka` runs this; requests are promised meanwhile, and nothing is lost or filed twice."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.chaos.arena import Arena, arena
from tests.chaos.sheets import Maker, tenants
from tests.chaos.test_kafka import cluster_of, enrolled, handed_in
from tests.integration.backup.dying import command
from tests.support.disk import SmallDisk
from tests.support.kafka import needed
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(os.environ.get("LOG") != "kafka", reason="`make test-kafka` runs this"),
]
FULL = "No space left on device"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Arena, Maker, SmallDisk]]:
    """A world on one broker with a small disk of its own."""
    needed()
    owners = tenants(1)
    folder: Path = tmp_path_factory.mktemp("disk")
    with SmallDisk(folder / "data", 512) as disk:
        async with contextlib.AsyncExitStack() as stack:
            world = await stack.enter_async_context(arena(owners, brokers=1, disk=disk))
            await world.until_working()
            yield world, Maker(9, owners), disk


async def test_while_the_brokers_disk_is_full_requests_are_promised_and_the_backlog_is_told(
    ground: tuple[Arena, Maker, SmallDisk],
) -> None:
    world, maker, disk = ground
    cluster = cluster_of(world)
    before = await handed_in(world, maker, 3)
    assert await world.until_ended(60), await world.stuck()
    disk.fill()
    batches = [await handed_in(world, maker, 5) for _ in range(2)]

    async def full() -> bool:
        return FULL in cluster.log(1).read_text("utf-8", "replace")

    async def told() -> bool:
        relay = (await command(world.world.environment(), "lag", "--json")).json["relay"]
        return sum(row["records"] for row in relay) > 0 and max(row["seconds"] for row in relay) > 5

    await eventually(full, "the broker to find its disk full", 60)
    await eventually(told, "the backlog to be told", 60)
    batches.append(await handed_in(world, maker, 5))
    assert not any([await enrolled(world, batch) for batch in batches])

    disk.clear()
    if cluster.running(1):
        cluster.kill(1)
    cluster.start()
    await asyncio.to_thread(cluster.until_ready)
    assert await world.until_ended(120), await world.stuck()
    assert all([await enrolled(world, batch) for batch in (before, *batches)])
    assert (await world.judge()).everything == []

"""The connection between hoso and Kafka is cut, and goes deaf, in the middle of work. `make test-kafka` runs these."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.chaos.arena import Arena
from tests.chaos.sheets import Maker, sheets, tenants
from tests.chaos.test_kafka import enrolled
from tests.support.cable import Cable
from tests.support.kafka import needed

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(os.environ.get("LOG") != "kafka", reason="`make test-kafka` runs this"),
]
GONE_S = 8.0


class Cabled(Arena):
    """A world whose way to its one broker is a cable."""

    cable: Cable

    async def before_hoso(self) -> None:
        assert self.cluster is not None
        [node] = self.cluster.nodes
        self.cable = Cable(node.front, node.clients)
        await self.cable.start()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cabled() -> AsyncIterator[tuple[Cabled, Maker]]:
    needed()
    folder = Path(tempfile.mkdtemp(prefix="hoso-chaos-"))
    owners = tenants(1)
    world = Cabled(folder, owners, brokers=1, fronted=True)
    try:
        await world.start()
        await world.until_working()
        yield world, Maker(13, owners)
    finally:
        await world.end()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("how", ["cut", "deaf", "cut-often"])
async def test_nothing_is_lost_or_filed_twice_when_the_connection_fails(cabled: tuple[Cabled, Maker], how: str) -> None:
    world, maker = cabled
    [(tenant, data, _)] = sheets([maker.row("") for _ in range(12)], 12)
    before = world.cable.carried
    batch = await world.hand_in(tenant, data)
    for _ in range(4 if how == "cut-often" else 1):
        while world.cable.carried == before:
            await asyncio.sleep(0.02)
        if how == "deaf":
            world.cable.deaf()
        else:
            await world.cable.cut()
        await asyncio.sleep(0.5 if how == "cut-often" else GONE_S)  # how long it is gone is the fault itself
        if how == "deaf":
            world.cable.hear()
        else:
            await world.cable.start()
        before = world.cable.carried
    assert await world.until_ended(120), await world.stuck()
    assert await enrolled(world, batch)
    assert (await world.judge()).everything == []

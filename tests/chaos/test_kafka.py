"""Kafka itself goes away: as a whole, as a topic, as one of three. `make test-kafka` runs these; nothing is lost or filed twice."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
import pytest_asyncio
from aiokafka.admin import AIOKafkaAdminClient

from demo.broker import Cluster
from tests.chaos.arena import Arena, arena
from tests.chaos.sheets import Maker, sheets, tenants
from tests.e2e.town import Town
from tests.support.kafka import needed

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(os.environ.get("LOG") != "kafka", reason="`make test-kafka` runs this"),
]
AWAY_S = float(os.environ.get("KAFKA_AWAY_S", "20"))
"""The long run sets 600."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground() -> AsyncIterator[tuple[Arena, Maker]]:
    """A world on three brokers."""
    needed()
    owners = tenants(1)
    async with contextlib.AsyncExitStack() as stack:
        world = await stack.enter_async_context(arena(owners, brokers=3))
        await world.until_working()
        yield world, Maker(8, owners)


async def handed_in(world: Arena, maker: Maker, count: int) -> UUID:
    [(tenant, data, _)] = sheets([maker.row("") for _ in range(count)], count)
    return await world.hand_in(tenant, data)


async def enrolled(world: Arena, batch: UUID) -> bool:
    rows = await Town(world).rows(world.tenants[0].name, batch)
    return bool(rows) and all(row["stage"] == "enrolled" for row in rows)


def cluster_of(world: Arena) -> Cluster:
    assert world.cluster is not None
    return world.cluster


async def test_requests_are_accepted_while_kafka_is_away_and_the_backlog_drains(
    ground: tuple[Arena, Maker],
) -> None:
    world, maker = ground
    cluster = cluster_of(world)
    for node in cluster.nodes:
        cluster.kill(node.number)
    gone = time.monotonic()
    batches = [await handed_in(world, maker, 5) for _ in range(4)]  # each promised while no broker runs
    await asyncio.sleep(max(0.0, AWAY_S - (time.monotonic() - gone)))  # how long it is away is the fault itself
    assert not any([await enrolled(world, batch) for batch in batches])
    cluster.start()
    assert await world.until_ended(120), await world.stuck()
    assert all([await enrolled(world, batch) for batch in batches])
    assert (await world.judge()).everything == []


async def test_a_leader_is_killed_and_the_others_go_on(ground: tuple[Arena, Maker]) -> None:
    world, maker = ground
    cluster = cluster_of(world)
    for node in cluster.nodes:
        batch = await handed_in(world, maker, 4)
        cluster.kill(node.number)
        assert await world.until_ended(60), await world.stuck()  # two of three brokers carry on
        assert await enrolled(world, batch)
        cluster.start(node.number)
        await asyncio.to_thread(cluster.until_ready)
    assert (await world.judge()).everything == []


async def test_a_topic_deleted_by_mistake_is_alarmed_made_anew_and_filled_from_the_outbox(
    ground: tuple[Arena, Maker],
) -> None:
    world, maker = ground
    town = Town(world)
    await handed_in(world, maker, 3)
    assert await world.until_ended(60), await world.stuck()
    admin = AIOKafkaAdminClient(bootstrap_servers=cluster_of(world).bootstrap)
    await admin.start()
    try:
        await admin.delete_topics(["agency.asked"])
    finally:
        await admin.close()
    batch = await handed_in(world, maker, 3)
    until = time.monotonic() + 60
    said = ""
    while "agency.asked" not in said:
        assert time.monotonic() < until, "nobody said that the topic is gone"
        _, said = await town.cli("topics", "diff")
        await asyncio.sleep(0.3)
    status, said = await town.cli("topics", "apply")
    assert status == 0, said
    status, said = await town.cli("topics", "resend", "agency.asked", "--all")
    assert status == 0, said
    assert await world.until_ended(120), await world.stuck()
    assert await enrolled(world, batch)
    assert (await world.judge()).everything == []

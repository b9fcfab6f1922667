"""The stage's topics and tables in each test's database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from hoso import points
from hoso.log.postgres import create_topics
from hoso.store.postgres import Database
from schemas.topics import TOPIC_OF
from tests.contract.log.on_kafka import on_kafka
from tests.contract.log.stage import TOPICS


@pytest.fixture(autouse=True)
def topics() -> Iterator[None]:
    """The table of topics knows the stage's facts while a test runs."""
    own = {fact: topic for topic in TOPICS for fact in topic.facts}
    TOPIC_OF.update(own)
    yield
    for fact in own:
        del TOPIC_OF[fact]


async def lay_out(db: Database) -> None:
    """Make the stage's partitions and its table of states."""
    async with db.pool.acquire() as tx, tx.transaction():
        await create_topics(tx, TOPICS)
        await tx.execute("create schema probe; create table probe.state(subject uuid primary key, body bytea not null)")


@pytest_asyncio.fixture
async def stage(request: pytest.FixtureRequest, db: Database) -> AsyncIterator[Database]:
    """A database with the stage laid out; with the parameter `kafka` its log goes through the session's broker."""
    await lay_out(db)
    if getattr(request, "param", "postgres") == "postgres":
        yield db
        return
    async with on_kafka(db, request.getfixturevalue("kafka"), TOPICS) as own:
        yield own


@pytest.fixture
def without(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Takes one fence away until the end of the test: the control that a test sees what the fence is for."""

    def take_away(fence: str) -> None:
        (tmp_path / f"break-{fence}").touch()
        points.arm(str(tmp_path), "test")

    yield take_away
    points.arm(None, "test")

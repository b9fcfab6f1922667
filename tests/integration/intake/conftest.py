"""One intake a test; afterwards it must be sound, whatever the test did to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from hoso.store.postgres import Database
from tests.integration.intake.house import House, furnished


@pytest_asyncio.fixture
async def house(db: Database, tmp_path: Path) -> AsyncIterator[House]:
    """Serving, without the consumer: nothing is heard of what became of requests."""
    made = await furnished(db, tmp_path)
    async with made.open():
        yield made
        await made.sound()


@pytest_asyncio.fixture
async def listening_house(db: Database, tmp_path: Path) -> AsyncIterator[House]:
    """Serving, with the consumer and the lane for requests from topics."""
    made = await furnished(db, tmp_path)
    async with made.open(consume=True):
        yield made
        await made.sound()

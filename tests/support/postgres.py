"""A real PostgreSQL for tests: one embedded server a session, a fresh database a test."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from app.preparing import prepare
from hoso.process.embedded import EmbeddedServer
from hoso.settings import load
from hoso.store.postgres import Database

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedServer]:
    """An embedded server below a temporary folder; fsync off, because only processes are killed here, never the machine."""
    folder = Path(tempfile.mkdtemp(prefix="hoso-test-pg-"))
    own = EmbeddedServer(folder / "pg", settings={"fsync": "off", "max_connections": "300"})
    own.start()
    yield own
    own.stop()
    shutil.rmtree(folder, ignore_errors=True)


async def fresh(server: EmbeddedServer) -> str:
    """The URL of a new database with every table and topic; copied from a template made once."""
    admin = await asyncpg.connect(server.url)
    try:
        if not await admin.fetchval("select 1 from pg_database where datname = 'template_hoso'"):
            await admin.execute("create database making_hoso")
            await prepare(load(environment="test"), server.url.replace("/hoso?", "/making_hoso?"))
            await admin.execute("alter database making_hoso rename to template_hoso")
        name = f"test_{os.getpid()}_{next(_numbers)}"
        await admin.execute(f"create database {name} template template_hoso")
        return server.url.replace("/hoso?", f"/{name}?")
    finally:
        await admin.close()


@pytest_asyncio.fixture
async def url(server: EmbeddedServer) -> str:
    """A fresh database's URL."""
    return await fresh(server)


@pytest_asyncio.fixture
async def db(url: str) -> AsyncIterator[Database]:
    """A fresh database, connected."""
    own = await Database.open(url, name="test", size=8, quick=4)
    yield own
    await own.close()

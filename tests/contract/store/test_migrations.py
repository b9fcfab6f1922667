"""Migrations: a database that does not fit is one clear sentence, before anything is touched."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from hoso.process.embedded import EmbeddedServer
from hoso.runtime.failures import HosoError, SchemaMismatch
from hoso.store import migrations
from hoso.store.postgres import Database


@pytest_asyncio.fixture
async def empty(server: EmbeddedServer) -> AsyncIterator[asyncpg.Connection]:
    """A database with nothing in it."""
    name = "test_nothing_yet"
    admin = await asyncpg.connect(server.url)
    await admin.execute(f"drop database if exists {name} with (force)")
    await admin.execute(f"create database {name}")
    connection = await asyncpg.connect(server.url.replace("/hoso?", f"/{name}?"))
    yield connection
    await connection.close()
    await admin.execute(f"drop database {name} with (force)")
    await admin.close()


async def sentence(job: object) -> str:
    """The one sentence it raises."""
    with pytest.raises(HosoError) as told:
        await job  # type: ignore[misc]
    text = str(told.value)
    assert "\n" not in text
    return text


async def test_an_empty_database_says_what_to_run_and_is_filled_once(empty: asyncpg.Connection) -> None:
    assert await sentence(migrations.check(empty, "test")) == (
        "this database is empty: run `hoso migrate` (or `hoso up`, which does it)"
    )
    applied = await migrations.migrate(empty, "test")
    assert [(m.part, m.version) for m in applied] == [(m.part, m.version) for m in migrations.known()]
    assert await migrations.migrate(empty, "test") == []
    await migrations.check(empty, "test")


async def test_every_part_that_owns_tables_has_its_first_version(empty: asyncpg.Connection) -> None:
    await migrations.migrate(empty, "test")
    for part in {m.part for m in migrations.known()}:
        assert await empty.fetchval("select count(*) from pg_tables where schemaname = $1", part) > 0, part


async def test_an_older_database_names_what_is_missing(db: Database) -> None:
    async with db.pool.acquire() as connection:
        await connection.execute("delete from hoso.migration where part = 'store'")
        told = await sentence(migrations.check(connection, "test"))
    assert told == "the database is older than this code (missing: store 1): run `hoso migrate`"


async def test_a_newer_database_names_what_it_has_and_is_not_touched(db: Database) -> None:
    async with db.pool.acquire() as connection:
        await connection.execute("insert into hoso.migration(part, version) values ('log', 99)")
        for job in (migrations.check(connection, "test"), migrations.migrate(connection, "test")):
            with pytest.raises(SchemaMismatch, match=r"newer than this code \(it has: log 99\): install the release"):
                await job


async def test_a_database_of_another_environment_is_refused(db: Database) -> None:
    async with db.pool.acquire() as connection:
        for job in (migrations.check(connection, "production"), migrations.migrate(connection, "production")):
            told = await sentence(job)
            assert "belongs to the environment 'test', this process runs in 'production'" in told
            assert "HOSO_ENVIRONMENT or HOSO_DATABASE" in told
        assert await connection.fetchval("select environment from hoso.installation") == "test"


@pytest.mark.parametrize("schema", ["log", "store", "enrolment"])
async def test_somebody_elses_database_is_refused_and_left_as_it_is(empty: asyncpg.Connection, schema: str) -> None:
    await empty.execute(f"create schema {schema}; create table {schema}.event(theirs int)")
    told = await sentence(migrations.migrate(empty, "test"))
    assert f"schemas that hoso did not make ({schema}): it is not ours" in told
    assert await empty.fetchval("select to_regnamespace('hoso')") is None


async def test_two_processes_migrating_at_once_migrate_once(empty: asyncpg.Connection, server: EmbeddedServer) -> None:
    others = [await asyncpg.connect(server.url.replace("/hoso?", "/test_nothing_yet?")) for _ in range(3)]
    try:
        applied = await asyncio.gather(*(migrations.migrate(c, "test") for c in [empty, *others]))
        assert sorted(bool(a) for a in applied) == [False, False, False, True]
    finally:
        for other in others:
            await other.close()

"""A unit code named by mistake is freed by the operator, and only while nothing hangs on it."""

from __future__ import annotations

import json
from uuid import UUID, uuid4

import asyncpg
import pytest

from hoso.process.embedded import EmbeddedServer
from hoso.setup.units import PostgresUnitRegistry, RowKey
from hoso.store.postgres import Database, open_pool
from tests.integration.cli.command import Cli
from tests.support.postgres import fresh

CODE = "TZ1234Z"
REGISTRY = PostgresUnitRegistry()


async def claimed(db: asyncpg.Pool, tenant: str) -> tuple[UUID, bool]:
    async with db.acquire() as tx, tx.transaction():
        (found,) = await REGISTRY.claim(tx, tenant, [RowKey(CODE, None)])
    return found.unit, found.foreign


async def enrolment(db: Database, unit: UUID, stage: str, *, filed: bool = False) -> UUID:
    made = uuid4()
    await db.pool.execute(
        "insert into ops.enrolment(enrolment, unit, tenant, unit_code, stage, filed, opened_at, changed_at) "
        "values ($1, $2, 'acme', $3, $4, $5, now(), now())",
        made, unit, CODE, stage, filed,
    )  # fmt: skip
    return made


async def test_a_released_code_is_whose_who_names_it_next(cli: Cli, db: Database) -> None:
    unit, _ = await claimed(db.pool, "acme")
    rightful, foreign = await claimed(db.pool, "globex")
    assert foreign
    await enrolment(db, unit, "cancelled")

    done = await cli("unit", "release", " tz1234z", "--reason", "a typing mistake", "--actor", "lan", "--json")
    assert done.status == 0, done.err
    assert done.json == {"unit_code": CODE, "unit": str(unit), "tenant": "acme", "reason": "a typing mistake"}
    row = await db.pool.fetchrow("select actor, tenant, what, detail from store.audit order by n desc limit 1")
    assert row is not None
    assert (row["actor"], row["tenant"], row["what"]) == ("lan", "acme", "unit.release")
    assert json.loads(row["detail"])["reason"] == "a typing mistake"

    assert await claimed(db.pool, "globex") == (rightful, False), "the unit it always had, with the code at last"
    assert (await claimed(db.pool, "acme")) == (unit, True)
    assert await claimed(db.pool, "globex") == (rightful, False)


async def test_who_released_it_may_name_it_again(cli: Cli, db: Database) -> None:
    unit, _ = await claimed(db.pool, "acme")
    assert (await cli("unit", "release", CODE, "--reason", "a test")).status == 0
    again = await cli("unit", "release", CODE, "--reason", "a test")
    assert (again.status, "no unit holds" in again.err) == (2, True)
    assert await claimed(db.pool, "acme") == (unit, False)


@pytest.mark.parametrize(
    ("stage", "filed", "why"),
    [
        ("waiting-for-person", False, "open enrolment"),
        ("enrolled", False, "open enrolment"),
        ("cancelled", True, "was filed"),
    ],
)
async def test_what_hangs_on_a_code_keeps_it(cli: Cli, db: Database, stage: str, filed: bool, why: str) -> None:
    unit, _ = await claimed(db.pool, "acme")
    of_it = await enrolment(db, unit, stage, filed=filed)
    refused = await cli("unit", "release", CODE, "--reason", "a test")
    assert refused.status == 2
    assert why in refused.err
    assert str(of_it) in refused.err
    assert await claimed(db.pool, "acme") == (unit, False)
    assert await db.pool.fetchval("select count(*) from store.audit where what = 'unit.release'") == 0


async def test_a_reason_is_asked_for(cli: Cli, db: Database) -> None:
    unit, _ = await claimed(db.pool, "acme")
    assert (await cli("unit", "release", CODE)).status == 2
    assert (await cli("unit", "release", CODE, "--reason", " ")).status == 2
    assert await claimed(db.pool, "acme") == (unit, False)


async def test_a_registry_that_lives_elsewhere(cli: Cli, db: Database, server: EmbeddedServer) -> None:
    elsewhere = await fresh(server)
    pool = await open_pool(elsewhere, "test", 2, "on")
    try:
        unit, _ = await claimed(pool, "acme")
        _, foreign = await claimed(pool, "globex")
        assert foreign
        of_it = await enrolment(db, unit, "waiting-for-person")
        words = ("unit", "release", CODE, "--reason", "a test")
        assert (await cli(*words, HOSO_REGISTRY_DATABASE=elsewhere)).status == 2
        await db.pool.execute("update ops.enrolment set stage = 'cancelled' where enrolment = $1", of_it)
        done = await cli(*words, HOSO_REGISTRY_DATABASE=elsewhere)
        assert done.status == 0, done.err
        async with db.pool.acquire() as tx, tx.transaction():
            (found,) = await PostgresUnitRegistry(pool).claim(tx, "globex", [RowKey(CODE, None)])
        assert not found.foreign
        assert await db.pool.fetchval("select count(*) from store.audit where what = 'unit.release'") == 1
    finally:
        await pool.close()

"""The unit registry: one unit a code over all tenants, and nobody learns who holds it."""

from __future__ import annotations

import asyncio

from hoso.runtime.ids import uuid7
from hoso.setup.units import Claimed, PostgresUnitRegistry, RowKey
from hoso.store.postgres import Database
from tests.support.waiting import eventually

REGISTRY = PostgresUnitRegistry()
CODE = RowKey("TA0001X", None)


async def claim(db: Database, tenant: str, *keys: RowKey) -> list[Claimed]:
    async with db.pool.acquire() as tx, tx.transaction():
        return await REGISTRY.claim(tx, tenant, keys)


async def test_a_claim_is_idempotent_and_answers_in_the_order_asked(db: Database) -> None:
    keys = [RowKey("TA0002X", None), CODE, RowKey(None, "cn-01"), CODE]
    first = await claim(db, "acme", *keys)
    assert await claim(db, "acme", *reversed(keys)) == first[::-1]
    assert first[1] == first[3]
    assert len({c.unit for c in first}) == 3
    assert not any(c.foreign for c in first)


async def test_codes_and_branch_ids_never_meet(db: Database) -> None:
    code, branch = await claim(db, "acme", RowKey("7", None), RowKey(None, "7"))
    assert code.unit != branch.unit
    (other,) = await claim(db, "beta", RowKey(None, "7"))
    assert other.unit != branch.unit
    assert not other.foreign, "branch ids are each tenant's own"


async def test_a_code_of_another_tenant_is_foreign_and_reveals_nothing(db: Database) -> None:
    (held,) = await claim(db, "acme", CODE)
    (foreign,) = await claim(db, "beta", CODE)
    assert foreign.foreign
    assert foreign.unit != held.unit
    async with db.pool.acquire() as tx:
        assert await REGISTRY.tenant_of(tx, foreign.unit) == "beta"
        assert await REGISTRY.tenant_of(tx, held.unit) == "acme"
        assert await REGISTRY.tenant_of(tx, uuid7()) is None
    assert await claim(db, "beta", CODE) == [foreign], "and stays so"
    assert await claim(db, "acme", CODE) == [held]


async def test_two_tenants_claiming_one_code_at_once_one_holds_it(db: Database) -> None:
    for n in range(20):
        key = RowKey(f"TA{n:04}X", None)
        both = await asyncio.gather(claim(db, "acme", key), claim(db, "beta", key))
        (acme,), (beta,) = both
        assert acme.unit != beta.unit
        assert acme.foreign != beta.foreign


async def test_many_keys_claimed_crosswise_wait_for_nobody_forever(db: Database) -> None:
    keys = [RowKey(f"TA{n:04}X", None) for n in range(60)]
    claims = await asyncio.gather(
        *(
            claim(db, tenant, *(keys if n % 2 else keys[::-1]))
            for n, tenant in enumerate(["acme", "beta", "acme", "beta"])
        )
    )
    assert claims[0] == claims[2]
    assert claims[1] == claims[3]
    holders = await db.pool.fetchval("select count(*) from store.unit where unit_code is not null")
    assert holders == 60


async def test_a_code_that_comes_later_is_noted_once(db: Database) -> None:
    (one,), (two,) = await claim(db, "acme", RowKey(None, "cn-01")), await claim(db, "beta", RowKey(None, "cn-02"))
    async with db.pool.acquire() as tx, tx.transaction():
        assert await REGISTRY.give_code(tx, one.unit, "TA0009X")
        assert await REGISTRY.give_code(tx, one.unit, "TA0009X"), "again is harmless"
        assert not await REGISTRY.give_code(tx, two.unit, "TA0009X")
        assert await tx.fetchval("select count(*) from store.unit where unit_code = 'TA0009X'") == 1, (
            "and the transaction goes on"
        )
    (late,) = await claim(db, "beta", RowKey("TA0009X", None))
    assert late.foreign


async def test_two_units_given_one_code_at_once_one_gets_it(db: Database) -> None:
    one, two = (c.unit for c in await claim(db, "acme", RowKey(None, "cn-1"), RowKey(None, "cn-2")))
    async with db.pool.acquire() as first, db.pool.acquire() as second:
        opened = first.transaction()
        await opened.start()
        assert await REGISTRY.give_code(first, one, "TA0009X")

        async def late() -> bool:
            async with second.transaction():
                got = await REGISTRY.give_code(second, two, "TA0009X")
                await second.execute("select 1")  # the caller's transaction goes on
                return got

        task = asyncio.create_task(late())
        await eventually(
            lambda: db.pool.fetchval(
                "select exists (select 1 from pg_stat_activity "
                "where datname = current_database() and wait_event_type = 'Lock')"
            ),
            "the second to wait for the first",
        )
        await opened.commit()
        assert not await task

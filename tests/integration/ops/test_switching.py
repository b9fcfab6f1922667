"""HOSO_LOG goes from Kafka back to PostgreSQL: who read Kafka goes on here, and old days of the log are dropped again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from app.preparing import prepare
from app.switching import check_kind, switch
from app.world import world_clock
from hoso.log.port import Entry
from hoso.log.postgres import PostgresLog, append, create_topics, trim
from hoso.runtime.failures import HosoError
from hoso.settings import load
from hoso.store.postgres import Database
from schemas.topics import topic_named
from tests.integration.ops.setting import position

RELAY, INTAKE = "hoso.relay", "hoso.intake"
REQUESTS, INTERNAL = "enrolment.requests.acme", "agency.replied"


async def said(db: Database, topic: str, *words: str) -> None:
    now = (await world_clock(db.pool)).now()
    async with db.pool.acquire() as tx, tx.transaction():
        await create_topics(tx, [topic_named(topic)])
        await append(tx, [Entry(topic, 2, uuid4(), "t", uuid4(), "acme", word.encode()) for word in words], now)


async def stands(db: Database, group: str, topic: str) -> tuple[Any, ...] | None:
    row = await db.pool.fetchrow(
        "select off, kafka, at = '-infinity' from log.position where grp = $1 and topic = $2 and part = 2", group, topic
    )
    return tuple(row) if row else None


async def test_requests_are_read_on_behind_what_the_relay_has_sent(db: Database) -> None:
    """A stranger's headers may have put `off` anywhere; our own topics' is theirs."""
    await said(db, REQUESTS, "one", "two", "three", "four")
    await said(db, INTERNAL, "one", "two")
    await position(db, INTAKE, REQUESTS, 2, off=10**15, kafka=70)
    await position(db, INTAKE, INTERNAL, 2, off=1, kafka=1)
    await position(db, "hoso.ops", REQUESTS, 2, off=1)  # has never read Kafka
    await position(db, RELAY, REQUESTS, 2, off=3)
    await db.pool.execute("update log.position set at = now() - interval '1 hour' where grp = $1", RELAY)
    await position(db, RELAY, INTERNAL, 2, off=2)
    for _ in range(2):
        await prepare(load(environment="test"), db.url)
        assert await stands(db, INTAKE, REQUESTS) == (3, None, False)
        assert await stands(db, INTAKE, INTERNAL) == (1, None, True)
        assert await stands(db, "hoso.ops", REQUESTS) == (1, None, True)
    log = PostgresLog(db.pool, INTAKE, [topic_named(REQUESTS)], uuid4())
    assert [record.body for record in await log.read(10)] == [b"four"]


async def onto(db: Database) -> None:
    async with db.pool.acquire() as tx, tx.transaction():
        await switch(tx, True)


async def test_requests_that_were_read_are_not_read_again_on_kafka(db: Database) -> None:
    await said(db, REQUESTS, "one", "two", "three", "four")
    await position(db, INTAKE, REQUESTS, 2, off=3)
    for _ in range(2):
        await onto(db)
        assert await stands(db, RELAY, REQUESTS) == (3, None, True), "only what was not read is sent"
        assert await stands(db, INTAKE, REQUESTS) == (3, None, True)


async def test_there_and_back_requests_are_read_on_in_kafka_where_they_were_left(db: Database) -> None:
    await said(db, REQUESTS, "one", "two", "three", "four")
    await said(db, INTERNAL, "one")
    await position(db, INTAKE, REQUESTS, 2, off=0, kafka=70)
    await position(db, INTAKE, INTERNAL, 2, off=1, kafka=1)
    await position(db, RELAY, REQUESTS, 2, off=3)
    for _ in range(2):
        await prepare(load(environment="test"), db.url)
    assert await stands(db, INTAKE, REQUESTS) == (3, None, True)
    await db.pool.execute("update log.position set off = 4 where topic = $1", REQUESTS)  # read here meanwhile
    for _ in range(2):
        await onto(db)
        assert await stands(db, INTAKE, REQUESTS) == (4, 70, True)
        assert await stands(db, INTAKE, INTERNAL) == (1, None, True), "marks tell what of it is new"
        assert await stands(db, RELAY, REQUESTS) == (4, None, True)
    assert await db.pool.fetchval("select count(*) from log.mark") == 0


async def test_who_is_started_with_the_other_log_is_told_so(db: Database) -> None:
    """`hoso migrate` ran in a shell without HOSO_LOG while everything was stopped; the services have it."""
    await db.pool.execute("delete from log.kind")
    await check_kind(db.pool, True)  # a database of an earlier release says nothing of itself
    await onto(db)
    await check_kind(db.pool, True)
    with pytest.raises(HosoError, match="HOSO_LOG names none|HOSO_LOG không nêu Kafka"):
        await check_kind(db.pool, False)
    told = await prepare(load(environment="test"), db.url)
    assert [line for line in told if "PostgreSQL" in line], "it says that it switches"
    assert await prepare(load(environment="test"), db.url) == []
    await check_kind(db.pool, False)
    with pytest.raises(HosoError, match="hoso migrate"):
        await check_kind(db.pool, True)


async def test_a_shell_without_the_setting_does_not_take_a_running_log_away(db: Database) -> None:
    await position(db, INTAKE, INTERNAL, 2, off=1, kafka=1)
    relay = await db.connect()
    try:
        await relay.fetchval("select pg_advisory_lock(hashtext('hoso.relay'))")
        with pytest.raises(HosoError, match="HOSO_LOG"):
            await prepare(load(environment="test"), db.url)
    finally:
        await relay.close()
    assert await stands(db, INTAKE, INTERNAL) == (1, 1, True)


async def test_what_a_group_has_not_read_in_kafka_is_kept_for_resending(db: Database) -> None:
    await said(db, INTERNAL, "one", "two")
    await said(db, REQUESTS, "one")
    await position(db, RELAY, INTERNAL, 2, off=2)
    await position(db, RELAY, REQUESTS, 2, off=1)
    await position(db, INTAKE, REQUESTS, 2, off=0, kafka=9)
    await position(db, INTAKE, INTERNAL, 2, off=1, kafka=1)
    today = (await db.pool.fetchval("select tableoid::regclass::text from log.event limit 1")).removeprefix("log.")
    later = (await world_clock(db.pool)).now() + timedelta(days=40)
    async with db.pool.acquire() as tx, tx.transaction():
        assert today not in await trim(tx, later, timedelta(days=30))
        await tx.execute("update log.position set off = 2, kafka = 2 where topic = $1", INTERNAL)
        assert today in await trim(tx, later, timedelta(days=30))


async def test_what_a_relay_that_is_gone_has_not_read_keeps_no_day(db: Database) -> None:
    await said(db, INTERNAL, "one", "two")
    await position(db, INTAKE, INTERNAL, 2, off=2, kafka=2)
    await position(db, RELAY, INTERNAL, 2, off=1)
    today = await db.pool.fetchval("select tableoid::regclass::text from log.event limit 1")
    later = (await world_clock(db.pool)).now() + timedelta(days=40)
    async with db.pool.acquire() as tx, tx.transaction():
        assert today.removeprefix("log.") not in await trim(tx, later, timedelta(days=30))
    await prepare(load(environment="test"), db.url)
    assert await stands(db, RELAY, INTERNAL) is None
    async with db.pool.acquire() as tx, tx.transaction():
        assert today.removeprefix("log.") in await trim(tx, later, timedelta(days=30))

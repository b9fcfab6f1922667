"""The log itself: offsets without gaps, order, days, trimming."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from hoso.log.partitions import partition_of
from hoso.log.port import Entry, GapFound, Record
from hoso.log.postgres import PostgresLog, append, create_days, create_topics, trim
from hoso.runtime.ids import uuid7
from hoso.runtime.steps import Tell
from hoso.store.postgres import Database
from schemas.topics import Topic
from tests.contract.log.stage import COUNTED, GROUP, TOPICS, Counted, admit, count, log_of, service
from tests.contract.log.stage import consumer as made
from tests.support.waiting import eventually


def entry(topic: Topic, unit: UUID, mark: str) -> Entry:
    return Entry(
        topic.name,
        partition_of(unit, topic.partitions),
        uuid7(),
        "vn.hoso.test.counted.v1",
        unit,
        "acme",
        mark.encode(),
    )


def unit_of(part: int, partitions: int = 8) -> UUID:
    """A unit whose events lie in this partition."""
    while partition_of(found := uuid7(), partitions) != part:
        pass
    return found


def by_partition(records: Sequence[Record]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for record in records:
        found[record.part].append(record.off)
    return found


async def waiting_for_a_lock(db: Database, sessions: int = 1) -> None:
    async def look() -> bool:
        return await lock_waiters(db) >= sessions

    await eventually(look, f"{sessions} sessions to wait for a lock")


async def lock_waiters(db: Database) -> int:
    return int(
        await db.pool.fetchval(
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        )
    )


async def test_eight_writers_leave_no_gap_and_keep_each_writers_order(stage: Database) -> None:
    writers, rounds = 8, 25
    units = [uuid7() for _ in range(12)]

    async def write(writer: int) -> None:
        chance = random.Random(writer)
        for n in range(rounds):
            batch = [
                entry(chance.choice(TOPICS), unit, f"{writer}:{n}:{k}")
                for k, unit in enumerate(chance.sample(units, 6))
            ]
            async with stage.pool.acquire() as tx, tx.transaction():
                await append(tx, batch, datetime.now(UTC))

    await asyncio.gather(*(write(w) for w in range(writers)))
    offsets: dict[tuple[str, int], list[int]] = defaultdict(list)
    seen: dict[tuple[str, int, str], list[tuple[int, int]]] = defaultdict(list)
    times: dict[tuple[str, int], list[datetime]] = defaultdict(list)
    for topic in TOPICS:
        for record in await log_of(stage, topic):
            offsets[topic.name, record.part].append(record.off)
            times[topic.name, record.part].append(record.at)
            writer, n, k = record.body.decode().split(":")
            seen[topic.name, record.part, writer].append((int(n), int(k)))
            assert record.subject is not None
            assert record.part == partition_of(record.subject, topic.partitions)
    assert sum(len(o) for o in offsets.values()) == writers * rounds * 6
    assert all(o == list(range(len(o))) for o in offsets.values())
    assert all(s == sorted(s) for s in seen.values())
    assert all(t == sorted(t) for t in times.values()), "time went back within a partition"


async def test_a_later_writer_waits_so_commit_order_is_offset_order(stage: Database) -> None:
    unit = uuid7()
    async with stage.pool.acquire() as first, stage.pool.acquire() as second:
        opened = first.transaction()
        await opened.start()
        await append(first, [entry(COUNTED, unit, "first")], datetime.now(UTC))

        async def late() -> None:
            async with second.transaction():
                await append(second, [entry(COUNTED, unit, "second")], datetime.now(UTC))

        task = asyncio.create_task(late())
        await waiting_for_a_lock(stage)
        assert await log_of(stage, COUNTED) == [], "nothing is seen before it is committed"
        await opened.commit()
        await task
    assert [(r.off, r.body) for r in await log_of(stage, COUNTED)] == [(0, b"first"), (1, b"second")]


async def test_an_offset_that_was_rolled_back_is_given_again(stage: Database) -> None:
    unit = uuid7()
    async with stage.pool.acquire() as tx:
        gone = tx.transaction()
        await gone.start()
        await append(tx, [entry(COUNTED, unit, "gone")], datetime.now(UTC))
        await gone.rollback()
        await append(tx, [entry(COUNTED, unit, "kept")], datetime.now(UTC))
    assert [(r.off, r.body) for r in await log_of(stage, COUNTED)] == [(0, b"kept")]


async def test_time_never_goes_back_within_a_partition(stage: Database) -> None:
    unit, now = uuid7(), datetime.now(UTC)
    async with stage.pool.acquire() as tx:
        await append(tx, [entry(COUNTED, unit, "now")], now)
        await append(tx, [entry(COUNTED, unit, "a writer whose clock is behind")], now - timedelta(hours=1))
    assert [r.at for r in await log_of(stage, COUNTED)] == [now, now]


async def test_a_reader_gets_each_partition_in_order_up_to_the_limit(stage: Database) -> None:
    units = [unit_of(0), unit_of(1)]
    for n in range(5):
        await count(stage, units[0], [n])
        await count(stage, units[1], [n])
    events = PostgresLog(stage.quick, GROUP, [COUNTED], uuid7())
    first = await events.read(3)
    assert by_partition(first) == {0: [0, 1, 2], 1: [0, 1, 2]}
    assert by_partition(await events.read(3)) == by_partition(first), "nothing moves before it is told to"
    events.moved(first)
    assert by_partition(await events.read(3)) == {0: [3, 4], 1: [3, 4]}


async def test_two_members_share_the_partitions_and_leave_none_out(stage: Database) -> None:
    for part in range(8):
        await count(stage, unit_of(part), [part])
    members = [uuid7(), uuid7(), uuid7()]
    for member in members:
        await stage.pool.execute("insert into log.member(id, grp, host, pid) values ($1, $2, 'here', 1)", member, GROUP)
    logs = [PostgresLog(stage.quick, GROUP, [COUNTED], member) for member in members]
    shares = [{r.part for r in await events.read(10)} for events in logs]
    assert sorted(part for share in shares for part in share) == list(range(8))
    assert all(len(share) in (2, 3) for share in shares)
    await stage.pool.execute("update log.member set seen_at = now() - interval '9 seconds' where id = $1", members[1])
    for events in (logs[0], logs[2]):
        await events.reshare()
    left = [*await logs[0].read(10), *await logs[2].read(10)]
    assert sorted(r.part for r in left) == list(range(8))


async def test_topics_are_made_once_and_their_partitions_never_change(stage: Database) -> None:
    await count(stage, unit_of(3), [1])
    async with stage.pool.acquire() as tx, tx.transaction():
        await create_topics(tx, TOPICS)
    assert await stage.pool.fetchval("select next from log.head where topic = $1 and part = 3", COUNTED.name) == 1
    assert await stage.pool.fetchval("select count(*) from log.head where topic = $1", COUNTED.name) == 8


async def test_a_topic_without_partitions_is_named(stage: Database) -> None:
    stranger = Topic("test.stranger", (), (), (), "never made")
    async with stage.pool.acquire() as tx:
        with pytest.raises(LookupError, match=r"test\.stranger.*hoso migrate"):
            async with tx.transaction():
                await append(tx, [entry(COUNTED, uuid7(), "a"), entry(stranger, uuid7(), "b")], datetime.now(UTC))
    assert await log_of(stage, COUNTED) == [], "all or nothing"


async def test_one_tenants_topic_is_found_under_the_pattern_when_it_is_made(stage: Database) -> None:
    events = PostgresLog(stage.quick, GROUP, [Topic("test.requests.<tenant>", (), (), (), "one a tenant")], uuid7())
    await events.reload()
    assert await events.read(10) == []
    own = Topic("test.requests.acme", (), (), (), "acme's")
    async with stage.pool.acquire() as tx, tx.transaction():
        await create_topics(tx, [own])
        await append(tx, [entry(own, uuid7(), "one")], datetime.now(UTC))
    await events.reload()
    assert [r.topic for r in await events.read(10)] == ["test.requests.acme"]


# --- days and trimming ------------------------------------------------------------------------------------------


async def days(db: Database) -> list[str]:
    return [
        r["name"]
        for r in await db.pool.fetch(
            "select relname as name from pg_inherits join pg_class on oid = inhrelid "
            "where inhparent = 'log.event'::regclass order by 1"
        )
    ]


async def make_days(db: Database, day: datetime, **how: Any) -> None:
    async with db.pool.acquire() as tx, tx.transaction():
        await create_days(tx, day, **how)


async def test_an_event_of_a_jumped_clock_needs_the_days_partition(stage: Database) -> None:
    later = datetime.now(UTC) + timedelta(days=40)
    with pytest.raises(asyncpg.CheckViolationError):
        await admit(stage, *[(uuid7(), Tell(Counted(n=1)))], now=later)
    await make_days(stage, later)
    await make_days(stage, later)
    await admit(stage, *[(uuid7(), Tell(Counted(n=1)))], now=later)
    assert [r.at for r in await log_of(stage, COUNTED)] == [later]
    assert f"event_{later:%Y%m%d}" in await days(stage)


async def old_and_new(db: Database, unit: UUID) -> datetime:
    """One event twenty days ago and one today."""
    now = datetime.now(UTC)
    await make_days(db, now - timedelta(days=20))
    await admit(db, (unit, Tell(Counted(n=1))), now=now - timedelta(days=20))
    await admit(db, (unit, Tell(Counted(n=2))), now=now)
    return now


async def cut(db: Database, now: datetime) -> list[str]:
    async with db.pool.acquire() as tx, tx.transaction():
        return await trim(tx, now, timedelta(days=14))


async def test_trim_keeps_what_a_group_has_not_read(stage: Database) -> None:
    unit = uuid7()
    now = await old_and_new(stage, unit)
    events = PostgresLog(stage.quick, GROUP, [COUNTED], uuid7())
    await events.reload()
    lazy = made(stage, service(), events=events)
    old = f"event_{now - timedelta(days=20):%Y%m%d}"
    assert old not in await cut(stage, now)
    assert old in await days(stage)
    assert (await lazy.turn())[0] == 2
    assert old in await cut(stage, now)
    assert old not in await days(stage)
    assert [r.off for r in await log_of(stage, COUNTED)] == [1]


async def test_trim_keeps_the_days_that_are_young(stage: Database) -> None:
    now = datetime.now(UTC)
    await make_days(stage, now - timedelta(days=15), ahead=20)
    dropped = await cut(stage, now)
    assert dropped
    assert max(dropped) == f"event_{now - timedelta(days=15):%Y%m%d}"


async def test_a_new_group_begins_behind_the_trim(stage: Database) -> None:
    unit = uuid7()
    now = await old_and_new(stage, unit)
    await cut(stage, now)
    events = PostgresLog(stage.quick, "test.newcomer", [COUNTED], uuid7())
    assert [r.off for r in await events.read(10)] == [1]


async def test_a_position_behind_the_trim_stops_loudly(stage: Database) -> None:
    unit = uuid7()
    now = await old_and_new(stage, unit)
    await cut(stage, now)
    events = PostgresLog(stage.quick, GROUP, [COUNTED], uuid7())
    await events.reload()
    await stage.pool.execute("update log.position set off = 0 where grp = $1", GROUP)
    await events.reload()
    with pytest.raises(GapFound, match=r"test\.counted/\d: test\.echo has to read 0, the log goes on at 1"):
        await events.read(10)


@pytest.mark.parametrize("blocked", [0, 1])
async def test_trim_and_writers_do_not_wait_for_one_another(stage: Database, blocked: int) -> None:
    """The trim must not take heads before it takes the table: a writer has the table and then wants a head."""
    two = Topic("test.two", (), (), (), "two partitions", partitions=2)
    now = datetime.now(UTC)
    await make_days(stage, now - timedelta(days=19))  # the oldest day is the one with events
    async with stage.pool.acquire() as tx, tx.transaction():
        await create_topics(tx, [two])
        await append(
            tx, [Entry(two.name, part, uuid7(), "t", None, "acme", b"") for part in (0, 1)], now - timedelta(days=20)
        )
    async with stage.pool.acquire() as holder, stage.pool.acquire() as writer:
        opened = holder.transaction()
        await opened.start()
        await holder.execute("select 1 from log.head where topic = $1 and part = $2 for update", two.name, blocked)
        cutting = asyncio.create_task(cut(stage, now))
        await waiting_for_a_lock(stage)
        writing = asyncio.create_task(
            append(writer, [Entry(two.name, 1 - blocked, uuid7(), "t", None, "acme", b"")], now)
        )

        async def settled() -> bool:
            return writing.done() or await lock_waiters(stage) == 2

        await eventually(settled, "the writer to wait too, or to be through")
        await opened.rollback()
        await asyncio.gather(cutting, writing)
    assert cutting.result()

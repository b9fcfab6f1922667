"""A topic that was deleted by mistake is filled again from the outbox; who has seen its events does not see them twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from app.world import world_clock
from hoso.kafka.connection import Broker
from hoso.kafka.log import KafkaLog
from hoso.log.port import Entry, Record
from hoso.log.postgres import append
from hoso.store.postgres import Database
from schemas.topics import topic_named
from tests.integration.cli.command import Cli
from tests.integration.topics.test_topics import Hand
from tests.support.kafka import MakeCluster
from tests.support.waiting import eventually

TOPIC, GROUP = "enrolment.progressed", "hoso.notifier"
INTERNAL = "agency.replied"


@pytest.fixture
def cli(url: str, tmp_path: Path) -> Cli:
    return Cli(url, tmp_path / "var")


async def said(db: Database, *words: str, topic: str = TOPIC) -> None:
    """Events of one unit in partition 2."""
    unit, now = uuid4(), (await world_clock(db.pool)).now()
    async with db.pool.acquire() as tx, tx.transaction():
        await append(tx, [Entry(topic, 2, uuid4(), "t", unit, "acme", word.encode()) for word in words], now)


@asynccontextmanager
async def reader(db: Database, bootstrap: str, group: str, topic: str = TOPIC) -> AsyncIterator[KafkaLog]:
    now = (await world_clock(db.pool)).now
    log = KafkaLog(
        db.pool, group, [topic_named(topic)], uuid4(), lambda: None,
        broker=Broker.of(f"kafka://{bootstrap}"), environment="test", now=now,
    )  # fmt: skip
    try:
        yield log
    finally:
        await log.close()


async def handled(db: Database, log: KafkaLog, count: int) -> list[str]:
    """The next `count` events, each batch in a transaction as the consumer does it."""
    found: list[str] = []

    async def some() -> bool:
        records: list[Record] = list(await log.read(100))
        if records:
            async with db.pool.acquire() as tx, tx.transaction():
                await log.fence(tx, records)
                await log.move(tx, records)
            log.moved(records)
            found.extend(record.body.decode() for record in records)
        return len(found) >= count

    await eventually(some, f"{count} events, found {found}", 40)
    return found


async def test_a_lost_topic_is_filled_again_and_nothing_is_seen_twice(
    cli: Cli, db: Database, kafka_cluster: MakeCluster
) -> None:
    cluster = kafka_cluster()
    env = {"HOSO_LOG": f"kafka://{cluster.bootstrap}"}
    hand = Hand(cluster)
    resend = ("topics", "resend", TOPIC, "--all", "--actor", "lan")
    assert (await cli("migrate", **env)).status == 0
    assert (await cli("topics", "apply", **env)).status == 0
    relay = await cli.run("relay", **env)
    async with reader(db, cluster.bootstrap, "hoso.ops") as late, reader(db, cluster.bootstrap, GROUP) as log:
        await said(db, "one", "two", "three")
        assert await handled(db, log, 3) == ["one", "two", "three"]
        running = await cli(*resend, **env)
        assert (running.status, running.out) == (2, "")
        assert "the relay runs" in running.err
        assert await relay.stop() == 0

        await hand.delete(TOPIC)
        assert (await cli("topics", "apply", **env)).status == 0
        await said(db, "four")
        relay = await cli.run("relay", **env)

        async def sent() -> bool:
            where = "grp = 'hoso.relay' and topic = $1 and part = 2"
            return await db.pool.fetchval(f"select off from log.position where {where}", TOPIC) == 4

        await eventually(sent, "the relay to send the fourth event", 30)
        assert await relay.stop() == 0
        too_late = await cli(*resend, **env)
        assert too_late.status == 2
        assert f"topic {TOPIC}, partition 2, already begins with event 3, after 0" in too_late.err

        await hand.delete(TOPIC)
        told = await cli(*resend, **env)
        assert (told.status, told.err) == (0, "")
        assert told.out.startswith(f"{TOPIC}: the relay sends 4 events again")
        assert (await cli("topics", "apply", **env)).status == 0
        await log.reload()  # as the consumer does when "topics" is rung
        await said(db, "five")
        relay = await cli.run("relay", **env)
        assert await handled(db, log, 2) == ["four", "five"]
        assert await handled(db, late, 5) == ["one", "two", "three", "four", "five"]
    assert await relay.stop() == 0
    audited = await db.pool.fetch("select actor from store.audit where what = 'topic.resend'")
    assert [row["actor"] for row in audited] == ["lan"]
    position = await db.pool.fetchrow(
        "select off, kafka from log.position where grp = $1 and topic = $2 and part = 2", GROUP, TOPIC
    )
    assert tuple(position) == (5, 5)


async def test_a_topic_of_our_own_is_filled_again_while_everything_runs(
    cli: Cli, db: Database, kafka_cluster: MakeCluster
) -> None:
    cluster = kafka_cluster()
    env = {"HOSO_LOG": f"kafka://{cluster.bootstrap}"}
    assert (await cli("migrate", **env)).status == 0
    assert (await cli("topics", "apply", **env)).status == 0
    relay = await cli.run("relay", **env)
    async with reader(db, cluster.bootstrap, "hoso.enrolment", INTERNAL) as log:
        await said(db, "one", "two", topic=INTERNAL)
        assert await handled(db, log, 2) == ["one", "two"]
        await Hand(cluster).delete(INTERNAL)
        assert (await cli("topics", "apply", **env)).status == 0
        told = await cli("topics", "resend", INTERNAL, "--all", **env)
        assert (told.status, told.err) == (0, "")
        await said(db, "three", topic=INTERNAL)
        await log.reload()  # as the consumer does when "topics" is rung
        assert await handled(db, log, 1) == ["three"]
    await relay.stop()


async def test_resend_says_what_it_cannot_do(cli: Cli, db: Database) -> None:
    env = {"HOSO_LOG": "kafka://127.0.0.1:1"}
    for words in ((), ("--all", "--from-offset", "3")):
        assert (await cli("topics", "resend", TOPIC, *words, **env)).status == 2
    unknown = await cli("topics", "resend", "agency.unknown", "--all", **env)
    assert (unknown.status, "there is no topic agency.unknown" in unknown.err) == (2, True)
    nothing = await cli("topics", "resend", TOPIC, "--all", **env)
    assert nothing.status == 2
    assert "the relay has carried nothing" in nothing.err
    assert await db.pool.fetchval("select count(*) from store.audit where what = 'topic.resend'") == 0


async def test_what_the_outbox_no_longer_holds_is_told(cli: Cli, db: Database, kafka: str) -> None:
    env = {"HOSO_LOG": f"kafka://{kafka}"}
    topic = INTERNAL
    await db.pool.execute("update log.head set first = 6, next = 12 where topic = $1 and part = 2", topic)
    await db.pool.execute(
        "insert into log.position(grp, topic, part, off, at) values ('hoso.relay', $1, 2, 9, now())", topic
    )
    await db.pool.execute(
        "insert into log.position(grp, topic, part, off, at, kafka) values ($2, $1, 2, 4, now(), 7)", topic, GROUP
    )
    told = await cli("topics", "resend", topic, "--from-offset", "7", "--json", **env)
    assert (told.status, told.json) == (0, [{"partition": 2, "offset": 7, "events": 5}])
    assert f"{topic}/2: group {GROUP} has not seen the events 4–5" in told.err
    again = await cli("topics", "resend", topic, "--all", "--json", **env)
    assert again.json == [{"partition": 2, "offset": 6, "events": 6}]
    later = await cli("topics", "resend", topic, "--from-offset", "99", "--json", **env)
    assert later.json == [{"partition": 2, "offset": 6, "events": 6}]
    assert await db.pool.fetchval("select kafka from log.position where grp = $1", GROUP) is None


async def test_nobody_waits_in_the_database_while_kafka_is_asked(cli: Cli, db: Database) -> None:
    """A broker that takes its time would keep every group from moving, until the database ends the transaction."""
    asked, enough = asyncio.Event(), asyncio.Event()

    async def mute(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await enough.wait()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    env = {"HOSO_LOG": f"kafka://127.0.0.1:{server.sockets[0].getsockname()[1]}"}
    await db.pool.execute(
        "insert into log.position(grp, topic, part, off, at) values ('hoso.relay', $1, 2, 0, now()), ($2, $1, 2, 0, now())",
        TOPIC,
        GROUP,
    )
    telling = asyncio.create_task(cli("topics", "resend", TOPIC, "--all", **env))
    try:
        await asyncio.wait_for(asked.wait(), 30)
        rows = await db.pool.fetch("select grp from log.position where topic = $1 for update nowait", TOPIC)
        assert {row["grp"] for row in rows} == {"hoso.relay", GROUP}
        free = "select pg_try_advisory_xact_lock(hashtext('hoso.relay'))"
        assert await db.pool.fetchval(free) is False  # no relay may begin to send meanwhile
    finally:
        enough.set()
        server.close()
        told = await telling
    assert (told.status, "Kafka cannot be asked" in told.err) == (2, True)
    assert await db.pool.fetchval(free) is True

"""Kafka is not restored: a recovery does not end before what lies there from before was read."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from app.recovery import open_recovery
from hoso.store.postgres import Database
from tests.integration.cli.command import Cli
from tests.integration.ops.setting import position
from tests.integration.ops.test_kafka import make, produce

GROUP = "a.reader"


@pytest.fixture
def cli(url: str, tmp_path: Path) -> Cli:
    return Cli(url, tmp_path / "var")


async def restored(db: Database, since: str) -> None:
    """The restore was opened so long ago."""
    async with db.pool.acquire() as tx, tx.transaction():
        await open_recovery(tx, "test")
    await db.pool.execute("update log.recovery set since = now() - $1::text::interval", since)


async def a_topic(db: Database) -> str:
    name = f"t.{uuid4().hex}"
    await db.pool.execute("insert into log.head(topic, part) select $1, generate_series(0, 2)", name)
    return name


async def test_a_record_of_before_must_be_read_first(cli: Cli, db: Database, kafka: str) -> None:
    env, topic = {"HOSO_LOG": f"kafka://{kafka}"}, await a_topic(db)
    await make(kafka, topic)
    await produce(kafka, topic, 0, [900, 800, 10])
    await position(db, GROUP, topic, 0, kafka=1)
    await restored(db, "10 minutes")
    told = await cli("restore", "--done", "--anyway", **env)
    assert told.status == 1
    assert f"  {GROUP}, {topic}: 2 records of before not read (ok)" in told.out
    assert "Kafka holds records from before the restore" in told.err
    standing = await cli("restore", "--json", **env)
    assert (standing.status, standing.json["unread"]) == (
        1,
        [{"group": GROUP, "topic": topic, "records": 2, "state": "ok"}],
    )
    await db.pool.execute("update log.position set kafka = 2 where topic = $1", topic)  # what is left came afterwards
    assert (await cli("restore", "--done", **env)).out == "Recovery has ended.\n"


async def test_what_cannot_be_known_is_not_taken_for_read(cli: Cli, db: Database, kafka: str) -> None:
    topic = await a_topic(db)
    await position(db, GROUP, topic, 0, kafka=1)
    await restored(db, "10 minutes")
    gone = await cli("restore", "--done", "--json", HOSO_LOG=f"kafka://{kafka}")
    assert (gone.status, [one["state"] for one in gone.json["unread"]]) == (1, ["missing"])
    away = await cli("restore", "--done", "--json", HOSO_LOG="kafka://127.0.0.1:1")
    assert (away.status, [one["state"] for one in away.json["unread"]]) == (1, ["unknown"])
    assert (await cli("restore", "--done")).status == 0  # without Kafka there is nothing to read there


async def test_what_the_relay_has_not_sent_of_before_is_unread_too(cli: Cli, db: Database, kafka: str) -> None:
    env, topic = {"HOSO_LOG": f"kafka://{kafka}"}, await a_topic(db)
    await db.pool.execute("update log.head set next = 5 where topic = $1 and part = 0", topic)
    await position(db, "hoso.relay", topic, 0, off=3)
    await restored(db, "1 minute")
    told = await cli("restore", "--done", "--json", **env)
    assert (told.status, told.json["unread"]) == (
        1,
        [{"group": "hoso.relay", "topic": topic, "records": 2, "state": "ok"}],
    )
    await db.pool.execute("update log.position set off = 5 where topic = $1", topic)
    assert (await cli("restore", "--done", **env)).status == 0

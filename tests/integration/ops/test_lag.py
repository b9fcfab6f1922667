"""Lag in PostgreSQL: records behind, the age of the oldest, and what a position can be beside late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from hoso.log.port import Entry
from hoso.log.postgres import append
from hoso.process.gauges import Gauges
from hoso.process.lag import RELAY, by_topic, lag, lag_by_partition, lanes, stopped
from hoso.runtime.kernel import Kernel
from hoso.store.postgres import Database
from tests.integration.ops.setting import dead_letter, position

TOPIC = "mail.received"
NOW = datetime.now(UTC)


async def write(db: Database, part: int, count: int, at: datetime = NOW) -> None:
    """Events onto one partition."""
    entries = [Entry(TOPIC, part, uuid4(), "x", uuid4(), "acme", b"{}") for _ in range(count)]
    async with db.pool.acquire() as tx, tx.transaction():
        await append(tx, entries, at)


async def seen(db: Database, now: datetime = NOW) -> dict[int, dict[str, Any]]:
    """The partitions of TOPIC as hoso.ops sees them."""
    async with db.pool.acquire() as tx:
        rows = await lag_by_partition(tx, now, ["hoso.ops"])
    return {row["partition"]: row for row in rows if row["topic"] == TOPIC}


async def test_records_and_seconds_are_those_of_the_oldest_not_handled(db: Database) -> None:
    await write(db, 0, 3, NOW - timedelta(seconds=90))
    await write(db, 0, 2, NOW - timedelta(seconds=30))
    await write(db, 1, 4, NOW - timedelta(seconds=60))
    await position(db, "hoso.ops", TOPIC, 0, off=3)
    await position(db, "hoso.ops", TOPIC, 1, off=4)
    found = await seen(db)
    assert (found[0]["records"], round(found[0]["seconds"]), found[0]["state"]) == (2, 30, "ok")
    assert (found[1]["records"], found[1]["seconds"], found[1]["state"]) == (0, 0.0, "ok")
    async with db.pool.acquire() as tx:
        await tx.execute("update log.position set off = 1")
        (whole,) = [row for row in await lag(tx, NOW, ["hoso.ops"]) if row["topic"] == TOPIC]
    assert (whole["records"], round(whole["seconds"]), "partition" in whole) == (4 + 3, 90, False)


async def test_commit_age_is_the_time_since_the_position_moved(db: Database) -> None:
    await position(db, "hoso.ops", TOPIC, 0, off=0)
    await db.pool.execute("update log.position set moved_at = now() - interval '70 s'")
    assert 70 <= (await seen(db))[0]["commit_age"] < 130


async def test_a_partition_that_was_never_read_says_so_instead_of_nothing(db: Database) -> None:
    await write(db, 0, 1)
    await write(db, 5, 7, NOW - timedelta(seconds=50))
    assert await seen(db) == {}  # a group that is not here says nothing
    await position(db, "hoso.ops", TOPIC, 0, off=1)
    found = await seen(db)
    assert set(found) == set(range(8))
    assert (found[5]["state"], found[5]["records"], found[5]["commit_age"]) == ("never-read", 7, None)
    assert round(found[5]["seconds"]) == 50
    assert found[0]["state"] == "ok"


async def test_a_position_before_the_logs_beginning_is_truncated(db: Database) -> None:
    await write(db, 0, 10)
    await position(db, "hoso.ops", TOPIC, 0, off=2)
    await db.pool.execute("delete from log.event where off < 6")
    await db.pool.execute("update log.head set first = 6 where (topic, part) = ($1, 0)", TOPIC)
    found = await seen(db, NOW + timedelta(seconds=5))
    assert (found[0]["state"], found[0]["records"]) == ("truncated", 4)
    assert round(found[0]["seconds"]) == 5


def test_a_topic_is_as_badly_off_as_its_worst_partition() -> None:
    row = {"group": "g", "topic": "t", "records": 1, "seconds": 1.0, "commit_age": None}
    rows = [{**row, "partition": n, "state": state} for n, state in enumerate(("ok", "truncated", "never-read"))]
    assert by_topic(rows) == [{**row, "records": 3, "state": "truncated"}]


async def test_the_relays_half_is_told_only_where_there_is_kafka(db: Database) -> None:
    await write(db, 0, 2)
    await position(db, RELAY, TOPIC, 0, off=0)
    async with db.pool.acquire() as tx:
        assert await lag_by_partition(tx, NOW) == []


async def test_waiting_calls_held_units_and_dead_letters(db: Database) -> None:
    for group, lane, ago in (("hoso.signer", "sign", 40), ("hoso.signer", "sign", 10), ("hoso.submitter", "file", 5)):
        await db.pool.execute(
            "insert into log.call(id, grp, lane, tenant, subject, name, type, correlation, cause, body, ready, due, not_before, "
            "asked_at, give_up_at, unsure) values ($1, $2, $3, 'acme', $1, $5, 'x', $1, $1, '', true, now(), "
            "now() - interval '1 day', now() - make_interval(secs => $4), now(), $4 = 10)",
            uuid4(),
            group,
            lane,
            ago,
            str(uuid4()),
        )
    await db.pool.execute(
        "insert into log.held(grp, subject, since, reason, error) values ('hoso.signer', $1, now(), 'KeyError', '')",
        uuid4(),
    )
    await dead_letter(db, "hoso.intake", "enrolment.requests.acme", b"{")
    put_back = await dead_letter(db, "hoso.intake", "enrolment.requests.acme", b"[")
    await db.pool.execute("update log.dead set redriven_at = now() where id = $1", put_back)
    async with db.pool.acquire() as tx:
        found = {row["lane"]: row for row in await lanes(tx)}
        counts = {row["group"]: row for row in await stopped(tx)}
        assert [row["lane"] for row in await lanes(tx, ["hoso.submitter"])] == ["file"]
    assert (found["sign"]["calls"], found["sign"]["unsure"]) == (2, 1)
    assert 40 <= found["sign"]["oldest"] < 100
    assert counts["hoso.signer"]["held"] == 1
    assert (counts["hoso.intake"]["dead"], counts["hoso.intake"]["unpublished"]) == (1, 2)


async def test_metrics_are_of_the_own_group_and_ops_measures_everybody(db: Database) -> None:
    await write(db, 0, 3, datetime.now(UTC) - timedelta(seconds=20))
    for group in ("hoso.ops", "hoso.enrolment"):
        await position(db, group, TOPIC, 0, off=1)
    for group, others in (("hoso.enrolment", None), ("hoso.ops", 2.0)):
        kernel = Kernel(db, group, "test")
        gauges = Gauges(kernel.metrics.registry)
        await gauges.measure(kernel, None)

        def value(name: str, registry: Any = kernel.metrics.registry, **labels: str) -> float | None:
            return registry.get_sample_value(name, labels)

        mine = {"group": group, "topic": TOPIC, "partition": "0"}
        assert value("hoso_lag_records", **mine) == 2.0
        assert 20 <= (value("hoso_lag_seconds", **mine) or 0) < 80
        assert (value("hoso_lag_commit_age_seconds", **mine) or -1) >= 0
        assert value("hoso_lag_truncated", group=group, topic=TOPIC) == 0.0
        other = "hoso.ops" if group == "hoso.enrolment" else "hoso.enrolment"
        assert value("hoso_lag_records", **{**mine, "group": other}) == others
        await db.pool.execute("update log.position set off = 3 where grp = $1", group)
        await gauges.measure(kernel, None)
        assert value("hoso_lag_records", **mine) == 0.0
        assert value("hoso_lag_seconds", **mine) == 0.0
        assert value("hoso_held_units", group=group) == 0.0
        await db.pool.execute("update log.position set off = 1 where grp = $1", group)

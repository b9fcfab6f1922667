"""Dead letters put back onto the log, and held units released: chosen, at a rate, written down, never in a loop."""

from __future__ import annotations

import asyncio
import json
import time
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

from app.commands.heldunits import release_units
from app.house import House
from app.redriving import redrive
from app.stopped import Filter, dead, dead_letter, held, likeness
from hoso.log.partitions import partition_of
from hoso.log.postgres import create_topics
from hoso.process.lag import stopped
from hoso.store.postgres import Database
from schemas.events import EnrolUnit
from schemas.topics import topic_named
from tests.integration.cli.command import Cli
from tests.integration.ops.setting import dead_letter as a_letter
from tests.support.waiting import eventually

TOPIC = "enrolment.requests.acme"


async def requests_topic(db: Database) -> None:
    async with db.pool.acquire() as tx:
        await create_topics(tx, [topic_named(TOPIC)])


def asking(request: str = "r1", **more: Any) -> dict[str, Any]:
    return {"specversion": "1.0", "id": str(uuid4()), "data": {"request": request, "fields": {}}, **more}


async def events(db: Database, topic: str = TOPIC) -> list[Any]:
    return await db.pool.fetch("select * from log.event where topic = $1 order by part, off", topic)


async def dies_again(db: Database) -> UUID:
    """The event that went back last is a dead letter again, under an id and at an offset of its own."""
    row = await db.pool.fetchrow("select * from log.event order by id desc limit 1")
    return await a_letter(db, "hoso.intake", row["topic"], row["body"], off=row["off"] + 1000)


async def test_what_goes_back_is_a_new_event_with_the_same_request(db: Database) -> None:
    await requests_topic(db)
    sent = asking(subject=str(uuid4()), type=EnrolUnit.TYPE, tenant="another")
    letter = await a_letter(db, "hoso.intake", TOPIC, json.dumps(sent).encode())
    (told,) = await redrive(db.pool, [letter], "lan", per_second=100, again=False)
    (event,) = await events(db)
    body = json.loads(event["body"])
    assert (told.event, told.redrives, told.why) == (event["id"], 1, "")
    assert body == {**sent, "id": str(event["id"])}
    assert body["id"] != sent["id"]
    assert (event["type"], str(event["subject"]), event["tenant"]) == (EnrolUnit.TYPE, sent["subject"], "acme")
    assert event["part"] == partition_of(event["subject"], 8)
    row = await db.pool.fetchrow("select actor, tenant, detail from store.audit where what = 'dead-letters.redrive'")
    assert (row["actor"], row["tenant"]) == ("lan", "acme")
    assert json.loads(row["detail"])["letter"] == str(letter)
    assert await dead(db.pool, done=False) == []
    (again,) = await redrive(db.pool, [letter], "lan", per_second=100, again=False)
    assert again.why == "gone"
    assert len(await events(db)) == 1


async def test_a_letter_that_dies_again_counts_on_and_is_refused_in_the_end(db: Database) -> None:
    await requests_topic(db)
    letter = await a_letter(db, "hoso.intake", TOPIC, json.dumps(asking()).encode())
    for times in (1, 2, 3):
        assert (await dead_letter(db.pool, letter) or {})["redrives"] == times - 1
        (told,) = await redrive(db.pool, [letter], "lan", per_second=100, again=False)
        assert (told.redrives, told.why) == (times, "")
        letter = await dies_again(db)
    (told,) = await redrive(db.pool, [letter], "lan", per_second=100, again=True)
    assert (told.event, told.why) == (None, "worn")
    assert len(await events(db)) == 3
    assert {row["redrives"] for row in await dead(db.pool)} == {3}


def test_a_request_is_the_same_in_whatever_envelope_it_dies() -> None:
    one, other = asking("r1"), asking("r1", source="kafka/enrolment.requests.acme/0@7")
    assert likeness(TOPIC, json.dumps(one).encode()) == likeness(TOPIC, json.dumps(other).encode())
    assert likeness(TOPIC, json.dumps(one).encode()) != likeness(TOPIC, json.dumps(asking("r2")).encode())
    assert likeness(TOPIC, json.dumps(one).encode()) != likeness("mail.received", json.dumps(one).encode())
    assert likeness(TOPIC, b"{") != likeness(TOPIC, b"[")


async def test_bytes_that_nobody_reads_go_back_as_they_are(db: Database) -> None:
    await requests_topic(db)
    letter = await a_letter(db, "hoso.intake", TOPIC, b"\xff{")
    (told,) = await redrive(db.pool, [letter], "lan", per_second=100, again=False)
    (event,) = await events(db)
    assert (event["id"], event["body"], event["type"]) == (told.event, b"\xff{", EnrolUnit.TYPE)


async def test_what_names_no_unit_cannot_go_back_to_a_topic_of_ours(db: Database) -> None:
    bare = await a_letter(db, "hoso.ops", "mail.received", json.dumps({"type": "x"}).encode())
    untyped = await a_letter(db, "hoso.ops", "mail.received", json.dumps({"subject": str(uuid4())}).encode())
    nowhere = await a_letter(db, "hoso.ops", "no.such-topic", b"{}")
    told = await redrive(db.pool, [bare, untyped, nowhere], "lan", per_second=100, again=False)
    assert [one.why for one in told] == ["no-unit", "no-type", "no-topic"]
    assert await db.pool.fetchval("select count(*) from log.event") == 0


async def test_the_letters_of_all_groups_that_read_the_record_have_gone_back_with_it(db: Database) -> None:
    body = json.dumps({"type": "x", "subject": str(uuid4())}).encode()
    one, other = [await a_letter(db, group, "mail.received", body, off=3) for group in ("hoso.ops", "hoso.enrolment")]
    told = await redrive(db.pool, [one, other], "lan", per_second=100, again=False)
    assert [bool(t.event) for t in told] == [True, False]


async def test_another_record_at_the_same_offset_has_not_gone_back_with_it(db: Database) -> None:
    """A topic of Kafka that was made anew counts from 0 again."""
    await requests_topic(db)
    one, other = [await a_letter(db, "hoso.intake", TOPIC, json.dumps(asking(r)).encode(), off=3) for r in ("r1", "r2")]
    told = await redrive(db.pool, [one], "lan", per_second=100, again=False)
    assert [bool(t.event) for t in told] == [True]
    assert [row["id"] for row in await dead(db.pool, done=False)] == [other]


async def test_no_more_go_back_in_a_second_than_was_said(db: Database) -> None:
    await requests_topic(db)
    letters = [await a_letter(db, "hoso.intake", TOPIC, json.dumps(asking(f"r{n}")).encode()) for n in range(6)]
    began = time.monotonic()
    assert len(await redrive(db.pool, letters, "lan", per_second=10, again=False)) == 6
    assert time.monotonic() - began >= 0.5


async def test_the_command_chooses_shows_and_puts_back(cli: Cli, db: Database) -> None:
    await cli("tenant", "add", "acme")
    await cli("tenant", "add", "other")
    mine = await a_letter(db, "hoso.intake", TOPIC, json.dumps(asking()).encode(), reason="broken-event")
    await a_letter(db, "hoso.intake", "enrolment.requests.other", json.dumps(asking()).encode())
    assert (await cli("dead-letters", "redrive")).status == 2
    assert (await cli("dead-letters", "redrive", str(mine), "--tenant", "acme")).status == 2
    for words in (["--tenant", "acme"], ["--reason", "broken-event"], ["--topic", TOPIC]):
        listed = await cli("dead-letters", "list", *words, "--json")
        assert [row["id"] for row in listed.json] == [str(mine)], words
    assert (await cli("dead-letters", "list", "--since", "2126-03-02T08:00")).status == 1
    assert (await cli("dead-letters", "list", "--before", "soon")).status == 2
    dry = await cli("dead-letters", "redrive", "--tenant", "acme", "--dry-run", "--json")
    assert (dry.status, [row["id"] for row in dry.json["would_redrive"]]) == (0, [str(mine)])
    assert await events(db) == []
    done = await cli("dead-letters", "redrive", "--tenant", "acme", "--actor", "lan")
    assert (done.status, str(mine) in done.out) == (0, True), done.err
    assert len(await events(db)) == 1
    assert (await cli("dead-letters", "redrive", "--tenant", "acme")).status == 1
    assert [r["id"] for r in (await cli("dead-letters", "list", "--tenant", "acme", "--all", "--json")).json]
    for _ in range(2):
        assert (await cli("dead-letters", "redrive", str(mine))).status == 0
    worn = await cli("dead-letters", "redrive", str(mine), "--json")
    assert (worn.status, worn.json["refused"]) == (1, [{"id": str(mine), "why": "worn"}])


async def test_a_letter_that_is_seen_to_waits_for_nobody_and_stays(cli: Cli, db: Database) -> None:
    await cli("tenant", "add", "acme")
    mine, other = [
        await a_letter(db, "hoso.intake", TOPIC, body, off=n) for n, body in enumerate((b"no JSON", b"nor this"))
    ]
    assert (await cli("dead-letters", "settle")).status == 2
    dry = await cli("dead-letters", "settle", "--topic", TOPIC, "--dry-run", "--json")
    assert set(dry.json["would_settle"]) == {str(mine), str(other)}
    done = await cli("dead-letters", "settle", str(mine), "--why", "acme knows", "--actor", "lan", "--json")
    assert (done.status, done.json) == (0, {"settled": [str(mine)]})
    assert (await cli("dead-letters", "settle", str(mine))).status == 1
    assert [row["id"] for row in (await cli("dead-letters", "list", "--json")).json] == [str(other)]
    assert len((await cli("dead-letters", "list", "--all", "--json")).json) == 2
    async with db.pool.acquire() as tx:
        assert [row["dead"] for row in await stopped(tx, ["hoso.intake"])] == [1]
    row = await db.pool.fetchrow("select actor, tenant, detail from store.audit where what = 'dead-letters.settle'")
    assert (row["actor"], row["tenant"], json.loads(row["detail"])["why"]) == ("lan", "acme", "acme knows")


async def hold(db: Database, topic: str, tenant: str, reason: str = "KeyError") -> UUID:
    unit = uuid4()
    await db.pool.execute(
        "insert into log.held(grp, subject, since, reason, error) values ('hoso.enrolment', $1, now(), $2, 'boom')",
        unit,
        reason,
    )
    for n in (1, 2):
        await db.pool.execute(
            "insert into log.held_event(grp, subject, topic, part, off, type, tenant, body) "
            "values ('hoso.enrolment', $1, $2, 0, $3, 'x', $4, '')",
            unit,
            topic if n == 1 else "enrolment.reminded",
            n,
            tenant,
        )
    return unit


async def test_held_units_are_chosen_by_the_event_that_failed(db: Database) -> None:
    one = await hold(db, "mail.received", "acme")
    other = await hold(db, "dossier.signed", "thuan-an", "ValueError")
    for chosen, units in (
        (Filter(topic="mail.received"), [one]),
        (Filter(tenant="thuan-an"), [other]),
        (Filter(reason="ValueError", group="hoso.enrolment"), [other]),
        (Filter(group="hoso.signer"), []),
        (Filter(topic="enrolment.reminded"), []),
    ):
        assert [row["unit"] for row in await held(db.pool, chosen)] == units, chosen
    (row,) = await held(db.pool, Filter(tenant="acme"))
    assert row["events"] == 2
    assert await held(db.pool, Filter(before=row["since"])) == []
    assert len(await held(db.pool, Filter(since=row["since"]))) == 2


async def test_a_release_keeps_to_its_tenant_and_says_who_did_it(cli: Cli, db: Database) -> None:
    one, _ = await hold(db, "mail.received", "acme"), await hold(db, "mail.received", "thuan-an")
    done = await cli("held", "release", "--all-with", "KeyError", "--tenant", "acme", "--actor", "lan", "--json")
    assert [row["unit"] for row in done.json["released"]] == [str(one)]
    assert [r["subject"] for r in await db.pool.fetch("select subject from log.held where released")] == [one]
    assert await db.pool.fetchval("select tenant from store.audit where what = 'held.release'") == "acme"


async def test_a_unit_whose_call_becomes_unsure_meanwhile_is_not_released(db: Database) -> None:
    first, second = await hold(db, "mail.received", "acme"), await hold(db, "mail.received", "acme")
    own = cast(House, SimpleNamespace(db=db))
    task = asyncio.create_task(release_units(own, "lan", Filter(reason="KeyError"), per_second=1))
    released = "select subject from log.held where released"
    await eventually(lambda: db.pool.fetch(released), "the first to be released")
    await db.pool.execute(
        "insert into log.call(id, grp, lane, tenant, subject, name, type, correlation, cause, body, ready, due, not_before, "
        "give_up_at, unsure) values ($1, 'hoso.submitter', 'agency.submit', 'acme', $2, 'submit:1', 'x', $1, $1, '', true, "
        "now(), now(), now(), true)",
        uuid4(),
        second,
    )
    assert {row["unit"]: row["unsure"] for row in await task} == {first: False, second: True}
    assert [row["subject"] for row in await db.pool.fetch(released)] == [first]
    assert await db.pool.fetchval("select count(*) from store.audit where what = 'held.release'") == 1

"""What people do with the log: lag, held units, dead letters, topics, mails, the world's clock."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg

from app.world import world_clock
from hoso.store.postgres import Database
from schemas.envelope import decode
from tests.integration.cli.command import Cli


async def hold(db: Database, reason: str, *, unsure: bool = False) -> UUID:
    """A held unit with one event behind it."""
    unit = uuid4()
    await db.pool.execute(
        "insert into log.held(grp, subject, since, reason, error) values ('hoso.enrolment', $1, now(), $2, 'boom')",
        unit,
        reason,
    )
    await db.pool.execute(
        "insert into log.held_event(grp, subject, topic, part, off, type, tenant, body) "
        "values ('hoso.enrolment', $1, 'mail.received', 0, 7, 'x', 'acme', $2)",
        unit,
        b"\xff{}",
    )
    if unsure:
        await db.pool.execute(
            "insert into log.call(id, grp, lane, tenant, subject, name, type, correlation, cause, body, ready, due, "
            "not_before, give_up_at, unsure) "
            "values ($1, 'hoso.submitter', 'agency.submit', 'acme', $2, 'submit:1', 'x', $1, $1, '', true, "
            "now(), now(), now(), true)",
            uuid4(),
            unit,
        )
    return unit


async def released(db: Database) -> set[UUID]:
    return {row["subject"] for row in await db.pool.fetch("select subject from log.held where released")}


async def test_held_units_are_released(cli: Cli, db: Database) -> None:
    assert (await cli("held", "list")).status == 1
    one, other, unsure = (
        await hold(db, "KeyError"),
        await hold(db, "unknown-type"),
        await hold(db, "KeyError", unsure=True),
    )
    listed = (await cli("held", "list", "--json")).json
    assert {row["unit"]: row["unsure"] for row in listed} == {str(one): False, str(other): False, str(unsure): True}
    assert (await cli("held", "show", str(one), "--json")).json[0]["offset"] == 7

    dry = await cli("held", "release", "--all-with", "KeyError", "--dry-run")
    assert dry.status == 0
    assert await released(db) == set()
    heard: list[str] = []
    listening = await asyncpg.connect(db.url)
    await listening.add_listener("hoso", lambda _db, _pid, _channel, payload: heard.append(payload))
    done = await cli("held", "release", "--all-with", "KeyError", "--actor", "lan")
    assert done.status == 0
    assert f"{unsure} (hoso.enrolment): not released" in done.err
    assert await released(db) == {one}
    assert (await cli("held", "release", str(unsure))).status == 1
    assert (await cli("held", "release", str(other))).status == 0
    assert await released(db) == {one, other}
    await listening.fetchval("select 1")
    await listening.close()
    assert heard == ["held:hoso.enrolment", "held:hoso.enrolment"]
    assert (
        await db.pool.fetchval("select actor from store.audit where what = 'held.release' order by n limit 1") == "lan"
    )
    assert (await cli("held", "release")).status == 2
    assert (await cli("held", "release", "not-an-id")).status == 2


async def test_dead_letters(cli: Cli, db: Database) -> None:
    assert (await cli("dead-letters", "list")).status == 1
    letter = uuid4()
    await db.pool.execute(
        "insert into log.dead values ($1, 'hoso.ops', 'mail.received', 1, 2, 'no-unit', 'no unit in it', $2, now())",
        letter,
        b"\xfe broken",
    )
    assert (await cli("dead-letters", "list", "--json")).json[0]["id"] == str(letter)
    assert "\\xfe broken" in (await cli("dead-letters", "show", str(letter))).out
    assert (await cli("dead-letters", "show", str(uuid4()))).status == 1


async def test_requests_onto_a_topic(cli: Cli, db: Database, tmp_path: Path) -> None:
    file = tmp_path / "request.json"
    file.write_text(
        json.dumps(
            [
                {"request": f"r{n}", "fields": {"unit_code": code}}
                for n, code in enumerate(("tz1234z ", "TZ1234Z", "TZ9999Z"))
            ]
        )
    )
    topic = "enrolment.requests.acme"
    early = await cli("topics", "publish", topic, str(file))
    assert (early.status, "hoso tenant add acme" in early.err) == (2, True)
    await cli("tenant", "add", "acme")
    published = await cli("topics", "publish", topic, str(file), "--json")
    assert published.status == 0, published.err
    subjects = [row["subject"] for row in published.json]
    assert subjects[0] == subjects[1] != subjects[2]
    rows = await db.pool.fetch("select type, body, tenant from log.event where topic = $1 order by part, off", topic)
    events = [decode(row["type"], row["body"]) for row in rows]
    assert {event.data.request for event in events} == {"r0", "r1", "r2"}
    assert {(event.tenant, event.environment) for event in events} == {("acme", "test")}
    listed = {row["topic"]: row for row in (await cli("topics", "list", "--json")).json}
    assert (listed[topic]["events"], listed[topic]["partitions"]) == (3, 8)
    assert listed["enrolment.requested"]["events"] == 0
    assert (await cli("lag")).status == 1  # nobody has read anything yet


async def test_the_worlds_clock(cli: Cli, db: Database) -> None:
    before = (await world_clock(db.pool)).now()
    jumped = await cli("clock", "jump", "3d2h", "--actor", "lan")
    assert jumped.status == 0, jumped.err
    after = (await world_clock(db.pool)).now()
    assert timedelta(days=3, hours=2) <= after - before < timedelta(days=3, hours=2, minutes=1)
    for ahead in range(6):
        day = before + timedelta(days=ahead)
        assert await db.pool.fetchval("select to_regclass($1)", f"log.event_{day:%Y%m%d}"), day
    assert (await cli("clock", "rate", "24")).status == 0
    shown = (await cli("clock", "show", "--json")).json
    assert shown["rate"] == 24.0
    assert (await cli("clock", "jump", "1h")).status == 0
    assert await db.pool.fetchval("select rate from log.clock order by n desc limit 1") == 24.0  # a jump keeps the rate
    for words in (["jump", "soon"], ["jump", "500d"], ["rate", "0"], ["rate", "100000"]):
        assert (await cli("clock", *words)).status == 2
    production = await cli("clock", "jump", "1h", HOSO_ENVIRONMENT="production")
    assert (production.status, production.err.count("\n")) == (2, 1)
    assert "environment test only" in production.err


async def test_an_undecided_mail_is_given_to_its_enrolment(cli: Cli, db: Database) -> None:
    mail, enrolment, unit, dossier, mailbox = (uuid4() for _ in range(5))
    await db.pool.execute(
        "insert into mail_watcher.mail(id, mailbox, tenant, uidvalidity, uid, sha256, arrived_at, arrived_by, size, "
        "verdict, state, heads, reading, kind, delivered_to, look) "
        "values ($1, $2, 'acme', 1, 1, '', now(), now(), 1, 'trusted', 'undecided', "
        "'{}', '{}', 'register', '{}', false)",
        mail,
        mailbox,
    )
    assert (await cli("mail", "list", "--undecided", "--json")).json[0]["mail"] == str(mail)
    nobody = await cli("mail", "assign", str(mail), str(enrolment))
    assert (nobody.status, "waits for no such mail" in nobody.err) == (2, True)
    for attempt in (1, 2):
        await db.pool.execute(
            "insert into mail_watcher.expectation(dossier, attempt, unit, tenant, enrolment, kind, mailbox, contact, "
            "unit_code, unit_name, name_key, tax_code, tax_key, since) "
            "values ($1, $2, $3, 'acme', $4, 'register', $5, '', '', '', '', '', '', now())",
            dossier,
            attempt,
            unit,
            enrolment,
            mailbox,
        )
    assigned = await cli("mail", "assign", str(mail), str(enrolment), "--actor", "lan")
    assert assigned.status == 0, assigned.err
    row = await db.pool.fetchrow("select type, body, subject from log.event where topic = 'mail.expected'")
    assert row is not None
    fact = decode(row["type"], row["body"]).data
    assert (fact.mail, fact.dossier, fact.attempt, fact.actor, row["subject"]) == (mail, dossier, 2, "lan", unit)
    assert (await cli("mail", "assign", str(uuid4()), str(enrolment))).status == 2

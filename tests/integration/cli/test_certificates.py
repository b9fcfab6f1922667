"""Certificates that end are told in time; a new one is told to every enrolled unit that signed with the old."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from app.edge import Edge
from hoso.store.postgres import Database
from schemas.envelope import encode
from services.ops.certificates import warn_of_ends
from tests.contract.signing.pki import UNTIL, employer
from tests.integration.cli.command import Cli
from tests.integration.cli.made import on_the_log
from tests.unit.ops.heard import at, signed


async def profile(cli: Cli, tmp_path: Path, db: Database) -> UUID:
    """The profile main of acme."""
    await cli("tenant", "add", "acme")
    (tmp_path / "p12").write_bytes(employer().pkcs12("pw"))
    added = await cli("profile", "add", "acme", "main", "--pkcs12", str(tmp_path / "p12"), given="pw\n")
    assert added.status == 0, added.err
    return UUID(str(await db.pool.fetchval("select id from store.profile")))


async def enrolled(db: Database, used: UUID, stage: str = "enrolled", serial: str = "0ld", **more: Any) -> UUID:
    """A unit that signed with a certificate of this profile."""
    enrolment, unit = uuid4(), uuid4()
    await db.pool.execute(
        "insert into ops.enrolment(enrolment, unit, tenant, request, stage, profile, opened_at, changed_at) "
        "values ($1, $2, 'acme', 'r', $3, $4, now(), now())",
        enrolment,
        unit,
        stage,
        used,
    )
    event = at(0, signed(enrolment=enrolment, certificate_serial=serial, **more), tenant="acme", subject=unit)
    assert encode(event)
    await db.pool.execute(
        "insert into ops.timeline(enrolment, unit, tenant, at, type, event, data) values ($1, $2, 'acme', now(), $3, $4, $5)",
        enrolment,
        unit,
        event.type,
        event.id,
        event.data.model_dump_json(),
    )
    return enrolment


async def test_a_certificate_that_ends_is_told_three_times(cli: Cli, db: Database, tmp_path: Path) -> None:
    used = await profile(cli, tmp_path, db)
    unit = await enrolled(db, used)
    await enrolled(db, used, stage="cancelled")
    await enrolled(db, uuid4())
    edge = await Edge.open(db.pool, "test")
    told = []
    for left in (90, 61, 59, 45, 20, 20, 3, 1):
        told.append(await warn_of_ends(db.pool, edge, UNTIL - timedelta(days=left)))
    assert told == [0, 0, 1, 0, 1, 0, 1, 0]
    events = [event.data for event in await on_the_log(db)]
    assert {(fact.enrolment, fact.warning, fact.until) for fact in events} == {(unit, "certificate-expiring", UNTIL)}
    assert all("hoso profile replace" in fact.message and "main" in fact.message for fact in events)


async def test_a_late_look_says_only_what_is_true_now(cli: Cli, db: Database, tmp_path: Path) -> None:
    await enrolled(db, await profile(cli, tmp_path, db))
    edge = await Edge.open(db.pool, "test")
    assert [await warn_of_ends(db.pool, edge, UNTIL - timedelta(days=left)) for left in (5, 4)] == [1, 0]


async def test_a_new_certificate_is_told_to_those_who_signed_with_the_old(
    cli: Cli, db: Database, tmp_path: Path
) -> None:
    used = await profile(cli, tmp_path, db)
    serial = await db.pool.fetchval("select serial from store.profile")
    unit = await enrolled(db, used)
    await enrolled(db, used, serial=serial)
    await enrolled(db, used, stage="filed")
    moved = await enrolled(db, used, serial=serial, method="agent")
    (tmp_path / "pw").write_text("pw\n")
    files = ("--pkcs12", str(tmp_path / "p12"), "--password-file", str(tmp_path / "pw"))
    done = await cli("profile", "replace", "acme", "main", *files, "--actor", "lan", "--json")
    assert (done.status, done.json["told"]) == (0, 2), done.err
    events = {event.data.enrolment: event.data for event in await on_the_log(db)}
    assert set(events) == {unit, moved}
    assert [(c.field, c.old, c.new) for c in events[unit].changes] == [("certificate", "0ld", serial)]
    assert [(c.field, c.old, c.new) for c in events[moved].changes] == [("method", "agent", "pkcs12")]
    assert events[unit].actor == "lan"
    said = await db.pool.fetchval("select detail->>'enrolments' from store.audit where what = 'profile.replace'")
    assert str(unit) in said
    only_told = await cli("profile", "replace", "acme", "main", "--json")
    assert only_told.json["told"] == 2, "they have not signed anew yet"
    assert (await cli("profile", "replace", "acme", "other", "--json")).status == 2


async def test_a_certificate_of_another_employer_replaces_nothing(cli: Cli, db: Database, tmp_path: Path) -> None:
    used = await profile(cli, tmp_path, db)
    await enrolled(db, used)
    await db.pool.execute("update store.profile set tax_codes = '{0999999999}'")
    refused = await cli("profile", "replace", "acme", "main", "--pkcs12", str(tmp_path / "p12"), given="pw\n")
    assert (refused.status, "0999999999" in refused.err) == (2, True)
    assert await on_the_log(db) == []
    assert await db.pool.fetchval("select count(*) from store.audit where what like 'profile.%'") == 1

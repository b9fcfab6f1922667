"""Certificates that end are told in time; a new one is told to every enrolled unit that signed with the old."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.edge import Edge
from hoso.store.postgres import Database
from schemas.envelope import encode
from schemas.events import ChangeResultArrived, DossierDecided, FilingAsked
from services.ops.certificates import tell_left_out, warn_of_ends
from tests.contract.signing.pki import UNTIL, employer
from tests.integration.cli.command import Cli
from tests.integration.cli.made import on_the_log
from tests.unit.ops.heard import DOSSIER, at, signed


async def profile(cli: Cli, tmp_path: Path, db: Database) -> UUID:
    """The profile main of acme."""
    await cli("tenant", "add", "acme")
    (tmp_path / "p12").write_bytes(employer().pkcs12("pw"))
    added = await cli("profile", "add", "acme", "main", "--pkcs12", str(tmp_path / "p12"), given="pw\n")
    assert added.status == 0, added.err
    return UUID(str(await db.pool.fetchval("select id from store.profile")))


async def enrolled(db: Database, used: UUID, stage: str = "enrolled", serial: str = "0ld", **more: Any) -> UUID:
    """A unit for which something was filed that was signed with a certificate of this profile."""
    enrolment, unit = uuid4(), uuid4()
    await db.pool.execute(
        "insert into ops.enrolment(enrolment, unit, tenant, request, stage, profile, opened_at, changed_at) "
        "values ($1, $2, 'acme', 'r', $3, $4, now(), now())",
        enrolment,
        unit,
        stage,
        used,
    )
    await filed(db, enrolment, serial, **more)
    return enrolment


async def filed(db: Database, enrolment: UUID, serial: str, attempt: int = 1, filed: bool = True, **more: Any) -> None:
    """An attempt of it is signed, and filed."""
    await heard(db, enrolment, signed(enrolment=enrolment, certificate_serial=serial, attempt=attempt, **more))
    if filed:
        fields = {"kind": "change", "dossier": DOSSIER, "document": DOSSIER, "sha256": "ab" * 32, "mailbox": DOSSIER}
        fields |= {"unit_code": "TA0001Z", "unit_name": "x", "tax_code": "0101234567", "contact": "a@b.vn"}
        await heard(db, enrolment, FilingAsked.model_validate({"enrolment": enrolment, "attempt": attempt, **fields}))


async def heard(db: Database, enrolment: UUID, fact: Any) -> None:
    """Ops has read it."""
    event = at(0, fact, tenant="acme")
    assert encode(event)
    await db.pool.execute(
        "insert into ops.timeline(enrolment, unit, tenant, at, type, event, data) "
        "select enrolment, unit, tenant, now(), $2, $3, $4 from ops.enrolment where enrolment = $1",
        enrolment,
        event.type,
        event.id,
        event.data.model_dump_json(),
    )


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


async def left_out(db: Database) -> list[UUID]:
    """Whom the next look tells."""
    before = {event.id for event in await on_the_log(db)}
    edge = await Edge.open(db.pool, "test")
    told = await tell_left_out(db.pool, edge, datetime.now(UTC))
    new = [event.data.enrolment for event in await on_the_log(db) if event.id not in before]
    assert told == len(new)
    return new


async def test_whoever_is_enrolled_after_the_certificate_was_replaced_is_told_once(
    cli: Cli, db: Database, tmp_path: Path
) -> None:
    used = await profile(cli, tmp_path, db)
    serial = await db.pool.fetchval("select serial from store.profile")
    early = await enrolled(db, used)
    late = await enrolled(db, used, stage="fetching-employees")
    await enrolled(db, used, serial=serial)
    assert (await cli("profile", "replace", "acme", "main", "--json")).json["told"] == 1
    assert await left_out(db) == [], "one was told, one is not enrolled yet"

    await db.pool.execute("update ops.enrolment set stage = 'enrolled' where enrolment = $1", late)
    assert await left_out(db) == [late]
    assert await left_out(db) == []
    assert {event.data.enrolment for event in await on_the_log(db)} == {early, late}
    assert (
        await db.pool.fetchval("select actor from store.audit where what = 'profile.replace' order by n desc") == "hoso"
    )


@pytest.mark.parametrize("how", ["not filed", "refused at the gate", "refused by mail", "accepted"])
async def test_what_the_agency_did_not_take_does_not_count_as_told(
    cli: Cli, db: Database, tmp_path: Path, how: str
) -> None:
    used = await profile(cli, tmp_path, db)
    serial = await db.pool.fetchval("select serial from store.profile")
    unit = await enrolled(db, used)
    await filed(db, unit, serial, 2, filed=how != "not filed", kind="change")
    said = {"enrolment": unit, "dossier": DOSSIER, "attempt": 2}
    if how == "refused by mail":
        await heard(db, unit, ChangeResultArrived.model_validate({**said, "mail": DOSSIER, "accepted": False}))
    elif how != "not filed":
        decided = {**said, "kind": "change", "accepted": how == "accepted", "code": "00"}
        await heard(db, unit, DossierDecided.model_validate(decided))
    assert await left_out(db) == ([] if how == "accepted" else [unit])
    told = (await cli("profile", "replace", "acme", "main", "--json")).json["told"]
    assert told == (0 if how == "accepted" else 1)


async def test_a_certificate_of_another_employer_replaces_nothing(cli: Cli, db: Database, tmp_path: Path) -> None:
    used = await profile(cli, tmp_path, db)
    await enrolled(db, used)
    await db.pool.execute("update store.profile set tax_codes = '{0999999999}'")
    refused = await cli("profile", "replace", "acme", "main", "--pkcs12", str(tmp_path / "p12"), given="pw\n")
    assert (refused.status, "0999999999" in refused.err) == (2, True)
    assert await on_the_log(db) == []
    assert await db.pool.fetchval("select count(*) from store.audit where what like 'profile.%'") == 1

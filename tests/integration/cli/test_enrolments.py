"""What people see of enrolments, and what they may say to them."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import asyncpg

from hoso.setup.units import PostgresUnitRegistry, RowKey
from hoso.store.postgres import Database
from tests.contract.signing.pki import employer
from tests.integration.cli.command import Cli
from tests.integration.cli.made import on_the_log, waits


async def test_an_answer_goes_onto_the_log_and_wakes_the_others(cli: Cli, db: Database) -> None:
    enrolment = await waits(db, "no-unit-code")
    heard: list[str] = []
    listening = await asyncpg.connect(db.url)
    await listening.add_listener("hoso", lambda _db, _pid, _channel, payload: heard.append(payload))
    answered = await cli("enrolment", "answer", str(enrolment), "unit-code", " tz1234z", "--actor", "lan")
    assert answered.status == 0, answered.err
    (event,) = await on_the_log(db)
    assert (event.data.answer, event.data.value, event.data.actor) == ("unit-code", "TZ1234Z", "lan")
    assert (event.correlationid, event.tenant) == (enrolment, "acme")
    row = await db.pool.fetchrow("select u.unit, u.unit_code from store.unit u where unit_code = 'TZ1234Z'")
    assert row is not None
    assert row["unit"] == event.subject
    await listening.fetchval("select 1")
    await listening.close()
    assert heard == ["enrolment.requested"]


async def test_a_code_somebody_holds_reveals_nothing(cli: Cli, db: Database) -> None:
    await PostgresUnitRegistry().claim(db.pool, "globex", [RowKey("TZ1234Z", None)])
    enrolment = await waits(db, "no-unit-code")
    refused = await cli("enrolment", "answer", str(enrolment), "unit-code", "TZ1234Z")
    assert refused.status == 2
    assert "globex" not in refused.err
    assert "holds" not in refused.err
    assert await on_the_log(db) == []


async def test_a_profile_is_named_and_a_provider_read(cli: Cli, db: Database, tmp_path: Any) -> None:
    await cli("tenant", "add", "acme")
    (tmp_path / "p12").write_bytes(employer().pkcs12("pw"))
    added = await cli("profile", "add", "acme", "main", "--pkcs12", str(tmp_path / "p12"), given="pw\n")
    assert added.status == 0, added.err
    assert (await cli("enrolment", "answer", str(await waits(db, "no-profile")), "profile", "main")).status == 0
    assert (await cli("enrolment", "answer", str(await waits(db, "provider")), "provider", "cổng BHXH")).status == 0
    assert (await cli("enrolment", "answer", str(await waits(db, "duplicate")), "filed", "TX-1")).status == 0
    id_ = await db.pool.fetchval("select id from store.profile")
    assert [event.data.value for event in await on_the_log(db)] == [str(id_), "VSS", "TX-1"]


async def test_cancelling(cli: Cli, db: Database) -> None:
    enrolment = await waits(db, "data")
    assert (await cli("enrolment", "cancel", str(enrolment), "--reason", "asked for twice")).status == 0
    (event,) = await on_the_log(db)
    assert event.data.reason == "asked for twice"
    closed = await waits(db, None, stage="enrolled")
    refused = await cli("enrolment", "cancel", str(closed), "--reason", "x", HOSO_LANGUAGE="vi")
    assert (refused.status, refused.err) == (2, "hoso: Hồ sơ đăng ký này đã đăng ký xong.\n")
    assert (await cli("enrolment", "cancel", str(uuid4()), "--reason", "x")).status == 2


async def test_looking(cli: Cli, db: Database) -> None:
    enrolment = await waits(db, "provider")
    await db.pool.execute("update ops.enrolment set unit_code = 'TZ1234Z'")
    data = {
        "enrolment": str(enrolment),
        "attempt": 1,
        "accepted": False,
        "code": "CE007",
        "text": "",
        "kind": "register",
    }
    await db.pool.execute(
        "insert into ops.timeline(enrolment, unit, tenant, at, type, event, data) "
        "select enrolment, unit, tenant, now(), 'vn.hoso.agency.dossier-decided.v1', $2, $3 "
        "from ops.enrolment where enrolment = $1",
        enrolment,
        uuid4(),
        json.dumps(data),
    )
    shown = await cli("enrolment", "show", "tz1234z")
    assert shown.status == 0, shown.err
    assert "the agency      refused it: registration (04/ĐK-IVAN), attempt 1: CE007" in shown.out
    assert f"hoso enrolment answer {enrolment} provider …" in shown.out
    found = (await cli("enrolment", "show", str(enrolment), "--json")).json
    assert found["timeline"][0]["data"]["code"] == "CE007"

    listed = await cli("enrolment", "list", "--stage", "waiting-for-person", "--json")
    assert [row["enrolment"] for row in listed.json] == [str(enrolment)]
    assert (await cli("enrolment", "list", "--tenant", "globex")).status == 1
    assert (await cli("enrolment", "list", "--stage", "lost")).status == 2
    assert (await cli("enrolment", "show", "ZZ9999Z")).status == 1

    status = await cli("status", "--json")
    assert status.status == 0, status.err
    assert status.json["stages"] == [{"tenant": "acme", "stage": "waiting-for-person", "count": 1}]
    assert status.json["waiting"][0]["command"] == f"hoso enrolment answer {enrolment} provider …"
    words = await cli("status", HOSO_LANGUAGE="vi")
    assert "Chờ người xử lý" in words.out
    assert "Không có dịch vụ nào đang chạy" in words.out

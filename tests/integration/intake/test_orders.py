"""Batches as a whole: paused, resumed, cancelled; each tenant gets its turn; one that cannot go on stops nobody."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.events import EnrolmentCancelled
from schemas.units import Stage
from tests.integration.intake.house import OTHER_EMAIL, Door, House, code, line, sheet
from tests.integration.intake.test_bodies import raw
from tests.support.waiting import eventually


async def said(door: Door, batch: str, order: str, reason: str = "") -> Any:
    """The answer to an order."""
    return await door.ask("POST", f"/v1/batches/{batch}/{order}?reason={reason}")


async def state_of(door: Door, batch: str) -> dict[str, Any]:
    return dict((await door.get(f"/v1/batches/{batch}")).json)


async def in_state(door: Door, batch: str, wanted: str) -> dict[str, Any]:
    async def look() -> dict[str, Any]:
        found = await state_of(door, batch)
        return found if found["state"] == wanted else {}

    return await eventually(look, f"the batch to be {wanted}", 30)


async def cancellations(house: House) -> list[EnrolmentCancelled]:
    return [event.data for event in await house.events() if isinstance(event.data, EnrolmentCancelled)]


async def test_a_paused_batch_waits_and_goes_on_where_it_was(house: House) -> None:
    door = house.door()
    batch = (await door.upload(sheet([line(n) for n in range(3_000)]))).json["batch"]
    assert (await said(door, batch, "pause")).json == {"batch": batch, "state": "paused"}
    assert (await said(door, batch, "pause")).json["state"] == "paused", "saying it again is harmless"
    stood = await state_of(door, batch)
    behind = await door.enrolled(sheet([line(n) for n in range(4_000, 4_010)]))
    assert behind["outcomes"] == {"accepted": 10}, "the next batch does not wait for it"
    still = await state_of(door, batch)
    assert still["rows_done"] == stood["rows_done"] < 3_000
    assert len(await house.requested()) == stood["rows_done"] + 10
    assert (await said(door, batch, "resume")).json["state"] == "working"
    found = await door.finished(batch)

    assert found["outcomes"] == {"accepted": 3_000}
    assert len({fact.form.unit_code for fact in await house.requested()}) == 3_010


async def test_a_cancelled_batch_begins_nothing_more_and_gives_up_what_is_open(listening_house: House) -> None:
    house, door = listening_house, listening_house.door()
    elsewhere = await door.enrolled(sheet([line(1)]))
    first = await door.enrolled(sheet([line(n) for n in range(1, 5)]))
    ids = {row["row_key"]: row["enrolment"] for row in first["page"]}
    await house.progress(ids[code(2)], Stage.ENROLLED, filed=True)
    await house.progress(ids[code(3)], Stage.FILED, filed=True)
    answer = await said(door, first["batch"], "cancel", "nhầm tệp")
    assert answer.json["state"] == "cancelling"
    found = await in_state(door, first["batch"], "cancelled")

    told = await cancellations(house)
    assert {str(fact.enrolment) for fact in told} == {ids[code(3)], ids[code(4)]}, (
        "what was filed runs to its outcome there"
    )
    assert {(fact.actor, fact.reason) for fact in told} == {("key:erp", "nhầm tệp")}
    assert (found["said_by"], found["reason"]) == ("key:erp", "nhầm tệp")
    assert elsewhere["page"][0]["enrolment"] == ids[code(1)], "another batch opened it"
    assert (await said(door, first["batch"], "cancel")).json["state"] == "cancelled"
    assert (await said(door, first["batch"], "resume")).problem == "batch-state"


async def test_rows_of_a_cancelled_batch_may_be_sent_again(listening_house: House) -> None:
    house, door = listening_house, listening_house.door()
    data = sheet([line(n) for n in range(2_000)])
    batch = (await door.upload(data)).json["batch"]
    assert (await said(door, batch, "pause")).json["state"] == "paused"
    begun = (await state_of(door, batch))["rows_done"]
    await said(door, batch, "cancel")
    await in_state(door, batch, "cancelled")
    assert len(await cancellations(house)) == begun
    result = await door.get(f"/v1/batches/{batch}/result.xlsx")
    assert result.status == 200
    for row in await house.db.pool.fetch("select enrolment from intake.enrolment"):
        await house.progress(str(row["enrolment"]), Stage.CANCELLED)
    again = await door.enrolled(data)
    assert again["outcomes"] == {"accepted": 2_000}


@pytest.mark.parametrize("order", ["pause", "resume", "cancel"])
async def test_another_tenants_batch_takes_no_orders(house: House, order: str) -> None:
    batch = (await house.door().enrolled(sheet([line(1)])))["batch"]
    assert (await said(house.door("lienminh"), batch, order)).problem == "not-found"
    assert (await state_of(house.door(), batch))["state"] == "done"


async def test_orders_that_come_too_late_are_refused(house: House) -> None:
    door = house.door()
    batch = (await door.enrolled(sheet([line(1)])))["batch"]
    late = await said(door, batch, "pause")
    assert (late.status, late.problem, late.json["state"]) == (409, "batch-state", "done")
    assert (await said(door, batch, "resume")).json["state"] == "done"
    assert (await said(door, batch, "explode")).problem == "bad-request"


async def test_nobody_waits_behind_another_tenants_big_sheet(house: House) -> None:
    big = (await house.door().upload(sheet([line(n) for n in range(10_000)]))).json["batch"]
    theirs = await house.door("lienminh").enrolled(sheet([line(n, email=OTHER_EMAIL) for n in range(700)]))
    stood = await state_of(house.door(), big)

    assert theirs["outcomes"] == {"accepted": 700}
    assert stood["state"] == "working", "the big one is not done yet"
    await said(house.door(), big, "cancel")
    await in_state(house.door(), big, "cancelled")


async def test_a_batch_that_cannot_go_on_stops_nobody_and_may_be_resumed(house: House) -> None:
    await house.db.pool.execute(
        "create function poison() returns trigger language plpgsql as "
        "$$ begin if new.row_key = 'TA0003Z' then raise exception 'poison'; end if; return new; end $$; "
        "create trigger poison before insert on intake.batch_row for each row execute function poison()"
    )
    door = house.door()
    batch = (await door.upload(sheet([line(n) for n in range(5)]))).json["batch"]
    failed = await in_state(door, batch, "failed")
    after = await door.enrolled(sheet([line(n) for n in range(10, 15)]))

    assert after["outcomes"] == {"accepted": 5}
    assert "hoso sheet resume" in failed["notes"][-1]
    assert (failed["rows_done"], failed["outcomes"]) == (0, {})
    await house.db.pool.execute("drop trigger poison on intake.batch_row")
    assert (await said(door, batch, "resume")).json["state"] == "working"
    assert (await door.finished(batch))["outcomes"] == {"accepted": 5}


async def test_batches_are_listed_to_their_tenant_the_newest_first(house: House) -> None:
    door = house.door()
    batches = [(await door.enrolled(sheet([line(n)])))["batch"] for n in range(3)]
    first = (await door.get("/v1/batches?limit=2")).json
    rest = (await door.get(f"/v1/batches?limit=2&before={first['next']}")).json

    assert [one["batch"] for one in first["batches"]] == batches[:0:-1]
    assert ([one["batch"] for one in rest["batches"]], rest["next"]) == (batches[:1], None)
    assert (await house.door("lienminh").get("/v1/batches")).json["batches"] == []


async def test_a_file_of_50_megabytes_is_answered_clearly(house: House) -> None:
    """Before its bytes come: who waits for the answer (Expect: 100-continue) need not send them."""
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(50 * 1024 * 1024)}
    status, told = await raw(house, "/v1/batches", headers)
    assert (status, b"urn:hoso:problem:too-large" in told) == (413, True)
    assert "nhiều nhất là 30 MB. Xoá hình ảnh".encode() in told


async def test_a_cancelled_batch_that_cannot_go_on_stays_cancelled_and_stops_nobody(listening_house: House) -> None:
    """It is not told to be resumed: it goes on by itself when what was wrong is mended."""
    house, door = listening_house, listening_house.door()
    batch = (await door.enrolled(sheet([line(1)])))["batch"]
    await house.db.pool.execute(
        "create sequence tries; create function poison() returns trigger language plpgsql as "
        "$$ begin perform nextval('tries'); raise exception 'poison'; end $$; "
        "create trigger poison before update of cancelled_to on intake.batch for each row execute function poison()"
    )
    assert (await said(door, batch, "cancel")).json["state"] == "cancelling"

    async def tried() -> bool:
        return bool(await house.db.pool.fetchval("select last_value > 3 from tries"))

    await eventually(tried, "more than three tries", 30)
    found = await state_of(door, batch)
    assert found["state"] == "cancelling"
    assert not [note for note in found["notes"] if "resume" in note]
    assert (await door.enrolled(sheet([line(2)])))["outcomes"] == {"accepted": 1}
    await house.db.pool.execute("drop trigger poison on intake.batch")
    await in_state(door, batch, "cancelled")

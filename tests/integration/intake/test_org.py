"""The organisation feed over HTTP, and rows that leave to it what it knows."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from schemas.events import EnrolUnit
from tests.integration.intake.house import Answer, Door, House, fields, line, sheet
from tests.integration.intake.test_topic import produce
from tests.support.waiting import eventually

FEED = [
    {"id": "HB", "name": "CÔNG TY TNHH Hoa Ban"},
    {"id": "HB-HN", "parent": "HB", "name": "Hoa Ban  Hà Nội", "tax_code": "9001234568-001", "phone": "0912345601"},
]


async def feed(door: Door, units: list[Any]) -> Answer:
    body = json.dumps({"units": units}, ensure_ascii=False).encode()
    return await door.ask("PUT", "/v1/org/units", body, Content_Type="application/json")


async def test_a_feed_is_taken_once_and_its_items_answered_one_by_one(house: House) -> None:
    door = house.door()
    first = (await feed(door, [*FEED, {"id": "X", "parent": "nirgends", "name": "X"}])).json
    again = (await feed(door, [FEED[1], {**FEED[0], "phone": "0912345602"}])).json

    assert [unit["outcome"] for unit in first["units"]] == ["added", "added", "refused"]
    assert first["units"][2]["errors"][0]["column"] == "parent"
    assert (again["changed"], again["unchanged"]) == (1, 1)
    found = (await door.get("/v1/org/units")).json["units"]
    assert [(unit["id"], unit["parent"], unit["name"]) for unit in found] == [
        ("HB", None, "CÔNG TY TNHH Hoa Ban"),
        ("HB-HN", "HB", "Hoa Ban  Hà Nội"),
    ]
    page = (await door.get("/v1/org/units?limit=1&after=HB")).json
    assert [unit["id"] for unit in page["units"]] == ["HB-HN"]
    assert (await house.door("lienminh").get("/v1/org/units")).json["units"] == []


async def test_a_circle_made_by_two_feeds_at_once_is_refused_to_one(house: House) -> None:
    door = house.door()
    await feed(door, [{"id": "a", "name": "A"}, {"id": "b", "name": "B"}])
    async with house.beside() as second:
        answers = await asyncio.gather(
            feed(door, [{"id": "a", "parent": "b", "name": "A"}]),
            feed(second.door(), [{"id": "b", "parent": "a", "name": "B"}]),
        )
    assert sorted(answer.json["units"][0]["outcome"] for answer in answers) == ["changed", "refused"]


async def test_rows_may_leave_to_the_feed_what_it_knows(house: House) -> None:
    door = house.door()
    await feed(door, FEED)
    headers = ("Mã đơn vị", "Tên đơn vị", "MST", "Tỉnh/TP", "Địa chỉ", "Email", "Điện thoại", "Mã cơ cấu tổ chức")
    bare = line(1, name="", tax_code="", phone="")
    found = await door.enrolled(sheet([[*bare, "HB-HN"], [*line(2), "HB-HN"], [*line(3), "HB-XX"]], headers))

    assert [row["outcome"] for row in found["page"]] == ["accepted", "accepted", "invalid"]
    assert [note["column"] for note in found["page"][0]["notes"]] == ["org_unit"]
    assert found["page"][2]["errors"][0]["column"] == "org_unit"
    told = {fact.form.unit_code: fact.form for fact in await house.requested()}
    filled = told["TA0001Z"]
    assert (filled.name, filled.tax_code, filled.phone) == ("Hoa Ban  Hà Nội", "9001234568-001", "0912345601")
    assert told["TA0002Z"].name == fields()["name"], "what the row says itself stands"
    linked = await house.db.pool.fetchval("select count(*) from store.unit where org_unit_id = 'HB-HN'")
    assert linked == 2


async def test_single_requests_and_topics_may_too(listening_house: House) -> None:
    house, door = listening_house, listening_house.door()
    await feed(door, FEED)
    answer = await door.enrol("a", {**fields(1), "name": "", "org_unit": "HB-HN"})
    assert answer.status == 202, answer.body
    await produce(house, "hoaban", EnrolUnit(request="r", fields={**fields(2), "name": "", "org_unit": "HB-HN"}))

    async def both() -> bool:
        return len(await house.requested()) == 2

    await eventually(both, "the request from the topic")
    assert {fact.form.name for fact in await house.requested()} == {"Hoa Ban  Hà Nội"}
    assert (await door.enrol("b", {**fields(3), "org_unit": "HB-XX"})).json["errors"][0]["column"] == "org_unit"


async def test_what_is_no_feed_is_refused(house: House) -> None:
    door = house.door()
    for body in (b"[]", b'{"units": 3}', b"{", json.dumps({"units": [{}] * 5_001}).encode()):
        answer = await door.ask("PUT", "/v1/org/units", body, Content_Type="application/json")
        assert answer.problem == "bad-json"

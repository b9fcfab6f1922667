"""Requests from producing systems, on the topic of their tenant: taken like a row of a sheet, or refused on the log."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.requests import append_requests
from hoso.log.partitions import partition_of
from hoso.log.port import Entry
from hoso.log.postgres import append
from schemas.envelope import encode, envelope_of
from schemas.events import EnrolUnit, RequestRefused
from schemas.units import Stage
from tests.integration.intake.house import OTHER_EMAIL, House, fields, line, sheet
from tests.support.waiting import eventually


async def produce(house: House, tenant: str, *asks: EnrolUnit) -> None:
    """A producing system of `tenant` sends requests."""
    async with house.db.pool.acquire() as tx, tx.transaction():
        await append_requests(tx, tenant, asks, "test")
    house.kernel.bell.ring({f"enrolment.requests.{tenant}"})


async def produce_raw(house: House, tenant: str, body: bytes, subject: UUID, type_: str = EnrolUnit.TYPE) -> None:
    """A producing system sends bytes of its own making."""
    topic = f"enrolment.requests.{tenant}"
    entry = Entry(topic, partition_of(subject, 8), uuid4(), type_, subject, tenant, body)
    async with house.db.pool.acquire() as tx, tx.transaction():
        await append(tx, [entry], house.kernel.clock.now())
    house.kernel.bell.ring({topic})


def as_sent(ask: EnrolUnit, tenant: str, subject: UUID) -> Any:
    return envelope_of(EnrolUnit)(
        id=uuid4(), source="erp", type=EnrolUnit.TYPE, subject=subject, time="2026-11-22T01:00:00Z",
        correlationid=uuid4(), tenant=tenant, environment="test", data=ask,
    )  # fmt: skip


async def refusals(house: House) -> list[RequestRefused]:
    told = await house.events("enrolment.progressed")
    return [event.data for event in told if isinstance(event.data, RequestRefused)]


async def taken(house: House, count: int) -> None:
    async def look() -> bool:
        return len(await house.requested()) >= count

    await eventually(look, f"{count} requests to be taken")


async def answered(house: House, count: int) -> list[RequestRefused]:
    async def look() -> list[RequestRefused]:
        found = await refusals(house)
        return found if len(found) >= count else []

    return await eventually(look, f"{count} refusals on the log")


async def idle(house: House) -> None:
    """Every request was handled, and none is being performed."""

    async def look() -> bool:
        behind = await house.db.quick.fetchval(
            "select count(*) from log.head h left join log.position p on (p.grp, p.topic, p.part) = "
            "('hoso.intake', h.topic, h.part) where h.topic like 'enrolment.requests.%' and h.next > coalesce(p.off, 0)"
        )
        return not behind and not await house.db.quick.fetchval("select count(*) from log.call")

    await eventually(look, "intake to have read everything")


async def test_a_request_from_a_topic_is_taken(listening_house: House) -> None:
    house = listening_house
    await produce(house, "hoaban", EnrolUnit(request="erp-1", fields=fields(1), actor="erp"))
    await taken(house, 1)

    (told,) = await house.requested()
    assert (told.request, told.form.unit_code, told.actor) == ("erp-1", "TA0001Z", "erp")
    (event,) = await house.events()
    assert event.tenant == "hoaban"
    assert await refusals(house) == []


async def test_a_request_sent_twice_is_one_request(listening_house: House) -> None:
    house = listening_house
    ask = EnrolUnit(request="erp-1", fields=fields(1))
    await produce(house, "hoaban", ask, ask)
    await taken(house, 1)
    await produce(house, "hoaban", ask)
    await idle(house)

    assert len(await house.requested()) == 1
    assert await refusals(house) == []
    assert await house.db.quick.fetchval("select count(*) from intake.request") == 1


async def test_wrong_fields_are_answered_with_column_and_cure(listening_house: House) -> None:
    house = listening_house
    wrong = EnrolUnit(request="erp-1", fields=fields(1, tax_code="9001234567", phone="12"))
    nobody = EnrolUnit(request="erp-2", fields=fields(2, email="ai@khac.example"))
    await produce(house, "hoaban", wrong, nobody, EnrolUnit(request="erp-3", fields=fields(3)))
    found = {fact.request: fact.errors for fact in await answered(house, 2)}

    assert [error.split(":")[0] for error in found["erp-1"]] == ["Mã số thuế", "Điện thoại"]
    assert "hoso mailbox add" in found["erp-2"][0]
    await taken(house, 1)
    assert [fact.request for fact in await house.requested()] == ["erp-3"]
    await produce(house, "hoaban", EnrolUnit(request="erp-1", fields=fields(1)))
    await taken(house, 2)


async def test_a_key_used_for_other_data_and_a_unit_already_enrolled_are_answered(listening_house: House) -> None:
    house = listening_house
    await produce(house, "hoaban", EnrolUnit(request="erp-1", fields=fields(1)))
    await taken(house, 1)
    await produce(house, "hoaban", EnrolUnit(request="erp-1", fields=fields(1, phone="0987654321")))
    (reused,) = await answered(house, 1)
    assert "erp-1" in reused.errors[0]
    (first,) = await house.requested()
    await house.progress(str(first.enrolment), Stage.ENROLLED, filed=True)
    await produce(house, "hoaban", EnrolUnit(request="erp-2", fields=fields(1)))

    last = (await answered(house, 2))[-1]
    assert (last.request, last.enrolment) == ("erp-2", first.enrolment)
    assert str(first.enrolment) in last.errors[0]


async def test_many_wrong_fields_of_the_greatest_length_still_fit_the_log(listening_house: House) -> None:
    house = listening_house
    long = dict.fromkeys(fields(), "ệ" * 499) | {f"lạ {n}": "ệ" * 10 for n in range(100)}
    await produce(house, "hoaban", EnrolUnit(request="erp-1", fields=long))
    (found,) = await answered(house, 1)

    assert len(found.errors) >= 5


async def test_a_tenant_added_later_is_read_without_a_restart(listening_house: House) -> None:
    house = listening_house
    await produce(house, "hoaban", EnrolUnit(request="erp-1", fields=fields(1)))
    await taken(house, 1)
    await house.add_tenant("thuan-an", "bhxh@thuanan.example")
    await produce(house, "thuan-an", EnrolUnit(request="erp-1", fields=fields(2, email="bhxh@thuanan.example")))
    await taken(house, 2)

    assert {event.tenant for event in await house.events()} == {"hoaban", "thuan-an"}


async def test_requests_by_topic_and_by_sheet_meet_at_the_same_desk(listening_house: House) -> None:
    house = listening_house
    await produce(house, "hoaban", *(EnrolUnit(request=f"erp-{n}", fields=fields(n)) for n in range(40)))
    found = await house.door().enrolled(sheet([line(n) for n in range(40)]))
    await idle(house)

    assert len(await house.requested()) == 40
    assert len({row["enrolment"] for row in found["page"]}) == 40


async def test_the_request_of_one_tenant_means_nothing_to_another(listening_house: House) -> None:
    house = listening_house
    await produce(house, "hoaban", EnrolUnit(request="erp-1", fields=fields(1)))
    await produce(house, "lienminh", EnrolUnit(request="erp-1", fields=fields(2, email=OTHER_EMAIL)))
    await taken(house, 2)

    told = {event.tenant: event.data.form.unit_code for event in await house.events()}
    assert told == {"hoaban": "TA0001Z", "lienminh": "TA0002Z"}


async def test_the_tenant_is_the_topics_never_the_payloads(listening_house: House) -> None:
    house, subject = listening_house, uuid4()
    event = as_sent(EnrolUnit(request="erp-1", fields=fields(1, email=OTHER_EMAIL)), "lienminh", subject)
    await produce_raw(house, "hoaban", encode(event), subject)
    await idle(house)

    assert [event.tenant for event in await house.events()] == []
    (refused,) = await refusals(house)
    assert "hoso mailbox add" in refused.errors[0]


@pytest.mark.parametrize(
    "spoilt", [{"fields": {"name": "x" * 501}}, {"fields": {"name": 1}}, {"fields": None}, {"request": ""}]
)
async def test_a_request_that_does_not_fit_its_schema_is_answered(
    listening_house: House, spoilt: dict[str, Any]
) -> None:
    house, subject = listening_house, uuid4()
    event = as_sent(EnrolUnit(request="erp-1", fields=fields(1)), "hoaban", subject).model_dump(mode="json")
    event["data"] |= spoilt
    await produce_raw(house, "hoaban", json.dumps(event).encode(), subject)
    await idle(house)
    assert await house.db.quick.fetchval("select count(*) from log.held") == 0
    assert len(await refusals(house)) == 1


async def test_a_broken_request_stops_nobody_else(listening_house: House) -> None:
    house, subject = listening_house, uuid4()
    await produce_raw(house, "hoaban", b"{", subject)
    await produce(house, "hoaban", EnrolUnit(request="erp-1", fields=fields(1)))
    await produce(house, "lienminh", EnrolUnit(request="erp-1", fields=fields(2, email=OTHER_EMAIL)))
    await taken(house, 2)

    assert await house.db.quick.fetchval("select count(*) from log.held") == 0
    assert await house.db.quick.fetchval("select count(*) from log.dead where body = $1", b"{") == 1


async def test_no_event_larger_than_the_log_takes(listening_house: House) -> None:
    """65,536 bytes is the most: the table itself refuses more, and a request of just less is handled."""
    house, subject = listening_house, uuid4()
    event = as_sent(EnrolUnit(request="erp-1", fields=fields(1)), "hoaban", subject).model_dump(mode="json")
    event["data"]["remarks"] = "x" * 63_000
    await produce_raw(house, "hoaban", json.dumps(event, ensure_ascii=False).encode(), subject)
    await taken(house, 1)
    event["data"]["remarks"] = "x" * 66_000
    with pytest.raises(asyncpg.CheckViolationError):
        await produce_raw(house, "hoaban", json.dumps(event).encode(), subject)

"""Single requests over HTTP: answered once, whatever is repeated, amended or asked by somebody else."""

from __future__ import annotations

import asyncio
import json
import unicodedata
from uuid import uuid4

import pytest

from schemas.envelope import decode
from schemas.events import EnrolmentProgressed
from schemas.units import Stage
from tests.integration.intake.house import FIELDS, OTHER_EMAIL, Answer, House, fields
from tests.support.waiting import eventually


async def test_a_request_is_taken_and_the_log_hears_of_it(house: House) -> None:
    answer = await house.door().enrol("a", fields())

    assert answer.status == 202
    assert answer.headers["Location"] == f"/v1/enrolments/{answer.json['enrolment']}"
    (told,) = await house.requested()
    assert str(told.enrolment) == answer.json["enrolment"]
    assert (told.request, told.form.unit_code, told.form.province, told.actor) == ("a", "TA0001Z", "01", "key:erp")
    assert (told.contact, told.foreign) == (FIELDS["email"], False)
    seen = await house.door().get(answer.headers["Location"])
    assert (seen.json["stage"], seen.json["filed"]) == ("requested", False)


async def test_the_same_key_again_is_the_same_request(house: House) -> None:
    door = house.door()
    first = await door.enrol("a", fields())
    again = await door.enrol("a", {**fields(), "phone": "+84 912 345 678"})  # the same data, typed another way

    assert again.json["enrolment"] == first.json["enrolment"]
    assert again.json["outcome"] == "accepted"
    assert len(await house.requested()) == 1


async def test_the_same_key_for_other_data_is_refused(house: House) -> None:
    door = house.door()
    await door.enrol("a", fields())
    other = await door.enrol("a", fields(phone="0987654321"))

    assert (other.status, other.problem) == (422, "idempotency-key-reused")
    assert len(await house.requested()) == 1


async def test_the_same_key_of_two_tenants_is_two_requests(house: House) -> None:
    ours = await house.door().enrol("a", fields(1))
    theirs = await house.door("lienminh").enrol("a", fields(2, email=OTHER_EMAIL))

    assert (ours.status, theirs.status) == (202, 202)
    assert ours.json["enrolment"] != theirs.json["enrolment"]


async def test_a_key_in_flight_is_answered_409_and_the_first_goes_on(house: House) -> None:
    door = house.door()
    async with house.db.pool.acquire() as other:
        begun = other.transaction()
        await begun.start()
        await other.execute(
            "insert into intake.request(tenant, request, fingerprint, at) values ('hoaban', 'a', 'x', now())"
        )
        first = asyncio.create_task(door.enrol("a", fields()))

        async def waits() -> bool:
            asked = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
            return bool(await house.db.quick.fetchval(asked))

        await eventually(waits, "the first request to be deciding")
        second = await door.enrol("a", fields())
        await begun.rollback()
    assert (second.status, second.problem) == (409, "idempotency-key-in-flight")
    assert (await first).status == 202


@pytest.mark.parametrize("key", ["", "a" * 201, "khoá"])
async def test_a_missing_or_strange_key_is_refused(house: House, key: str) -> None:
    answer = await house.door().enrol(key, fields())

    assert (answer.status, answer.problem) == (400, "idempotency-key-missing")


async def test_other_data_before_filing_amends_and_keeps_the_enrolment(house: House) -> None:
    door = house.door()
    first = await door.enrol("a", fields())
    amended = await door.enrol("b", fields(phone="0987654321"))

    assert (amended.status, amended.json["outcome"]) == (202, "amended")
    assert amended.json["enrolment"] == first.json["enrolment"]
    assert [fact.form.phone for fact in await house.requested()] == ["0912345678", "0987654321"]


async def test_the_same_data_under_another_key_is_already_open(house: House) -> None:
    door = house.door()
    first = await door.enrol("a", fields())
    again = await door.enrol("b", fields())

    assert (again.status, again.json["outcome"]) == (200, "already-open")
    assert again.json["enrolment"] == first.json["enrolment"]
    assert first.json["enrolment"] in again.json["notes"][0]["message"]
    assert len(await house.requested()) == 1


async def test_other_data_after_filing_is_refused_and_names_the_enrolment(listening_house: House) -> None:
    door = listening_house.door()
    first = (await door.enrol("a", fields())).json["enrolment"]
    await listening_house.progress(first, Stage.FILED, filed=True, number="00001/2026/00101")
    late = await door.enrol("b", fields(phone="0987654321"))

    assert (late.status, late.problem) == (409, "already-filed")
    assert late.json["enrolment"] == first
    (error,) = late.json["errors"]
    assert error["column"] == "unit_code"
    assert first in error["message"]
    assert "hoso enrolment cancel" in error["cure"]
    assert (await door.get(f"/v1/enrolments/{first}")).json["number"] == "00001/2026/00101"
    assert len(await listening_house.requested()) == 1
    freed = await door.enrol("b", fields(phone="0987654321"))
    assert freed.status == 409, "a refused request leaves its key free, and the answer is still no"


async def test_a_unit_that_is_enrolled_says_so_and_names_it(listening_house: House) -> None:
    door = listening_house.door()
    first = (await door.enrol("a", fields())).json["enrolment"]
    await listening_house.progress(first, Stage.ENROLLED, filed=True, employees=12)
    again = await door.enrol("b", fields())

    assert (again.status, again.json["outcome"], again.json["enrolment"]) == (200, "already-enrolled", first)
    assert first in again.json["notes"][0]["message"]
    assert (await door.get(f"/v1/enrolments/{first}")).json["employees"] == 12


async def test_other_data_of_an_enrolled_unit_go_to_the_log(listening_house: House) -> None:
    """A change dossier may tell the agency; whether it can, the enrolment service decides, and its refusal is taken back here."""
    house, door = listening_house, listening_house.door()
    first = (await door.enrol("a", fields())).json["enrolment"]
    await house.progress(first, Stage.ENROLLED, filed=True)
    changed = await door.enrol("b", fields(phone="0987654321"))
    assert (changed.status, changed.json["outcome"], changed.json["enrolment"]) == (202, "amended", first)
    told = await house.requested()
    assert [(str(fact.enrolment), fact.request, fact.form.phone) for fact in told] == [
        (first, "a", "0912345678"), (first, "b", "0987654321"),
    ]  # fmt: skip
    unit = await house.db.pool.fetchval("select unit from intake.enrolment where enrolment = $1::text::uuid", first)
    refused = {"enrolment": first, "request": "b", "stage": Stage.REFUSED_REQUEST, "message": "Đã đăng ký."}
    await house.say(EnrolmentProgressed.model_validate(refused), unit)

    async def taken_back() -> bool:
        return (await door.enrol("b", fields(phone="0987654321"))).status == 409

    await eventually(taken_back, "the refusal")
    assert (await door.enrol("c", fields())).json["outcome"] == "already-enrolled", "the first data stand again"


async def test_who_holds_a_code_shows_in_no_answer(house: House) -> None:
    """The same status, words and shape for a code that is free and for one that another tenant holds."""
    await house.door().enrol("a", fields(1))
    theirs = house.door("lienminh")
    held = await theirs.enrol("a", fields(1, email=OTHER_EMAIL))
    free = await theirs.enrol("b", fields(2, email=OTHER_EMAIL))

    def shape(answer: Answer) -> tuple[int, str]:
        return answer.status, answer.body.decode().replace(answer.json["enrolment"], "…")

    assert shape(held) == shape(free)
    looks = [(await theirs.get(f"/v1/enrolments/{one.json['enrolment']}")).json for one in (held, free)]
    differing = {key for key in looks[0] if looks[0][key] != looks[1][key]}
    assert differing <= {"enrolment", "unit", "row_key", "opened_at", "at"}


async def test_a_cancelled_unit_may_be_requested_again(listening_house: House) -> None:
    door = listening_house.door()
    first = (await door.enrol("a", fields())).json["enrolment"]
    await listening_house.progress(first, Stage.CANCELLED)
    again = await door.enrol("b", fields())

    assert (again.status, again.json["outcome"]) == (202, "accepted")
    assert again.json["enrolment"] != first


async def test_a_cancelled_unit_requested_twice_at_the_same_moment_is_enrolled_once(listening_house: House) -> None:
    """Both wait for the row of the cancelled enrolment; the second must see what the first has made of it."""
    house, door = listening_house, listening_house.door()
    first = (await door.enrol("a", fields())).json["enrolment"]
    await house.progress(first, Stage.CANCELLED)
    async with house.db.pool.acquire() as tx:
        begun = tx.transaction()
        await begun.start()
        await tx.execute("select 1 from intake.enrolment for update")
        asked = [asyncio.create_task(door.enrol("b", fields()))]
        async with house.beside() as second:
            asked.append(asyncio.create_task(second.door().enrol("c", fields(phone="0987654321"))))

            async def both_wait() -> bool:
                return (
                    await house.db.quick.fetchval(
                        "select count(*) from pg_stat_activity "
                        "where wait_event_type = 'Lock' and datname = current_database()"
                    )
                    == 2
                )

            await eventually(both_wait, "both requests to wait for the unit")
            await begun.rollback()
            answers = await asyncio.gather(*asked)
    assert sorted(answer.json["outcome"] for answer in answers) == ["accepted", "amended"]
    assert len({answer.json["enrolment"] for answer in answers}) == 1


async def test_a_unit_code_held_by_another_tenant_is_taken_in_like_any_other(house: House) -> None:
    """Whoever asks for a code learns nothing of its holder: same status and words, no note, an enrolment of his own."""
    ours = await house.door().enrol("a", fields(1))
    theirs = await house.door("lienminh").enrol("b", fields(1, email=OTHER_EMAIL))
    plain = await house.door("lienminh").enrol("c", fields(2, email=OTHER_EMAIL))

    assert (theirs.status, theirs.json["outcome"], theirs.json["notes"]) == (202, "accepted", [])
    assert theirs.json.keys() == plain.json.keys()
    assert theirs.json["enrolment"] != ours.json["enrolment"]
    seen = await house.door("lienminh").get(f"/v1/enrolments/{theirs.json['enrolment']}")
    assert ours.json["enrolment"] not in json.dumps(seen.json)
    assert [fact.foreign for fact in await house.requested()] == [False, True, False]
    subjects = {event.subject for event in await house.events()}
    assert len(subjects) == 3


async def test_one_tenant_sees_nothing_of_another(house: House) -> None:
    enrolment = (await house.door().enrol("a", fields())).json["enrolment"]
    theirs = house.door("lienminh")
    missing = await theirs.get(f"/v1/enrolments/{uuid4()}")
    found = await theirs.get(f"/v1/enrolments/{enrolment}")

    assert (found.status, found.body) == (404, missing.body)
    assert found.problem == "not-found"
    assert (await theirs.get("/v1/enrolments")).json["enrolments"] == []
    assert len((await house.door().get("/v1/enrolments")).json["enrolments"]) == 1


async def test_without_a_key_or_with_a_revoked_one_nothing_is_told(house: House) -> None:
    token = await house.set_up.add_key("hoaban", "old", ["submit"], "test")
    assert (await house.door(token=token).enrol("a", fields())).status == 202
    await house.set_up.remove_key(token.split("_")[1], "test")
    for wrong in (token, "", "hoso_000000000000_x", "nonsense"):
        answer = await house.door(token=wrong).enrol("b", fields(2))
        assert (answer.status, answer.problem) == (401, "unauthorized")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert len(await house.requested()) == 1


async def test_a_key_without_the_scope_may_not(house: House) -> None:
    reads = house.door(token=await house.set_up.add_key("hoaban", "bi", ["read"], "test"))
    sends = house.door(token=await house.set_up.add_key("hoaban", "in", ["submit"], "test"))

    assert (await reads.enrol("a", fields())).problem == "forbidden"
    assert (await reads.get("/v1/enrolments")).status == 200
    assert (await sends.get("/v1/enrolments")).problem == "forbidden"


async def test_each_wrong_field_has_its_column_and_its_cure(house: House) -> None:
    answer = await house.door().enrol("a", fields(tax_code="9001234567", email="khong", phone="12", name=""))

    assert (answer.status, answer.problem) == (422, "invalid-fields")
    assert [error["column"] for error in answer.json["errors"]] == ["name", "tax_code", "email", "phone"]
    assert all(error["message"] and error["cure"] for error in answer.json["errors"])
    assert await house.requested() == []
    assert (await house.door().enrol("a", fields())).status == 202, "the key is free for the mended request"


async def test_an_address_nobody_reads_is_refused_and_the_key_stays_free(house: House) -> None:
    door = house.door()
    answer = await door.enrol("a", fields(email="ai@khac.example"))
    assert (answer.status, answer.problem, answer.json["errors"][0]["column"]) == (422, "mailbox-unknown", "email")
    theirs = await door.enrol("a", fields(email=OTHER_EMAIL))
    assert theirs.problem == "mailbox-unknown", "another tenant's mailbox is nobody's"
    named = await door.enrol("a", fields(profile="không có"))
    assert (named.problem, named.json["errors"][0]["column"]) == ("profile-unknown", "profile")
    assert (await door.enrol("a", fields())).status == 202


async def test_decomposed_text_is_the_same_text(house: House) -> None:
    door = house.door()
    first = await door.enrol("a", {k: unicodedata.normalize("NFD", v) for k, v in fields().items()})
    again = await door.enrol("b", fields())

    assert again.json["outcome"] == "already-open"
    assert again.json["enrolment"] == first.json["enrolment"]
    (told,) = await house.requested()
    assert told.form.name == FIELDS["name"]


async def test_fifty_at_once_are_taken_in_few_transactions(house: House) -> None:
    door = house.door()
    answers = await asyncio.gather(*(door.enrol(f"k{n}", fields(n)) for n in range(50)))

    assert {answer.status for answer in answers} == {202}
    assert len(await house.requested()) == 50
    commits = await house.db.pool.fetchval("select count(distinct xmin::text) from intake.enrolment")
    assert 1 <= commits <= 12, f"50 requests took {commits} transactions"


async def test_one_that_cannot_be_taken_does_not_spoil_those_beside_it(house: House) -> None:
    """Gathered with a request the database refuses, the others are taken all the same."""
    await house.db.pool.execute("alter table intake.enrolment add constraint odd check (row_key <> 'TA0007Z')")
    door = house.door()
    answers = await asyncio.gather(*(door.enrol(f"k{n}", fields(n)) for n in range(12)))

    assert [answer.status for answer in answers] == [202] * 7 + [500] + [202] * 4
    assert answers[7].problem == "internal"
    assert len(await house.requested()) == 11


async def test_units_without_a_code_go_by_the_branch_id(house: House) -> None:
    door = house.door()
    first = await door.enrol("a", {**FIELDS, "branch_id": "CN-01"})
    again = await door.enrol("b", {**FIELDS, "branch_id": "CN-01"})
    theirs = await house.door("lienminh").enrol("c", {**FIELDS, "branch_id": "CN-01", "email": OTHER_EMAIL})

    assert again.json["enrolment"] == first.json["enrolment"]
    assert theirs.json["enrolment"] != first.json["enrolment"]
    assert [fact.foreign for fact in await house.requested()] == [False, False], "branch ids are each tenant's own"


async def test_what_the_decisions_refuse_comes_back_under_the_same_key(listening_house: House) -> None:
    house, door = listening_house, listening_house.door()
    first = (await door.enrol("a", fields())).json["enrolment"]
    await door.enrol("b", fields(phone="0987654321"))
    row = await house.db.pool.fetchrow("select unit, enrolment from intake.enrolment")
    told = {"enrolment": first, "request": "b", "stage": Stage.REFUSED_REQUEST, "message": "Đã nộp rồi."}
    await house.say(EnrolmentProgressed.model_validate(told), row["unit"])

    async def known() -> bool:
        return (await door.enrol("b", fields(phone="0987654321"))).status == 409

    await eventually(known, "the refusal to come back")
    late = await door.enrol("b", fields(phone="0987654321"))
    assert (late.problem, late.json["detail"]) == ("later-refused", "Sửa theo lý do trên rồi gửi lại với khoá mới.")
    assert late.json["title"] == "Đã nộp rồi."
    again = await door.enrol("c", fields())
    assert again.json["outcome"] == "already-open", "the first request's data stand again"


async def test_a_unit_without_a_signing_profile_is_heard_of(house: House) -> None:
    """A person is asked for the profile: for that the event has to be readable."""
    taken = await house.door().enrol("a", fields(tax_code="0100109106"))
    assert taken.status == 202
    found = await house.db.pool.fetchrow(
        "delete from log.event where topic = 'enrolment.requested' returning type, body"
    )
    await house.db.pool.execute("delete from intake.enrolment")
    assert decode(found["type"], found["body"]).data.profile is None

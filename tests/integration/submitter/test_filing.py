"""The ledger on a real database: written with the call, changed with the outcome, never by who came late."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from hoso.runtime.failures import Invalid, OutcomeUnknown, Transient
from hoso.runtime.ids import uuid7
from hoso.store.vault import Erased
from schemas.events import (
    ActivationAnswered,
    DossierDecided,
    DossierReceived,
    FilingUncertain,
    MailExpected,
    MailNumbered,
    RosterFailed,
    RosterFetched,
)
from services.submitter.gateway import Receipt, RosterPage
from services.submitter.handlers import key_of
from services.submitter.service import Bounds
from tests.integration.submitter.stage import QUICK, Agency, Stage
from tests.support.waiting import eventually
from tests.unit.submitter import world

DUPLICATE = Receipt("refused", "GD1", code="SIM010", text="Hồ sơ trùng")


async def test_ledger_announcement_and_call_are_one_transaction(stage: Stage, agency: Agency) -> None:
    """Before anything leaves the house: the row, the mail that may come, and the call stand together or not at all."""
    agency.gate = asyncio.Event()
    ask = await stage.filing()
    await stage.say(ask)

    async def asked() -> bool:
        return bool(agency.filed)

    await eventually(asked, "the agency to be asked")
    (row,) = await stage.ledger()
    assert (row["state"], row["key"], row["sha256"], row["document"]) == (
        "asked",
        key_of(ask),
        ask.sha256,
        ask.document,
    )
    wrote = await stage.db.quick.fetch(
        "select xmin::text from log.asked where name = $1 "
        "union all select xmin::text from log.event where topic = 'mail.expected' "
        "union all select xmin::text from submitter.filing",
        key_of(ask),
    )
    assert [one["xmin"] for one in wrote] == [row["xmin"]] * 3
    (expected,) = await stage.told("mail.expected")
    assert isinstance(expected, MailExpected)
    assert expected.dossier == ask.dossier
    open_ = "select count(*) from pg_stat_activity where datname = current_database() and state like 'idle in tr%'"
    assert await stage.db.quick.fetchval(open_) == 0, "no transaction is open while the agency is asked"


async def test_a_call_that_cannot_be_written_leaves_no_row(stage: Stage, agency: Agency) -> None:
    ask, other = await stage.filing(), await stage.filing()
    await stage.db.pool.execute(f"alter table log.asked add constraint odd check (name <> '{key_of(ask)}')")
    await stage.say(ask)
    await stage.say(other)
    await stage.answered()

    assert [row["dossier"] for row in await stage.ledger()] == [other.dossier]
    assert [key for _, key, _ in agency.filed] == [key_of(other)]
    assert await stage.db.quick.fetchval("select count(*) from log.held") == 1


async def test_the_same_attempt_asked_for_twice_is_filed_once(stage: Stage, agency: Agency) -> None:
    ask = await stage.filing()
    unit = await stage.say(ask, ask)
    await stage.answered()
    await stage.say(ask, unit=unit)
    await stage.say(await stage.filing())
    await stage.answered(2)

    assert len(await stage.ledger()) == 2
    assert [key for _, key, _ in agency.filed].count(key_of(ask)) == 1


async def test_try_state_and_answer_are_one_transaction(stage: Stage) -> None:
    await stage.say(await stage.filing())
    (received,) = await stage.answered()

    assert isinstance(received, DossierReceived)
    (row,), tries = await stage.ledger(), await stage.tries()
    assert (row["state"], row["transaction"], row["number"]) == ("received", "GD1", None)
    assert [(one["outcome"], one["try"], one["unsure"]) for one in tries] == [("ended", 1, False)]
    told = await stage.db.quick.fetchval("select xmin::text from log.event where topic = 'agency.replied'")
    assert {row["xmin"], tries[0]["xmin"]} == {told}


async def test_a_lost_outcome_changes_nothing(stage: Stage, agency: Agency) -> None:
    """The call was given to another while this one was asking: its answer is noted, and nothing follows from it."""
    agency.gate = asyncio.Event()
    await stage.say(await stage.filing())

    async def asked() -> bool:
        return bool(agency.filed)

    await eventually(asked, "the agency to be asked")
    another = uuid7()
    await stage.db.pool.execute(
        "insert into log.member(id, grp, host, pid) values ($1, 'hoso.submitter', 'elsewhere', 1)", another
    )
    await stage.db.pool.execute(
        "update log.call set owner = $1, claim = claim + 1 where lane = 'agency.submit'", another
    )
    agency.gate.set()

    async def noted() -> bool:
        return await stage.outcomes() == ["lost"]

    await eventually(noted, "the lost outcome to be noted")
    (row,) = await stage.ledger()
    assert (row["state"], row["transaction"]) == ("asked", None)
    assert await stage.told() == []
    assert await stage.db.quick.fetchval("select owner from log.call where lane = 'agency.submit'") == another


async def test_a_lost_reply_is_looked_up_and_the_filing_goes_on(stage: Stage, agency: Agency) -> None:
    agency.answers = [OutcomeUnknown("reset")]
    agency.found = [Receipt("received", "GD7", "00007")]
    ask = await stage.filing()
    await stage.say(ask)
    (received,) = await stage.answered()

    assert isinstance(received, DossierReceived)
    assert received.transaction == "GD7"
    assert [fact.number for fact in await stage.told("mail.expected") if isinstance(fact, MailNumbered)] == ["00007"]
    (row,) = await stage.ledger()
    assert (row["state"], row["transaction"], row["number"]) == ("received", "GD7", "00007")
    assert await stage.outcomes() == ["unknown", "ended"]
    assert len(agency.filed) == 1
    assert [key for _, key in agency.looked] == [key_of(ask)]


async def test_a_doubt_is_in_the_ledger_while_it_lasts(stage: Stage, agency: Agency) -> None:
    agency.answers, agency.found = [OutcomeUnknown("reset")], Transient("429", timedelta(seconds=30))
    await stage.say(await stage.filing())

    async def doubted() -> bool:
        return [row["state"] for row in await stage.ledger()] == ["unknown"]

    await eventually(doubted, "the doubt in the ledger")
    assert await stage.told() == []


async def test_a_refused_duplicate_finds_the_earlier_receipt(stage: Stage, agency: Agency) -> None:
    agency.answers, agency.found = [DUPLICATE], [Receipt("accepted", "GD0", "00003", "00"), DUPLICATE]
    await stage.say(await stage.filing())
    received, decided = await stage.answered(2)

    assert isinstance(received, DossierReceived)
    assert isinstance(decided, DossierDecided)
    assert (received.transaction, decided.accepted) == ("GD0", True)
    (row,) = await stage.ledger()
    assert (row["state"], row["transaction"], row["number"], row["code"]) == ("accepted", "GD0", "00003", "00")
    assert len(agency.filed) == 1


async def test_only_duplicates_twice_and_a_person_decides(stage: Stage, agency: Agency) -> None:
    agency.answers, agency.found = [DUPLICATE], [DUPLICATE]
    await stage.say(await stage.filing())
    (uncertain,) = await stage.answered()

    assert isinstance(uncertain, FilingUncertain)
    assert uncertain.reached == "unknown"
    assert await stage.outcomes() == ["unknown", "inconclusive", "gave-up"]
    assert [row["state"] for row in await stage.ledger()] == ["uncertain"]
    assert len(agency.filed) == 1


async def test_absent_counts_only_after_the_deadline_and_the_bound(closed_stage: Stage, agency: Agency) -> None:
    agency.answers = [OutcomeUnknown("reset")]
    second = timedelta(seconds=1)
    async with closed_stage.open(Bounds(second, second, QUICK.keep_trying, QUICK.poll)) as stage:
        ask = await stage.filing()
        await stage.say(ask)
        (received,) = await stage.answered()

        assert isinstance(received, DossierReceived)
        outcomes = await stage.outcomes()
        assert outcomes[0] == "unknown"
        assert outcomes[-2:] == ["absent", "ended"]
        assert set(outcomes[1:-2]) <= {"absent-early"}
        assert [key for _, key, _ in agency.filed] == [key_of(ask)] * 2
        assert agency.at[1] >= agency.filed[0][2] + 1, "a second filing before the first one's deadline and bound"


async def test_not_processed_is_simply_tried_again_under_the_same_key(stage: Stage, agency: Agency) -> None:
    agency.answers = [Transient("429", timedelta(seconds=0.1)), Transient("refused"), Receipt("received", "GD1")]
    ask = await stage.filing()
    await stage.say(ask)
    await stage.answered()

    assert await stage.outcomes() == ["transient", "transient", "ended"]
    assert [key for _, key, _ in agency.filed] == [key_of(ask)] * 3
    assert agency.looked == []


async def test_what_never_reached_the_agency_is_given_up_as_never(closed_stage: Stage, agency: Agency) -> None:
    agency.receipt = Transient("refused")
    async with closed_stage.open(
        Bounds(QUICK.timeout, QUICK.transport_bound, timedelta(seconds=0.5), QUICK.poll)
    ) as stage:
        await stage.say(await stage.filing())
        (uncertain,) = await stage.answered()

        assert isinstance(uncertain, FilingUncertain)
        assert uncertain.reached == "never"
        assert [row["state"] for row in await stage.ledger()] == ["never"]


@pytest.mark.parametrize("how", ["invalid", "erased"])
async def test_what_can_never_be_filed_ends_at_once(stage: Stage, agency: Agency, how: str) -> None:
    ask = await stage.filing()
    if how == "erased":
        await stage.vault.erase(ask.enrolment, "evidence")
    agency.receipt = Invalid("the gateway answered 400: thiếu mã")
    await stage.say(ask)
    (uncertain,) = await stage.answered()

    assert isinstance(uncertain, FilingUncertain)
    assert uncertain.reached == "never"
    (row,) = await stage.ledger()
    assert (row["state"], row["text"]) == ("never", uncertain.text)
    assert await stage.outcomes() == ["gave-up"]


async def test_polling_ends_with_the_decision_in_the_ledger(stage: Stage, agency: Agency) -> None:
    agency.standing = {"GD1": Receipt("received", "GD1")}
    await stage.say(await stage.filing())
    await stage.answered()

    async def polled() -> bool:
        return len(agency.asked) >= 3

    await eventually(polled, "three questions")
    agency.standing = {"GD1": Receipt("refused", "GD1", "00009", "CE007", "Đã đăng ký với I-VAN khác")}
    _, decided = await stage.answered(2)

    assert isinstance(decided, DossierDecided)
    assert (decided.accepted, decided.code, decided.number) == (False, "CE007", "00009")
    (row,) = await stage.ledger()
    assert (row["state"], row["transaction"], row["number"], row["code"]) == ("refused", "GD1", "00009", "CE007")
    assert await stage.outcomes() == ["ended", "ended"], "waiting for an officer is no try"


async def test_attempts_of_one_unit_are_filed_in_order_and_others_beside_it(stage: Stage, agency: Agency) -> None:
    agency.gate = asyncio.Event()
    first = await stage.filing()
    second = first.model_copy(update={"attempt": 2})
    unit = await stage.say(first, second)
    await stage.say(await stage.filing())

    async def two() -> bool:
        return len(agency.filed) >= 2

    await eventually(two, "two filings in flight")
    assert key_of(second) not in [key for _, key, _ in agency.filed]
    agency.gate.set()
    await stage.answered(3)
    assert agency.filed[-1][1] == key_of(second)
    assert unit is not None


# --- activation and employees -------------------------------------------------------------------------------------


async def code_for(stage: Stage, **other: Any) -> Any:
    """A code that came by mail and lies in the vault."""
    enrolment = uuid7()
    ref = await stage.vault.put("hoaban", enrolment, "code", b"A1B2C3D4E5")
    expires = stage.kernel.clock.now() + timedelta(hours=1)
    return world.activation(**{"enrolment": enrolment, "code": ref, "expires_at": expires, **other})


@pytest.mark.parametrize(
    ("receipt", "outcome"),
    [(Receipt("accepted", "GD1", code="00"), "activated"), (Receipt("refused", "GD1", code="SIM013"), "wrong-code")],
)
async def test_a_code_is_given_once_answered_and_destroyed(
    stage: Stage, agency: Agency, receipt: Receipt, outcome: str
) -> None:
    agency.activation = receipt
    ask = await code_for(stage)
    await stage.say(ask)
    (answered,) = await stage.answered()
    await stage.at_rest()

    assert isinstance(answered, ActivationAnswered)
    assert answered.outcome == outcome
    assert [code for _, _, code, _ in agency.given] == ["A1B2C3D4E5"]
    with pytest.raises(Erased):
        await stage.vault.get(ask.code)


async def test_a_code_of_yesterday_is_destroyed_unsent(stage: Stage, agency: Agency) -> None:
    ask = await code_for(stage, expires_at=stage.kernel.clock.now() - timedelta(seconds=1))
    await stage.say(ask)
    (answered,) = await stage.answered()
    await stage.at_rest()

    assert isinstance(answered, ActivationAnswered)
    assert (answered.outcome, agency.given) == ("expired", [])
    with pytest.raises(Erased):
        await stage.vault.get(ask.code)


async def test_no_code_in_any_table_whatever_the_agency_says(stage: Stage, agency: Agency) -> None:
    agency.activation = Receipt("refused", "GD1", code="CE999", text="Mã A1B2C3D4E5 lạ")
    await stage.say(await code_for(stage))
    await stage.answered()
    await stage.at_rest()

    for table in ("log.event", "log.call", "log.dead", "log.held_event", "submitter.filing", "submitter.try"):
        rows = await stage.db.quick.fetch(f"select t::text as row from {table} t")
        shown = " ".join(row["row"] for row in rows)
        assert "A1B2C3D4E5" not in shown, table
        assert b"A1B2C3D4E5".hex() not in shown, table


async def test_employees_are_sealed_under_the_enrolment(stage: Stage, agency: Agency) -> None:
    agency.pages = [RosterPage(2, [{"id": "1", "ho_ten": "Hoa"}, {"id": "2", "ho_ten": "Lan"}])]
    ask = world.roster().model_copy(update={"enrolment": uuid7()})
    await stage.say(ask)
    (fetched,) = await stage.answered()

    assert isinstance(fetched, RosterFetched)
    assert fetched.employees == 2
    assert fetched.roster is not None
    assert [one["ho_ten"] for one in json.loads(await stage.vault.get(fetched.roster))] == ["Hoa", "Lan"]
    await stage.vault.erase(ask.enrolment, "personal")
    with pytest.raises(Erased):
        await stage.vault.get(fetched.roster)


async def test_employees_of_a_unit_that_is_not_activated(stage: Stage, agency: Agency) -> None:
    agency.pages = [Invalid("the gateway answered 403")]
    await stage.say(world.roster())
    (failed,) = await stage.answered()

    assert isinstance(failed, RosterFailed)

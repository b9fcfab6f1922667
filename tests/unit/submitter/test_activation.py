"""Giving a code: what the agency's answers mean, never after the code's end, and no code in anything that is told."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from hoso.domain.rejections import rejections
from hoso.runtime.clock import boottime
from hoso.runtime.failures import Invalid, OutcomeUnknown, Transient
from schemas.events import ActivationAnswered
from services.submitter.activation import ActivateUnit, SpendCode
from services.submitter.asks import CodeSpent
from services.submitter.gateway import Capabilities, Receipt
from tests.unit.submitter.world import CODE, NOW, SECRET, AgencyByHand, VaultByHand, activation, attempt, called, told


def performer(agency: AgencyByHand, vault: VaultByHand | None = None, now: datetime = NOW) -> ActivateUnit:
    return ActivateUnit(agency, vault or VaultByHand(), rejections(), lambda: now)


def answer(steps: object) -> ActivationAnswered:
    (fact,) = told(steps)
    assert isinstance(fact, ActivationAnswered)
    return fact


async def test_the_code_out_of_the_vault_is_given_for_its_transaction() -> None:
    agency, this = AgencyByHand(), attempt()
    steps = await performer(agency).perform(activation(), this)

    ((transaction, unit_code, code, deadline),) = agency.given
    assert (transaction, unit_code, code, deadline) == ("GD1", "TZ0001Z", SECRET, this.deadline)
    assert (answer(steps).outcome, answer(steps).go) == ("activated", 1)


@pytest.mark.parametrize(
    ("code", "text", "outcome"),
    [
        ("SIM013", "", "wrong-code"),
        ("SIM014", "", "expired"),
        ("SIM016", "", "activated"),
        ("SIM015", "bị khóa", "refused"),
        ("CE999", "gì đó", "refused"),
        ("", "", "refused"),
    ],
)
async def test_what_a_refusal_means(code: str, text: str, outcome: str) -> None:
    agency = AgencyByHand(activation=Receipt("refused", "GD1", code=code, text=text))
    told_ = answer(await performer(agency).perform(activation(), attempt()))

    assert (told_.outcome, told_.code, told_.text) == (outcome, code, text)


async def test_where_no_gateway_can_activate_the_code_is_kept_for_a_person() -> None:
    agency, vault = AgencyByHand(able=Capabilities(activation=False)), VaultByHand()
    steps = await performer(agency, vault).perform(activation(), attempt())

    assert (answer(steps).outcome, agency.given, called(steps)) == ("unsupported", [], {})
    assert vault.items[CODE] == SECRET.encode()


async def test_what_has_ended_is_destroyed_also_where_no_gateway_can_activate() -> None:
    ask = activation()
    steps = await performer(AgencyByHand(able=Capabilities(activation=False)), now=ask.expires_at).perform(
        ask, attempt()
    )

    assert answer(steps).outcome == "expired"
    assert set(called(steps)) == {"vault.spend"}


async def test_a_first_time_dossier_is_activated_without_a_unit_code() -> None:
    agency = AgencyByHand()
    steps = await performer(agency).perform(activation(kind="first_code", unit_code=""), attempt())

    assert agency.given[0][:2] == ("GD1", "")
    assert answer(steps).outcome == "activated"


async def test_a_busy_agency_is_asked_again() -> None:
    agency = AgencyByHand(activation=Receipt("refused", "GD1", code="SIM099", text="đang bận"))
    with pytest.raises(Transient, match="SIM099"):
        await performer(agency).perform(activation(), attempt())


@pytest.mark.parametrize("late", [timedelta(0), timedelta(microseconds=1), timedelta(days=3)])
async def test_after_its_24_hours_a_code_is_never_sent(late: timedelta) -> None:
    agency = AgencyByHand()
    ended = activation()
    steps = await performer(agency, now=ended.expires_at + late).perform(ended, attempt())

    assert agency.given == []
    assert answer(steps).outcome == "expired"


async def test_a_code_about_to_end_gets_no_more_time_than_it_has() -> None:
    agency, ask = AgencyByHand(), activation()
    await performer(agency, now=ask.expires_at - timedelta(seconds=2)).perform(ask, attempt(seconds=30))

    assert agency.given[0][3] <= boottime() + 2


async def test_a_code_that_was_erased_has_expired() -> None:
    agency = AgencyByHand()
    steps = await performer(agency, VaultByHand({})).perform(activation(), attempt())

    assert agency.given == []
    assert (answer(steps).outcome, answer(steps).text) == ("expired", "mã đã bị xóa khỏi kho")


async def test_while_the_vault_is_away_the_code_waits() -> None:
    agency = AgencyByHand()
    with pytest.raises(Transient):
        await performer(agency, VaultByHand(away=ConnectionRefusedError())).perform(activation(), attempt())
    assert agency.given == []


async def test_an_unknown_outcome_is_asked_about_and_the_code_is_not_given_twice() -> None:
    agency = AgencyByHand(activation=OutcomeUnknown("reset"), active=True)
    with pytest.raises(OutcomeUnknown):
        await performer(agency).perform(activation(), attempt())
    steps = await performer(agency).reconcile(activation(), attempt(unsure=True))

    assert steps is not None
    assert answer(steps).outcome == "activated"
    assert len(agency.given) == 1
    assert await performer(AgencyByHand(active=False)).reconcile(activation(), attempt(unsure=True)) is None


@pytest.mark.parametrize(("reached", "outcome"), [(True, "unknown"), (False, "refused")])
def test_giving_up_says_whether_it_may_have_taken_effect(reached: bool, outcome: str) -> None:
    told_ = answer(performer(AgencyByHand()).give_up(activation(), attempt(), reached, "không có trả lời"))

    assert (told_.outcome, told_.text) == (outcome, "không có trả lời")


async def test_every_end_destroys_the_code() -> None:
    made = performer(AgencyByHand())
    ends = [await made.perform(activation(), attempt()), made.give_up(activation(), attempt(), True, "")]
    ends.append(await performer(AgencyByHand(), VaultByHand({})).perform(activation(), attempt()))
    for steps in ends:
        spend = called(steps)["vault.spend"]
        assert (spend.name, spend.ask) == (f"spend:{CODE}:1", CodeSpent(code=CODE))


async def test_spending_twice_is_spending_once() -> None:
    vault = VaultByHand()
    spend = SpendCode(vault)
    for _ in range(2):
        assert await spend.perform(CodeSpent(code=CODE), attempt()) == []
        assert CODE not in vault.items
    assert await spend.reconcile(CodeSpent(code=CODE), attempt(unsure=True)) == []
    assert spend.give_up(CodeSpent(code=CODE), attempt(), True, "") == []


@pytest.mark.parametrize("code", ["SIM013", "SIM014", "CE999"])
async def test_an_agency_that_repeats_the_code_does_not_make_us_tell_it(code: str) -> None:
    agency = AgencyByHand(activation=Receipt("refused", "GD1", code=code, text=f"Mã {SECRET} không đúng"))
    steps = await performer(agency).perform(activation(), attempt())

    assert SECRET not in answer(steps).model_dump_json()
    assert "không đúng" in answer(steps).text
    busy = AgencyByHand(activation=Receipt("refused", "GD1", code="SIM099", text=f"{SECRET} chờ"))
    with pytest.raises(Transient) as failure:
        await performer(busy).perform(activation(), attempt())
    assert SECRET not in str(failure.value)


async def test_the_gateways_failures_are_the_kernels() -> None:
    for failure in (Transient("429"), Invalid("400")):
        with pytest.raises(type(failure)):
            await performer(AgencyByHand(activation=failure)).perform(activation(), attempt())

"""Requests that meet an enrolment, answers, cancellations: what people do, at any moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid5

import pytest

from hoso.domain.causes import CAUSES
from hoso.domain.states import New
from schemas import events as e
from schemas.units import Stage
from tests.support.stories import (
    BAD_SIGNATURE,
    BUSY,
    CE007,
    CE007_NAMING,
    DUPLICATE,
    ENROLMENT,
    OTHER,
    PROFILE,
    SPACE,
    STRANGE,
    Story,
    a_first_form,
    a_form,
)

ANOTHER = uuid5(SPACE, "another enrolment")


def busy(story: Story) -> Story:
    for _ in range(5):
        story.signed().refused(BUSY)
    return story


def silent(story: Story) -> Story:
    return story.filed().rings().filed().rings().filed().rings()


def expired(story: Story) -> Story:
    for name in ("1", "2", "3"):
        story.filed().code_mail(name).activation("expired")
    return story


def stopping() -> Story:
    return Story().requested().filed().refused(CE007_NAMING)


WAITING: dict[str, Callable[[], Story]] = {
    "unit-code-held": lambda: Story().requested(foreign=True),
    "no-unit-code": lambda: Story().requested(form=a_form(unit_code=None, branch_id="HUE-01")),
    "no-profile": lambda: Story().requested(profile=None),
    "signing": lambda: Story().requested().not_signed(),
    "certificate": lambda: Story().requested().filed().refused(BAD_SIGNATURE),
    "data": lambda: Story().requested().filed().refused(("SIM001", "")),
    "provider": lambda: Story().requested().filed().refused(CE007),
    "unknown-code": lambda: Story().requested().filed().refused(STRANGE),
    "still-held": lambda: stopping().filed().stop_mail().filed().refused(CE007_NAMING),
    "system-error": lambda: busy(Story().requested()),
    "filing-uncertain": lambda: Story().requested().signed().uncertain(),
    "transaction-missing": lambda: Story().requested().signed().code_mail().uncertain(),
    "duplicate": lambda: Story().requested().signed().refused(DUPLICATE),
    "filing-failed": lambda: Story().requested().signed().uncertain("never"),
    "stop-mail-missing": lambda: silent(stopping()),
    "stop-refused": lambda: stopping().filed().stop_mail(accepted=False),
    "activation-mail-missing": lambda: silent(Story().requested()),
    "code-expired": lambda: expired(Story().requested()),
    "wrong-code": lambda: Story().requested().filed().code_mail().activation("refused"),
    "activation-uncertain": lambda: Story().requested().filed().code_mail().activation("unknown"),
    "roster-failed": lambda: Story().requested().filed().code_mail().activation("activated").no_roster(),
    "earlier-filing": lambda: Story().requested().filed().cancelled().requested("batch:9", enrolment=ANOTHER),
}
"""How an enrolment comes to wait for a person, for every cause there is."""

UNDER_WAY: dict[str, Callable[[], Story]] = {
    "signing": lambda: Story().requested(),
    "filed": lambda: Story().requested().signed(),
    "awaiting-stop-mail": lambda: stopping().filed(),
    "awaiting-code": lambda: Story().requested().filed(),
    "activating": lambda: Story().requested().filed().code_mail(),
    "fetching": lambda: Story().requested().filed().code_mail().activation("activated"),
}


def first(province: str = "01", **other: Any) -> Story:
    return Story().requested(form=a_first_form(province=province), **other)


WAITING |= {
    "paper-form": lambda: first("46"),
    "paper-code": lambda: first("46").answered("sent", "post 2026-03-02"),
    "first-code-refused": lambda: first().turn().filed().released().unit_code_mail(None),
    "officer-late": lambda: first().turn().filed().released().rings_once().looked(),
    "change-refused": lambda: first().turn().filed().released().granted().filed().change_mail(accepted=False),
    "change-late": lambda: first().turn().filed().released().granted().filed().rings_once().looked(),
    "activate-by-hand": lambda: Story().requested().filed().code_mail().activation("unsupported"),
}
UNDER_WAY |= {
    "awaiting-turn": lambda: first(),
    "agency-review": lambda: first().turn().filed().released(),
    "noting-code": lambda: first().turn().filed().released().unit_code_mail("TZ0007Z"),
    "awaiting-result": lambda: first().turn().filed().released().granted().filed(),
}
NOTHING_FILED = ("signing", "awaiting-turn")


UNDER_WAY_FILED = [state for state in UNDER_WAY if state not in NOTHING_FILED]
BEGIN_ANEW = ("unit-code-held", "no-unit-code", "no-profile", "signing", "earlier-filing", "paper-form", "paper-code")
MENDED_BY_THE_ROW = ("data", "first-code-refused", "change-refused")
SETTLED = [cause for cause in WAITING if cause not in (*BEGIN_ANEW, *MENDED_BY_THE_ROW)]


def asked_about(cause: str) -> str:
    return f"waiting: {cause}"


EVERYWHERE = UNDER_WAY | {asked_about(cause): made for cause, made in WAITING.items()}

VALUES = {"unit-code": "TZ0009Z", "profile": str(PROFILE), "provider": "00060", "treatment": "fix-data"}
VALUES |= {"sent": "one-stop 2026-03-02", "accepted": "TZ0009Z", "refused": "thiếu giấy tờ"}

LEADS_TO = {
    "retry": {"signing", "fetching", "awaiting-turn"},
    "data": {"signing", "awaiting-turn", "waiting"},
    "address": {"signing"},
    "activation-code": {"activating"},
    "activated": {"fetching"},
    "treatment": {"waiting"},
    "sent": {"waiting"},
    "accepted": {"noting-code", "fetching"},
    "refused": {"waiting"},
    "continue": {"signing", "fetching", "enrolled", "agency-review", "awaiting-result"},
    "unit-code": {"signing"},
    "provider": {"signing"},
    "profile": {"signing"},
    "filed": {"awaiting-code", "awaiting-stop-mail", "activating"},
    "not-filed": {"signing"},
}


# --- answers ----------------------------------------------------------------------------------------------------


def test_every_cause_has_a_story() -> None:
    assert set(WAITING) == set(CAUSES)
    for cause, made in WAITING.items():
        story = made()
        assert (story.at, story.cause, story.stage) == ("waiting", cause, Stage.WAITING_FOR_PERSON)
        assert CAUSES[cause].cure in story.told_ever(e.EnrolmentProgressed)[-1].message
        assert story.timers["wait"].fact.name in ("decision", "paper", "code-expiry")


@pytest.mark.parametrize("cause", WAITING)
@pytest.mark.parametrize("answer", LEADS_TO)
def test_an_answer_moves_on_exactly_where_it_was_asked_for(cause: str, answer: str) -> None:
    story = WAITING[cause]().answered(answer, VALUES.get(answer))
    before = WAITING[cause]().cause
    if answer in CAUSES[cause].answers:
        assert story.at in LEADS_TO[answer]
        assert not story.only_noted()
        assert story.cause != before or (cause, answer) == ("paper-form", "data")  # printed again
        assert story.again().only_noted() or story.at == "waiting"  # a second press of the button does nothing
    else:
        assert story.only_noted()
        assert story.cause == cause


@pytest.mark.parametrize("state", UNDER_WAY)
def test_an_answer_to_nobodys_question_changes_nothing(state: str) -> None:
    story = UNDER_WAY[state]()
    for answer in LEADS_TO:
        assert story.answered(answer, VALUES.get(answer)).only_noted()
        assert story.at == state


# --- cancel -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cause", WAITING)
def test_whatever_a_person_is_asked_he_may_cancel(cause: str) -> None:
    story = WAITING[cause]().cancelled()
    assert (story.at, story.stage) == ("cancelled", Stage.CANCELLED)


@pytest.mark.parametrize("state", UNDER_WAY)
def test_an_enrolment_under_way_is_cancelled_and_what_comes_later_is_noted(state: str) -> None:
    story = UNDER_WAY[state]()
    assert story.at == state
    story.cancelled()
    assert (story.at, story.timers) == ("cancelled", {})
    before = len(story.filings)
    for late in (story.signed, story.received, story.accepted, story.uncertain, story.stop_mail, story.code_mail):
        assert late().only_noted()
    assert story.refused(CE007_NAMING).only_noted()
    assert story.roster().only_noted()
    assert story.cancelled().only_noted()
    assert len(story.filings) == before


def test_an_enrolled_unit_cannot_be_cancelled() -> None:
    story = Story().requested().filed().activated()
    assert story.cancelled().only_noted()
    assert story.at == "enrolled"


def test_after_a_cancellation_the_unit_may_be_requested_again() -> None:
    story = Story().requested().cancelled().requested("batch:9", enrolment=ANOTHER)
    assert (story.at, story.case.enrolment, story.case.filed) == ("signing", ANOTHER, False)


def test_a_cancelled_request_that_is_told_again_opens_nothing() -> None:
    story = Story().requested().cancelled().requested()
    assert story.at == "cancelled"
    assert list(story.last) == []


@pytest.mark.parametrize("filed", [Story.filed, lambda story: story.filed().code_mail()])
def test_what_was_filed_before_a_cancellation_is_asked_about_before_anything_is_filed_again(filed: Any) -> None:
    story = filed(Story().requested()).cancelled().requested("batch:9", enrolment=ANOTHER)
    assert (story.at, story.cause) == ("waiting", "earlier-filing")
    before = len(story.filings)
    story.requested("batch:10", form=a_form(phone="0912345678"), enrolment=ANOTHER)
    assert (story.at, story.cause, len(story.filings)) == ("waiting", "earlier-filing", before)
    story.cancelled().requested("batch:11", enrolment=ANOTHER)
    assert (story.at, story.cause) == ("waiting", "earlier-filing")
    story.answered("not-filed", None)
    assert story.at == "signing"


def test_an_amendment_that_meets_a_cancellation_opens_the_enrolment_without_using_a_dossier_twice() -> None:
    story = Story().requested()
    used = story.filing.dossier
    story.cancelled().requested("batch:2", form=a_form(phone="0912345678"))
    assert (story.at, story.case.enrolment) == ("signing", ENROLMENT)
    assert story.filing.dossier != used


# --- a request meets an enrolment -------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["signing", *map(asked_about, list(WAITING)[:4])])
def test_other_data_before_the_first_filing_change_the_enrolment(state: str) -> None:
    story = EVERYWHERE[state]()
    first = story.state
    story.requested("batch:2", form=a_form(phone="0912345678"), enrolment=ANOTHER)
    prepared = story.told(e.DossierPrepared)
    assert prepared.enrolment == ENROLMENT
    assert prepared.payload.unit_code == "TZ0001Z"
    assert story.case.form.phone == "0912345678"
    assert story.case.request == "batch:2"
    old = None if isinstance(first, New) else first.filing
    if old is not None:
        assert story.signed(dossier=old.dossier, attempt=old.attempt).only_noted()
    assert story.signed().filings == [("register", 1)]


@pytest.mark.parametrize("state", [*UNDER_WAY_FILED, *map(asked_about, SETTLED)])
def test_other_data_after_a_filing_are_refused_with_the_enrolments_name(state: str) -> None:
    story = EVERYWHERE[state]()
    before = story.state
    story.requested("batch:2", form=a_form(phone="0912345678"), enrolment=ANOTHER)
    said = story.told(e.EnrolmentProgressed)
    assert (said.stage, said.cause, said.request) == (Stage.REFUSED_REQUEST, "already-filed", "batch:2")
    assert said.enrolment == ENROLMENT
    assert str(ENROLMENT) in said.message
    assert story.state == before


@pytest.mark.parametrize("state", [*UNDER_WAY, *map(asked_about, ("no-profile", "system-error"))])
def test_the_same_data_under_another_key_are_refused(state: str) -> None:
    story = EVERYWHERE[state]()
    before, profile = story.state, story.case.profile
    form = story.heard[0][0].data.form
    story.requested("batch:2", enrolment=ANOTHER, profile=profile, form=form)
    assert story.told(e.EnrolmentProgressed).cause == "already-open"
    assert story.state == before


@pytest.mark.parametrize("state", [*UNDER_WAY, *map(asked_about, ("no-profile", "system-error"))])
def test_the_very_same_request_again_is_the_same_request(state: str) -> None:
    story = EVERYWHERE[state]()
    before = story.state
    story.requested()
    assert (list(story.last), story.state) == ([], before)


def test_a_request_that_was_replaced_does_not_come_back() -> None:
    story = Story().requested().requested("batch:2", form=a_form(phone="0912345678")).requested()
    assert list(story.last) == []
    assert story.case.form.phone == "0912345678"


@pytest.mark.parametrize("cause", MENDED_BY_THE_ROW)
def test_a_mended_row_is_the_answer_where_the_row_was_refused(cause: str) -> None:
    story = WAITING[cause]()
    refused, form = story.filing, story.case.form.model_copy(update={"address": "2 Lê Lợi"})
    story.requested("batch:2", form=form, enrolment=ANOTHER)
    assert story.at in ("signing", "awaiting-turn")
    assert story.filing.supersedes == refused.dossier != story.filing.dossier
    assert (story.case.enrolment, story.case.request) == (ENROLMENT, "batch:2")


def test_a_unit_already_enrolled_says_so() -> None:
    story = Story().requested().filed().activated()
    story.requested("batch:2", form=a_form(address="2 Lê Lợi"), enrolment=ANOTHER)
    said = story.told(e.EnrolmentProgressed)
    assert (said.stage, said.cause, said.enrolment) == (Stage.REFUSED_REQUEST, "already-enrolled", ENROLMENT)
    assert story.at == "enrolled"


def test_what_a_person_answered_is_not_forgotten_by_the_same_row() -> None:
    row = a_form(unit_code=None, branch_id="HUE-01")
    story = Story().requested(form=row, profile=None).answered("unit-code", "TZ0002Z")
    story.answered("profile", str(PROFILE))
    story.requested("batch:2", form=row, profile=None, enrolment=ANOTHER)
    assert story.told(e.EnrolmentProgressed).cause == "already-open"
    story.requested("batch:3", form=row.model_copy(update={"phone": "0912345678"}), profile=None)
    assert story.told(e.DossierPrepared).payload.unit_code == "TZ0002Z"


def test_a_profile_is_not_taken_over_to_another_tax_code() -> None:
    story = Story().requested().requested("batch:2", form=a_form(tax_code="0100109106"), profile=None)
    assert story.cause == "no-profile"


def test_an_amendment_may_name_a_provider_to_stop() -> None:
    story = Story().requested().requested("batch:2", form=a_form(current_provider=OTHER))
    assert story.told(e.DossierPrepared).kind == "stop"


# --- the wrong enrolment ----------------------------------------------------------------------------------------


def test_events_of_another_enrolment_change_nothing() -> None:
    story = Story().requested()
    other: dict[str, UUID] = {"enrolment": ANOTHER}
    assert story.signed(**other).only_noted()
    note = story.told(e.NoteTaken)
    assert (note.state, note.event, note.enrolment) == ("signing", e.DossierSigned.TYPE, ENROLMENT)
    assert note.event_id == story.heard[-1][0].id


def test_before_any_request_everything_is_noted_under_the_events_own_correlation() -> None:
    story = Story()
    story.hear(e.EnrolmentCancelled(enrolment=ANOTHER, actor="lan"))
    assert story.at == "new"
    assert story.told(e.NoteTaken).enrolment == ANOTHER

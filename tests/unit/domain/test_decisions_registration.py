"""The straight way, the agency's refusals, and what happens when nobody knows whether a filing arrived."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4, uuid5

import pytest

from hoso.domain.causes import CAUSES
from hoso.domain.decisions import Remind
from schemas import events as e
from schemas.units import RegisterPayload, Stage
from tests.support.stories import (
    BAD_SIGNATURE,
    BUSY,
    DAY,
    DUPLICATE,
    ENROLMENT,
    PROFILE,
    SPACE,
    STRANGE,
    Story,
    a_form,
)

# --- the straight way -------------------------------------------------------------------------------------------


def test_a_request_is_prepared_for_signing() -> None:
    story = Story(now=datetime(2026, 3, 2, 18, 30, tzinfo=UTC)).requested()
    prepared = story.told(e.DossierPrepared)
    assert (prepared.enrolment, prepared.attempt, prepared.profile) == (ENROLMENT, 1, PROFILE)
    assert prepared.supersedes is None
    assert isinstance(prepared.payload, RegisterPayload)
    assert prepared.payload.date == "03/03/2026"  # half past one at night in Vietnam
    assert prepared.payload.unit_code == "TZ0001Z"
    assert story.stage is Stage.SIGNING


def test_a_signed_dossier_is_filed_and_its_receipt_starts_the_wait_for_the_code() -> None:
    story = Story().requested().signed()
    asked = story.told(e.FilingAsked)
    assert (asked.kind, asked.attempt, asked.unit_code) == ("register", 1, "TZ0001Z")
    assert asked.document == uuid5(story.filing.dossier, "document 1")
    assert story.told(e.EnrolmentProgressed).filed
    story.received()
    assert story.at == "awaiting-code"
    reminder = story.told(Remind)
    assert (story.until, reminder.fact.attempt) == (story.now + DAY, 1)
    assert reminder.due == story.now + timedelta(hours=2)


def test_the_code_activates_the_employees_are_fetched_and_the_unit_is_enrolled() -> None:
    story = Story().requested().filed().code_mail("code")
    asked = story.told(e.ActivationAsked)
    assert (asked.code, asked.number, asked.go) == (uuid5(SPACE, "code"), "GD-register-1-1", 1)
    assert asked.expires_at == story.now + DAY
    assert story.timers["wait"].fact.name == "code-expiry"
    story.activation("activated")
    assert story.told(e.RosterAsked).go == 1
    story.roster(37)
    assert story.at == "enrolled"
    assert story.told(e.EnrolmentProgressed).employees == 37


def test_no_employees_is_an_enrolled_unit_too() -> None:
    story = Story().requested().filed().code_mail().activation("activated").roster(0)
    assert (story.stage, story.told(e.EnrolmentProgressed).employees) == (Stage.ENROLLED, 0)


def test_the_agency_accepting_is_not_the_end_its_mail_is() -> None:
    story = Story().requested().filed().accepted(number="46-1")
    assert story.at == "awaiting-code"
    assert story.filing.number == "46-1"
    story.code_mail().accepted(number="46-1")
    assert story.at == "activating"
    assert not story.only_noted()


def test_accepted_without_a_receipt_is_a_receipt() -> None:
    assert Story().requested().signed().accepted().at == "awaiting-code"


def test_a_dossier_number_that_comes_later_is_kept() -> None:
    story = Story().requested().filed()
    story.received(number="46-1")
    assert story.at == "awaiting-code"
    assert (story.filing.number, story.filing.transaction) == ("46-1", story.transaction)


# --- a refusal --------------------------------------------------------------------------------------------------


def test_a_system_error_is_filed_again_at_once_signed_anew_five_times_in_all() -> None:
    story = Story().requested()
    for attempt in (1, 2, 3, 4):
        story.signed().refused(BUSY)
        assert (story.at, story.filing.attempt) == ("signing", attempt + 1)
        assert story.told(e.DossierPrepared).attempt == attempt + 1
    story.signed().refused(BUSY)
    assert story.cause == "system-error"
    assert story.filings == [("register", n) for n in (1, 2, 3, 4, 5)]


def test_after_a_persons_retry_the_system_errors_are_counted_anew() -> None:
    story = Story().requested()
    for _ in range(5):
        story.signed().refused(BUSY)
    story.answered("retry").signed().refused(BUSY)
    assert (story.at, story.filing.attempt) == ("signing", 7)


def test_a_bad_signature_waits_for_a_person_and_is_never_filed_blindly() -> None:
    story = Story().requested().filed().refused(BAD_SIGNATURE)
    assert story.cause == "certificate"
    progress = story.told(e.EnrolmentProgressed)
    assert progress.cause == "certificate"
    assert "SIM006 – Chữ ký số không hợp lệ" in progress.message
    other = uuid4()
    story.answered("profile", str(other))
    assert story.told(e.DossierPrepared).profile == other
    assert story.told(e.DossierPrepared).attempt == 2


def test_an_unknown_code_waits_for_a_person_with_the_agencys_words() -> None:
    story = Story().requested().signed().refused(STRANGE)
    assert story.cause == "unknown-code"
    assert "CE999 – Lý do không rõ" in story.told(e.EnrolmentProgressed).message
    assert story.answered("retry").told(e.DossierPrepared).attempt == 2


def test_wrong_data_waits_for_a_person() -> None:
    assert Story().requested().signed().refused(("SIM002", "")).cause == "data"


def test_a_refusal_may_come_hours_after_the_receipt() -> None:
    story = Story().requested().filed().accepted().later(timedelta(hours=3)).refused(STRANGE)
    assert story.cause == "unknown-code"
    assert story.timers["wait"].fact.name == "decision"


def test_a_refusal_is_heard_once() -> None:
    story = Story().requested().signed().refused(BUSY)
    late = {"attempt": 1}
    assert story.refused(BUSY, **late).only_noted()
    assert story.signed().refused(BUSY, **late).only_noted()


def test_a_duplicate_is_never_filed_again_before_a_person_has_looked() -> None:
    story = Story().requested().filed().rings().signed().refused(DUPLICATE)
    assert story.cause == "duplicate"
    assert story.received().only_noted()
    assert story.answered("filed").at == "awaiting-code"


def test_the_code_of_the_filing_that_a_duplicate_repeats_is_used() -> None:
    story = Story().requested().filed().rings().signed().refused(DUPLICATE).code_mail(attempt=1)
    asked = story.told(e.ActivationAsked)
    assert (asked.attempt, asked.number) == (1, "GD-register-1-1")
    assert story.activation("activated").roster().at == "enrolled"


def test_a_signature_that_cannot_be_made_waits_for_a_person() -> None:
    story = Story().requested().not_signed()
    assert story.cause == "signing"
    assert not story.told(e.EnrolmentProgressed).filed
    assert "HOSO-CERT-EXPIRED" in story.told(e.EnrolmentProgressed).message
    assert story.signed().only_noted()
    assert story.answered("retry").told(e.DossierPrepared).attempt == 2


def test_a_signature_for_an_attempt_that_was_replaced_is_never_filed() -> None:
    story = Story().requested()
    first = story.attempt
    story.not_signed().answered("retry")
    assert story.signed(**first).only_noted()
    assert story.filings == []


# --- nobody knows whether it arrived ----------------------------------------------------------------------------


def test_an_uncertain_filing_waits_for_a_person_and_is_not_filed_again() -> None:
    story = Story().requested().signed().uncertain()
    assert story.cause == "filing-uncertain"
    assert story.answered("retry").only_noted()
    assert story.filings == [("register", 1)]


def test_a_person_found_it_at_the_agency() -> None:
    story = Story().requested().signed().uncertain().answered("filed", "GD-77")
    assert (story.at, story.filing.transaction) == ("awaiting-code", "GD-77")
    assert story.code_mail().told(e.ActivationAsked).number == "GD-77"
    assert story.filings == [("register", 1)]


def test_a_person_did_not_find_it_so_it_is_filed_anew() -> None:
    story = Story().requested().signed().uncertain().answered("not-filed").signed()
    assert story.filings == [("register", 1), ("register", 2)]


@pytest.mark.parametrize("reached", ["unknown", "never"])
def test_a_late_receipt_ends_the_question(reached: str) -> None:
    story = Story().requested().signed().uncertain(reached).received()
    assert story.at == "awaiting-code"
    assert story.answered("not-filed").only_noted()
    assert story.filings == [("register", 1)]


@pytest.mark.parametrize("reached", ["unknown", "never"])
def test_a_late_decision_ends_the_question(reached: str) -> None:
    assert Story().requested().signed().uncertain(reached).accepted().at == "awaiting-code"
    assert Story().requested().signed().uncertain(reached).refused(STRANGE).cause == "unknown-code"


@pytest.mark.parametrize("reached", ["unknown", "never"])
def test_a_code_proves_that_it_arrived_and_waits_for_the_transaction(reached: str) -> None:
    story = Story().requested().signed().uncertain(reached).code_mail()
    assert story.cause == "transaction-missing"
    assert story.answered("not-filed").only_noted()
    asked = story.answered("filed", "GD-77").told(e.ActivationAsked)
    assert (asked.number, asked.code) == ("GD-77", story.case.tried[0])
    assert story.filings == [("register", 1)]


def test_a_code_that_was_faster_than_the_uncertainty_is_not_lost() -> None:
    story = Story().requested().signed().code_mail().uncertain()
    assert story.cause == "transaction-missing"
    assert story.received().told(e.ActivationAsked).number == "GD-register-1-1"


def test_while_the_transaction_is_missing_the_newest_code_is_kept() -> None:
    story = Story().requested().signed().code_mail("first").uncertain()
    story.later(timedelta(minutes=5)).code_mail("second")
    story.code_mail("older", expires_at=story.now)
    assert story.only_noted()
    assert story.answered("filed").told(e.ActivationAsked).code == story.case.tried[0]
    assert story.case.tried == (story.told_ever(e.ActivationAsked)[0].code,)


def test_a_filing_that_certainly_never_left_is_filed_anew_when_a_person_says_so() -> None:
    story = Story().requested().signed().uncertain("never")
    assert story.cause == "filing-failed"
    assert story.answered("retry").signed().filings == [("register", 1), ("register", 2)]


# --- something is missing from the start ------------------------------------------------------------------------


def test_without_a_signing_profile_a_person_names_one() -> None:
    story = Story().requested(profile=None)
    assert story.cause == "no-profile"
    assert story.told_ever(e.DossierPrepared) == []
    other = uuid4()
    assert story.answered("profile", str(other)).told(e.DossierPrepared).profile == other


def test_without_a_unit_code_a_person_enters_the_one_that_was_given() -> None:
    story = Story().requested(form=a_form(unit_code=None, branch_id="HUE-01"))
    assert story.cause == "no-unit-code"
    story.answered("unit-code", "tz 0002z")
    assert story.told(e.DossierPrepared).payload.unit_code == "TZ0002Z"
    assert story.signed().told(e.FilingAsked).unit_code == "TZ0002Z"


@pytest.mark.parametrize(
    ("form", "profile", "answer", "value"),
    [
        (a_form(), None, "profile", "not an id"),
        (a_form(), None, "profile", None),
        (a_form(unit_code=None), PROFILE, "unit-code", "?"),
        (a_form(unit_code=None), PROFILE, "unit-code", None),
    ],
)
def test_an_answer_that_cannot_be_used_changes_nothing(
    form: object, profile: UUID | None, answer: str, value: str | None
) -> None:
    story = Story().requested(form=form, profile=profile)
    assert story.answered(answer, value).only_noted()
    assert story.at == "waiting"


def test_a_unit_code_of_another_tenant_waits_for_a_person_and_reveals_nothing() -> None:
    story = Story().requested(foreign=True, profile=None)
    assert story.cause == "unit-code-held"
    said = story.told(e.EnrolmentProgressed)
    assert said.message == f"{CAUSES['unit-code-held'].text}. {CAUSES['unit-code-held'].cure}."
    for answer in ("retry", "continue", "unit-code", "provider", "profile", "filed", "not-filed"):
        assert story.answered(answer, str(PROFILE)).only_noted()
    assert story.told_ever(e.DossierPrepared) == []


def test_the_same_data_go_on_once_the_unit_code_is_free() -> None:
    story = Story().requested(foreign=True).requested("batch:2", foreign=False)
    assert story.at == "signing"


def test_every_cause_is_said_in_words() -> None:
    for cause in CAUSES.values():
        assert cause.text
        assert cause.cure

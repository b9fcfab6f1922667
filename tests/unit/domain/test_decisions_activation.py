"""The code: early, late, twice, wrong, expired; the employees after it."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid5

import pytest

from schemas import events as e
from tests.support.stories import BUSY, CE007_NAMING, SPACE, STRANGE, Story

HOUR = timedelta(hours=1)


def registered() -> Story:
    """The agency has the registration; the code is awaited."""
    return Story().requested().filed()


def uncertain_activation() -> Story:
    return registered().code_mail().activation("unknown")


# --- codes ------------------------------------------------------------------------------------------------------


def test_a_code_that_is_faster_than_the_receipt_waits_for_it() -> None:
    story = Story().requested().signed().code_mail("early")
    assert story.at == "filed"
    assert list(story.last) == []
    asked = story.received().told(e.ActivationAsked)
    assert (asked.code, asked.number) == (uuid5(SPACE, "early"), "GD-register-1-1")


def test_a_code_that_is_faster_than_the_decision_is_not_lost() -> None:
    story = Story().requested().signed().code_mail().accepted()
    assert story.told(e.ActivationAsked).go == 1


def test_a_newer_code_replaces_one_that_waits() -> None:
    story = Story().requested().signed().code_mail("first").later(HOUR).code_mail("second")
    story.code_mail("older", expires_at=story.now)
    assert story.only_noted()
    assert story.received().told(e.ActivationAsked).code == uuid5(SPACE, "second")


def test_a_code_is_given_to_the_agency_once() -> None:
    story = registered().code_mail("code")
    assert story.again().only_noted()
    assert story.activation("wrong-code").code_mail("code").only_noted()
    assert len(story.told_ever(e.ActivationAsked)) == 1


def test_the_employees_of_an_enrolled_unit_are_fetched_anew_when_asked_for() -> None:
    story = registered().code_mail().activation("activated").roster(3)
    for go in (2, 3):
        assert story.employees_wanted().told(e.RosterAsked).go == go
        assert story.at == "enrolled"
        assert story.employees_wanted().only_noted()  # it is under way
        told = story.roster(5).told(e.EnrolmentProgressed)
        assert (told.stage, told.employees, told.refreshed) == ("enrolled", 5, True)
        assert story.roster(6).only_noted()


def test_employees_that_cannot_be_fetched_again_leave_those_there_were() -> None:
    story = registered().code_mail().activation("activated").roster(3).employees_wanted().no_roster()
    assert story.cause == "roster-failed"
    told = story.answered("continue").told(e.EnrolmentProgressed)
    assert (told.stage, told.employees) == ("enrolled", 3)


def test_the_employees_of_a_unit_that_is_not_enrolled_are_not_fetched_on_demand() -> None:
    assert registered().employees_wanted().only_noted()


def test_a_newer_code_is_tried_when_the_one_under_way_fails() -> None:
    for outcome in ("wrong-code", "expired", "refused", "unknown"):
        story = registered().code_mail("first").later(HOUR).code_mail("second").activation(outcome)
        asked = story.told(e.ActivationAsked)
        assert (asked.code, asked.go) == (uuid5(SPACE, "second"), 2)
        assert story.activation("activated").at == "fetching"


def test_a_newer_code_is_not_needed_when_the_one_under_way_is_taken() -> None:
    story = registered().code_mail("first").later(HOUR).code_mail("second").activation("activated")
    assert story.at == "fetching"


def test_an_answer_about_an_earlier_code_changes_nothing() -> None:
    story = registered().code_mail("first").activation("wrong-code").code_mail("second")
    assert story.activation("expired", go=1).only_noted()


def test_a_wrong_code_waits_for_a_better_one_three_times_in_all() -> None:
    story = registered()
    for name in ("a", "b"):
        story.code_mail(name).activation("wrong-code")
        assert story.at == "awaiting-code"
        assert story.until == story.now + timedelta(hours=24)
    story.code_mail("c").activation("wrong-code", code="SIM013", text="Mã không đúng")
    assert story.cause == "wrong-code"
    assert "SIM013 – Mã không đúng" in story.told(e.EnrolmentProgressed).message
    assert story.answered("retry").told(e.DossierPrepared).attempt == 2


def test_a_code_that_is_not_taken_for_another_reason_waits_for_a_person() -> None:
    assert registered().code_mail().activation("refused").cause == "wrong-code"


def test_an_expired_code_means_a_new_attempt_three_in_all() -> None:
    story = registered()
    for attempt in (1, 2):
        story.code_mail(f"{attempt}").activation("expired")
        assert (story.at, story.filing.attempt) == ("signing", attempt + 1)
        story.filed()
    story.code_mail("3").activation("expired")
    assert story.cause == "code-expired"
    assert story.filings == [("register", 1), ("register", 2), ("register", 3)]


def test_without_a_mail_a_new_attempt_is_filed_after_24_hours_three_in_all() -> None:
    story = registered().rings().filed().rings().filed().rings()
    assert story.cause == "activation-mail-missing"
    assert story.filings == [("register", 1), ("register", 2), ("register", 3)]
    assert story.answered("retry").filed().rings().at == "signing"


def test_nobody_knows_whether_the_code_was_taken() -> None:
    assert uncertain_activation().cause == "activation-uncertain"
    assert uncertain_activation().answered("continue").told(e.RosterAsked).go == 1
    assert uncertain_activation().answered("retry").told(e.DossierPrepared).attempt == 2


def test_a_code_that_comes_while_nobody_knows_settles_it() -> None:
    story = uncertain_activation().later(HOUR).code_mail("second")
    assert story.told(e.ActivationAsked).go == 2
    assert story.activation("activated").at == "fetching"


def test_a_code_that_comes_while_nobody_knows_and_fails_leads_back_to_the_question() -> None:
    story = uncertain_activation().later(HOUR).code_mail("second").activation("wrong-code")
    assert story.cause == "activation-uncertain"


# --- late codes of earlier attempts -----------------------------------------------------------------------------


def test_a_late_code_is_used_instead_of_filing_once_more() -> None:
    story = registered().rings()
    second = story.attempt
    asked = story.code_mail(attempt=1).told(e.ActivationAsked)
    assert (asked.attempt, asked.number) == (1, "GD-register-1-1")
    assert story.signed(**second).only_noted()
    assert story.activation("activated").roster().at == "enrolled"
    assert story.filings == [("register", 1)]


@pytest.mark.parametrize("outcome", ["wrong-code", "expired", "refused"])
def test_a_late_code_that_fails_before_anything_was_filed_leads_to_filing_anew(outcome: str) -> None:
    story = registered().rings().code_mail(attempt=1).activation(outcome)
    assert story.told(e.DossierPrepared).attempt == 3  # the second was dropped: its signature may be on its way
    assert story.filed().activated().at == "enrolled"


@pytest.mark.parametrize("outcome", ["wrong-code", "expired", "refused"])
def test_a_late_code_that_fails_says_nothing_about_the_attempt_under_way(outcome: str) -> None:
    story = registered().rings().filed().code_mail("late", attempt=1)
    assert story.told(e.ActivationAsked).number == "GD-register-1-1"
    story.activation(outcome)
    assert (story.at, story.filing.attempt) == ("awaiting-code", 2)
    assert story.code_mail("due").told(e.ActivationAsked).number == "GD-register-1-2"
    assert story.activation("activated").roster().at == "enrolled"


def test_the_code_of_a_later_attempt_counts_more_than_a_late_one() -> None:
    story = registered().rings().signed().code_mail("due").later(HOUR).code_mail("late", attempt=1)
    assert story.only_noted()
    assert story.received().told(e.ActivationAsked).code == uuid5(SPACE, "due")


def test_a_late_code_is_used_when_the_later_attempt_is_refused() -> None:
    story = registered().rings().signed().code_mail("late", attempt=1).refused(STRANGE)
    assert story.told(e.ActivationAsked).code == uuid5(SPACE, "late")
    assert story.activation("wrong-code").cause == "unknown-code"


def test_a_late_code_is_used_when_the_later_attempt_met_a_system_error() -> None:
    story = registered().rings().signed().code_mail("late", attempt=1).refused(BUSY)
    assert story.told(e.ActivationAsked).attempt == 1
    assert story.activation("wrong-code").told(e.DossierPrepared).attempt == 4


def test_a_code_of_a_refused_registration_is_no_use() -> None:
    story = Story().requested().signed().code_mail().refused(CE007_NAMING)
    assert story.told(e.DossierPrepared).kind == "stop"
    assert story.told_ever(e.ActivationAsked) == []


def test_a_late_code_is_used_when_a_person_is_being_asked() -> None:
    story = registered().rings().filed().rings().filed().rings()
    assert story.cause == "activation-mail-missing"
    story.code_mail(attempt=3)
    assert story.told(e.ActivationAsked).attempt == 3
    assert story.activation("expired").cause == "activation-mail-missing"


def test_a_late_code_is_used_when_the_later_attempt_is_uncertain() -> None:
    story = registered().rings().signed().uncertain().code_mail(attempt=1)
    assert story.told(e.ActivationAsked).number == "GD-register-1-1"
    assert story.activation("wrong-code").cause == "filing-uncertain"


def test_a_code_for_an_attempt_that_was_never_filed_is_not_believed() -> None:
    assert Story().requested().code_mail().only_noted()
    assert registered().code_mail(attempt=2).only_noted()
    assert registered().code_mail(attempt=0).only_noted()


def test_a_code_for_another_dossier_is_not_believed() -> None:
    assert registered().code_mail(dossier=uuid5(SPACE, "another")).only_noted()


def test_a_code_called_expired_before_its_time_waits_a_little_for_the_newer_one() -> None:
    story = registered().code_mail("a").activation("expired", early=True)
    assert (story.at, story.until, story.filing.attempt) == ("awaiting-code", story.now + timedelta(minutes=10), 1)
    assert story.code_mail("b").told(e.ActivationAsked).go == 2
    alone = registered().code_mail("a").activation("expired", early=True).rings()
    assert (alone.at, alone.filing.attempt) == ("signing", 2)


def test_of_two_codes_of_one_second_the_one_that_is_told_later_counts() -> None:
    story = registered().code_mail("a").code_mail("b").activation("expired", early=True)
    assert story.told(e.ActivationAsked).code == uuid5(SPACE, "b")


# --- timers -----------------------------------------------------------------------------------------------------


def test_a_timer_of_an_earlier_wait_is_set_anew() -> None:
    story = registered()
    ring = story.timers["wait"].fact
    story.later(20 * HOUR).code_mail().activation("wrong-code").later(4 * HOUR)
    story.hear(ring)
    assert story.at == "awaiting-code"
    assert story.until == story.now + 20 * HOUR


def test_a_timer_of_an_earlier_attempt_changes_nothing() -> None:
    story = registered()
    ring = story.timers["wait"].fact
    story.rings().filed().later(48 * HOUR)
    story.hear(ring)
    assert story.only_noted()


def test_a_timer_that_rings_late_is_as_good() -> None:
    assert registered().later(72 * HOUR).rings().filing.attempt == 2


def test_the_timer_of_another_wait_changes_nothing() -> None:
    story = registered().later(48 * HOUR)
    fact = story.timers["wait"].fact
    story.hear(fact.model_copy(update={"name": "stop-mail"}))
    assert story.only_noted()


# --- employees --------------------------------------------------------------------------------------------------


def test_employees_that_cannot_be_fetched_are_a_persons_matter() -> None:
    story = registered().code_mail().activation("activated").no_roster()
    assert story.cause == "roster-failed"
    assert story.answered("retry").told(e.RosterAsked).go == 2
    assert story.roster(3).at == "enrolled"


def test_employees_may_be_left_out() -> None:
    story = registered().code_mail().activation("activated").no_roster().answered("continue")
    assert story.at == "enrolled"
    assert story.told(e.EnrolmentProgressed).employees is None


def test_employees_that_come_after_a_failure_told_twice_are_not_lost() -> None:
    story = registered().code_mail().activation("activated").no_roster().answered("retry").no_roster().roster(3)
    assert story.at == "enrolled"
    assert story.told(e.EnrolmentProgressed).employees == 3


def test_a_code_after_the_activation_is_only_noted() -> None:
    story = registered().code_mail("first").activation("activated")
    assert story.code_mail("second").only_noted()
    assert story.no_roster().code_mail("third").only_noted()
    assert story.roster().code_mail("fourth").only_noted()

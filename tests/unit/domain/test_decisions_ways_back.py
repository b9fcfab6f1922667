"""Ways back: mended rows, second words, changes that come to nothing, what is still out there when people go on."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid5

from schemas import events as e
from tests.support.stories import MAILBOX, OTHER, SPACE, STRANGE, Story, a_first_form, a_form

ANOTHER = uuid5(SPACE, "another enrolment")
SECOND_MAILBOX = uuid5(SPACE, "second mailbox")
WRONG_DATA = ("SIM002", "")


def enrolled() -> Story:
    return Story().requested().filed().activated()


def review() -> Story:
    return Story().requested(form=a_first_form()).turn().filed().released()


def test_a_second_word_on_a_code_that_another_unit_holds_asks_nobody_again() -> None:
    story = review().accepted(kind="first_code", unit_code="TZ0007Z").noted(foreign=True)
    assert story.cause == "unit-code-held"
    assert story.unit_code_mail("TZ0007Z").only_noted()


def test_a_mended_row_without_a_profile_waits_for_one_and_then_files_the_mended_row() -> None:
    story = Story().requested().filed().refused(WRONG_DATA)
    story.requested("batch:2", form=a_form(tax_code="0100109106"), profile=None)
    assert story.cause == "no-profile"
    story.answered("profile", str(uuid5(SPACE, "other profile")))
    assert story.told(e.DossierPrepared).payload.tax_code == "0100109106"


def test_a_mended_newcomer_without_a_profile_asks_for_no_turn() -> None:
    story = Story().requested(form=a_first_form()).turn().filed().refused(WRONG_DATA)
    story.requested("batch:2", form=a_first_form(tax_code="0100109106"), profile=None)
    assert (story.cause, story.case.turn) == ("no-profile", None)


def test_a_confirmed_stop_is_not_filed_again_for_a_mended_row() -> None:
    story = Story().requested(form=a_form(current_provider=OTHER)).filed().stop_mail().filed().refused(WRONG_DATA)
    story.requested("batch:2", form=a_form(current_provider=OTHER, address="2 Lê Lợi"))
    assert story.told(e.DossierPrepared).kind == "register"
    other = Story().requested(form=a_form(current_provider=OTHER)).filed().stop_mail().filed().refused(WRONG_DATA)
    other.requested("batch:2", form=a_form(current_provider="00060"))
    assert other.told(e.DossierPrepared).kind == "stop"


def test_a_mended_change_declares_the_mended_value() -> None:
    story = enrolled().requested("batch:2", form=a_form(phone="0900000000"), enrolment=ANOTHER)
    story.filed().change_mail(accepted=False)
    story.requested("batch:3", form=a_form(phone="0911111111"), enrolment=ANOTHER)
    payload = story.told(e.DossierPrepared).payload
    assert [(one.field, one.old, one.new) for one in payload.changes] == [("phone", "0901234567", "0911111111")]


def test_a_change_mended_back_to_what_the_agency_knows_files_nothing() -> None:
    story = enrolled().requested("batch:2", form=a_form(phone="0900000000"), enrolment=ANOTHER)
    story.filed().change_mail(accepted=False).requested("batch:3", enrolment=ANOTHER)
    assert (story.at, len(story.filings)) == ("enrolled", 2)


def test_a_change_that_comes_to_nothing_may_be_asked_for_again() -> None:
    for gone in (
        lambda story: story.cancelled(),
        lambda story: story.filed().change_mail(accepted=False).cancelled(),
    ):
        story = gone(enrolled().requested("batch:2", form=a_form(phone="0900000000"), enrolment=ANOTHER))
        assert (story.at, story.case.form.phone) == ("enrolled", "0901234567")
        story.requested("batch:3", form=a_form(phone="0900000000"), enrolment=ANOTHER)
        assert story.told(e.DossierPrepared).payload.changes[0].old == "0901234567"


def test_a_change_that_may_have_reached_the_agency_is_kept_when_it_is_given_up() -> None:
    story = enrolled().requested("batch:2", form=a_form(phone="0900000000"), enrolment=ANOTHER).filed().cancelled()
    assert (story.at, story.case.form.phone) == ("enrolled", "0900000000")


def test_a_unit_enrolled_by_an_older_version_stays_enrolled_when_its_change_is_given_up() -> None:
    story = enrolled()
    story.state = replace(story.state, case=replace(story.case, member=False, employees=None))  # type: ignore[type-var]
    change = {"field": "certificate", "old": "54AA", "new": "54AB"}
    fact = {"enrolment": story.case.enrolment, "profile": story.case.profile, "changes": [change], "actor": "lan"}
    story.hear(e.CertificateReplaced.model_validate(fact))
    assert story.cancelled().at == "enrolled"


def test_an_answered_address_and_its_mailbox_outlive_a_mended_row() -> None:
    story = Story().requested().filed().rings().filed().rings().filed().rings()
    story.answered("address", mailbox=SECOND_MAILBOX).filed().refused(WRONG_DATA)
    story.answered("data")
    asked = story.signed().told(e.FilingAsked)
    assert (asked.contact, asked.mailbox) == ("hue2@hoasen.example", SECOND_MAILBOX)
    assert MAILBOX != SECOND_MAILBOX


def test_a_posted_form_is_not_forgotten_by_the_same_row_sent_again() -> None:
    story = Story().requested(form=a_first_form(province="46")).answered("sent", "post 2026-03-02")
    story.requested("batch:2", form=a_first_form(province="46", phone="0900000000"))
    assert (story.cause, story.told(e.EnrolmentProgressed).cause) == ("paper-code", "already-filed")
    story.cancelled().requested("batch:3", form=a_first_form(province="46"), enrolment=ANOTHER)
    assert story.cause == "earlier-filing"


def test_a_row_may_bring_the_code_of_a_posted_form() -> None:
    story = Story().requested(form=a_first_form(province="46")).answered("sent", "post 2026-03-02")
    story.requested("batch:2", form=a_form(unit_code="TZ0009Z"))
    assert (story.told(e.DossierPrepared).kind, story.case.form.unit_code) == ("register", "TZ0009Z")


def test_attempts_that_nobody_answered_are_not_forgotten_by_filing_anew() -> None:
    story = Story().requested().filed().rings().filed().rings().filed().rings()
    story.answered("retry").cancelled().requested("batch:2", enrolment=ANOTHER)
    assert story.cause == "earlier-filing"


def test_a_late_code_that_fails_leads_back_to_the_same_question_with_its_refusal() -> None:
    story = Story().requested().filed().rings().filed().refused(STRANGE).code_mail(attempt=1).activation("expired")
    assert story.cause == "unknown-code"
    assert story.answered("treatment", "fix-data").cause == "data"


def test_a_question_of_an_older_version_takes_a_class_too() -> None:
    story = Story().requested().filed().refused(STRANGE)
    story.state = replace(story.state, refusal=None)  # type: ignore[type-var]
    assert story.answered("treatment", "stop-portal").told(e.DossierPrepared).kind == "stop"

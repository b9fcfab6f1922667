"""What an enrolled unit changes (domain.md §3.5), stops asked for on their own (A1, A4, A7), and warnings before the end."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid5

from schemas import events as e
from schemas.units import Change, Stage
from tests.support.stories import CE007, CE044, NOT_WITH_THAT_ONE, OTHER, PROFILE, SPACE, STRANGE, Story, a_form

ANOTHER = uuid5(SPACE, "another enrolment")
NEW_KEY = uuid5(SPACE, "new profile")


def enrolled() -> Story:
    return Story().requested().filed().activated()


# --- changes ----------------------------------------------------------------------------------------------------


def test_another_contact_of_an_enrolled_unit_is_told_by_a_change_dossier() -> None:
    story = enrolled().requested(
        "batch:2", form=a_form(email="moi@hoasen.example"), contact="moi@hoasen.example", enrolment=ANOTHER
    )
    payload = story.told(e.DossierPrepared).payload
    change = Change(field="email", old="hue@hoasen.example", new="moi@hoasen.example")
    assert (payload.kind, payload.email, payload.changes) == ("change", "moi@hoasen.example", (change,))
    assert story.stage == Stage.CHANGING
    story.filed().accepted(kind="change")
    assert (story.at, story.case.employees, story.case.enrolment) == ("enrolled", 12, ANOTHER)
    assert len(story.told_ever(e.RosterAsked)) == 1


def test_another_way_of_signing_is_told_and_signed_with_the_new_one() -> None:
    story = enrolled().requested("batch:2", form=a_form(profile="esign"), profile=NEW_KEY, enrolment=ANOTHER)
    prepared = story.told(e.DossierPrepared)
    assert prepared.profile == NEW_KEY
    assert prepared.payload.changes == (
        Change(field="method", old="pkcs12", new=""),
        Change(field="certificate", old="54010101", new=""),
    )


def test_a_replaced_certificate_opens_a_change_of_every_unit_that_signs_with_it() -> None:
    change = Change(field="certificate", old="54AA", new="54AB")
    fact = {"enrolment": enrolled().case.enrolment, "profile": PROFILE, "changes": (change,), "actor": "lan"}
    story = enrolled()
    story.hear(e.CertificateReplaced.model_validate(fact))
    assert story.told(e.DossierPrepared).payload.changes == (change,)
    assert story.again().only_noted()
    other = enrolled()
    other.hear(e.CertificateReplaced.model_validate(fact | {"profile": NEW_KEY}))
    assert other.only_noted()


def test_a_change_that_is_given_up_or_refused_leaves_the_unit_enrolled() -> None:
    story = enrolled().requested("batch:2", form=a_form(phone="0912345678"), enrolment=ANOTHER)
    assert story.cancelled().at == "enrolled"
    story = enrolled().requested("batch:2", form=a_form(phone="0912345678"), enrolment=ANOTHER)
    story.filed().change_mail(accepted=False)
    assert (story.cause, story.state.text) == ("change-refused", "Sai thông tin")  # type: ignore[union-attr]
    assert story.cancelled().at == "enrolled"


def test_a_change_of_a_unit_that_is_not_enrolled_is_refused() -> None:
    story = Story().requested(form=a_form(purpose="change"))
    assert (story.at, story.told(e.EnrolmentProgressed).cause) == ("new", "not-enrolled")


# --- stops on their own -----------------------------------------------------------------------------------------


def test_only_the_stop_is_asked_for_and_nothing_is_registered() -> None:
    story = Story().requested(form=a_form(purpose="stop", current_provider=OTHER)).filed().stop_mail()
    assert (story.at, story.stage, story.filings) == ("stopped", Stage.STOPPED, [("stop", 1)])
    story.requested("batch:2", form=a_form(purpose="stop", current_provider=OTHER), enrolment=ANOTHER)
    assert (story.at, story.told(e.EnrolmentProgressed).cause) == ("stopped", "already-stopped")
    story.requested("batch:3", enrolment=ANOTHER)
    assert story.told(e.DossierPrepared).kind == "register"


def test_a_stop_that_names_nobody_asks_whom() -> None:
    story = Story().requested(form=a_form(purpose="stop"))
    assert story.cause == "provider"
    assert story.answered("provider", OTHER).told(e.DossierPrepared).payload.ivan_code == OTHER


def test_a_stop_meets_an_enrolment_only_after_a_refusal_for_another_provider() -> None:
    stop = a_form(purpose="stop", current_provider=OTHER)
    refused = Story().requested().filed().refused(CE007)
    assert refused.requested("stop:1", form=stop, enrolment=ANOTHER).told(e.DossierPrepared).kind == "stop"
    for story in (Story().requested(), Story().requested().filed(), Story().requested().filed().refused(STRANGE)):
        before = story.state
        story.requested("stop:1", form=stop, enrolment=ANOTHER)
        assert (story.told(e.EnrolmentProgressed).cause, story.state) == ("stop-not-allowed", before)
    assert enrolled().requested("stop:1", form=stop).told(e.EnrolmentProgressed).cause == "stop-not-allowed"


# --- the ladder and the warnings --------------------------------------------------------------------------------


def test_the_ladder_of_a_missing_mail_asks_warns_and_files_anew() -> None:
    story = Story().requested().filed()
    began = story.now
    story.rings_once()
    assert (story.now - began, story.told(e.StatusAsked).go) == (timedelta(hours=2), 1)
    story.looked("processing")
    assert (story.only_noted(), story.at) == (True, "awaiting-code")
    story.rings_once()
    warned = story.told(e.EnrolmentWarned)
    assert (story.now - began, warned.warning, warned.until) == (timedelta(hours=4), "mail-missing", story.until)
    assert "hue@hoasen.example" in warned.message
    story.rings_once()
    assert (story.now - began, story.at, story.filing.attempt) == (timedelta(hours=24), "signing", 2)


def test_a_code_that_is_not_used_warns_with_twelve_four_and_one_hour_left() -> None:
    story = Story().requested().filed().code_mail()
    ends = story.now + timedelta(hours=24)
    left = []
    for _ in range(3):
        story.rings_once()
        left.append((ends - story.now, story.told(e.EnrolmentWarned).until == ends))
    assert left == [(timedelta(hours=hours), True) for hours in (12, 4, 1)]
    assert story.timers == {}


def test_a_code_kept_for_a_person_warns_and_its_end_files_anew() -> None:
    story = Story().requested().filed().code_mail().activation("unsupported")
    assert story.told(e.EnrolmentProgressed).until == story.now + timedelta(hours=24)
    story.rings()
    assert (story.at, story.filing.attempt) == ("signing", 2)
    assert len(story.told_ever(e.EnrolmentWarned)) == 3


def test_a_task_that_nobody_takes_is_reminded_of_three_times() -> None:
    story = Story().requested().filed().refused(STRANGE)
    for days in (1, 3, 7):
        began = story.state.since  # type: ignore[union-attr]
        story.rings_once()
        assert story.now - began == timedelta(days=days)
        assert story.told(e.EnrolmentWarned).warning == "task-waiting"
    assert story.timers == {}


# --- people's words ---------------------------------------------------------------------------------------------


def test_an_unknown_code_may_be_given_a_class_by_a_person() -> None:
    story = Story().requested().filed().refused(STRANGE).answered("treatment", "stop-portal")
    assert (story.told(e.DossierPrepared).kind, story.case.provider) == ("stop", "VSS")
    held = Story().requested().filed().refused(STRANGE).answered("treatment", "hold")
    assert held.only_noted()


def test_an_answer_to_another_question_than_the_one_that_stands_changes_nothing() -> None:
    story = Story().requested().filed().refused(STRANGE)
    assert story.answered("retry", cause="data").only_noted()
    assert story.answered("retry", cause="unknown-code").at == "signing"


def test_a_confirmed_address_is_declared_by_the_new_attempt() -> None:
    story = Story().requested().filed().rings().filed().rings().filed().rings()
    story.answered("address")
    assert story.told(e.DossierPrepared).payload.email == "hue2@hoasen.example"


def test_ce044_stops_the_portal() -> None:
    assert Story().requested().filed().refused(CE044).told(e.DossierPrepared).payload.ivan_code == "VSS"


def test_other_data_while_a_change_is_being_signed_never_registers_the_unit_a_second_time() -> None:
    story = enrolled().requested("batch:2", form=a_form(phone="0912345678"), enrolment=ANOTHER)
    story.requested("batch:3", form=a_form(address="2 Lê Lợi, Huế"), enrolment=ANOTHER)
    assert (story.at, story.filing.kind, story.case.member) == ("signing", "change", True)
    assert story.told(e.EnrolmentProgressed).cause == "already-filed"
    assert story.filed().accepted(kind="change").at == "enrolled"


def test_a_change_refused_with_a_code_about_providers_stops_nobody() -> None:
    story = enrolled().requested("batch:2", form=a_form(phone="0912345678"), enrolment=ANOTHER).filed()
    assert story.refused(NOT_WITH_THAT_ONE, kind="change").cause == "unknown-code"

"""Units that never took part: the way to a code, electronic and on paper (PAGE-B I)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import uuid5

from hoso.domain.rejections import rejections
from hoso.domain.routes import routes
from hoso.domain.told import Rules
from hoso.domain.workdays import workdays
from schemas import events as e
from schemas.units import Change, FirstCodePayload, Stage
from tests.support.stories import ENROLMENT, OURS, SPACE, Story, a_first_form, a_form

ANOTHER = uuid5(SPACE, "another enrolment")


def first(**other: object) -> Story:
    return Story().requested(form=a_first_form(), **other)


def review() -> Story:
    return first().turn().filed().released()


# --- the electronic way -----------------------------------------------------------------------------------------


def test_a_first_time_dossier_waits_for_its_turn_is_filed_activated_and_goes_to_the_officer() -> None:
    story = first()
    asked = story.told(e.TurnAsked)
    assert (story.stage, asked.dossier, asked.unit_name) == (
        Stage.WAITING_FOR_TURN,
        story.filing.dossier,
        a_form().name,
    )
    assert story.told_ever(e.DossierPrepared) == []
    story.turn()
    payload = story.told(e.DossierPrepared).payload
    assert isinstance(payload, FirstCodePayload)
    assert (payload.unit_code, payload.first_time.licence_number) == ("", "0109999999")
    story.signed()
    assert story.told(e.FilingAsked).unit_code == ""
    story.received().code_mail()
    assert story.told(e.ActivationAsked).kind == "first_code"
    story.activation("activated")
    assert (story.at, story.stage) == ("agency-review", Stage.AGENCY_REVIEW)
    assert story.told(e.TurnEnded).dossier == asked.dossier
    assert story.told_ever(e.RosterAsked) == []


def test_a_dossier_with_an_address_of_its_own_needs_no_turn() -> None:
    story = first(own_address=True, contact="hn+7@hoasen.example")
    assert (story.at, story.told_ever(e.TurnAsked)) == ("signing", [])
    assert story.signed().told(e.FilingAsked).own_address


def test_a_granted_code_is_noted_changed_and_the_unit_is_enrolled() -> None:
    story = review().unit_code_mail("TZ0007Z")
    assert story.told(e.UnitCodeGranted).unit_code == "TZ0007Z"
    story.noted()
    prepared = story.told(e.DossierPrepared)
    assert prepared.kind == "change"
    assert prepared.payload.unit_code == "TZ0007Z"
    assert prepared.payload.changes == (Change(field="unit_code", old="", new="TZ0007Z"),)
    story.filed()
    assert (story.at, story.stage) == ("awaiting-result", Stage.CHANGING)
    story.change_mail().roster(0)
    assert (story.at, story.case.employees, story.case.member) == ("enrolled", 0, True)
    assert story.filings == [("first_code", 1), ("change", 1)]


def test_the_gateways_word_on_the_change_counts_as_its_mail_and_either_only_once() -> None:
    story = review().granted().filed().accepted(kind="change")
    assert story.at == "fetching"
    assert story.change_mail().only_noted()


def test_a_code_of_another_unit_is_a_persons_matter_and_says_nothing_of_it() -> None:
    story = review().unit_code_mail("TZ0007Z").noted(foreign=True)
    assert story.cause == "unit-code-held"
    story.answered("unit-code", "TZ0008Z")
    assert story.told(e.DossierPrepared).payload.unit_code == "TZ0008Z"


def test_the_granted_code_may_come_before_our_activation_is_answered() -> None:
    story = first().turn().filed().code_mail().unit_code_mail("TZ0007Z")
    assert story.at == "noting-code"
    assert story.told(e.TurnEnded)
    assert story.activation("activated").only_noted()


def test_the_gateway_may_show_the_granted_code_before_the_mail_does() -> None:
    story = review().accepted(kind="first_code", unit_code="TZ0007Z")
    assert story.at == "noting-code"
    assert story.unit_code_mail("TZ0007Z").only_noted()


def test_a_refused_first_time_dossier_is_sent_again_after_an_edit_from_the_refused_one() -> None:
    story = review().unit_code_mail(None)
    refused = story.filing.dossier
    assert (story.cause, story.state.text) == ("first-code-refused", "Thiếu giấy tờ")  # type: ignore[union-attr]
    story.answered("data")
    assert (story.at, story.filing.supersedes) == ("awaiting-turn", refused)
    story.turn()
    assert story.told(e.DossierPrepared).supersedes == refused
    assert story.told(e.DossierPrepared).payload.address == "2 Lê Lợi"


def test_an_activation_code_after_the_change_is_given_and_awaited_by_nobody() -> None:
    story = review().granted().filed().code_mail("late")
    assert (story.at, story.told(e.ActivationAsked).kind) == ("awaiting-result", "change")
    assert story.activation("activated").only_noted()
    story.change_mail().roster(0).code_mail("later")
    assert (story.at, story.told(e.ActivationAsked).go) == ("enrolled", 3)


# --- the officer ------------------------------------------------------------------------------------------------


def test_a_silent_officer_is_asked_after_three_working_days_and_then_a_person_decides() -> None:
    story = review()
    assert story.until == story.now + timedelta(days=3)  # from Monday to Thursday
    story.rings_once()
    asked = story.told(e.StatusAsked)
    assert (asked.kind, asked.transaction, story.at) == ("first_code", "GD-first_code-1-1", "agency-review")
    story.looked("processing")
    assert story.cause == "officer-late"
    story.answered("continue")
    assert story.at == "agency-review"


def test_a_person_may_enter_what_the_officer_said() -> None:
    late = review().rings_once().looked("unknown")
    assert late.answered("accepted", "tz0007z").told(e.UnitCodeGranted).unit_code == "TZ0007Z"
    refused = review().rings_once().looked("unknown").answered("refused", "Thiếu giấy tờ")
    assert refused.cause == "first-code-refused"


def test_a_late_mail_still_counts_when_a_person_was_asked() -> None:
    assert review().rings_once().looked("processing").granted().filing.kind == "change"


def test_working_days_leave_out_weekends_holidays_and_what_is_decreed() -> None:
    friday = datetime(2026, 2, 13, 3, tzinfo=UTC)  # before the week of Tết
    assert workdays().after(friday, 1) > friday + timedelta(days=7)
    assert workdays(on=["2026-02-14"]).after(friday, 1) == friday + timedelta(days=1)
    assert workdays(off=["2026-03-03"]).after(datetime(2026, 3, 2, 3, tzinfo=UTC), 1).date() == date(2026, 3, 4)
    saturday = datetime(2026, 3, 7, 3, tzinfo=UTC)
    assert workdays().after(saturday, 1) == datetime(2026, 3, 9, 17, tzinfo=UTC)  # Monday counts from its beginning


# --- paper ------------------------------------------------------------------------------------------------------


def test_elsewhere_the_form_is_printed_posted_and_its_code_entered() -> None:
    story = Story().requested(form=a_first_form(province="46"))
    assert (story.cause, story.told_ever(e.DossierPrepared)) == ("paper-form", [])
    story.answered("sent", "pigeon 2026-03-02")
    assert story.only_noted()
    story.answered("sent", "post 2026-03-02")
    assert (story.cause, story.state.text) == ("paper-code", "post 2026-03-02")  # type: ignore[union-attr]
    story.rings_once()
    assert story.told(e.EnrolmentWarned).warning == "paper-waiting"
    story.answered("unit-code", "TZ0009Z")
    assert story.told(e.DossierPrepared).kind == "register"
    assert story.filed().activated().at == "enrolled"


def test_an_agency_that_takes_paper_only_leads_to_the_paper_lane() -> None:
    story = first().turn().signed().refused(("SIM046", ""))
    assert story.cause == "paper-form"
    assert story.told(e.TurnEnded)
    assert story.answered("unit-code", "TZ0009Z").told(e.DossierPrepared).kind == "register"


def test_a_province_goes_electronic_by_a_line_of_configuration_from_its_day_on() -> None:
    table = routes({"first_code": [{"province": "46", "from": "2026-03-03", "channel": "electronic"}]})
    rules = Rules(rejections(), OURS, "I-VAN", routes=table)
    before = Story(rules).requested(form=a_first_form(province="46"))
    after = Story(rules, now=datetime(2026, 3, 2, 17, 0, tzinfo=UTC)).requested(form=a_first_form(province="46"))
    assert (before.cause, after.at) == ("paper-form", "awaiting-turn")


# --- turns ------------------------------------------------------------------------------------------------------


def test_a_turn_is_kept_while_a_mail_may_come_and_given_back_when_none_can() -> None:
    refused = first().turn().filed().refused(("SIM002", ""))
    assert refused.told(e.TurnEnded)
    assert refused.answered("retry").at == "awaiting-turn"
    silent = first().turn().filed().rings().filed().rings().filed().rings()
    assert (silent.cause, silent.told_ever(e.TurnEnded)) == ("activation-mail-missing", [])
    assert silent.cancelled().told(e.TurnEnded)
    assert first().cancelled().told(e.TurnEnded)


def test_an_amended_row_asks_for_its_own_turn_and_gives_the_first_back() -> None:
    story = first()
    before = story.filing.dossier
    story.requested("batch:2", form=a_first_form(name="Chi nhánh khác"))
    assert (story.told(e.TurnEnded).dossier, story.told(e.TurnAsked).unit_name) == (before, "Chi nhánh khác")
    assert story.case.enrolment == ENROLMENT

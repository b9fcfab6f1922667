"""Another provider holds the unit: stop it, wait for the mail, register again from the refused dossier."""

from __future__ import annotations

from datetime import timedelta

import pytest

from schemas import events as e
from schemas.units import PORTAL, Stage, StopPayload
from tests.support.stories import (
    BUSY,
    CE007,
    CE007_NAMING,
    CE044,
    DUPLICATE,
    NO_PROVIDER,
    NOT_WITH_THAT_ONE,
    OTHER,
    OURS,
    STRANGE,
    Story,
    a_form,
)


def stopping(provider: str = OTHER) -> Story:
    """A registration that was refused because of `provider`, whose stop is being signed."""
    return Story().requested().filed().refused(CE044 if provider == PORTAL else ("CE007", f"IVAN khác: {provider}"))


def test_ce007_that_names_the_provider_stops_that_one_and_registers_again() -> None:
    story = Story().requested().filed()
    refused = story.filing.dossier
    story.refused(CE007_NAMING)
    prepared = story.told(e.DossierPrepared)
    assert isinstance(prepared.payload, StopPayload)
    assert (prepared.payload.ivan_code, prepared.supersedes) == (OTHER, refused)
    assert story.stage is Stage.STOPPING
    story.filed()
    assert story.at == "awaiting-stop-mail"
    story.accepted()
    assert story.at == "awaiting-stop-mail"  # A14: the mail counts, not the answer
    story.stop_mail()
    again = story.told(e.DossierPrepared)
    assert (again.kind, again.attempt, again.supersedes) == ("register", 1, refused)
    assert again.dossier not in (refused, prepared.dossier)
    assert (story.case.provider, story.case.stopped) == (None, (OTHER,))
    assert story.filed().activated().at == "enrolled"
    assert story.filings == [("register", 1), ("stop", 1), ("register", 1)]


def test_ce007_that_names_nobody_stops_the_provider_of_the_row() -> None:
    story = Story().requested(form=a_form(current_provider=PORTAL)).filed().stop_mail().filed()
    assert story.refused(CE007).cause == "provider"  # the row only named the portal, which is no I-VAN
    story = Story().requested(form=a_form(current_provider=OTHER))
    assert story.told(e.DossierPrepared).kind == "stop"


def test_ce007_that_names_nobody_and_a_row_that_names_nobody_asks_a_person() -> None:
    story = Story().requested().filed().refused(CE007)
    assert story.cause == "provider"
    for value in (None, "", "MISA?", OURS):
        assert story.answered("provider", value).only_noted()
    story.answered("provider", OTHER)
    prepared = story.told(e.DossierPrepared)
    assert isinstance(prepared.payload, StopPayload)
    assert prepared.payload.ivan_code == OTHER


def test_ce007_that_names_only_ourselves_stops_nobody() -> None:
    assert Story().requested().filed().refused(("CE007", f"Không đăng ký được {OURS}")).cause == "provider"


def test_a_row_that_names_ourselves_is_registered() -> None:
    assert Story().requested(form=a_form(current_provider=OURS)).told(e.DossierPrepared).kind == "register"


def test_ce044_stops_the_portal() -> None:
    prepared = stopping(PORTAL).told(e.DossierPrepared)
    assert isinstance(prepared.payload, StopPayload)
    assert prepared.payload.ivan_code == PORTAL


def test_a_row_that_names_its_provider_stops_first() -> None:
    story = Story().requested(form=a_form(current_provider=OTHER))
    prepared = story.told(e.DossierPrepared)
    assert (prepared.kind, prepared.supersedes) == ("stop", None)
    story.filed().stop_mail()
    assert story.told(e.DossierPrepared).kind == "register"
    assert story.filed().activated().at == "enrolled"


def test_already_stopped_goes_on_without_a_mail() -> None:
    story = stopping().signed().refused(NO_PROVIDER)
    assert story.told(e.DossierPrepared).kind == "register"


def test_already_stopped_is_no_answer_to_a_registration() -> None:
    assert Story().requested().signed().refused(NO_PROVIDER).cause == "unknown-code"


def test_already_stopped_in_words_counts_too() -> None:
    said = ("", "Đơn vị đã ngừng thành công trước đó tại một IVAN khác")
    assert stopping().filed().refused(said).told(e.DossierPrepared).kind == "register"


def test_the_stop_mail_may_be_faster_than_the_receipt() -> None:
    story = stopping().signed().stop_mail()
    assert story.told(e.DossierPrepared).kind == "register"
    assert story.hear(e.DossierReceived.model_validate({**story.attempt, "transaction": "GD", "attempt": 9}))
    assert story.only_noted()


def test_a_stop_mail_that_comes_twice_registers_once() -> None:
    story = stopping().filed().stop_mail()
    assert story.again().only_noted()
    assert len(story.told_ever(e.DossierPrepared)) == 3


def test_a_stop_without_a_mail_is_repeated_after_24_hours_three_times_then_a_person_decides() -> None:
    story = stopping().filed().rings()
    assert (story.at, story.filing.kind, story.filing.attempt) == ("signing", "stop", 2)
    story.filed().rings().filed().rings()
    assert story.cause == "stop-mail-missing"
    assert story.filings == [("register", 1), ("stop", 1), ("stop", 2), ("stop", 3)]
    assert story.timers["wait"].fact.name == "decision"


@pytest.mark.parametrize("meanwhile", ["signing", "filed", "awaiting"])
def test_a_late_mail_of_an_earlier_attempt_confirms_the_stop(meanwhile: str) -> None:
    story = stopping().filed()
    first = story.filing.attempt
    story.rings()
    if meanwhile != "signing":
        story.signed()
    if meanwhile == "awaiting":
        story.received()
    story.stop_mail(attempt=first)
    assert story.told(e.DossierPrepared).kind == "register"
    assert story.timers == {}


def test_the_signature_of_a_stop_that_was_overtaken_is_never_filed() -> None:
    story = stopping().filed().rings()
    second = story.attempt
    story.stop_mail(attempt=1)
    assert story.signed(**second).only_noted()
    assert story.filings == [("register", 1), ("stop", 1)]


def test_a_mail_about_an_attempt_that_was_never_filed_is_not_believed() -> None:
    assert stopping().stop_mail().only_noted()
    assert stopping().filed().stop_mail(attempt=2).only_noted()


def test_a_refused_stop_waits_for_a_person() -> None:
    story = stopping().filed().stop_mail(accepted=False, text="Còn nợ phí")
    assert story.cause == "stop-refused"
    assert "Còn nợ phí" in story.told(e.EnrolmentProgressed).message
    assert story.again().only_noted()
    assert story.answered("retry").told(e.DossierPrepared).attempt == 2


def test_a_refusal_of_an_earlier_attempt_says_nothing_about_the_one_under_way() -> None:
    story = stopping().filed().rings().filed()
    assert story.stop_mail(accepted=False, attempt=1).only_noted()
    assert story.stop_mail().told(e.DossierPrepared).kind == "register"


def test_a_refusal_by_mail_proves_that_an_uncertain_stop_arrived() -> None:
    story = stopping().signed().uncertain().stop_mail(accepted=False, text="Sai mã")
    assert story.cause == "stop-refused"


def test_a_mail_proves_that_an_uncertain_stop_arrived() -> None:
    assert stopping().signed().uncertain().stop_mail().told(e.DossierPrepared).kind == "register"


@pytest.mark.parametrize("accepted", [True, False])
def test_a_mail_about_the_stop_that_a_duplicate_repeats_counts(accepted: bool) -> None:
    story = stopping().filed().rings().signed().refused(DUPLICATE).stop_mail(accepted=accepted, attempt=1)
    assert (story.at, story.cause) == (("signing", None) if accepted else ("waiting", "stop-refused"))


def test_a_mail_that_comes_while_a_person_is_asked_goes_on_by_itself() -> None:
    story = stopping().filed().rings().filed().rings().filed().rings().stop_mail(attempt=2)
    assert story.told(e.DossierPrepared).kind == "register"
    assert story.answered("continue").only_noted()


def test_a_person_knows_that_it_was_stopped() -> None:
    story = stopping().filed().stop_mail(accepted=False).answered("continue")
    assert story.told(e.DossierPrepared).kind == "register"


def test_a_stop_refused_with_a_system_error_is_filed_again_at_once() -> None:
    story = stopping().signed().refused(BUSY)
    assert (story.filing.kind, story.filing.attempt) == ("stop", 2)


def test_the_bounds_of_the_stop_are_not_those_of_the_registration() -> None:
    story = Story().requested()
    for _ in range(4):
        story.signed().refused(BUSY)
    story.signed().refused(CE007_NAMING)
    for _ in range(4):
        story.signed().refused(BUSY)
    assert story.signed().received().stop_mail().told(e.DossierPrepared).kind == "register"


def test_the_wrong_provider_is_a_persons_matter_and_the_next_stop_is_a_new_dossier() -> None:
    story = stopping().signed().refused(NOT_WITH_THAT_ONE)
    assert story.cause == "provider"
    first, registration = story.filing.dossier, story.filing.supersedes
    story.answered("provider", "00060")
    prepared = story.told(e.DossierPrepared)
    assert (prepared.attempt, prepared.supersedes) == (1, registration)
    assert prepared.dossier != first


def test_an_unknown_code_for_a_stop_waits_for_a_person() -> None:
    assert stopping().signed().refused(STRANGE).cause == "unknown-code"
    assert stopping().signed().refused(CE007_NAMING).cause == "unknown-code"


def test_still_held_after_a_confirmed_stop_is_a_persons_matter() -> None:
    story = stopping().filed().stop_mail().filed().refused(CE007_NAMING)
    assert story.cause == "still-held"
    assert story.answered("provider", OTHER).told(e.DossierPrepared).kind == "stop"


def test_two_providers_in_a_row_are_stopped_one_after_the_other() -> None:
    story = stopping().filed().stop_mail().filed().refused(CE044)
    prepared = story.told(e.DossierPrepared)
    assert isinstance(prepared.payload, StopPayload)
    assert prepared.payload.ivan_code == PORTAL
    assert story.filed().stop_mail().filed().activated().at == "enrolled"
    assert story.filings == [("register", 1), ("stop", 1), ("register", 1), ("stop", 1), ("register", 1)]


def test_a_timer_of_the_stop_is_harmless_later() -> None:
    story = stopping().filed()
    ring = story.timers["wait"].fact
    story.stop_mail().later(timedelta(days=2))
    story.hear(ring)
    assert story.only_noted()

"""The decision at the desk, from what is known of the unit."""

from __future__ import annotations

from uuid import UUID

import pytest

from schemas.units import Stage, UnitForm
from services.intake.admission import OVER, Known, Request, after, decide
from services.intake.validation import fingerprint, validate
from tests.unit.intake.test_validation import GOOD

UNIT, OLD, NEW = UUID(int=1), UUID(int=2), UUID(int=3)


def form(**changed: str) -> UnitForm:
    found = validate({**GOOD, **changed}).form
    assert found is not None
    return found


def request(**changed: str) -> Request:
    data = form(**changed)
    return Request("key", data, fingerprint(data), "an")


def known(stage: Stage, *, filed: bool = False) -> Known:
    return Known(OLD, stage, filed, request().fingerprint)


def test_a_unit_never_seen_is_enrolled() -> None:
    outcome = decide(request(), UNIT, None, NEW)
    assert (outcome.word, outcome.enrolment, outcome.new) == ("accepted", NEW, True)


@pytest.mark.parametrize("stage", [Stage.CANCELLED, Stage.REFUSED_REQUEST, Stage.STOPPED])
def test_after_an_end_it_may_be_requested_again(stage: Stage) -> None:
    assert decide(request(), UNIT, known(stage, filed=True), NEW).enrolment == NEW


@pytest.mark.parametrize("stage", [s for s in Stage if s not in (*OVER, Stage.ENROLLED)])
@pytest.mark.parametrize("filed", [False, True])
def test_the_same_data_again_is_answered_with_the_open_enrolment(stage: Stage, filed: bool) -> None:
    outcome = decide(request(), UNIT, known(stage, filed=filed), NEW)
    assert (outcome.word, outcome.enrolment, outcome.new) == ("already-open", OLD, False)


def test_other_data_amend_until_something_is_filed() -> None:
    before = known(Stage.SIGNING)
    outcome = decide(request(address="Số 13"), UNIT, before, NEW)
    assert (outcome.word, outcome.enrolment, outcome.new) == ("amended", OLD, True)
    now = after(before, request(address="Số 13"), outcome)
    assert now is not None
    assert now.fingerprint == request(address="Số 13").fingerprint


def test_other_data_after_filing_are_refused_and_name_the_enrolment() -> None:
    outcome = decide(request(address="Số 13"), UNIT, known(Stage.FILED, filed=True), NEW)
    assert (outcome.word, outcome.code, outcome.new) == ("refused", "already-filed", False)
    assert str(OLD) in outcome.errors[0].message_vi


def test_an_enrolled_unit_says_so() -> None:
    outcome = decide(request(), UNIT, known(Stage.ENROLLED, filed=True), NEW)
    assert (outcome.word, outcome.new) == ("already-enrolled", False)
    assert str(OLD) in outcome.notes[0].message_vi


@pytest.mark.parametrize("stage", [Stage.ENROLLED, Stage.WAITING_FOR_PERSON])
def test_other_data_of_an_enrolled_or_waiting_unit_go_to_whoever_decides(stage: Stage) -> None:
    """A change dossier, or the mended row that is awaited: the enrolment service knows."""
    outcome = decide(request(phone="0987654321"), UNIT, known(stage, filed=True), NEW)
    assert (outcome.word, outcome.enrolment, outcome.new) == ("amended", OLD, True)


def test_twice_in_one_go_opens_once() -> None:
    first = decide(request(), UNIT, None, NEW)
    second = decide(request(), UNIT, after(None, request(), first), UUID(int=9))
    assert (second.word, second.enrolment) == ("already-open", NEW)

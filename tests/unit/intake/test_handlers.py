"""What intake does with events."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from hoso.runtime.steps import Call
from schemas.envelope import Event, Fact, envelope_of
from schemas.events import (
    EnrolmentProgressed,
    EnrolUnit,
    NoteTaken,
    RequestRefused,
    TurnAsked,
    TurnEnded,
    UnitCodeGranted,
)
from schemas.units import Stage
from services.intake.handlers import LANE, REGISTRY_LANE, News, handle

NOW = datetime(2026, 11, 22, tzinfo=UTC)
UNIT, ENROLMENT = UUID(int=1), UUID(int=2)


def event(fact: Fact, id_: int = 3) -> Event[Any]:
    return envelope_of(type(fact))(
        id=UUID(int=id_), source="hoso/x", type=fact.TYPE, subject=UNIT, time=NOW, correlationid=ENROLMENT, tenant="acme",
        environment="test", data=fact,
    )  # fmt: skip


def test_a_request_from_a_topic_becomes_a_call_of_its_unit() -> None:
    ask = EnrolUnit(request="r1", fields={"unit_code": "TZ1234Z"})
    state, steps = handle(News(), event(ask), NOW)
    assert state == News()
    (call,) = steps
    assert isinstance(call, Call)
    assert (call.lane, call.subject, call.ask) == (LANE, UNIT, ask)
    assert "acme" in call.name


def test_the_latest_standing_of_an_enrolment_counts() -> None:
    state = News()
    for stage in (Stage.SIGNING, Stage.FILED):
        fact = EnrolmentProgressed(enrolment=ENROLMENT, request="r1", stage=stage)
        state, steps = handle(state, event(fact), NOW)
        assert steps == ()
    assert state.standings[ENROLMENT].progress.stage is Stage.FILED


def test_a_request_refused_later_does_not_move_the_enrolment() -> None:
    fact = EnrolmentProgressed(enrolment=ENROLMENT, request="r2", stage=Stage.REFUSED_REQUEST, message="đã nộp")
    state, _ = handle(News(), event(fact), NOW)
    assert state.standings == {}
    assert state.refusals["r2"].message == "đã nộp"


def test_what_the_registry_is_asked_is_noted_and_asked_once() -> None:
    dossier = UUID(int=7)
    asked = TurnAsked(enrolment=ENROLMENT, dossier=dossier, mailbox=UUID(int=8), contact="a@b.vn", unit_name="Hoa Ban")
    ended = TurnEnded(enrolment=ENROLMENT, dossier=dossier)
    granted = UnitCodeGranted(enrolment=ENROLMENT, unit_code="TZ1234Z")
    state, names = News(), []
    for fact in (asked, ended, granted):
        state, steps = handle(state, event(fact), NOW)
        (call,) = steps
        assert isinstance(call, Call)
        assert (call.lane, call.subject, call.ask) == (REGISTRY_LANE, UNIT, fact)
        names.append(call.name)
    assert (state.turns, state.ended) == (((UNIT, NOW, asked),), ((dossier, NOW),))
    assert len(set(names)) == 3


def test_other_events_change_nothing() -> None:
    state, steps = handle(News(), event(RequestRefused(request="r", errors=())), NOW)
    assert (state, steps) == (News(), ())
    assert NoteTaken.TYPE

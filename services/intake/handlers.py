"""What intake does with events. Pure.

`requests.<tenant>`: a producing system's request becomes a call on the desk's lane. `enrolment.progressed`: where enrolments stand
is gathered, a batch of events at a time, and written by `projection.Projection`. `registry.asked`: who asks for a turn, or has ended
one, is noted in the same way, and a call answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from hoso.runtime.steps import Call, Step, Tell
from schemas.envelope import Event
from schemas.events import (
    EnrolmentProgressed,
    EnrolUnit,
    RequestRefused,
    RequestUnfit,
    TurnAsked,
    TurnEnded,
    UnitCodeGranted,
)
from schemas.units import Stage
from services.intake.turns import Asked

LANE = "intake.admit"
REGISTRY_LANE = "intake.registry"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one enrolment stands by its latest event."""

    tenant: str
    unit: UUID
    at: datetime
    progress: EnrolmentProgressed


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request the enrolment service did not take after all."""

    tenant: str
    enrolment: UUID
    message: str


@dataclass(frozen=True, slots=True)
class News:
    """What a batch of events said of one unit. Nothing is loaded: the tables are only written."""

    standings: Mapping[UUID, Standing] = field(default_factory=dict)
    refusals: Mapping[str, Refusal] = field(default_factory=dict)
    turns: tuple[Asked, ...] = ()
    ended: tuple[tuple[UUID, datetime], ...] = ()
    """Dossiers whose turn is over."""


def handle(state: News, event: Event[Any], now: datetime) -> tuple[News, Sequence[Step]]:
    """One event."""
    fact = event.data
    if isinstance(fact, EnrolUnit):
        errors = misfits(fact)
        if errors:
            return state, [Tell(RequestRefused(request=str(fact.request or "")[:200], errors=errors))]
        return state, [_asked(event, fact)]
    if isinstance(fact, RequestUnfit):
        return state, [Tell(RequestRefused(request=fact.request, errors=fact.errors))]
    if isinstance(fact, EnrolmentProgressed):
        if fact.stage is Stage.REFUSED_REQUEST:
            refusal = Refusal(event.tenant, fact.enrolment, fact.message or fact.cause or "")
            return replace(state, refusals={**state.refusals, fact.request: refusal}), ()
        standing = Standing(event.tenant, event.subject, now, fact)
        return replace(state, standings={**state.standings, fact.enrolment: standing}), ()
    return _registry(state, event, now)


def _registry(state: News, event: Event[Any], now: datetime) -> tuple[News, Sequence[Step]]:
    """What the registry is asked. The calls of one unit go out in order, after the note of them was written."""
    fact = event.data
    if isinstance(fact, TurnAsked):
        call = Call(REGISTRY_LANE, event.subject, f"turn:{fact.dossier}", fact)
        return replace(state, turns=(*state.turns, (event.subject, now, fact))), [call]
    if isinstance(fact, TurnEnded):
        call = Call(REGISTRY_LANE, event.subject, f"turn-ended:{fact.dossier}", fact)
        return replace(state, ended=(*state.ended, (fact.dossier, now))), [call]
    if isinstance(fact, UnitCodeGranted):
        return state, [Call(REGISTRY_LANE, event.subject, f"unit-code:{fact.enrolment}:{fact.unit_code}", fact)]
    return state, ()


def misfits(fact: EnrolUnit) -> tuple[str, ...]:
    """Why a stranger's request is not even one: what, where and how to mend it."""
    errors = []
    if not isinstance(fact.request, str) or not 1 <= len(fact.request) <= 200:
        errors.append("request: khoá yêu cầu phải là chuỗi 1–200 ký tự. Ghi một khoá riêng cho mỗi yêu cầu.")
    if not isinstance(fact.actor, str) or len(fact.actor) > 200:
        errors.append("actor: tên người gửi phải là chuỗi không quá 200 ký tự. Sửa hoặc bỏ trường này.")
    if not isinstance(fact.fields, dict):
        errors.append("fields: phải là đối tượng gồm tên cột và nội dung. Xem `hoso sheet template --columns`.")
        return tuple(errors)
    for name, text in list(fact.fields.items())[:200]:
        if len(name) > 64 or not isinstance(text, str) or len(text) > 500:
            errors.append(f"fields.{name[:64]}: nội dung phải là chuỗi không quá 500 ký tự. Sửa cột này.")
    return tuple(errors[:30])


def _asked(event: Event[Any], fact: EnrolUnit) -> Call:
    return Call(LANE, event.subject, f"admit:{event.tenant}:{fact.request}:{event.id}", fact)

"""What intake does with events. Pure.

`requests.<tenant>`: a producing system's request becomes a call on the desk's lane. `enrolment.progressed`: where enrolments stand
is gathered, a batch of events at a time, and written by `projection.Projection`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from hoso.runtime.steps import Call, Step
from schemas.envelope import Event
from schemas.events import EnrolmentProgressed, EnrolUnit
from schemas.units import Stage

LANE = "intake.admit"


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


def handle(state: News, event: Event[Any], now: datetime) -> tuple[News, Sequence[Step]]:
    """One event."""
    fact = event.data
    if isinstance(fact, EnrolUnit):
        return state, [_asked(event, fact)]
    if isinstance(fact, EnrolmentProgressed):
        if fact.stage is Stage.REFUSED_REQUEST:
            refusal = Refusal(event.tenant, fact.enrolment, fact.message or fact.cause or "")
            return replace(state, refusals={**state.refusals, fact.request: refusal}), ()
        standing = Standing(event.tenant, event.subject, now, fact)
        return replace(state, standings={**state.standings, fact.enrolment: standing}), ()
    return state, ()


def _asked(event: Event[Any], fact: EnrolUnit) -> Call:
    return Call(LANE, event.subject, f"admit:{event.tenant}:{fact.request}:{event.id}", fact)

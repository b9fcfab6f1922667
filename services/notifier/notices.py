"""Which events people are told of by mail, and what producing systems may read. Pure.

A notice carries words of ours, never the agency's: nobody can say what a text of others contains.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from schemas.envelope import Event
from schemas.events import (
    EnrolmentProgressed,
    EnrolmentRequested,
    EnrolmentWarned,
    MailUndecided,
    RequestRefused,
    SignatureAwaited,
)
from schemas.units import Stage

MILESTONES = frozenset(
    (
        Stage.FILED,
        Stage.AWAITING_STOP_MAIL,
        Stage.AWAITING_CODE,
        Stage.AGENCY_REVIEW,
        Stage.CHANGING,
        Stage.ENROLLED,
        Stage.STOPPED,
        Stage.CANCELLED,
        Stage.REFUSED_REQUEST,
    )
)
"""Stages worth a line in a mail; a wait for a person is a task."""
PUBLIC = (EnrolmentProgressed, EnrolmentWarned, RequestRefused)
"""What producing systems are told: the public facts of `enrolment.progressed`."""
What = Literal["stage", "task", "signature", "mail", "warning", "webhook"]


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell. `word`: a stage, a cause, or another word of `words.py`."""

    event: UUID
    tenant: str
    what: What
    word: str
    at: datetime
    enrolment: UUID | None = None
    until: datetime | None = None


def notice_of(event: Event[Any]) -> Notice | None:
    """What people are told about this event; None: nothing."""
    match event.data:
        case EnrolmentProgressed(stage=Stage.WAITING_FOR_PERSON) as fact:
            return _notice(event, "task", fact.cause or "", fact.enrolment, until=fact.until)
        case EnrolmentProgressed(stage=stage, refreshed=False) as fact if stage in MILESTONES:
            return _notice(event, "stage", stage.value, fact.enrolment)
        case EnrolmentWarned() as fact:
            return _notice(event, "warning", fact.warning, fact.enrolment, until=fact.until)
        case SignatureAwaited() as fact:
            return _notice(event, "signature", fact.reason, fact.enrolment)
        case MailUndecided() as fact:
            return _notice(event, "mail", fact.why, None, until=fact.until)
    return None


def _notice(
    event: Event[Any], what: What, word: str, enrolment: UUID | None, *, until: datetime | None = None
) -> Notice:
    return Notice(event.id, event.tenant, what, word, event.time, enrolment, until)


def public_body(event: Event[Any], cursor: int) -> dict[str, Any] | None:
    """What producing systems read of this event; None when it is none of theirs."""
    if not isinstance(event.data, PUBLIC):
        return None
    return {
        "id": str(event.id),
        "cursor": str(cursor),
        "type": event.type,
        "timestamp": event.time.isoformat(),
        "unit": str(event.subject),
        "data": event.data.model_dump(mode="json", exclude_none=True),
    }


def matters(event: Event[Any]) -> bool:
    """Whether the notifier keeps anything of the event."""
    return isinstance(event.data, (EnrolmentRequested, *PUBLIC)) or notice_of(event) is not None

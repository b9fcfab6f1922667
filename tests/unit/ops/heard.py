"""Events as ops hears them. For tests only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from schemas import events as e
from schemas.envelope import Event, Fact, envelope_of

SPACE = UUID("00000000-0000-5000-8000-000000000000")
UNIT, ENROLMENT, OTHER, DOSSIER, MAIL, MAILBOX = (
    uuid5(SPACE, name) for name in ("unit", "enrolment", "other", "dossier", "mail", "mailbox")
)
MONDAY = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
_KINDS = {"kind": "register", "attempt": 1, "dossier": DOSSIER}


def at(minutes: int, fact: Fact, *, tenant: str = "hoasen", subject: UUID = UNIT) -> Event[Any]:
    """The fact, so many minutes after Monday 09:00 in Vietnam."""
    name = f"{minutes} {fact.model_dump_json()}"
    return envelope_of(type(fact))(
        id=uuid5(SPACE, name),
        source="hoso.test",
        type=fact.TYPE,
        subject=subject,
        time=MONDAY + timedelta(minutes=minutes),
        correlationid=getattr(fact, "enrolment", None) or ENROLMENT,
        tenant=tenant,
        environment="test",
        data=fact,
    )


def progressed(stage: str, **more: Any) -> e.EnrolmentProgressed:
    return e.EnrolmentProgressed.model_validate({"enrolment": ENROLMENT, "request": "r", "stage": stage, **more})


def waits(cause: str, **more: Any) -> e.EnrolmentProgressed:
    return progressed("waiting-for-person", cause=cause, **more)


def answered(answer: str, **more: Any) -> e.EnrolmentAnswered:
    return e.EnrolmentAnswered.model_validate({"enrolment": ENROLMENT, "answer": answer, "actor": "lan", **more})


def awaited(reason: str, **more: Any) -> e.SignatureAwaited:
    return e.SignatureAwaited.model_validate({"enrolment": ENROLMENT, "reason": reason, **_KINDS, **more})


def signed(**more: Any) -> e.DossierSigned:
    fields = {"document": DOSSIER, "sha256": "ab" * 32, "method": "pkcs12", "certificate_sha256": "cd" * 32}
    return e.DossierSigned.model_validate(
        {"enrolment": ENROLMENT, "certificate_serial": "54", **_KINDS, **fields, **more}
    )


def undecided(why: str, **more: Any) -> e.MailUndecided:
    return e.MailUndecided.model_validate({"mail": MAIL, "mailbox": MAILBOX, "why": why, "arrived_at": MONDAY, **more})

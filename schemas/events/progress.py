"""Timers that rang, and what everybody outside may know."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID

from schemas.envelope import Fact
from schemas.units import Kind, Stage


class ReminderDue(Fact):
    """A timer rang. It names the attempt it was set for, so a late one is harmless."""

    TYPE: ClassVar[str] = "vn.hoso.enrolment.reminded.v1"

    enrolment: UUID
    name: Literal["stop-mail", "activation-mail", "code-expiry", "decision", "result", "ladder", "paper"]
    """stop-mail, activation-mail: the end of a wait · ladder: its next rung · code-expiry: the next warning before a code
    ends · result: the officer's days are over · paper: a posted form has brought no code · decision: a task waits long."""
    dossier: UUID
    attempt: int
    rung: int = 0


class EnrolmentProgressed(Fact):
    """What everybody outside may know: where an enrolment stands. Carries no code, citizen data or document."""

    TYPE: ClassVar[str] = "vn.hoso.enrolment.progressed.v1"

    enrolment: UUID
    request: str
    stage: Stage
    unit_code: str | None = None
    batch: UUID | None = None
    row: int | None = None
    kind: Kind | None = None
    attempt: int | None = None
    number: str | None = None
    cause: str | None = None
    """Why it waits or was refused: a word of `hoso/domain/causes.py`, or the agency's code."""
    message: str = ""
    """The same for people, in Vietnamese."""
    filed: bool = False
    """True once something of this enrolment was handed to the agency: from then on other data is refused."""
    employees: int | None = None
    refreshed: bool = False
    """Only the employees were counted anew; where the enrolment stands has been told before."""
    answers: tuple[str, ...] = ()
    """What a person can answer where it waits for one."""
    until: datetime | None = None
    """When what is awaited is over: a code ends, a mail is given up, an officer's days are over."""
    method: str | None = None
    """How the attempt was signed."""
    progress: int = 0
    """Per cent of the way, 100 when nothing is left to do."""


class EnrolmentWarned(Fact):
    """Something runs out or does not come; nothing is to be decided yet. For people and producing systems."""

    TYPE: ClassVar[str] = "vn.hoso.enrolment.warned.v1"

    enrolment: UUID
    request: str
    warning: Literal[
        "code-expiring", "mail-missing", "result-late", "paper-waiting", "task-waiting", "certificate-expiring"
    ]
    message: str
    until: datetime | None = None
    batch: UUID | None = None
    row: int | None = None


class RequestRefused(Fact):
    """A request from a topic could not be taken; the errors say what, where and how to mend it, in Vietnamese."""

    TYPE: ClassVar[str] = "vn.hoso.enrolment.request-refused.v1"

    request: str
    errors: tuple[str, ...]
    enrolment: UUID | None = None


class NoteTaken(Fact):
    """An event that did not fit the state it met: it changed nothing and is kept for the record."""

    TYPE: ClassVar[str] = "vn.hoso.enrolment.noted.v1"

    enrolment: UUID
    state: str
    event: str
    event_id: UUID

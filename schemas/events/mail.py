"""Mails that are awaited, and what they brought."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from schemas.envelope import Fact
from schemas.units import Kind

# --- mail.expected, mail.received ---------------------------------------------------------------------------------


class MailExpected(Fact):
    """A mail about this attempt may come from now on. On the log before the filing leaves the house."""

    TYPE: ClassVar[str] = "vn.hoso.mail.expected.v1"

    enrolment: UUID
    dossier: UUID
    attempt: int
    kind: Kind
    mailbox: UUID
    contact: str
    unit_code: str
    """Empty for a first-time dossier: its mails say DKTGLD."""
    unit_name: str
    tax_code: str
    own_address: bool = False
    """True: no other enrolment has this contact address, so the address alone decides."""
    filed_at: datetime | None = None
    """Told again of an attempt that had been filed before a restore: mails may have come since then."""


class MailNumbered(Fact):
    """The agency gave an expected attempt its dossier number (số hồ sơ); stop mails may name only that."""

    TYPE: ClassVar[str] = "vn.hoso.mail.numbered.v1"

    enrolment: UUID
    dossier: UUID
    attempt: int
    kind: Kind
    number: str


class MailAssigned(Fact):
    """A person said to which attempt an undecided mail belongs."""

    TYPE: ClassVar[str] = "vn.hoso.mail.assigned.v1"

    mail: UUID
    enrolment: UUID
    dossier: UUID
    attempt: int
    actor: str


class ActivationCodeArrived(Fact):
    """A code came by mail; it is sealed in the vault."""

    TYPE: ClassVar[str] = "vn.hoso.mail.activation-code-arrived.v1"

    enrolment: UUID
    dossier: UUID
    attempt: int
    mail: UUID
    code: UUID
    arrived_at: datetime
    """When the mail reached the server, on the world's clock; the 24 hours start here (B15)."""
    expires_at: datetime


class StopResultArrived(Fact):
    """The agency's mail about a stop: done, or refused with a reason."""

    TYPE: ClassVar[str] = "vn.hoso.mail.stop-result-arrived.v1"

    enrolment: UUID
    dossier: UUID
    attempt: int
    mail: UUID
    accepted: bool
    text: str = ""


class ChangeResultArrived(Fact):
    """The agency's mail about a change dossier."""

    TYPE: ClassVar[str] = "vn.hoso.mail.change-result-arrived.v1"

    enrolment: UUID
    dossier: UUID
    attempt: int
    mail: UUID
    accepted: bool
    text: str = ""


class UnitCodeResultArrived(Fact):
    """The officer's mail about a first-time dossier: the unit's code, or why there is none (B17)."""

    TYPE: ClassVar[str] = "vn.hoso.mail.unit-code-result-arrived.v1"

    enrolment: UUID
    dossier: UUID
    attempt: int
    mail: UUID
    granted: bool
    unit_code: str | None = None
    text: str = ""


# --- mail.undecided -----------------------------------------------------------------------------------------------


class MailCandidate(BaseModel):
    """One attempt that an undecided mail may be about."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    enrolment: UUID
    dossier: UUID
    attempt: int
    unit_name: str
    unit_code: str = ""


class MailUndecided(Fact):
    """A mail waits for a person. The event's subject is the mail. Told again when what is known of it changes."""

    TYPE: ClassVar[str] = "vn.hoso.mail.undecided.v1"

    mail: UUID
    mailbox: UUID
    why: Literal["several", "nobody", "quarantined", "unreadable"]
    """several: it fits more than one attempt · nobody: parked, it may match later · quarantined: its sender is not
    believed · unreadable: trusted, but not understood for certain."""
    kind: Literal["activation", "stop-result", "change-result", "unit-code-result", "unknown"] = "unknown"
    candidates: tuple[MailCandidate, ...] = ()
    subject: str = ""
    """At most 200 characters, codes masked."""
    arrived_at: datetime
    until: datetime | None = None
    """When a code in it ends."""


class MailSettled(Fact):
    """An undecided mail is undecided no more: matched, assigned, or set aside. Subject = the mail."""

    TYPE: ClassVar[str] = "vn.hoso.mail.settled.v1"

    mail: UUID
    how: Literal["matched", "assigned", "set-aside"]
    enrolment: UUID | None = None

"""Every event of hoso, in the order one dossier meets them.

Read beside `schemas/topics.py`, which says on which topic each travels, who writes it and who reads it.
Documents, codes, rosters and raw mails never travel: events carry vault references.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from schemas.envelope import Fact
from schemas.units import Kind, RegisterPayload, Stage, StopPayload, UnitForm

# --- enrolment.requests.<tenant> (public) -----------------------------------------------------------------------


class EnrolUnit(Fact):
    """A producing system asks for one unit. Raw text, as the system has it: intake validates like a row of a sheet.

    Strangers write this, so nothing is taken for granted here: what does not fit is answered, not held."""

    TYPE: ClassVar[str] = "vn.hoso.enrolment.request.v1"

    request: Any = None
    """The producer's own key of the request, 1 to 200 characters; the same key again is the same request."""
    fields: Any = None
    """Column key -> text of at most 500 characters, the columns of the sheet (`hoso sheet template --columns`)."""
    actor: Any = "topic"


# --- enrolment.requested ----------------------------------------------------------------------------------------


class EnrolmentRequested(Fact):
    """A validated request to get one unit onto the service. Same unit again: amends, or is answered as refused."""

    TYPE: ClassVar[str] = "vn.hoso.enrolment.requested.v1"

    enrolment: UUID
    """The id this request would open; an open enrolment of the unit keeps its own."""
    request: str
    form: UnitForm
    mailbox: UUID
    contact: str
    """The address declared to the agency: the form's, or the enrolment's own (plus-address)."""
    profile: UUID | None = None
    """The signing profile; None = none fits, a person has to say which."""
    foreign: bool = False
    """True: the unit code is held by another tenant; waits for a person and says nothing of the holder."""
    actor: str
    batch: UUID | None = None
    row: int | None = None


class EnrolmentAnswered(Fact):
    """A person answered what an enrolment was waiting for."""

    TYPE: ClassVar[str] = "vn.hoso.enrolment.answered.v1"

    enrolment: UUID
    answer: Literal["retry", "continue", "unit-code", "provider", "profile", "filed", "not-filed"]
    """retry: file anew · continue: go on as if the awaited thing had happened · unit-code, provider, profile: with `value`
    · filed, not-filed: what became of a filing whose outcome nobody knew."""
    value: str | None = None
    actor: str


class EnrolmentCancelled(Fact):
    """A person gave the enrolment up. What was begun at the agency runs to its outcome; nothing more is asked."""

    TYPE: ClassVar[str] = "vn.hoso.enrolment.cancelled.v1"

    enrolment: UUID
    actor: str
    reason: str = ""


# --- dossier.prepared, dossier.signed ---------------------------------------------------------------------------


class DossierPrepared(Fact):
    """A dossier attempt is ready to be put into XML and signed. Every attempt is signed anew."""

    TYPE: ClassVar[str] = "vn.hoso.dossier.prepared.v1"

    enrolment: UUID
    dossier: UUID
    attempt: int
    payload: Annotated[RegisterPayload | StopPayload, Field(discriminator="kind")]
    profile: UUID
    supersedes: UUID | None = None
    """The refused dossier this one was copied from (A20)."""

    @property
    def kind(self) -> Kind:
        return self.payload.kind


class DossierSigned(Fact):
    """The attempt is signed, verified and sealed in the vault; nothing has left the house."""

    TYPE: ClassVar[str] = "vn.hoso.dossier.signed.v1"

    enrolment: UUID
    dossier: UUID
    attempt: int
    kind: Kind
    document: UUID
    sha256: str
    method: str
    certificate_sha256: str
    certificate_serial: str


class SigningRefused(Fact):
    """The attempt could not be signed; a person has to mend the certificate or the profile (A16)."""

    TYPE: ClassVar[str] = "vn.hoso.dossier.signing-refused.v1"

    enrolment: UUID
    dossier: UUID
    attempt: int
    kind: Kind
    code: str
    """HOSO-CERT-EXPIRED, HOSO-CERT-EARLY, HOSO-CERT-OTHER-EMPLOYER, HOSO-PROFILE-MISSING, HOSO-XML-INVALID, ..."""
    text: str


# --- agency.asked -----------------------------------------------------------------------------------------------


class FilingAsked(Fact):
    """File this signed document with the agency, once."""

    TYPE: ClassVar[str] = "vn.hoso.agency.filing-asked.v1"

    enrolment: UUID
    dossier: UUID
    attempt: int
    kind: Kind
    unit_code: str
    unit_name: str
    tax_code: str
    agency: str | None = None
    document: UUID
    sha256: str
    mailbox: UUID
    contact: str


class ActivationAsked(Fact):
    """Give the agency the code out of the mail, before it expires."""

    TYPE: ClassVar[str] = "vn.hoso.agency.activation-asked.v1"

    enrolment: UUID
    dossier: UUID
    attempt: int
    unit_code: str
    number: str | None = None
    code: UUID
    """Vault reference; the code itself never travels."""
    go: int
    """Which code of the enrolment this is: 1, then 2 when a newer one came."""
    expires_at: datetime


class RosterAsked(Fact):
    """Fetch the unit's employees."""

    TYPE: ClassVar[str] = "vn.hoso.agency.roster-asked.v1"

    enrolment: UUID
    unit_code: str
    go: int = 1


# --- agency.replied ---------------------------------------------------------------------------------------------


class StepResult(BaseModel):
    """One step of the agency's reply (domain.md §3.1): an answer is a list of these, not one boolean."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    step: str
    result: str
    code: str
    at: datetime | None = None


class DossierReceived(Fact):
    """The agency has the attempt. `number` (số hồ sơ) may still be empty for a while."""

    TYPE: ClassVar[str] = "vn.hoso.agency.dossier-received.v1"

    enrolment: UUID
    dossier: UUID
    attempt: int
    kind: Kind
    transaction: str
    number: str | None = None


class DossierDecided(Fact):
    """The agency accepted or refused the attempt, at the gate or later."""

    TYPE: ClassVar[str] = "vn.hoso.agency.dossier-decided.v1"

    enrolment: UUID
    dossier: UUID
    attempt: int
    kind: Kind
    number: str | None = None
    accepted: bool
    code: str
    """The agency's code as it came, "00" for success; empty when it gave none."""
    text: str = ""
    steps: tuple[StepResult, ...] = ()


class FilingUncertain(Fact):
    """Nobody can say whether the attempt reached the agency, or asking did not end within its bound: a person has to find out."""

    TYPE: ClassVar[str] = "vn.hoso.agency.filing-uncertain.v1"

    enrolment: UUID
    dossier: UUID
    attempt: int
    kind: Kind
    reached: Literal["unknown", "never"]
    """unknown: it may have been filed · never: it certainly was not."""
    text: str


ActivationOutcome = Literal["activated", "wrong-code", "expired", "unknown", "refused"]
"""unknown: nobody can say whether it took effect."""


class ActivationAnswered(Fact):
    """What the agency said to a code."""

    TYPE: ClassVar[str] = "vn.hoso.agency.activation-answered.v1"

    enrolment: UUID
    dossier: UUID
    attempt: int
    go: int
    outcome: ActivationOutcome
    code: str = ""
    text: str = ""


class RosterFetched(Fact):
    """The employees are in the vault. Zero employees is normal."""

    TYPE: ClassVar[str] = "vn.hoso.agency.roster-fetched.v1"

    enrolment: UUID
    employees: int
    roster: UUID | None = None


class RosterFailed(Fact):
    """The employees could not be fetched; the unit is activated all the same."""

    TYPE: ClassVar[str] = "vn.hoso.agency.roster-failed.v1"

    enrolment: UUID
    text: str


# --- mail.expected, mail.received -------------------------------------------------------------------------------


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
    unit_name: str
    tax_code: str


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


# --- enrolment.reminded, enrolment.progressed -------------------------------------------------------------------


class ReminderDue(Fact):
    """A timer rang. It names the attempt it was set for, so a late one is harmless."""

    TYPE: ClassVar[str] = "vn.hoso.enrolment.reminded.v1"

    enrolment: UUID
    name: Literal["stop-mail", "activation-mail", "code-expiry", "decision"]
    dossier: UUID
    attempt: int


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

"""What the agency is asked, and what it says."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from schemas.envelope import Fact
from schemas.units import Kind

# --- agency.asked -------------------------------------------------------------------------------------------------


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
    own_address: bool = False
    """No other enrolment has this contact address."""


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
    kind: Kind = "register"


class StatusAsked(Fact):
    """Look where a filing stands, now: what was awaited did not come."""

    TYPE: ClassVar[str] = "vn.hoso.agency.status-asked.v1"

    enrolment: UUID
    dossier: UUID
    attempt: int
    kind: Kind
    unit_code: str
    transaction: str | None = None
    go: int
    """Which question of the enrolment this is: each is asked once."""


class RosterAsked(Fact):
    """Fetch the unit's employees."""

    TYPE: ClassVar[str] = "vn.hoso.agency.roster-asked.v1"

    enrolment: UUID
    unit_code: str
    go: int = 1


# --- agency.replied -----------------------------------------------------------------------------------------------


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
    unit_code: str | None = None
    """The code the reply shows as granted, for a first-time dossier."""


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


class StatusAnswered(Fact):
    """Where a filing stands. Accepted and refused come as DossierDecided too; this says that somebody looked."""

    TYPE: ClassVar[str] = "vn.hoso.agency.status-answered.v1"

    enrolment: UUID
    dossier: UUID
    attempt: int
    go: int
    """0: nobody asked; the submitter warns of replies that are not believed."""
    status: Literal["processing", "accepted", "refused", "absent", "unknown"]
    """absent: the agency knows no such filing · unknown: nobody could be asked, or the gateway cannot say."""
    code: str = ""
    text: str = ""
    unit_code: str | None = None
    """The code it shows as granted."""


ActivationOutcome = Literal["activated", "wrong-code", "expired", "unknown", "refused", "unsupported"]
"""unknown: nobody can say whether it took effect · unsupported: this gateway cannot activate; a person does it on the
portal, the code stays sealed for him."""


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
    """How many the unit has now."""
    roster: UUID | None = None
    added: int = 0
    changed: int = 0
    gone: int = 0
    """Against the roster fetched before, if there was one."""


class RosterFailed(Fact):
    """The employees could not be fetched; the unit is activated all the same."""

    TYPE: ClassVar[str] = "vn.hoso.agency.roster-failed.v1"

    enrolment: UUID
    text: str

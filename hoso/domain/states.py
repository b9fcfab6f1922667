"""Where one unit's enrolment stands: a union of shapes, so that illegal states cannot be written down.

New ─▶ Signing ─▶ Filed ─┬▶ AwaitingStopMail ─▶ Signing (the registration), or Stopped
   ▲      ▲              ├▶ AwaitingCode ─▶ Activating ─┬▶ Fetching ─▶ Enrolled ─▶ Signing (a change)
   │  AwaitingTurn       │                              └▶ AgencyReview ─▶ NotingCode ─▶ Signing (the change)
   └──────┘              └▶ AwaitingResult (a change) ─▶ Fetching, or Enrolled
Waiting (a person) ◀── from everywhere;  Cancelled ◀── from everywhere open
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from uuid import UUID, uuid5

from schemas.units import Change, Kind, UnitForm


@dataclass(frozen=True, slots=True)
class Filing:
    """One attempt of one dossier. The dossier's id is derived from the enrolment, so a replay names the same one."""

    dossier: UUID
    attempt: int
    kind: Kind
    number: str | None = None
    transaction: str | None = None
    supersedes: UUID | None = None
    handed: bool = False
    """This attempt was handed over to be filed: from now on there may be an answer to it."""
    past: tuple[str | None, ...] = ()
    """The transactions of the attempts before this one: a late mail is about one of those."""
    method: str | None = None
    """How this attempt was signed, and with which certificate (its serial)."""
    certificate: str | None = None

    def again(self) -> Filing:
        """The next attempt of the same dossier."""
        past = (*self.past, self.transaction)
        return Filing(self.dossier, self.attempt + 1, self.kind, supersedes=self.supersedes, past=past)

    def numbered(self, transaction: str | None, number: str | None) -> Filing:
        """The same attempt, with what the agency calls it."""
        return replace(self, transaction=transaction or self.transaction, number=number or self.number)

    def transaction_of(self, attempt: int) -> str | None:
        """What the agency calls that attempt; None when it never said."""
        return self.transaction if attempt == self.attempt else self.past[attempt - 1]

    def may_answer(self, attempt: int) -> bool:
        """Whether a mail can be about `attempt`: nothing comes back for what was never handed over."""
        return 1 <= attempt < self.attempt or (attempt == self.attempt and self.handed)


@dataclass(frozen=True, slots=True)
class Agreed:
    """What the agency knows of an enrolled unit while a change of it is under way."""

    form: UnitForm
    contact: str
    mailbox: UUID
    own_address: bool
    profile: UUID | None


@dataclass(frozen=True, slots=True)
class Case:
    """What holds through a whole enrolment: the request, and what has been spent of its bounds."""

    enrolment: UUID
    request: str
    form: UnitForm
    mailbox: UUID
    contact: str
    profile: UUID | None
    batch: UUID | None = None
    row: int | None = None
    foreign: bool = False
    filed: bool = False
    """Something of this enrolment was handed over to be filed: other data is refused from now on."""
    earlier: bool = False
    """A cancelled enrolment of this unit left a filing that nobody refused: somebody has to ask before anything is filed."""
    provider: str | None = None
    """The provider that has to be stopped before registering; None when nobody is in the way."""
    stopped: tuple[str, ...] = ()
    """Providers whose stop was confirmed: being refused for one of them again is a person's matter."""
    superseded: tuple[str, ...] = ()
    """Keys of earlier requests whose data were replaced: told again, they change nothing."""
    dossiers: int = 0
    rosters: int = 0
    tried: tuple[UUID, ...] = ()
    """Codes already given to the agency: none is given twice."""
    own_address: bool = False
    """No other enrolment has this contact address."""
    turn: UUID | None = None
    """The first-time dossier that asked for its turn in the mailbox, or has it."""
    changes: tuple[Change, ...] = ()
    """What the change dossier under way changes."""
    agreed: Agreed | None = None
    """What holds again when the change under way comes to nothing."""
    member: bool = False
    """The unit is on the service: a change that fails or is given up leaves it there."""
    employees: int | None = None
    looks: int = 0
    """How often the agency was asked where a filing stands."""
    system_errors: int = 0
    unanswered: int = 0
    """Attempts of the dossier under way that ended without a mail or with an expired code."""
    unsettled: bool = False
    """An attempt of the dossier under way was filed and never answered, whatever came after it."""
    wrong_codes: int = 0

    def open(self, kind: Kind, supersedes: UUID | None = None) -> tuple[Case, Filing]:
        """A new dossier with its first attempt; the bounds start anew."""
        ordinal = self.dossiers + 1
        case = replace(self, dossiers=ordinal, system_errors=0, unanswered=0, unsettled=False, wrong_codes=0)
        return case, Filing(uuid5(self.enrolment, f"{kind}:{ordinal}"), 1, kind, supersedes=supersedes)


@dataclass(frozen=True, slots=True)
class Code:
    """A code that came by mail, about one attempt; the code itself is in the vault."""

    ref: UUID
    attempt: int
    expires_at: datetime

    def supersedes(self, other: Code | None) -> bool:
        """A mail about a later attempt, or a later mail about the same one, is the one that counts.

        Mail servers know whole seconds: of two that came in one, the one that is told later."""
        if other is None:
            return True
        mine, its = (self.attempt, self.expires_at), (other.attempt, other.expires_at)
        return mine > its or (mine == its and self.ref != other.ref)


@dataclass(frozen=True, slots=True)
class New:
    """Nobody has asked for this unit yet."""

    at: Literal["new"] = "new"


@dataclass(frozen=True, slots=True)
class AwaitingTurn:
    """Another first-time dossier of the same name waits in the mailbox: the mails of both would read alike."""

    case: Case
    filing: Filing
    at: Literal["awaiting-turn"] = "awaiting-turn"


@dataclass(frozen=True, slots=True)
class Signing:
    """An attempt is prepared and waits for its signature."""

    case: Case
    filing: Filing
    at: Literal["signing"] = "signing"


@dataclass(frozen=True, slots=True)
class Filed:
    """An attempt was handed over to be filed; the agency has not said that it has it. `code` was faster."""

    case: Case
    filing: Filing
    code: Code | None = None
    at: Literal["filed"] = "filed"


@dataclass(frozen=True, slots=True)
class AwaitingStopMail:
    """The agency has the stop; its mail opens the way to the registration (A14). `until`: then a new attempt.

    `rung`: how many steps of the ladder were taken (domain.md §6.4)."""

    case: Case
    filing: Filing
    until: datetime
    rung: int = 0
    at: Literal["awaiting-stop-mail"] = "awaiting-stop-mail"


@dataclass(frozen=True, slots=True)
class AwaitingCode:
    """The agency has the registration; its mail brings the activation code. `until`: then a new attempt."""

    case: Case
    filing: Filing
    until: datetime
    rung: int = 0
    at: Literal["awaiting-code"] = "awaiting-code"


@dataclass(frozen=True, slots=True)
class Activating:
    """A code was given to the agency. `newer`: one that came meanwhile.

    `asked`: the cause and words a person was asked about when the code came; a code that fails leads back to them.
    """

    case: Case
    filing: Filing
    code: Code
    newer: Code | None = None
    asked: tuple[str, str] | None = None
    refusal: tuple[str, str] | None = None
    """Of the wait that `asked` names."""
    rung: int = 0
    """How many warnings were given that the code ends."""
    at: Literal["activating"] = "activating"


@dataclass(frozen=True, slots=True)
class AgencyReview:
    """The officer has the first-time dossier (B14). `until`: his days are over; `rung` 1: the agency was asked."""

    case: Case
    filing: Filing
    until: datetime
    rung: int = 0
    at: Literal["agency-review"] = "agency-review"


@dataclass(frozen=True, slots=True)
class NotingCode:
    """The unit was granted a code; the registry says whether it is the unit's alone."""

    case: Case
    filing: Filing
    unit_code: str
    at: Literal["noting-code"] = "noting-code"


@dataclass(frozen=True, slots=True)
class AwaitingResult:
    """The agency has the change; its word, by gateway or by mail, makes it effective."""

    case: Case
    filing: Filing
    until: datetime
    rung: int = 0
    at: Literal["awaiting-result"] = "awaiting-result"


@dataclass(frozen=True, slots=True)
class Fetching:
    """The unit is activated; its employees are being fetched."""

    case: Case
    filing: Filing
    at: Literal["fetching"] = "fetching"


@dataclass(frozen=True, slots=True)
class Enrolled:
    """Done. `employees` None: they were not fetched. `counting`: they are being fetched anew."""

    case: Case
    filing: Filing
    employees: int | None
    counting: bool = False
    at: Literal["enrolled"] = "enrolled"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A person has to decide or do something (`hoso/domain/causes.py` says what).

    `filing`: the attempt it is about. `code`: one that came and cannot be used before the person has answered.
    `refusal`: the code and text of the agency that led here. `since`, `rung`: when it began, how often it was reminded of.
    """

    case: Case
    cause: str
    text: str
    filing: Filing | None = None
    code: Code | None = None
    refusal: tuple[str, str] | None = None
    since: datetime | None = None
    rung: int = 0
    at: Literal["waiting"] = "waiting"


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Given up by a person. The unit may be requested again."""

    case: Case
    filing: Filing | None = None
    at: Literal["cancelled"] = "cancelled"


@dataclass(frozen=True, slots=True)
class Stopped:
    """Only the stop was asked for, and it is done (A4). The unit may be requested again."""

    case: Case
    filing: Filing
    at: Literal["stopped"] = "stopped"


UnderWay = (
    AwaitingTurn
    | Signing
    | Filed
    | AwaitingStopMail
    | AwaitingCode
    | Activating
    | AgencyReview
    | NotingCode
    | AwaitingResult
    | Fetching
)
"""Somebody or something other than a person moves it on."""
State = New | UnderWay | Waiting | Enrolled | Stopped | Cancelled
OPEN = (*UnderWay.__args__, Waiting)
_ANSWERED = {
    "signing",
    "no-profile",
    "certificate",
    "data",
    "provider",
    "still-held",
    "system-error",
    "filing-failed",
    "stop-refused",
}
_ANSWERED |= {"unknown-code", "unit-code-held", "no-unit-code", "paper-form"}
_ANSWERED |= {"first-code-refused", "change-refused"}
"""Causes of a wait in which the attempt under way was refused, or never left the house."""


def stands(state: State) -> bool:
    """Whether the agency may hold an attempt of this state that was not refused."""
    match state:
        case New():
            return False
        case Filed() | AwaitingStopMail() | AwaitingCode() | Activating() | Fetching():
            return True
        case AgencyReview() | NotingCode() | AwaitingResult():
            return True
        case Waiting(cause=cause, case=case):
            return cause not in _ANSWERED or case.unanswered > 0 or case.unsettled or case.earlier
    return state.case.unanswered > 0 or state.case.unsettled or state.case.earlier


def refusal_of(state: Waiting) -> tuple[str, str] | None:
    """The agency's code and text that led to this wait; of a wait written by an older version, out of its words."""
    if state.refusal is not None or state.cause != "unknown-code":
        return state.refusal
    code, _, text = state.text.partition(" – ")
    return code, text

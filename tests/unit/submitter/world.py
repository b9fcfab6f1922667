"""An agency, a vault and tries as plain objects: they implement the ports and do as they are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid5

from hoso.runtime.clock import boottime
from hoso.runtime.steps import Call, Step, Tell, Try
from hoso.store.vault import Erased
from schemas.envelope import Event, Fact, envelope_of
from schemas.events import ActivationAsked, FilingAsked, RosterAsked, StatusAsked
from services.submitter.asks import RepliesWanted
from services.submitter.gateway import Capabilities, Dossier, Receipt, RosterPage
from services.submitter.ports import Disbelief, Filed

SPACE = UUID("00000000-0000-5000-8000-000000000000")
UNIT, ENROLMENT, DOSSIER, DOCUMENT, MAILBOX, CODE = (
    uuid5(SPACE, name) for name in ["unit", "enrolment", "dossier", "document", "mailbox", "code"]
)
SIGNED = b"<Hoso/>"
SECRET = "A1B2C3D4E5"
NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)


def filing(**other: Any) -> FilingAsked:
    """The agency is to be asked to take a registration."""
    given = {
        "enrolment": ENROLMENT,
        "dossier": DOSSIER,
        "attempt": 1,
        "kind": "register",
        "unit_code": "TZ0001Z",
        "unit_name": "Chi nhánh Huế",
        "tax_code": "0101243150-001",
        "agency": "04601",
        "document": DOCUMENT,
        "sha256": sha256(SIGNED).hexdigest(),
        "mailbox": MAILBOX,
        "contact": "hue@hoasen.example",
    }
    return FilingAsked.model_validate({**given, **other})


def activation(**other: Any) -> ActivationAsked:
    """The agency is to be given a code."""
    given = {
        "enrolment": ENROLMENT,
        "dossier": DOSSIER,
        "attempt": 1,
        "unit_code": "TZ0001Z",
        "number": "GD1",
        "code": CODE,
        "go": 1,
        "expires_at": NOW + timedelta(hours=24),
    }
    return ActivationAsked.model_validate({**given, **other})


def roster() -> RosterAsked:
    return RosterAsked(enrolment=ENROLMENT, unit_code="TZ0001Z", go=1)


def status(**other: Any) -> StatusAsked:
    """Somebody asks where the filing stands."""
    given = {
        "enrolment": ENROLMENT,
        "dossier": DOSSIER,
        "attempt": 1,
        "kind": "first_code",
        "unit_code": "",
        "transaction": "GD1",
        "go": 1,
    }
    return StatusAsked.model_validate({**given, **other})


def filed(**other: Any) -> Filed:
    """The attempt as the ledger has it."""
    given: dict[str, Any] = {
        "kind": "first_code",
        "unit_code": "",
        "tax_code": "0101243150-001",
        "agency": "00101",
        "contact": "hue@hoasen.example",
        "document": DOCUMENT,
        "sha256": sha256(SIGNED).hexdigest(),
        "key": f"submit:{DOSSIER}:1",
        "transaction": None,
    }
    return Filed(**{**given, **other})


def wanted(transaction: str = "GD1", number: str | None = None, **other: Any) -> RepliesWanted:
    given = {
        "enrolment": ENROLMENT,
        "dossier": DOSSIER,
        "attempt": 1,
        "kind": "register",
        "transaction": transaction,
        "number": number,
    }
    return RepliesWanted.model_validate({**given, **other})


def attempt(name: str = "call", *, unsure: bool = False, seconds: float = 30) -> Try:
    """One try."""
    return Try(name, 1, unsure, boottime() + seconds, "hoasen", NOW, UNIT, ENROLMENT)


def envelope(fact: Fact) -> Event[Any]:
    """The fact as it comes off the log."""
    return envelope_of(type(fact))(
        id=uuid5(SPACE, fact.TYPE), source="hoso.test", type=fact.TYPE, subject=UNIT, time=NOW, correlationid=ENROLMENT,
        tenant="hoasen", environment="test", data=fact,
    )  # fmt: skip


def told(steps: object) -> list[Fact]:
    """The facts among the steps, in order."""
    assert isinstance(steps, list | tuple)
    return [step.fact for step in steps if isinstance(step, Tell)]


def called(steps: Sequence[Step]) -> dict[str, Call]:
    """The calls among the steps, by lane."""
    return {step.lane: step for step in steps if isinstance(step, Call)}


@dataclass
class AgencyByHand:
    """Implements `services.submitter.gateway.AgencyGateway`: answers what was put into it, raises what is an error."""

    receipt: Receipt | Exception = field(default_factory=lambda: Receipt("received", "GD1"))
    found: Sequence[Receipt] | Exception = ()
    standing: dict[str, Receipt] | Exception = field(default_factory=dict)
    activation: Receipt | Exception = field(default_factory=lambda: Receipt("accepted", "GD1", code="00"))
    active: bool | Exception = False
    pages: list[RosterPage | Exception] = field(default_factory=list)
    filed: list[tuple[Dossier, str, float]] = field(default_factory=list)
    looked: list[tuple[Dossier, str]] = field(default_factory=list)
    asked: list[list[str]] = field(default_factory=list)
    given: list[tuple[str, str, str, float]] = field(default_factory=list)
    fetched: list[tuple[str, int, int]] = field(default_factory=list)
    able: Capabilities = field(default_factory=Capabilities)

    async def capabilities(self) -> Capabilities:
        return self.able

    async def submit(self, dossier: Dossier, key: str, deadline: float) -> Receipt:
        self.filed.append((dossier, key, deadline))
        return _or_raise(self.receipt)

    async def find(self, dossier: Dossier, key: str) -> Sequence[Receipt]:
        self.looked.append((dossier, key))
        return _or_raise(self.found)

    async def replies(self, transactions: Sequence[str]) -> dict[str, Receipt]:
        self.asked.append(list(transactions))
        known = _or_raise(self.standing)
        return {name: known[name] for name in transactions if name in known}

    async def activate(self, transaction: str, unit_code: str, code: str, deadline: float) -> Receipt:
        self.given.append((transaction, unit_code, code, deadline))
        return _or_raise(self.activation)

    async def activated(self, transaction: str, unit_code: str) -> bool:
        return _or_raise(self.active)

    async def roster(self, unit_code: str, page: int, size: int) -> RosterPage:
        self.fetched.append((unit_code, page, size))
        return _or_raise(self.pages[page - 1])

    async def close(self) -> None:
        return None


def _or_raise(answer: Any) -> Any:
    if isinstance(answer, Exception):
        raise answer
    return answer


@dataclass
class FilingsByHand:
    """Implements `services.submitter.ports.Filings` in memory."""

    ledger: Filed | None = None
    newest: tuple[UUID | None, int] | None = None
    doubts: list[Disbelief] = field(default_factory=list)
    until: datetime | None = None
    known: set[str] = field(default_factory=set)
    """Transactions and SHA-256 of the ledger."""
    again: list[tuple[UUID, int, str]] = field(default_factory=list)

    async def known_until(self) -> datetime | None:
        return self.until

    async def strangers(self, filings: Sequence[tuple[str, str]]) -> set[str]:
        return {transaction for transaction, sha in filings if not {transaction, sha} & self.known}

    async def found_again(self, dossier: UUID, attempt: int, sha256: str) -> None:
        self.again.append((dossier, attempt, sha256))

    async def filed(self, dossier: UUID, attempt: int) -> Filed | None:
        return self.ledger

    async def disbelieved(self, tenant: str, told: Disbelief) -> None:
        self.doubts.append(told)

    async def roster(self, unit: UUID) -> tuple[UUID | None, int] | None:
        return self.newest


@dataclass
class VaultByHand:
    """Implements `services.submitter.ports.Vault` in memory."""

    items: dict[UUID, bytes] = field(default_factory=lambda: {DOCUMENT: SIGNED, CODE: SECRET.encode()})
    away: Exception | None = None
    sealed: list[tuple[str, UUID, str]] = field(default_factory=list)

    async def put(self, tenant: str, scope: UUID, purpose: str, data: bytes) -> UUID:
        if self.away is not None:
            raise self.away
        self.sealed.append((tenant, scope, purpose))
        ref = uuid5(scope, data.hex())
        self.items[ref] = data
        return ref

    async def get(self, ref: UUID) -> bytes:
        if self.away is not None:
            raise self.away
        if ref not in self.items:
            raise Erased(f"{ref} is not in the vault")
        return self.items[ref]

    async def destroy(self, ref: UUID) -> None:
        if self.away is not None:
            raise self.away
        self.items.pop(ref, None)

"""The agency's gateway as the submitter sees it. A connector to a real gateway is one file that implements this port.

Every method may raise
    Transient        certainly not processed: a refused connection, 429, or what the gateway declares as not processed
    OutcomeUnknown   may have been processed: a time-out, a reset, an answer nobody can read
    Invalid          the gateway will never take this request
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from schemas.events import StepResult


@dataclass(frozen=True, slots=True)
class Dossier:
    """What is filed: the signed bytes as they are, and what the gateway wants to know beside them."""

    data: bytes
    sha256: str
    procedure: str
    unit_code: str
    tax_code: str
    agency: str | None
    contact: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """The agency's word on one filing. `number` (số hồ sơ) is None for a while; `transaction` names it from the first."""

    outcome: Literal["received", "accepted", "refused"]
    transaction: str
    number: str | None = None
    code: str = ""
    text: str = ""
    steps: tuple[StepResult, ...] = ()


@dataclass(frozen=True, slots=True)
class RosterPage:
    """One page of employees, as the agency gave it."""

    total: int
    employees: Sequence[dict[str, Any]]


class AgencyGateway(Protocol):
    """One agency gateway."""

    async def submit(self, dossier: Dossier, key: str, deadline: float) -> Receipt:
        """File. Nothing is written after `deadline` (`hoso.runtime.clock.boottime`), which is also the total time-out."""
        ...

    async def find(self, dossier: Dossier, key: str) -> Sequence[Receipt]:
        """What the agency has of exactly these bytes for this unit and procedure, oldest first; whatever the key."""
        ...

    async def replies(self, transactions: Sequence[str]) -> dict[str, Receipt]:
        """Where filings stand, up to 200 at once; one the agency does not know (yet) is left out. Idempotent."""
        ...

    async def activate(self, transaction: str, unit_code: str, code: str, deadline: float) -> Receipt:
        """Give the code out of the mail."""
        ...

    async def activated(self, transaction: str, unit_code: str) -> bool:
        """Whether the unit was activated with this filing. Idempotent."""
        ...

    async def roster(self, unit_code: str, page: int, size: int) -> RosterPage:
        """Employees of an activated unit. Idempotent."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...

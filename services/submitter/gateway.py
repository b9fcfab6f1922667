"""The agency's gateway as the submitter sees it. A connector to a real gateway is one file that implements this port.

Every method may raise
    Transient        certainly not processed: a refused connection, 429, or what the gateway declares as not processed
    OutcomeUnknown   may have been processed: a time-out, a reset, an answer nobody can read
    Invalid          the gateway will never take this request
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from schemas.events import StepResult
from schemas.units import Kind

PROCEDURES: Mapping[Kind, str] = {
    "register": "04_DK-IVAN",
    "change": "05_SD-IVAN",
    "stop": "06_NG-IVAN",
    "first_code": "604",
}
"""What each kind is called at the gateway (docs/gateway.md; domain.md §4.8)."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a gateway can do. What it lacks becomes a person's task (docs/connector.md)."""

    activation: bool = True
    """`activate` and `activated`. Without: a person activates on the portal; the code stays sealed for him."""
    find: bool = True
    """Without: a doubtful filing goes to a person at once, for nobody can look it up."""
    replies: bool = True
    """Without: decisions come by mail, or a person enters them."""
    roster: bool = True
    lookup: bool = True
    signed_replies: bool = False
    """Decisions come with a signed form 01/TB-GD. Whether it is asked for is a setting, not this word."""


@dataclass(frozen=True, slots=True)
class Dossier:
    """What is filed: the signed bytes as they are, and what the gateway wants to know beside them."""

    data: bytes
    """Empty when it is only looked for and the document is no longer there."""
    sha256: str
    """Empty when everything is looked for that was filed for this unit and procedure."""
    procedure: str
    unit_code: str
    """Empty for a first-time dossier: then the tax code names the unit."""
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
    unit_code: str = ""
    procedure: str = ""
    sha256: str = ""
    """Of the filed bytes, where the receipt names it."""
    document: bytes | None = None
    """The signed form 01/TB-GD, as it came; None when there was none."""
    doubt: str = ""
    """Why this receipt is not believed, in Vietnamese. Then it is no answer, and `document` is evidence."""
    unit_name: str = ""
    filed_at: datetime | None = None
    """When it was filed, by the agency's clock; None when the receipt does not say."""


@dataclass(frozen=True, slots=True)
class RosterPage:
    """One page of employees, as the agency gave it."""

    total: int
    employees: Sequence[Mapping[str, Any]]


class AgencyGateway(Protocol):
    """One agency gateway."""

    async def capabilities(self) -> Capabilities:
        """What it can do. Cheap: asked before every call. Never sends anything that has effects."""
        ...

    async def submit(self, dossier: Dossier, key: str, deadline: float) -> Receipt:
        """File. Nothing is written after `deadline` (`hoso.runtime.clock.boottime`), which is also the total time-out."""
        ...

    async def find(self, dossier: Dossier, key: str) -> Sequence[Receipt]:
        """What the agency has of exactly these bytes for this unit and procedure, oldest first; whatever the key.

        An empty `sha256`: of any bytes. Only asked after a restore (docs/backup.md)."""
        ...

    async def replies(self, transactions: Sequence[str]) -> dict[str, Receipt]:
        """Where filings stand, up to 200 at once; one the agency does not know (yet) is left out. Idempotent."""
        ...

    async def activate(self, transaction: str, unit_code: str, code: str, deadline: float) -> Receipt:
        """Give the code out of the mail. `unit_code` is empty for a first-time dossier, which this releases to the officer."""
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

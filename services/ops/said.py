"""What a person says to something that waits, and the sentence when it cannot be taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from hoso.runtime.failures import HosoError
from hoso.runtime.outgoing import Cause
from hoso.runtime.steps import Step, Tx
from schemas.units import UnitForm


class Unanswerable(HosoError):
    """The answer cannot be taken. `code` is for programs, `vi` the sentence in Vietnamese, str() in English."""

    def __init__(self, code: str, vi: str, en: str) -> None:
        super().__init__(en)
        self.code = code
        self.vi = vi


@dataclass(frozen=True, slots=True)
class Said:
    """One answer as a person gives it, not yet checked."""

    answer: str
    value: str | None = None
    reason: str = ""
    """Why, for the record."""
    code: str | None = field(default=None, repr=False)
    """An activation code; sealed before anything refers to it, and never in an event."""
    arrived_at: datetime | None = None
    """When the code's mail reached the person."""
    form: UnitForm | None = None
    """The whole row as it shall be, already validated as a row (`app/mending.py`)."""


class Registry(Protocol):
    """The unit registry."""

    async def give_code(self, tx: Any, unit: UUID, unit_code: str) -> bool:
        """Note a unit's code. False when another unit holds it."""
        ...


class MailboxFor(Protocol):
    """The mailbox that receives for an address, and the address to declare."""

    @property
    def mailbox(self) -> UUID: ...
    @property
    def contact(self) -> str: ...


class SetUp(Protocol):
    """What people set up for a tenant."""

    async def profile_for(self, tx: Any, tenant: str, tax_code: str, name: str | None) -> UUID | None:
        """The tenant's signing profile of that name."""
        ...

    async def mailbox_for(self, tx: Any, tenant: str, email: str) -> MailboxFor | None:
        """The mailbox that receives mail to `email`; None when none is declared."""
        ...


class Sealer(Protocol):
    """The vault."""

    async def put(self, tenant: str, scope: UUID, purpose: str, data: bytes) -> UUID:
        """Seal; the reference."""
        ...


class Log(Protocol):
    """The edge of the kernel."""

    async def admit_many(self, tx: Tx, steps: Sequence[tuple[Cause, Step]]) -> Callable[[], None]:
        """Write the steps; call what comes back after the commit."""
        ...


class Pool(Protocol):
    """Connections."""

    def acquire(self) -> AbstractAsyncContextManager[Any]:
        """One, for the length of a `with`."""
        ...


@dataclass(frozen=True, slots=True)
class Means:
    """What answering stands on."""

    pool: Pool
    registry: Registry
    set_up: SetUp
    vault: Sealer
    log: Log
    now: Callable[[], datetime]
    """The world's time."""
    own_provider: str = ""
    """Our own I-VAN code, which nobody has to stop."""

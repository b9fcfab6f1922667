"""What intake needs from others. Adapters live outside this folder; tests bring their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from hoso.runtime.outgoing import Cause
from hoso.runtime.steps import Step, Tx
from hoso.setup.units import Claimed, RowKey


class UnitRegistry(Protocol):
    """Which unit a key means."""

    async def claim(self, tx: Tx, tenant: str, keys: Sequence[RowKey]) -> list[Claimed]:
        """One answer a key, in order; units never seen are made. The same key always means the same unit."""
        ...

    async def give_code(self, tx: Tx, unit: UUID, unit_code: str) -> bool:
        """Note a unit's code. False when another unit holds it."""
        ...


@dataclass(frozen=True, slots=True)
class MailboxFor:
    """The mailbox that receives for an address, and the address declared to the agency."""

    mailbox: UUID
    contact: str


class Setup(Protocol):
    """What people have set up for a tenant."""

    async def mailbox_for(self, tx: Tx, tenant: str, email: str) -> MailboxFor | None:
        """The mailbox that receives mail to `email`; None when none is declared."""
        ...

    async def profile_for(self, tx: Tx, tenant: str, tax_code: str, name: str | None) -> UUID | None:
        """The signing profile called `name`, or without a name the one for this tax code; None when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: the tenant he may ask for, his name in records, what he may do (`submit`, `read`)."""

    tenant: str
    actor: str
    scopes: frozenset[str]


class Keys(Protocol):
    """API keys."""

    async def check(self, token: str) -> Principal | None:
        """Whose key this is; None when nobody's, or revoked."""
        ...


class Admitter(Protocol):
    """The edge of the kernel: steps into the log, in the caller's transaction, as the last thing it does."""

    async def admit_many(self, tx: Tx, steps: Sequence[tuple[Cause, Step]]) -> Callable[[], None]:
        """Write the steps. Call what comes back after the commit: it wakes whoever waits."""
        ...


class SheetStore(Protocol):
    """Where uploaded sheets lie, sealed. Written before a batch is promised, kept as long as its result is asked for."""

    async def put(self, tenant: str, batch: UUID, data: bytes) -> UUID:
        """Durable when this returns; the reference. Never called inside a transaction."""
        ...

    async def get(self, ref: UUID) -> bytes:
        """The bytes. Raises HosoError when they are gone."""
        ...


class Pool(Protocol):
    """Connections. An asyncpg pool is one."""

    def acquire(self) -> AbstractAsyncContextManager[Tx]:
        """A connection for the length of a `with`."""
        ...


class Clock(Protocol):
    """The world's time."""

    def now(self) -> datetime:
        """Aware, UTC."""
        ...

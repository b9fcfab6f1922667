"""What intake needs from others. Adapters live outside this folder; tests bring their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from hoso.runtime.outgoing import Cause
from hoso.runtime.steps import Step, Tx
from hoso.setup.units import Claimed, RowKey


class UnitRegistry(Protocol):
    """Which unit a key means."""

    async def claim(self, tx: Tx, tenant: str, keys: Sequence[RowKey]) -> list[Claimed]:
        """One answer a key, in order; units never seen are made. The same key always means the same unit."""
        ...

    async def link(self, tx: Tx, units: Sequence[tuple[UUID, str]]) -> None:
        """Note which unit of the employer's own organisation each one is."""
        ...

    async def give_code(self, tx: Tx, unit: UUID, unit_code: str) -> bool:
        """Note a unit's code. False when another unit holds it."""
        ...


@dataclass(frozen=True, slots=True)
class MailboxFor:
    """The mailbox that receives for an address. `mode` says which address is declared to the agency."""

    mailbox: UUID
    contact: str
    """The row's address, or the mailbox's own."""
    mode: Literal["shared", "own", "catch-all"] = "shared"

    @property
    def own(self) -> bool:
        """Whether every enrolment gets an address of its own."""
        return self.mode != "shared"

    def address(self, enrolment: UUID) -> str:
        """What is declared for an enrolment: the contact itself, or an own address that stays the enrolment's.

        Its token is the id's random end (48 bits): nobody else's mail gets there by chance.
        """
        if not self.own:
            return self.contact
        local, _, domain = self.contact.partition("@")
        return f"{local}{'+' if self.mode == 'own' else '.'}{enrolment.hex[-12:]}@{domain}"


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
    """Where uploaded sheets and files lie, sealed. A sheet is written before its batch is promised, kept as long as its result is asked for."""

    async def put(self, tenant: str, batch: UUID, data: bytes) -> UUID:
        """Durable when this returns; the reference. Never called inside a transaction."""
        ...

    async def get(self, ref: UUID) -> bytes:
        """The bytes. Raises HosoError when they are gone."""
        ...

    async def keep(self, tenant: str, scope: UUID, data: bytes) -> UUID:
        """A file that will travel in dossiers: evidence. Durable when this returns; the reference."""
        ...

    async def forget(self, ref: UUID) -> None:
        """Destroy a file that nobody took."""
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

"""What the submitter needs of the house."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

import asyncpg

from hoso.runtime.failures import Transient
from schemas.units import Kind

AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""The database, or the vault in it, cannot be asked now."""


class Vault(Protocol):
    """Where documents, codes and rosters are."""

    async def put(self, tenant: str, scope: UUID, purpose: str, data: bytes) -> UUID: ...
    async def get(self, ref: UUID) -> bytes: ...
    async def destroy(self, ref: UUID) -> None: ...


@dataclass(frozen=True, slots=True)
class Filed:
    """An attempt as the ledger has it."""

    kind: Kind
    unit_code: str
    tax_code: str
    agency: str | None
    contact: str
    document: UUID
    sha256: str
    key: str
    transaction: str | None


@dataclass(frozen=True, slots=True)
class Disbelief:
    """A reply that was not believed."""

    enrolment: UUID
    dossier: UUID
    attempt: int
    transaction: str
    why: str
    document: bytes | None


class Filings(Protocol):
    """The submitter's own tables, read outside the kernel's transactions."""

    async def filed(self, dossier: UUID, attempt: int) -> Filed | None:
        """What was filed, if it was ever asked for."""
        ...

    async def disbelieved(self, tenant: str, told: Disbelief) -> None:
        """Count it, and keep the first few of an attempt as evidence. Never raises."""
        ...

    async def known_until(self) -> datetime | None:
        """The world's time of the last event that a restored database knows; None when no restore is open (docs/backup.md)."""
        ...

    async def strangers(self, filings: Sequence[tuple[str, str]]) -> set[str]:
        """Transactions of those (transaction, sha256) of which no filing of the ledger has either."""
        ...

    async def found_again(self, dossier: UUID, attempt: int, sha256: str) -> None:
        """An attempt was filed before a restore, as these bytes."""
        ...

    async def roster(self, unit: UUID) -> tuple[UUID | None, int] | None:
        """The unit's newest roster: its document (None: no employees) and how many. None: there is none to compare with."""
        ...


async def opened(vault: Vault, ref: UUID) -> bytes:
    """Out of the vault, before the world is asked: a vault that is away is Transient, for certainly nothing was sent."""
    try:
        return await vault.get(ref)
    except AWAY as error:
        raise Transient(f"the vault is away: {error!r}") from error

"""What the watcher asks of the house it lives in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from hoso.runtime.steps import Step, Tx
from hoso.store.vault import Sealing


class Vault(Protocol):
    """Sealed storage; all of it commits on its own, never inside the caller's transaction."""

    async def put(self, tenant: str, scope: UUID, purpose: str, data: bytes, /) -> UUID:
        """Seal; the id is derived from scope and content, so a repeat is harmless. Raises `hoso.store.vault.Erased`
        when everything of that scope and purpose has been destroyed."""
        ...

    async def put_many(self, sealings: Sequence[Sealing], /) -> list[UUID]:
        """Seal several at once; the references in order. Raises as `put`."""
        ...

    async def get(self, ref: UUID, /) -> bytes:
        """Open. Raises `hoso.store.vault.Erased`."""
        ...

    async def destroy(self, *refs: UUID) -> None:
        """Erase; what is not there is no error."""
        ...


class Clock(Protocol):
    """The world's time."""

    def now(self) -> datetime: ...

    def world(self, real: datetime) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Admission:
    """One step of an edge, with whom it concerns."""

    tenant: str
    subject: UUID
    correlation: UUID
    step: Step


Admit = Callable[[Tx, Sequence[Admission]], Awaitable[Callable[[], None]]]
"""Writes steps in the given transaction; what comes back is called after the commit."""

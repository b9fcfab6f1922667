"""What the notifier needs of others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol
from uuid import UUID

from hoso.runtime.outgoing import Cause
from hoso.runtime.steps import Step, Tx


class Pool(Protocol):
    """Connections."""

    def acquire(self) -> AbstractAsyncContextManager[Any]:
        """One, for the length of a `with`."""
        ...


class Log(Protocol):
    """The edge of the kernel."""

    async def admit_many(self, tx: Tx, steps: Sequence[tuple[Cause, Step]]) -> Callable[[], None]:
        """Write the steps; call what comes back after the commit."""
        ...


class Vault(Protocol):
    """Where the secrets of webhooks are sealed."""

    async def put(self, tenant: str, scope: UUID, purpose: str, data: bytes) -> UUID: ...
    async def get(self, ref: UUID) -> bytes: ...
    async def erase(self, scope: UUID, purpose: str) -> None: ...

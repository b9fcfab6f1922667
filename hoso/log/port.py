"""The event log as services see it. Two adapters: PostgreSQL (the default and the outbox) and Kafka.

topic       a named stream of events, cut into partitions
offset      an event's number in its partition: contiguous from 0, no gaps
position    per group and partition, the offset to be handled next; moves only in the transaction of the effects
record      an event as it lies in the log, not yet decoded
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol
from uuid import UUID


class GapFound(Exception):
    """The log does not hold the offset this group has to read next: {0}. Events were trimmed or lost; nothing is skipped."""


class PositionMoved(Exception):
    """Another process moved the position: what was read here is not ours to handle. Read again."""


class Record(NamedTuple):
    """One event where it lies. `at` is the world's time at append; it never goes back within a partition."""

    topic: str
    part: int
    off: int
    at: datetime
    type: str
    subject: UUID | None
    tenant: str
    body: bytes


class Entry(NamedTuple):
    """One event to append."""

    topic: str
    part: int
    id: UUID
    type: str
    subject: UUID | None
    tenant: str
    body: bytes


class EventLog(Protocol):
    """What the consumer loop needs. `tx` is always the caller's open transaction."""

    async def read(self, limit: int) -> Sequence[Record]:
        """Up to `limit` records per owned partition, from the positions on. Empty when there is nothing new."""
        ...

    async def fence(self, tx: Any, records: Sequence[Record]) -> None:
        """Lock the positions of the records' partitions. Raises PositionMoved unless each is still where it was read."""
        ...

    async def move(self, tx: Any, records: Sequence[Record]) -> None:
        """Put the positions behind the records."""
        ...

    def moved(self, records: Sequence[Record]) -> None:
        """The transaction that moved the positions has committed."""
        ...

    async def reload(self) -> None:
        """Forget what is known of positions and ownership and read both anew."""
        ...

    async def close(self) -> None: ...

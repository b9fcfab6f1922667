"""The three things a handler may answer with: an event (tell the log), a call (ask the world), a timer (ask the clock).

A handler is pure, so it names what shall happen; the kernel writes all of it in the transaction that also saves the
handler's state and moves its position. docs/kernel.md tells the whole story.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

import asyncpg

from schemas.envelope import Event, Fact
from schemas.topics import Topic

Tx = asyncpg.pool.PoolConnectionProxy | asyncpg.Connection
"""A connection with an open transaction: whoever gets one commits nothing and asks nobody outside the database."""

S = TypeVar("S")
A = TypeVar("A", bound=Fact, contravariant=True)


@dataclass(frozen=True, slots=True)
class Tell:
    """Append `fact` to its topic (`schemas.topics.TOPIC_OF`). The kernel adds id, time, source, tenant and causes."""

    fact: Fact
    subject: UUID | None = None
    """The unit; None = the unit of the event or call being answered."""
    correlation: UUID | None = None
    """The enrolment; None = that of the event or call being answered."""


@dataclass(frozen=True, slots=True)
class Call:
    """Ask the world. Asking twice under one name is asking once; one subject's calls in a lane go out in order."""

    lane: str
    """The queue it waits in: "agency.submit", "signer.sign", ..."""
    subject: UUID
    """Unit, token or mailbox: never two of its calls in flight in a lane."""
    name: str
    """"submit:<dossier>:<attempt>": also the idempotency key on the wire."""
    ask: Fact
    """Small; documents and secrets are vault references."""
    due: datetime | None = None


@dataclass(frozen=True, slots=True)
class Timer:
    """Ask the clock. Setting (subject, name) again moves it; comes back as `fact` on its topic, possibly late."""

    name: str
    due: datetime
    fact: Fact
    subject: UUID | None = None


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Forget a timer, or a call never begun. A call that was begun always runs to its outcome."""

    name: str
    subject: UUID | None = None


Step = Tell | Call | Timer | Withdraw
Handler = Callable[[S, Event[Any], datetime], tuple[S, Sequence[Step]]]
"""Pure: state, event and time in; state and steps out. No I/O, clock or randomness. The time is the event's."""


@dataclass(frozen=True, slots=True)
class Try:
    """One try of a call."""

    name: str
    number: int
    unsure: bool
    """An earlier try may have reached the world: the kernel has called `reconcile` first."""
    deadline: float
    """Nothing may be sent after it: seconds of CLOCK_BOOTTIME (it goes on while a process is stopped). See `seconds_left`."""
    tenant: str
    now: datetime
    """The world's clock when the try was claimed."""
    subject: UUID
    correlation: UUID


@dataclass(frozen=True, slots=True)
class NotYet:
    """Nobody failed, somebody is awaited (a director's phone, an officer). Costs no try."""

    ask_again: timedelta


class Performer(Protocol[A]):
    """Effectful, never inside a transaction. Raises Transient, Invalid or OutcomeUnknown (`hoso.runtime.failures`)."""

    async def perform(self, ask: A, this: Try) -> Sequence[Step] | NotYet:
        """Ask the world once and say what came of it."""
        ...

    async def reconcile(self, ask: A, this: Try) -> Sequence[Step] | None:
        """Find out what an earlier, unsure try did. None: it is absent as far as can be seen now."""
        ...

    def give_up(self, ask: A, this: Try, reached: bool, error: str) -> Sequence[Step]:
        """The steps that end the call when asking is over: `reached` = it may have reached the world."""
        ...


@dataclass(frozen=True, slots=True)
class Tried:
    """One finished try, for a service's evidence."""

    ask: Fact
    this: Try
    outcome: str
    """ended, not-yet, transient, unknown, absent, gave-up, lost (another's outcome was first)."""
    error: str
    steps: Sequence[Step]


@dataclass(frozen=True, slots=True)
class Lane:
    """How one kind of call is asked: by whom, how many at once, for how long, how often."""

    performer: Performer[Any]
    at_once: int = 100
    timeout: timedelta = timedelta(seconds=30)
    """From the claim to the deadline of a try."""
    keep_trying: timedelta = timedelta(hours=24)
    """Age at which a call that never reached the world is given up."""
    transport_bound: timedelta = timedelta(minutes=6)
    """How long after the deadline a request already written may still arrive: "absent" counts only later."""
    tries: int = 5
    """How often a call may be proved absent, or fail in a way nobody foresaw, before a person is asked."""
    harmless: bool = False
    """Asking twice changes nothing (a question, a deed inside the house): a doubt is simply asked again."""
    record: Callable[[Tx, Sequence[Tried]], Any] | None = None
    """Writes the service's evidence inside the transaction of the outcome; awaited."""


class States(Protocol[S]):
    """A service's states, loaded and saved in bulk in the given transaction."""

    async def load(self, tx: Tx, subjects: Sequence[UUID]) -> dict[UUID, S]:
        """A state for every subject, also for those never seen."""
        ...

    async def save(self, tx: Tx, states: dict[UUID, S]) -> None:
        """Only states that changed are given."""
        ...


@dataclass(frozen=True, slots=True)
class Service(Generic[S]):
    """One consumer group: what it reads, what it keeps, what it decides, what it asks."""

    group: str
    topics: Sequence[Topic]
    states: States[S]
    handle: Handler[S]
    lanes: dict[str, Lane]
    linger: float = 0.005
    """Seconds to wait for more events after a batch that was not full: what nobody waits for is cheaper together."""

"""A small stage for the kernel: facts and topics of its own, a service that echoes, performers that do as told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from pydantic import TypeAdapter

from hoso.log.port import Record
from hoso.log.postgres import PostgresLog
from hoso.runtime.clock import WorldClock
from hoso.runtime.consumer import Consumer
from hoso.runtime.ids import uuid7
from hoso.runtime.lanes import LaneRunner
from hoso.runtime.metrics import Metrics
from hoso.runtime.outgoing import Cause, Source, write
from hoso.runtime.steps import Call, Lane, NotYet, Service, Step, Tell, Tried, Try
from hoso.store.postgres import Database
from hoso.store.states import JsonStates
from schemas.envelope import Event, Fact, decode
from schemas.topics import Topic
from tests.contract.log.on_kafka import KafkaStage, Reader
from tests.support.waiting import eventually

GROUP = "test.echo"
LANE = "test.lane"


class Counted(Fact):
    """What the service reads."""

    TYPE: ClassVar[str] = "vn.hoso.test.counted.v1"
    n: int


class Nudged(Fact):
    """The same on a second topic."""

    TYPE: ClassVar[str] = "vn.hoso.test.nudged.v1"
    n: int


class Echoed(Fact):
    """What it says: the effect that must be there exactly once."""

    TYPE: ClassVar[str] = "vn.hoso.test.echoed.v1"
    n: int
    text: str = ""


class Rang(Fact):
    """A timer that came back."""

    TYPE: ClassVar[str] = "vn.hoso.test.rang.v1"
    k: int


class Asked(Fact):
    """What a call asks."""

    TYPE: ClassVar[str] = "vn.hoso.test.asked.v1"
    n: int = 0


COUNTED = Topic("test.counted", (Counted,), (), (), "tests")
NUDGED = Topic("test.nudged", (Nudged,), (), (), "tests")
ECHOED = Topic("test.echoed", (Echoed, Rang), (), (), "tests")
TOPICS = (COUNTED, NUDGED, ECHOED)


@dataclass(frozen=True, slots=True)
class Seen:
    """A unit's state: the numbers it has seen, in order."""

    numbers: tuple[int, ...] = ()


class Echo:
    """A handler that says every number once. Pure but for `poison`: the fault a later release mends."""

    def __init__(self) -> None:
        self.poison: set[int] = set()

    def __call__(self, state: Seen, event: Event[Any], now: datetime) -> tuple[Seen, Sequence[Step]]:
        n = event.data.n
        if n in self.poison:
            raise RuntimeError(f"number {n} cannot be handled")
        return Seen((*state.numbers, n)), [Tell(Echoed(n=n))]


def states() -> JsonStates[Seen]:
    """Where the service keeps its states."""
    return JsonStates("probe.state", TypeAdapter(Seen), Seen)


def service(
    handle: Any = None,
    *,
    topics: Sequence[Topic] = (COUNTED,),
    kept: Any = None,
    group: str = GROUP,
    lanes: dict[str, Lane] | None = None,
) -> Service[Any]:
    """The echoing service, or one with another handler or other states."""
    return Service(group, topics, kept or states(), handle or Echo(), lanes or {})


def source(group: str = GROUP, keep_trying: timedelta = timedelta(days=1)) -> Source:
    """Who writes."""
    return Source(group, "test", {LANE: keep_trying})


def consumer(
    db: Database,
    own: Service[Any],
    *,
    events: Any = None,
    member: UUID | None = None,
    limit: int = 100,
    metrics: Metrics | None = None,
) -> Consumer[Any]:
    """One member of the service's group, on a log of its own."""
    events = events or reader(db, own.group, own.topics, member)
    return Consumer(own, events, db, source(own.group), WorldClock(), metrics or Metrics(), limit=limit)


def reader(db: Database, group: str = GROUP, topics: Sequence[Topic] = (COUNTED,), member: UUID | None = None) -> Any:
    """The log of this stage as one member of a group reads it. Nobody told it of others: it reads all partitions."""
    if isinstance(db, KafkaStage):
        return db.reader(group, topics, member)
    return PostgresLog(db.quick, group, topics, member or uuid7())


async def ready(events: Any) -> bool:
    """Wait until what was committed can be read; whether there is anything that a turn may not give at once (PostgreSQL: never)."""
    while hasattr(events, "events"):
        events = events.events
    return await events.ready() if isinstance(events, Reader) else False


async def turn(own: Consumer[Any]) -> int:
    """One turn with what is there; how many records were handled."""
    await ready(own._events)
    return (await own.turn())[0]


async def settle(own: Consumer[Any]) -> int:
    """Turn until there is nothing left; how many records were handled."""
    total = 0
    while True:
        more = await ready(own._events)
        handled, _ = await own.turn()
        total += handled
        if not handled and not more:
            return total


async def admit(
    db: Database,
    *steps: tuple[UUID, Step],
    tenant: str = "acme",
    group: str = GROUP,
    keep_trying: timedelta = timedelta(days=1),
    now: datetime | None = None,
) -> None:
    """Write steps as an edge does, in one transaction."""
    async with db.pool.acquire() as tx, tx.transaction():
        await write(
            tx,
            source(group, keep_trying),
            [(Cause(unit, tenant, unit, None), step) for unit, step in steps],
            now or datetime.now(UTC),
        )


async def count(db: Database, unit: UUID, numbers: Iterable[int]) -> None:
    """Tell the service these numbers about a unit."""
    await admit(db, *((unit, Tell(Counted(n=n))) for n in numbers))


async def log_of(db: Database, topic: Topic) -> list[Record]:
    """Everything on a topic, by partition and offset."""
    rows = await db.pool.fetch(
        "select topic, part, off, at, type, subject, tenant, body from log.event where topic = $1 order by part, off",
        topic.name,
    )
    return [Record(*row) for row in rows]


async def facts_of(db: Database, topic: Topic, unit: UUID | None = None) -> list[Any]:
    """The facts on a topic in order, of one unit or of all."""
    return [decode(r.type, r.body).data for r in await log_of(db, topic) if unit in (None, r.subject)]


async def echoes(db: Database, unit: UUID | None = None) -> list[int]:
    """The numbers said about a unit."""
    return [f.n for f in await facts_of(db, ECHOED, unit) if isinstance(f, Echoed)]


async def held(db: Database, group: str = GROUP) -> dict[UUID, tuple[str, list[int]]]:
    """Held units: why, and the numbers that wait."""
    rows = await db.pool.fetch(
        "select h.subject, h.reason, e.type, e.body from log.held h left join log.held_event e using (grp, subject) "
        "where grp = $1 order by e.n",
        group,
    )
    found: dict[UUID, tuple[str, list[int]]] = {}
    for r in rows:
        _, numbers = found.setdefault(r["subject"], (r["reason"], []))
        if r["body"] is not None:
            with contextlib.suppress(Exception):
                numbers.append(decode(r["type"], r["body"]).data.n)
    return found


Answer = Callable[[Any, Try], Awaitable[Sequence[Step] | NotYet]]
Look = Callable[[Any, Try], Awaitable[Sequence[Step] | None]]


async def echo_back(ask: Asked, this: Try) -> Sequence[Step]:
    """The plain answer."""
    return [Tell(Echoed(n=ask.n))]


async def absent(ask: Asked, this: Try) -> None:
    """The plain look: nothing there."""
    return


@dataclass(slots=True)
class Desk:
    """A performer that answers as told, and notes who came when."""

    answer: Answer = echo_back
    look: Look = absent
    tries: list[Try] = field(default_factory=list)
    looks: list[Try] = field(default_factory=list)
    given_up: list[tuple[str, bool, str]] = field(default_factory=list)
    waiting: dict[UUID, int] = field(default_factory=dict)
    peak: int = 0
    two_at_once: int = 0

    async def perform(self, ask: Asked, this: Try) -> Sequence[Step] | NotYet:
        self.tries.append(this)
        self.two_at_once += this.subject in self.waiting
        self.waiting[this.subject] = ask.n
        self.peak = max(self.peak, len(self.waiting))
        try:
            return await self.answer(ask, this)
        finally:
            self.waiting.pop(this.subject, None)

    async def reconcile(self, ask: Asked, this: Try) -> Sequence[Step] | None:
        self.looks.append(this)
        return await self.look(ask, this)

    def give_up(self, ask: Asked, this: Try, reached: bool, error: str) -> Sequence[Step]:
        self.given_up.append((this.name, reached, error))
        return [Tell(Echoed(n=ask.n, text="given up"))]

    @property
    def names(self) -> list[str]:
        """The calls tried, in order."""
        return [this.name for this in self.tries]


class Evidence:
    """Every finished try, as a service's ledger would keep it."""

    def __init__(self) -> None:
        self.tried: list[Tried] = []

    async def record(self, tx: Any, tried: Sequence[Tried]) -> None:
        self.tried += tried

    @property
    def words(self) -> list[str]:
        """How each try ended."""
        return [t.outcome for t in self.tried]


@dataclass(slots=True)
class Worker:
    """One process's runner of the lane."""

    member: UUID
    woken: asyncio.Event
    metrics: Metrics

    def sample(self, name: str) -> float:
        """A metric of the lane."""
        return self.metrics.registry.get_sample_value(name, {"lane": LANE}) or 0.0


@contextlib.asynccontextmanager
async def working(
    db: Database,
    desk: Desk,
    *,
    clock: WorldClock | None = None,
    group: str = GROUP,
    runner_of: Callable[..., LaneRunner] = LaneRunner,
    **lane: Any,
) -> AsyncIterator[Worker]:
    """Perform the lane until the block ends, as a member of its own."""
    worker = Worker(uuid7(), asyncio.Event(), Metrics())
    await db.pool.execute("insert into log.member(id, grp, host, pid) values ($1, $2, 'here', 1)", worker.member, group)
    runner = runner_of(
        LANE, Lane(desk, **lane), db, source(group), clock or WorldClock(), worker.metrics, lambda: worker.member
    )
    drained = asyncio.Event()
    running = asyncio.create_task(
        runner.run(worker.woken, lambda words: worker.woken.set() if words else None, drained=drained)
    )
    try:
        yield worker
    finally:
        drained.set()
        worker.woken.set()
        await running


def ask(unit: UUID, name: str, n: int = 0, due: datetime | None = None) -> tuple[UUID, Step]:
    """A call for `admit`."""
    return unit, Call(LANE, unit, name, Asked(n=n), due)


async def calls(db: Database) -> list[Any]:
    """The calls that are open, in order."""
    return await db.pool.fetch("select * from log.call where lane = $1 order by seq", LANE)


async def all_ended(db: Database, seconds: float = 10.0) -> None:
    """Wait until no call is open."""

    async def none() -> bool:
        return not await calls(db)

    await eventually(none, "every call to end", seconds)

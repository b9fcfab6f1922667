"""The consumer loop: records in, one transaction a batch, effects and position together.

    read                              no transaction
    fence -> held -> load -> handle -> save -> steps (events last) -> move       one transaction
    ring                              after the commit

Handlers are pure, so an event that cannot be handled is noticed before anything is written: its unit is held from that
event on and everybody else goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from uuid import UUID

import asyncpg

from hoso.log.port import EventLog, PositionMoved, Record
from hoso.points import point
from hoso.runtime.clock import Clock
from hoso.runtime.ids import uuid7
from hoso.runtime.metrics import Metrics
from hoso.runtime.outgoing import Because, Cause, Source, write
from hoso.runtime.steps import Service
from hoso.store.postgres import Database, columns
from hoso.writable import writable
from schemas.envelope import BrokenEvent, UnknownType, decode

log = logging.getLogger(__name__)
S = TypeVar("S")

LOST = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.exceptions.OperatorInterventionError,
    asyncpg.exceptions.InsufficientResourcesError,
    asyncpg.exceptions.TransactionRollbackError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InternalClientError,
)
"""The database went away, is full, or ended our transaction: whatever we were not told of may be asked or read again."""


def is_lost(error: Exception) -> bool:
    """Whether it is the database's failure, and not data it will never take (asyncpg's own DataError is an InterfaceError too)."""
    return isinstance(error, LOST) and not isinstance(error, ValueError)


class Braked(Exception):
    """Many units cannot be handled for one reason: {0}. That is our release, not their data: the service stops."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A unit that has to wait, and why."""

    reason: str
    error: str


@dataclass(slots=True)
class Batch(Generic[S]):
    """What a batch came to, before anything is written."""

    states: dict[UUID, S]
    changed: set[UUID] = field(default_factory=set)
    steps: list[Because] = field(default_factory=list)
    holds: dict[UUID, Hold] = field(default_factory=dict)
    queued: list[Record] = field(default_factory=list)
    dead: list[tuple[Record, Hold]] = field(default_factory=list)


class Brake:
    """Stops the service when at least 10 units and over 1 % of a minute's units are held for one reason."""

    UNITS, SHARE, WINDOW_S = 10, 0.01, 60.0

    def __init__(self) -> None:
        self._seen: deque[tuple[float, UUID]] = deque()
        self._held: deque[tuple[float, str, UUID]] = deque()

    def check(self, seen: set[UUID], holds: dict[UUID, Hold]) -> None:
        """Note a batch. Raises Braked before anything of it is committed."""
        now = time.monotonic()
        self._seen.extend((now, unit) for unit in seen)
        for queue in (self._seen, self._held):
            while queue and queue[0][0] < now - self.WINDOW_S:
                queue.popleft()
        if not holds:
            return
        self._held.extend((now, hold.reason, unit) for unit, hold in holds.items())
        total = len({unit for _, unit in self._seen})
        for reason in {hold.reason for hold in holds.values()}:
            count = len({unit for _, why, unit in self._held if why == reason})
            if count >= self.UNITS and count > self.SHARE * total:
                raise Braked(f"{count} of {total} units within a minute: {reason}")


class Consumer(Generic[S]):
    """One member of one group."""

    def __init__(
        self,
        service: Service[S],
        events: EventLog,
        db: Database,
        source: Source,
        clock: Clock,
        metrics: Metrics,
        *,
        limit: int = 100,
    ) -> None:
        self._service = service
        self._events = events
        self._db = db
        self._source = source
        self._clock = clock
        self._metrics = metrics
        self._limit = limit
        self._short = service.group.removeprefix("hoso.")
        self._brake = Brake()
        self._strangers = tuple(t.name.removesuffix("<tenant>") for t in service.topics if t.strangers)

    async def turn(self) -> tuple[int, set[str]]:
        """Handle what is there: how many records were committed, and the words to ring. (0, {}) when there was nothing.

        Raises Braked and GapFound (the service has to stop) and the connection errors of `LOST` (try again).
        """
        records = await self._events.read(self._limit)
        if not records:
            return 0, set()
        started = time.perf_counter()
        try:
            words = await self._commit_or_hold(records)
        except PositionMoved:
            self._metrics.fenced.labels(self._service.group).inc()
            await self._events.reload()
            return 0, set()
        self._metrics.batch_seconds.labels(self._service.group).observe(time.perf_counter() - started)
        for topic in {r.topic for r in records}:
            self._metrics.handled.labels(self._service.group, topic).inc(sum(r.topic == topic for r in records))
        return len(records), words

    async def _commit_or_hold(self, records: Sequence[Record]) -> set[str]:
        """All at once; when that cannot be written record by record; and the unit whose record alone cannot be is held."""
        try:
            return await self._commit(records)
        except (Braked, PositionMoved):
            raise
        except Exception as error:
            if is_lost(error):
                raise
            if len(records) == 1:
                return await self._commit(records, Hold(f"{type(error).__name__} while writing", repr(error)[:500]))
            log.warning(
                "a batch could not be written; going on record by record",
                extra={"group": self._service.group, "error": repr(error)},
            )
        words: set[str] = set()
        for record in records:
            words |= await self._commit_or_hold([record])
        return words

    async def _commit(self, records: Sequence[Record], refuse: Hold | None = None) -> set[str]:
        group = self._service.group
        async with self._db.quick.acquire() as tx:
            async with tx.transaction():
                await self._events.fence(tx, records)
                subjects = list({r.subject for r in records if r.subject is not None})
                held = {
                    r["subject"]
                    for r in await tx.fetch(
                        "select subject from log.held where grp = $1 and subject = any($2) order by subject for update",
                        group,
                        subjects,
                    )
                }
                states = {} if refuse else await self._service.states.load(tx, [s for s in subjects if s not in held])
                batch = self._decide(records, states, held, refuse)
                self._brake.check(set(subjects), batch.holds)
                words = await self._write(tx, batch)
                await self._events.move(tx, records)
                await point(f"{self._short}.before-commit")
            self._events.moved(records)
        await point(f"{self._short}.after-commit")
        return words

    def _decide(
        self, records: Sequence[Record], states: dict[UUID, S], held: set[UUID], refuse: Hold | None
    ) -> Batch[S]:
        batch = Batch(states)
        waiting = set(held)
        for record in records:
            unit = record.subject
            if unit is None:
                batch.dead.append((record, Hold("no-unit", f"no unit can be found in it ({record.type})")))
                continue
            if unit in waiting:
                batch.queued.append(record)
                continue
            hold = refuse or self._handle(batch, record, unit)
            if hold is not None and record.topic.startswith(self._strangers):
                batch.dead.append((record, hold))
            elif hold is not None:
                batch.holds[unit] = hold
                batch.queued.append(record)
                waiting.add(unit)
        return batch

    def _handle(self, batch: Batch[S], record: Record, unit: UUID) -> Hold | None:
        try:
            event = decode(record.type, record.body)
            if event.tenant != record.tenant:  # whose topic it is, the log knows; the sender may say anything
                event = event.model_copy(update={"tenant": record.tenant})
            state, steps = self._service.handle(batch.states[unit], event, event.time)
        except UnknownType:
            return Hold("unknown-type", f"{record.type} is not known to this release")
        except BrokenEvent as error:
            return Hold("broken-event", str(error)[:500])
        except Exception as error:
            log.exception(
                "an event could not be handled",
                extra={"group": self._service.group, "unit": str(unit), "type": record.type},
            )
            return Hold(type(error).__name__, repr(error)[:500])
        if state != batch.states[unit]:
            batch.states[unit] = state
            batch.changed.add(unit)
        cause = Cause(unit, event.tenant, event.correlationid, event.id)
        batch.steps.extend((cause, step) for step in steps)
        return None

    async def _write(self, tx: Any, batch: Batch[S]) -> set[str]:
        group, now = self._service.group, self._clock.now()
        if batch.holds:
            units = sorted(batch.holds)
            await tx.execute(
                "insert into log.held(grp, subject, since, reason, error) select $1, *  from unnest($2::uuid[], $3::timestamptz[], $4::text[], $5::text[]) "
                "on conflict (grp, subject) do nothing",
                group,
                *columns([(u, now, batch.holds[u].reason, writable(batch.holds[u].error)) for u in units]),
            )
            for unit in units:
                self._metrics.held.labels(group, batch.holds[unit].reason).inc()
                log.error("unit held: %s", batch.holds[unit].reason, extra={"group": group, "unit": str(unit)})
        if batch.queued:
            await tx.execute(
                "insert into log.held_event(grp, subject, topic, part, off, type, tenant, body) "
                "select $1, subject, topic, part, off, type, tenant, body from unnest("
                "$2::uuid[], $3::text[], $4::smallint[], $5::bigint[], $6::text[], $7::text[], $8::bytea[]) with ordinality "
                "as t(subject, topic, part, off, type, tenant, body, n) order by n",
                group,
                *columns([(r.subject, r.topic, r.part, r.off, r.type, r.tenant, r.body) for r in batch.queued]),
            )
        for record, hold in batch.dead:
            self._metrics.dead.labels(group).inc()
            place, why = (record.topic, record.part, record.off), (hold.reason, writable(hold.error))
            await tx.execute(
                "insert into log.dead(id, grp, topic, part, off, reason, error, body, at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                *(uuid7(), group, *place, *why, record.body, record.at),
            )
        if batch.changed:
            await self._service.states.save(tx, {unit: batch.states[unit] for unit in batch.changed})
        return await write(tx, self._source, batch.steps, now)

    async def drain_released(self) -> set[str]:
        """Handle, in order, what waited behind units that were released. A unit that fails again stays held."""
        group = self._service.group
        words: set[str] = set()
        for row in await self._db.quick.fetch(
            "select subject from log.held where grp = $1 and released order by subject limit 50", group
        ):
            try:
                async with self._db.quick.acquire() as tx, tx.transaction():
                    words |= await self._drain(tx, row["subject"])
            except Exception as error:
                if is_lost(error):
                    raise
                await self._hold_again(
                    self._db.quick, row["subject"], Hold(f"{type(error).__name__} while writing", repr(error)[:500])
                )
        return words

    async def _hold_again(self, tx: Any, unit: UUID, hold: Hold) -> None:
        await tx.execute(
            "update log.held set released = false, reason = $3, error = $4 where grp = $1 and subject = $2",
            self._service.group,
            unit,
            hold.reason,
            writable(hold.error),
        )

    async def _drain(self, tx: Any, unit: UUID) -> set[str]:
        group = self._service.group
        locked = await tx.fetchval(
            "select 1 from log.held where grp = $1 and subject = $2 and released for update skip locked", group, unit
        )
        if not locked:
            return set()
        rows = await tx.fetch(
            "select * from log.held_event where grp = $1 and subject = $2 order by n limit 500", group, unit
        )
        batch = Batch(await self._service.states.load(tx, [unit]))
        now = self._clock.now()
        done = []
        hold = None
        for row in rows:
            record = Record(row["topic"], row["part"], row["off"], now, row["type"], unit, row["tenant"], row["body"])
            hold = self._handle(batch, record, unit)
            if hold is not None:
                break
            done.append(row["n"])
        await tx.execute(
            "delete from log.held_event where grp = $1 and subject = $2 and n = any($3)", group, unit, done
        )
        if hold is not None:
            await self._hold_again(tx, unit, hold)
        elif len(rows) < 500:
            await tx.execute("delete from log.held where grp = $1 and subject = $2", group, unit)
        if batch.changed:
            await self._service.states.save(tx, batch.states)
        return await write(tx, self._source, batch.steps, now)

    async def run(self, woken: asyncio.Event, ring: Any, topics: asyncio.Event, *, drained: asyncio.Event) -> None:
        """Turn until `drained` is set; then finish the turn under way and return. Lost connections are waited out.

        `topics` is set when a topic was made meanwhile."""
        pause, looked = 0.05, 0.0
        while not drained.is_set():
            try:
                woken.clear()
                handled, words = await self.turn()
                if time.monotonic() - looked > 1:
                    words |= await self.drain_released()
                    if topics.is_set():
                        topics.clear()
                        await self._events.reload()
                    looked = time.monotonic()
                ring(words)
                pause = 0.05
            except LOST as error:
                log.warning(
                    "the database went away; going back to the position",
                    extra={"group": self._service.group, "error": repr(error)},
                )
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)
                with contextlib.suppress(*LOST):
                    await self._events.reload()
                continue
            if not handled:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(woken.wait(), 1.0)
            if handled < self._limit:
                await asyncio.sleep(self._service.linger)

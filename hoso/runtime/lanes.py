"""The performer loop: claim, ask the world outside any transaction, write what came of it.

claim     tx 1, flushed: owner, tries and deadline are durable before anything is asked
ask       no transaction
outcome   tx 2: the call ends, its answer becomes events, the next call of its subject is made ready

ready ──claim──▶ in flight ──┬─ ended ─────────▶ gone, its name stays in log.asked
  ▲                          ├─ not yet ───────▶ ready again later, costs no try
  │                          ├─ transient ─────▶ ready again later, until its patience ends, then given up
  │                          └─ unknown, or the owner died ─▶ unsure
  └── proved absent ◀── reconcile ◀── unsure ─▶ ended, or after two inconclusive looks given up
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from hoso.points import holds, point
from hoso.runtime.clock import Clock, boottime, seconds_left
from hoso.runtime.consumer import LOST, is_lost
from hoso.runtime.failures import Invalid, OutcomeUnknown, Transient
from hoso.runtime.metrics import Metrics
from hoso.runtime.outgoing import Cause, Source, promote, write
from hoso.runtime.steps import Lane, NotYet, Step, Tried, Try
from hoso.store.postgres import Database, columns
from schemas.envelope import Fact, fact_types

log = logging.getLogger(__name__)

_CLAIM = """
with share as (
  with recursive tenants as (
    (select tenant from log.call where lane = $2 and ready and owner is null order by tenant limit 1)
    union all
    select (select tenant from log.call c where c.lane = $2 and c.ready and c.owner is null and c.tenant > t.tenant order by tenant limit 1)
    from tenants t where t.tenant is not null)
  select tenant from tenants where tenant is not null),
chosen as (
  select c.id from share cross join lateral (
    select id from log.call where lane = $2 and tenant = share.tenant and ready and owner is null and due <= $3 and not_before <= now() and type = any($6)
    order by due, seq limit greatest(1, $4 / (select count(*) from share)) for update skip locked) c limit $4)
update log.call c set owner = $1, claim = c.claim + 1, tries = c.tries + (not c.unsure)::int,
  deadline = case when c.unsure then c.deadline else now() + $5::interval end
from chosen where c.id = chosen.id
returning c.id, c.lane, c.tenant, c.subject, c.name, c.type, c.correlation, c.body, c.tries, c.looks, c.absent, c.claim, c.unsure, c.deadline, c.give_up_at, now() as real
"""

_END = """
delete from log.call c using unnest($2::uuid[], $3::bigint[]) as o(id, claim)
where c.id = o.id and (c.claim = o.claim and c.owner is not null or $1) returning o.id, o.claim, c.lane, c.subject
"""

_ORPHANS = """
update log.call c set owner = null, unsure = true, looks = 0 where c.lane = $1 and c.owner = $2
and not exists (select 1 from unnest($3::uuid[], $4::bigint[]) as m(id, claim) where (m.id, m.claim) = (c.id, c.claim))
"""
"""Claimed by this process, which was not told so: the commit took effect, its acknowledgement was lost."""

_PUT_BACK = """
update log.call c set owner = null, not_before = now() + o.wait, unsure = o.unsure, looks = o.looks, error = o.error,
  tries = c.tries - o.refund, absent = c.absent + o.absent
from unnest($1::uuid[], $2::bigint[], $3::interval[], $4::bool[], $5::int[], $6::text[], $7::int[], $8::int[])
  as o(id, claim, wait, unsure, looks, error, refund, absent)
where c.id = o.id and c.claim = o.claim and c.owner is not null returning o.id, o.claim
"""

_STOOD_STILL = (
    "update log.call set give_up_at = greatest(give_up_at, least(give_up_at + $2, now() + $3)) where lane = $1"
)

INCONCLUSIVE_LOOKS = 2
ORPHANS_S = 5.0


@dataclass(frozen=True, slots=True)
class Claimed:
    """A call in flight."""

    id: UUID
    claim: int
    """Which claim of the call this is: an outcome counts only while no later claim was made, and nobody freed it."""
    ask: Fact
    this: Try
    cause: Cause
    looks: int
    absent: int
    """How often it was proved absent."""
    absent_after: float
    """Seconds from the claim until "absent" is a proof: the last deadline and the transport bound have passed."""
    patient: bool
    """Whether it may still wait."""

    @property
    def key(self) -> tuple[UUID, int]:
        return self.id, self.claim


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a try came to. `steps` None: put the call back."""

    call: Claimed
    word: str
    steps: Sequence[Step] | None = None
    wait: timedelta = timedelta(0)
    unsure: bool = False
    looks: int = 0
    error: str = ""
    refund: int = 0


class Circuit:
    """Open after 20 transient failures in a row: then one call a second probes, and nobody's patience is spent.

    `stood_still`: seconds it was open that have not been given back to the waiting calls yet."""

    FAILURES, PROBE_S = 20, 1.0

    def __init__(self) -> None:
        self._failures = 0
        self._probed = self._opened = self.stood_still = 0.0

    @property
    def open(self) -> bool:
        return self._failures >= self.FAILURES

    def room(self, room: int) -> int:
        """How many may be claimed now."""
        if not self.open:
            return room
        if time.monotonic() - self._probed < self.PROBE_S:
            return 0
        self._probed = time.monotonic()
        return min(room, 1)

    def note(self, word: str) -> None:
        if word == "transient":
            self._failures += 1
            if self._failures == self.FAILURES:
                self._opened = time.monotonic()
        elif word in ("ended", "not-yet", "unknown"):
            self.stood_still += time.monotonic() - self._opened if self.open else 0.0
            self._failures = 0


class LaneRunner:
    """Performs one lane's calls in this process; other processes may perform the same lane."""

    def __init__(
        self,
        name: str,
        lane: Lane,
        db: Database,
        source: Source,
        clock: Clock,
        metrics: Metrics,
        member: Callable[[], UUID],
    ) -> None:
        self._name = name
        self._lane = lane
        self._db = db
        self._source = source
        self._clock = clock
        self._metrics = metrics
        self._member = member
        self._circuit = Circuit()
        self._tasks: set[asyncio.Task[None]] = set()
        self._finished: asyncio.Queue[Outcome] = asyncio.Queue()
        self._short = name.replace(".", "-")
        self._mine: set[tuple[UUID, int]] = set()
        """Calls in flight, each with its claim: after a long sleep this process may claim what it still has in hand."""
        self._looked = 0.0

    async def run(self, woken: asyncio.Event, ring: Callable[[set[str]], None], *, drained: asyncio.Event) -> None:
        """Claim and perform until `drained` is set; then wait for what is in flight, at most its own deadlines."""
        writer = asyncio.create_task(self._write_outcomes(woken, ring))
        try:
            while not drained.is_set():
                woken.clear()
                try:
                    more = await self._claim()
                except LOST as error:
                    log.warning(
                        "the database went away; claiming again soon", extra={"lane": self._name, "error": repr(error)}
                    )
                    await asyncio.sleep(0.3)
                    continue
                if not more:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(woken.wait(), 0.5)
                        await asyncio.sleep(0.003)  # more calls come with the one that woke us
        finally:
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=3)
            for task in self._tasks:
                task.cancel()
            for _ in range(100):
                if self._finished.empty() and not self._mine:
                    break
                await asyncio.sleep(0.02)
            writer.cancel()

    async def _claim(self) -> bool:
        """Begin what is there; whether there may be more at once. Who was woken meanwhile looks again anyway."""
        if time.monotonic() - self._looked > ORPHANS_S:
            self._looked = time.monotonic()
            mine = [[id_ for id_, _ in self._mine], [claim for _, claim in self._mine]]
            await self._db.pool.execute(_ORPHANS, self._name, self._member(), *mine)
        room = self._circuit.room(self._lane.at_once - len(self._mine))
        self._metrics.circuit_open.labels(self._name).set(self._circuit.open)
        if room < min(self._lane.at_once // 4 or 1, 20) and not self._circuit.open or room <= 0:
            return False
        if self._circuit.stood_still:
            await self._db.pool.execute(
                _STOOD_STILL, self._name, timedelta(seconds=self._circuit.stood_still), self._lane.keep_trying
            )
            self._circuit.stood_still = 0.0
        began = boottime()
        ask = (self._member(), self._name, self._clock.now(), min(room, 500), self._lane.timeout, list(fact_types()))
        rows = await self._db.pool.fetch(_CLAIM, *ask)
        for row in rows:
            self._mine.add((row["id"], row["claim"]))
            call = self._claimed(row, began)
            task = asyncio.create_task(self._one(call))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._metrics.in_flight.labels(self._name).set(len(self._mine))
        if rows:
            await point(f"{self._short}.after-claim")
        return len(rows) == min(room, 500)

    def _claimed(self, row: Any, began: float) -> Claimed:
        try:
            ask = fact_types()[row["type"]].model_validate_json(row["body"])
        except ValidationError:
            ask = Fact()  # nobody can perform it: it fails, is looked at twice, and is given up
        left = (row["deadline"] - row["real"]).total_seconds() if row["deadline"] else 0.0
        name, deadline = row["name"], began + (self._lane.timeout.total_seconds() if row["unsure"] else left)
        who = (row["tenant"], self._clock.now(), row["subject"], row["correlation"])
        this = Try(name, row["tries"], row["unsure"], deadline, *who)
        return Claimed(
            row["id"],
            row["claim"],
            ask,
            this,
            Cause(row["subject"], row["tenant"], row["correlation"], row["id"]),
            row["looks"],
            row["absent"],
            left + self._lane.transport_bound.total_seconds(),
            row["give_up_at"] > row["real"],
        )

    async def _one(self, call: Claimed) -> None:
        started = time.perf_counter()
        try:
            doubtful = call.this.unsure and not self._lane.harmless
            outcome = await (self._reconcile(call) if doubtful else self._perform(call))
        except Exception as error:
            log.exception(
                "a performer failed in a way nobody foresaw", extra={"lane": self._name, "call": call.this.name}
            )
            unsure = not self._lane.harmless
            outcome = Outcome(call, "unknown", None, _back_off(call.this.number), unsure, error=repr(error)[:500])
        self._metrics.try_seconds.labels(self._name).observe(time.perf_counter() - started)
        self._metrics.tries.labels(self._name, outcome.word).inc()
        self._circuit.note(outcome.word)
        await point(f"{self._short}.before-outcome")
        self._finished.put_nowait(outcome)

    async def _perform(self, call: Claimed) -> Outcome:
        performer, this = self._lane.performer, call.this
        try:
            async with asyncio.timeout(max(0.0, seconds_left(this.deadline)) if holds("sleeper") else None):
                steps = await performer.perform(call.ask, this)
        except Exception as error:
            harmless, doubt = self._lane.harmless, isinstance(error, OutcomeUnknown | TimeoutError)
            said = str(error) or "no answer before the deadline"
            if isinstance(error, Transient) or harmless and (doubt or is_lost(error)):
                if not call.patient and not self._circuit.open:
                    return Outcome(call, "gave-up", performer.give_up(call.ask, this, False, said), error=said)
                wait = getattr(error, "retry_after", None) or _back_off(this.number)
                return Outcome(call, "transient", None, wait, error=said)
            if isinstance(error, Invalid) or harmless and this.number >= self._lane.tries:
                return Outcome(call, "gave-up", performer.give_up(call.ask, this, False, said), error=said)
            if not doubt:
                raise
            return Outcome(call, "unknown", None, timedelta(milliseconds=200), True, error=said)
        if isinstance(steps, NotYet):
            return Outcome(call, "not-yet", None, steps.ask_again, refund=1)
        return Outcome(call, "ended", steps)

    async def _reconcile(self, call: Claimed) -> Outcome:
        performer, this = self._lane.performer, call.this
        try:
            async with asyncio.timeout(self._lane.timeout.total_seconds()):
                steps = await performer.reconcile(call.ask, this)
        except Transient as error:
            if not call.patient and not self._circuit.open:
                return Outcome(call, "gave-up", performer.give_up(call.ask, this, True, str(error)), error=str(error))
            wait = error.retry_after or _back_off(3)
            return Outcome(call, "transient", None, wait, True, call.looks, error=str(error))
        except Exception as error:
            if call.looks + 1 >= INCONCLUSIVE_LOOKS:
                return Outcome(call, "gave-up", performer.give_up(call.ask, this, True, str(error)), error=str(error))
            return Outcome(call, "inconclusive", None, _back_off(4), True, call.looks + 1, error=str(error))
        if steps is not None:
            return Outcome(call, "ended", steps)
        if call.absent_after > 0 and holds("sleeper"):
            # A frozen process may still wake and send: absent is proof only after its deadline and the transport bound.
            return Outcome(
                call, "absent-early", None, timedelta(seconds=min(call.absent_after, 60.0)), True, call.looks
            )
        if not call.patient or call.absent + 1 >= self._lane.tries:
            why = f"proved absent {call.absent + 1} times"
            return Outcome(call, "gave-up", performer.give_up(call.ask, this, False, why))
        return Outcome(call, "absent", None)

    async def _write_outcomes(self, woken: asyncio.Event, ring: Callable[[set[str]], None]) -> None:
        while True:
            outcomes = [await self._finished.get()]
            await asyncio.sleep(0)
            while not self._finished.empty() and len(outcomes) < 500:
                outcomes.append(self._finished.get_nowait())
            words = await self._write_until_done(outcomes)
            self._mine.difference_update(o.call.key for o in outcomes)
            self._metrics.in_flight.labels(self._name).set(len(self._mine))
            ring(words)
            woken.set()

    async def _write_until_done(self, outcomes: list[Outcome]) -> set[str]:
        refused = 0
        while True:
            try:
                return await self._write(outcomes, evidence=refused < 2)
            except Exception as error:
                if is_lost(error):
                    log.warning(
                        "the database went away; writing outcomes again soon",
                        extra={"lane": self._name, "error": repr(error)},
                    )
                    await asyncio.sleep(0.3)
                    continue
                if len(outcomes) > 1:
                    words: set[str] = set()
                    for one in outcomes:
                        words |= await self._write_until_done([one])
                    return words
                log.exception(
                    "an outcome cannot be written", extra={"lane": self._name, "call": outcomes[0].call.this.name}
                )
                outcomes = [
                    Outcome(outcomes[0].call, "unknown", None, timedelta(seconds=30), True, error=repr(error)[:500])
                ]
                refused += 1

    async def _write(self, outcomes: Sequence[Outcome], evidence: bool = True) -> set[str]:
        ending = [o for o in outcomes if o.steps is not None]
        back = [o for o in outcomes if o.steps is None]
        more = False
        async with self._db.pool.acquire() as tx, tx.transaction():
            won = await self._put_back(tx, back)
            if ending:
                freed = await tx.fetch(_END, not holds("outcome"), *columns([o.call.key for o in ending]))
                won |= {(r["id"], r["claim"]) for r in freed} if holds("outcome") else {o.call.key for o in ending}
                more = await promote(tx, {(r["lane"], r["subject"]) for r in freed})
            if self._lane.record is not None and evidence:
                await self._lane.record(
                    tx,
                    [
                        Tried(o.call.ask, o.call.this, o.word if o.call.key in won else "lost", o.error, o.steps or ())
                        for o in outcomes
                    ],
                )
            words = await write(
                tx,
                self._source,
                [(o.call.cause, step) for o in ending if o.call.key in won for step in o.steps or ()],
                self._clock.now(),
            )
            await point(f"{self._short}.before-commit")
        await point(f"{self._short}.after-commit")
        return words | ({f"lane:{self._name}"} if more else set())

    async def _put_back(self, tx: Any, outcomes: Sequence[Outcome]) -> set[tuple[UUID, int]]:
        if not outcomes:
            return set()
        rows = [
            (o.call.id, o.call.claim, o.wait, o.unsure, o.looks, o.error[:500], o.refund, int(o.word == "absent"))
            for o in outcomes
        ]
        return {(r["id"], r["claim"]) for r in await tx.fetch(_PUT_BACK, *columns(rows))}


def _back_off(tries: int) -> timedelta:
    """0.2 s doubling to 30 s, with jitter, in real time."""
    return timedelta(seconds=min(0.2 * 2 ** min(tries - 1, 8), 30.0) * random.uniform(0.7, 1.3))

"""The lanes of calls: claimed, performed outside any transaction, outcomes in batches. Order and one-in-flight are checked.

    python -m benchmarks.calls [--calls 30000]

calls_per_s         no latency, a subject a call
calls_per_s_1s      1 s latency, 1,000 in flight
calls_per_s_queued  2,000 calls queued on each of 10 subjects, no latency
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar
from uuid import UUID

import psutil
import uvloop

from benchmarks.stage import database, postgres_cpu, verdict
from hoso.log.postgres import create_topics
from hoso.runtime.ids import uuid7
from hoso.runtime.kernel import Kernel
from hoso.runtime.outgoing import Cause
from hoso.runtime.steps import Call, Lane, Service, Step, Tell, Try
from hoso.store.postgres import Database
from hoso.store.states import NoStates
from schemas.envelope import Fact
from schemas.topics import TOPIC_OF, Topic


class Asked(Fact):
    TYPE: ClassVar[str] = "vn.hoso.bench.asked.v1"
    order: int
    text: str


class Answered(Fact):
    TYPE: ClassVar[str] = "vn.hoso.bench.answered.v1"
    order: int
    text: str


ANSWERS = Topic("bench.answered", (Answered,), (), (), "benchmark")
TOPIC_OF[Answered] = ANSWERS


class World:
    """Checks that a subject's calls come in order and never two at once."""

    def __init__(self, latency: float) -> None:
        self._latency = latency
        self._busy: set[UUID] = set()
        self._last: dict[UUID, int] = {}
        self.peak = 0

    async def perform(self, ask: Asked, this: Try) -> Sequence[Step]:
        assert this.subject not in self._busy, "two of a subject in flight"
        assert ask.order > self._last.get(this.subject, -1), "out of order"
        self._busy.add(this.subject)
        self.peak = max(self.peak, len(self._busy))
        self._last[this.subject] = ask.order
        if self._latency:
            await asyncio.sleep(self._latency)
        self._busy.discard(this.subject)
        return [Tell(Answered(order=ask.order, text=ask.text))]

    async def reconcile(self, ask: Asked, this: Try) -> Sequence[Step] | None:
        raise AssertionError("nothing is ever unsure here")

    def give_up(self, ask: Asked, this: Try, reached: bool, error: str) -> Sequence[Step]:
        raise AssertionError(error)


async def run(db: Database, calls: int, subjects: int, at_once: int, latency: float, tag: str) -> tuple[float, int]:
    world = World(latency)
    units = [uuid7() for _ in range(subjects)]
    edge = Kernel(db, f"bench.{tag}", "test")
    per = calls // subjects
    for start in range(0, calls, 2000):
        steps = []
        for n in range(start, min(start + 2000, calls)):
            unit = units[n % subjects]
            call = Call(f"lane.{tag}", unit, f"{tag}:{n}", Asked(order=n // subjects, text="x" * 300))
            steps.append((Cause(unit, f"tenant{n % 3}", unit, None), call))
        async with db.pool.acquire() as tx, tx.transaction():
            await edge.admit_many(tx, steps)
    await db.pool.execute("analyze log.call")
    before = await db.pool.fetchval("select coalesce(sum(next), 0) from log.head where topic = $1", ANSWERS.name)
    kernel = Kernel(db, f"bench.{tag}", "test")
    await kernel.start()
    lane = Lane(world, at_once=at_once, timeout=timedelta(seconds=60))
    own, theirs, began = sum(psutil.Process().cpu_times()[:2]), postgres_cpu(), time.perf_counter()
    running = asyncio.create_task(kernel.run(Service(f"bench.{tag}", [], NoStates(), _nothing, {f"lane.{tag}": lane})))
    while not running.done() and await db.pool.fetchval(
        "select exists (select 1 from log.call where lane = $1)", f"lane.{tag}"
    ):
        await asyncio.sleep(0.02)
    seconds = time.perf_counter() - began
    kernel.drained.set()
    await running
    answers = (
        await db.pool.fetchval("select coalesce(sum(next), 0) from log.head where topic = $1", ANSWERS.name) - before
    )
    assert answers == per * subjects == calls, f"{answers} answers to {calls} calls"
    print(
        f"{tag}: {calls / seconds:,.0f} calls/s, in flight up to {world.peak}; a call: "
        f"python {(sum(psutil.Process().cpu_times()[:2]) - own) / calls * 1e6:.0f} us, postgres {(postgres_cpu() - theirs) / calls * 1e6:.0f} us",
        flush=True,
    )
    return calls / seconds, world.peak


def _nothing(state: None, event: object, now: object) -> tuple[None, Sequence[Step]]:
    return None, []


async def main(args: argparse.Namespace) -> None:
    async with database() as (_url, db):
        async with db.pool.acquire() as tx, tx.transaction():
            await create_topics(tx, [ANSWERS])
        fast, _ = await run(db, args.calls, args.calls, 2000, 0, "fast")
        slow, peak = await run(db, args.calls // 2, args.calls // 2, 1000, 1.0, "slow")
        queued, _ = await run(db, 20_000, 10, 1000, 0, "queued")
    verdict(
        benchmark="calls",
        calls_per_s=round(fast),
        calls_per_s_1s=round(slow),
        calls_per_s_queued=round(queued),
        calls=args.calls,
        in_flight_1s=peak,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=30_000)
    uvloop.run(main(parser.parse_args()))

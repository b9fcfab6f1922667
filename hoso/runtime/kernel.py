"""One process on the log: its member row, its clock, its consumers, lanes and timers, and the edge's way in (`admit`)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from hoso.log.postgres import Bell, PostgresLog, create_days, trim
from hoso.runtime.clock import Setting, WorldClock
from hoso.runtime.consumer import LOST, Consumer
from hoso.runtime.ids import uuid7
from hoso.runtime.lanes import LaneRunner
from hoso.runtime.metrics import Metrics
from hoso.runtime.outgoing import Cause, Environment, Source, write
from hoso.runtime.steps import Service, Step, Tx
from hoso.runtime.upkeep import mend_queues, ring_timers, sweep
from hoso.store.postgres import Database

log = logging.getLogger(__name__)

HEARTBEAT_S = 2.0
KEEP = timedelta(days=14)


class Kernel:
    """What a service runs on. One group a process; `run` returns when `drained` is set and everything has ended."""

    def __init__(
        self,
        db: Database,
        group: str,
        environment: Environment,
        *,
        metrics: Metrics | None = None,
        address: str | None = None,
        clock_pool: Any = None,
        log_of: Callable[..., Any] = PostgresLog,
    ) -> None:
        """`clock_pool`: where the world's clock is kept, when that is another database. `log_of`: makes what is consumed."""
        self.db = db
        self.group = group
        self.environment = environment
        self.clock = WorldClock()
        self.bell = Bell()
        self.metrics = metrics or Metrics()
        self.drained = asyncio.Event()
        self.member = uuid7()
        self.alive_at = time.monotonic()
        self.address = address
        self._clock_pool = clock_pool or db.quick
        self._source = Source(group, environment, {})
        self._log_of = log_of
        self._logs: list[Any] = []

    async def admit(
        self, tx: Tx, steps: Sequence[Step], *, tenant: str, subject: UUID, correlation: UUID
    ) -> Callable[[], None]:
        """Write an edge's steps in its transaction. Call what comes back after the commit: it wakes whoever waits."""
        return await self.admit_many(tx, [(Cause(subject, tenant, correlation, None), step) for step in steps])

    async def admit_many(self, tx: Tx, steps: Sequence[tuple[Cause, Step]]) -> Callable[[], None]:
        """The same for steps of several units and tenants at once."""
        words = await write(tx, self._source, steps, self.clock.now())
        return lambda: self.bell.ring(words)

    async def start(self) -> None:
        """Join: become a member, learn the clock, see that the log has room for today. Raises the database's connection errors."""
        await self._beat()
        await self._keep_house()

    async def run(self, service: Service[Any] | None, *, extra: Sequence[Callable[[], Awaitable[None]]] = ()) -> None:
        """Consume, perform, ring and keep house until drained; a failure that is not a lost connection ends the process."""
        jobs: list[Callable[[], Awaitable[None]]] = [*extra]
        if service is not None:
            self._source = Source(
                self.group, self.environment, {name: lane.keep_trying for name, lane in service.lanes.items()}
            )
            jobs += [lambda: self._consume(service), self._ring_timers]
            jobs += [lambda n=name, x=lane: self._perform(n, x) for name, lane in service.lanes.items()]  # type: ignore[misc]
        tasks = [asyncio.ensure_future(job()) for job in jobs]
        house = [asyncio.create_task(self._keep_alive()), asyncio.create_task(self._listen())]
        stop = asyncio.create_task(self.drained.wait())
        try:
            done, _ = await asyncio.wait([*tasks, *house, stop], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if task is not stop:
                    task.result()
            self.drained.set()
            if tasks:
                await asyncio.wait(tasks, timeout=8)
        finally:
            self.drained.set()
            for task in (stop, *tasks, *house):
                task.cancel()
            await asyncio.gather(stop, *tasks, *house, return_exceptions=True)
            await self._leave()

    async def _consume(self, service: Service[Any]) -> None:
        bell = self.bell
        woken = bell.on(f"held:{service.group}")
        events = self._log_of(self.db.quick, service.group, service.topics, self.member, woken.set)
        bell.on(*events.words, event=woken)
        self._logs.append(events)
        consumer = Consumer(service, events, self.db, self._source, self.clock, self.metrics)
        try:
            await consumer.run(woken, bell.ring, bell.on("topics"), drained=self.drained)
        finally:
            await events.close()

    async def _perform(self, name: str, lane: Any) -> None:
        runner = LaneRunner(name, lane, self.db, self._source, self.clock, self.metrics, lambda: self.member)
        await runner.run(self.bell.on(f"lane:{name}", "clock"), self.bell.ring, drained=self.drained)

    async def _ring_timers(self) -> None:
        woken = self.bell.on("clock", f"timer:{self.group}")
        while not self.drained.is_set():
            woken.clear()
            try:
                async with self.db.quick.acquire() as tx, tx.transaction():
                    count, words = await ring_timers(tx, self._source, self.clock.now())
                self.metrics.timers.labels(self.group).inc(count)
                self.bell.ring(words)
                if count:
                    continue
            except LOST:
                pass
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(woken.wait(), 1.0)
                await asyncio.sleep(0.2)

    async def _listen(self) -> None:
        while not self.drained.is_set():
            try:
                db = await self.db.connect()
            except LOST:
                await asyncio.sleep(0.3)
                continue
            try:
                await self.bell.run(db)
            except LOST:
                await asyncio.sleep(0.1)
            finally:
                db.terminate()

    async def _keep_alive(self) -> None:
        changed = self.bell.on("clock")
        turns = 0
        while not self.drained.is_set():
            try:
                await self._beat()
                async with self.db.quick.acquire() as tx, tx.transaction():
                    freed = await sweep(tx)
                    if turns % 5 == 0:
                        await mend_queues(tx)
                if freed:
                    log.warning("calls of a dead member were freed", extra={"calls": freed})
                    self.bell.ring({"clock"})
                if turns % 600 == 0:
                    await self._keep_house()
                turns += 1
            except LOST as error:
                log.warning("the database went away", extra={"error": repr(error)})
            with contextlib.suppress(*LOST):
                await asyncio.wait_for(changed.wait(), HEARTBEAT_S / 2)
                changed.clear()
                await self._read_clock()

    async def _beat(self) -> None:
        async with self.db.quick.acquire() as db:
            seen = await db.fetchval(
                "update log.member set seen_at = now(), address = $2 where id = $1 returning 1",
                self.member,
                self.address,
            )
            if not seen:
                # New, or declared dead while this process stood still: what it had claimed is others' now.
                member = uuid7()
                row = (member, self.group, socket.gethostname(), os.getpid(), self.address)
                await db.execute(
                    "insert into log.member(id, grp, host, pid, address) values ($1, $2, $3, $4, $5)", *row
                )
                self.member = member
        for events in self._logs:
            events.member = self.member
            await events.reshare()
        await self._read_clock()
        self.alive_at = time.monotonic()

    async def _read_clock(self) -> None:
        if self.environment == "test":
            rows = await self._clock_pool.fetch("select anchor, base, rate from log.clock order by n")
            self.clock.set([Setting(*row) for row in rows])

    async def _keep_house(self) -> None:
        now = self.clock.now()
        async with self.db.quick.acquire() as tx, tx.transaction():
            await create_days(tx, now)
            if await tx.fetchval("select pg_try_advisory_xact_lock(hashtext('hoso.trim'))"):
                for table in await trim(tx, now, KEEP):
                    log.info("a day of the log was dropped", extra={"table": table})

    async def _leave(self) -> None:
        with contextlib.suppress(*LOST):
            await self.db.quick.execute("delete from log.member where id = $1", self.member)

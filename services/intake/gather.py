"""Group commit: single requests that come within a few milliseconds are taken in one transaction (docs/kernel.md, rules)."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from hoso.points import point
from hoso.runtime.consumer import is_lost
from services.intake.admission import Outcome, Request
from services.intake.desk import Desk
from services.intake.ports import Admitter, Clock, Pool


@dataclass(frozen=True, slots=True)
class _Waiting:
    tenant: str
    request: Request
    answer: asyncio.Future[Outcome]


class Gatherer:
    """Takes requests one by one, commits them together, answers each."""

    def __init__(
        self, pool: Pool, desk: Desk, log: Admitter, clock: Clock, *, window_s: float = 0.005, most: int = 200
    ) -> None:
        self._pool = pool
        self._desk = desk
        self._log = log
        self._clock = clock
        self._window_s = window_s
        self._most = most
        self._waiting: list[_Waiting] = []
        self._flush: asyncio.Task[None] | None = None

    async def take(self, tenant: str, request: Request) -> Outcome:
        """The outcome, committed. Raises the database's errors; then nothing, or all of it, was taken: ask again with the same key."""
        waiting = _Waiting(tenant, request, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._flush is None:
            self._flush = asyncio.create_task(self._run())
        return await waiting.answer

    async def _run(self) -> None:
        await asyncio.sleep(self._window_s)
        while self._waiting:
            batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            await self._answer(batch)
        self._flush = None

    async def _answer(self, batch: list[_Waiting]) -> None:
        try:
            outcomes, ring = await self._commit(batch)
        except Exception as error:
            if len(batch) > 1 and not is_lost(error):
                for waiting in batch:
                    await self._answer([waiting])
                return
            for waiting in batch:
                if not waiting.answer.done():
                    waiting.answer.set_exception(error)
            return
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if not waiting.answer.done():
                waiting.answer.set_result(outcome)
        ring()

    async def _commit(self, batch: list[_Waiting]) -> tuple[list[Outcome], Callable[[], None]]:
        of_tenant: dict[str, list[int]] = defaultdict(list)
        for place, waiting in enumerate(batch):
            of_tenant[waiting.tenant].append(place)
        outcomes: dict[int, Outcome] = {}
        steps = []
        async with self._pool.acquire() as tx, tx.transaction():
            for tenant, places in sorted(of_tenant.items()):
                requests = [batch[place].request for place in places]
                admission = await self._desk.admit(tx, tenant, requests, self._clock.now())
                outcomes.update(zip(places, admission.outcomes, strict=True))
                steps += admission.steps
            ring = await self._log.admit_many(tx, steps)
            await point("intake.before-commit")
        await point("intake.after-commit")
        return [outcomes[place] for place in range(len(batch))], ring

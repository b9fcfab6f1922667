"""Webhooks: every public event of a tenant to each of its endpoints, in order, until it is taken.

One queue an endpoint (a call's subject): a receiver that hangs or fails holds up nobody else's. What it does not take is
tried again, ever more slowly; what it refuses (4xx) five times is left out; after `give_up` without one success it is
switched off, and its people are told. `hoso webhook replay` begins again from any cursor.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid5

from hoso.points import point
from hoso.runtime.outgoing import Cause
from hoso.runtime.steps import Call, NotYet, Step, Tried, Try
from hoso.store.vault import Erased
from services.notifier.asks import Deliver
from services.notifier.notices import Notice
from services.notifier.ports import Log, Pool, Vault
from services.notifier.projection import write_notices
from services.notifier.receivers import Answer, Receivers
from services.notifier.signing import signed

log = logging.getLogger(__name__)
LANE = "notifier.webhook"
UNDER_WAY = 100
"""Deliveries of one endpoint that wait in its queue; the others wait where they are."""
REFUSALS = 5
_TRY_AGAIN = frozenset((408, 425, 429))
"""4xx that speak of the moment and not of the event."""

_HUNGRY = """
select e.endpoint, e.tenant, e.cursor, e.generation,
  (select count(*) from notifier.delivery d where d.endpoint = e.endpoint and d.state = 'waiting' and d.generation = e.generation) as waiting
from notifier.endpoint e
where not e.removed and e.disabled_at is null
  and exists (select 1 from notifier.event v where v.tenant = e.tenant and v.n > e.cursor)
order by e.endpoint for update of e skip locked
"""


async def dispatch(pool: Pool, kernel: Log) -> int:
    """Ask for the next deliveries of every endpoint that has room; how many were asked. One transaction."""
    async with pool.acquire() as tx, tx.transaction():
        steps: list[tuple[Cause, Step]] = []
        for end in await tx.fetch(_HUNGRY):
            room = UNDER_WAY - end["waiting"]
            rows = await tx.fetch(
                "select n, event from notifier.event where tenant = $1 and n > $2 order by n limit $3",
                end["tenant"],
                end["cursor"],
                max(room, 0),
            )
            if not rows:
                continue
            id_, generation = end["endpoint"], end["generation"]
            await tx.execute(
                "insert into notifier.delivery(endpoint, generation, n) select $1, $2, * from unnest($3::bigint[])",
                id_,
                generation,
                [row["n"] for row in rows],
            )
            await tx.execute("update notifier.endpoint set cursor = $2 where endpoint = $1", id_, rows[-1]["n"])
            for row in rows:
                ask = Deliver(endpoint=id_, generation=generation, n=row["n"])
                call = Call(LANE, id_, f"webhook:{id_}:{generation}:{row['n']}", ask)
                steps.append((Cause(id_, end["tenant"], row["event"], row["event"]), call))
        ring = await kernel.admit_many(tx, steps)
        await point("notifier.before-commit")
    ring()
    return len(steps)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How patient webhooks are."""

    give_up: timedelta = timedelta(days=5)
    first_wait: timedelta = timedelta(seconds=5)
    longest_wait: timedelta = timedelta(hours=1)

    def wait(self, tries: int) -> timedelta:
        """Before the next try: doubling, with jitter."""
        seconds = self.first_wait.total_seconds() * 2 ** min(tries - 1, 16)
        return timedelta(seconds=min(seconds, self.longest_wait.total_seconds()) * random.uniform(0.8, 1.2))


class DeliverEvent:
    """Tells one endpoint one event. A repeat has the same `webhook-id`: receivers know it by that."""

    def __init__(
        self, pool: Pool, vault: Vault, receivers: Receivers, bounds: Bounds, stamp: Callable[[], datetime]
    ) -> None:
        """`stamp`: real time, for receivers compare it with their own clocks, whatever the world's says."""
        self._stamp = stamp
        self._pool = pool
        self._vault = vault
        self._receivers = receivers
        self._bounds = bounds

    async def perform(self, ask: Deliver, this: Try) -> Sequence[Step] | NotYet:
        """Never raises for what a receiver does: one endpoint's failures are nobody else's (the lane has one circuit)."""
        async with self._pool.acquire() as db:
            row = await db.fetchrow(_DELIVERY, ask.endpoint, ask.generation, ask.n)
        if row is None or row["state"] != "waiting":
            return []
        if (
            row["removed"]
            or row["disabled_at"] is not None
            or row["generation"] != ask.generation
            or row["body"] is None
        ):
            await self._end(
                ask, "dropped", Answer(None, "the endpoint was removed, switched off or begun anew"), this.now
            )
            return []
        try:
            secret = (await self._vault.get(row["secret"])).decode()
        except Erased:
            await self._end(ask, "dropped", Answer(None, "the secret is gone"), this.now)
            return []
        body = row["body"].encode()
        answer = await self._receivers.post(row["url"], signed(secret, str(row["event"]), self._stamp(), body), body)
        tries = row["tries"] + 1
        if answer.taken:
            await self._end(ask, "delivered", answer, this.now)
            return []
        refused = answer.status is not None and 400 <= answer.status < 500 and answer.status not in _TRY_AGAIN
        since = row["failing_since"] or this.now
        if answer.status == 410 or this.now - since >= self._bounds.give_up:
            await self._switch_off(ask, row["tenant"], row["url"], answer, this.now)
            return []
        await self._failed(ask, answer, this.now)
        if refused and tries >= REFUSALS:
            await self._end(ask, "refused", answer, this.now)
            return []
        return NotYet(self._bounds.wait(tries))

    async def reconcile(self, ask: Deliver, this: Try) -> Sequence[Step] | None:
        """A receiver cannot be asked; it is told again, and knows the id."""
        return None

    def give_up(self, ask: Deliver, this: Try, reached: bool, error: str) -> Sequence[Step]:
        return []

    async def _end(self, ask: Deliver, state: str, answer: Answer, now: datetime) -> None:
        async with self._pool.acquire() as tx, tx.transaction():
            await tx.execute(_ENDED, ask.endpoint, ask.generation, ask.n, state, answer.status, answer.error, now)
            if state == "delivered":
                await tx.execute(
                    "update notifier.endpoint set failing_since = null, status = $2, error = '', delivered_at = $3 where endpoint = $1",
                    ask.endpoint,
                    answer.status,
                    now,
                )

    async def _failed(self, ask: Deliver, answer: Answer, now: datetime) -> None:
        async with self._pool.acquire() as tx, tx.transaction():
            await tx.execute(_ENDED, ask.endpoint, ask.generation, ask.n, "waiting", answer.status, answer.error, now)
            await tx.execute(
                "update notifier.endpoint set failing_since = coalesce(failing_since, $4), status = $2, error = $3 where endpoint = $1",
                ask.endpoint,
                answer.status,
                answer.error,
                now,
            )

    async def _switch_off(self, ask: Deliver, tenant: str, url: str, answer: Answer, now: datetime) -> None:
        """Switched off once; its people are told by mail, and it is a task until it is replayed or removed."""
        async with self._pool.acquire() as tx, tx.transaction():
            off = await tx.fetchval(
                "update notifier.endpoint set disabled_at = $2, status = $3, error = $4 "
                "where endpoint = $1 and disabled_at is null returning 1",
                ask.endpoint,
                now,
                answer.status,
                answer.error,
            )
            await tx.execute(
                "update notifier.delivery set state = 'dropped' where endpoint = $1 and state = 'waiting'", ask.endpoint
            )
            if off:
                about = uuid5(ask.endpoint, f"off:{ask.generation}")
                await write_notices(tx, [Notice(about, tenant, "webhook", urlsplit(url).hostname or "", now)])
        log.warning("a webhook was switched off", extra={"tenant": tenant, "endpoint": str(ask.endpoint)})


_DELIVERY = """
select d.state, d.tries, e.url, e.secret, e.tenant, e.generation, e.removed, e.disabled_at, e.failing_since, v.event, v.body
from notifier.delivery d join notifier.endpoint e on e.endpoint = d.endpoint
left join notifier.event v on (v.tenant, v.n) = (e.tenant, d.n)
where (d.endpoint, d.generation, d.n) = ($1, $2, $3)
"""
_ENDED = """
update notifier.delivery set state = $4, status = $5, error = $6, at = $7, tries = tries + 1
where (endpoint, generation, n) = ($1, $2, $3) and state = 'waiting'
"""


async def record(tx: Any, tried: Sequence[Tried]) -> None:
    """A delivery whose call was given up waits no more."""
    gone = [t.ask for t in tried if isinstance(t.ask, Deliver) and t.outcome == "gave-up"]
    for ask in gone:
        await tx.execute(_ENDED, ask.endpoint, ask.generation, ask.n, "dropped", None, "given up", tried[0].this.now)


async def forget(pool: Pool, before: datetime) -> None:
    """Drop public events and deliveries of long ago."""
    async with pool.acquire() as db:
        await db.execute("delete from notifier.event where at < $1", before)
        await db.execute("delete from notifier.delivery where state <> 'waiting' and at < $1", before)

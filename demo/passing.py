"""Time in the made-up world: days pass by moving its clock, whenever nothing else can happen, to the next moment at which something is due."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from app.house import House
from app.world import jump, world_clock
from demo.api import Api
from demo.judge import OPEN_STAGES, ledger
from demo.signing import Phone
from hoso.runtime.failures import HosoError

QUIET_S = 0.6
MAIL_S = 6.0
LAST = timedelta(days=45)
"""A made-up world in which nothing has ended after this long will not end."""
TOGETHER = timedelta(minutes=20)
"""What is due within this of the next moment is waited for with it."""
LONGEST = timedelta(hours=6)
"""How far the clock moves when nothing says what it waits for."""
_PATIENT = ("agency.replies", "signer.await", "intake.registry", "notifier.mail", "notifier.webhook")
"""Lanes whose calls wait for somebody else: they keep the clock from nothing."""


class Passing:
    """Watches hoso's own projection of the batches handed in; moves the clock of hoso, of the agency and of the signing service."""

    def __init__(self, own: House, gateway: str, agency: Path, phone: Phone | None, say: Callable[[str], None]) -> None:
        self._own, self._gateway, self._agency, self._phone, self._say = own, gateway, agency, phone, say
        self.batches: list[UUID] = []
        self._last: Any = None
        self._changed = time.monotonic()
        self._moved = timedelta()
        self._unread = False

    async def now(self) -> datetime:
        """The world's time."""
        return (await world_clock(self._own.clock or self._own.db.pool)).now()

    async def look(self) -> tuple[Counter[str], bool]:
        """Stages now, and whether everything has ended or waits for a person."""
        db = self._own.db.pool
        rows = await db.fetch(
            "select coalesce(e.stage, 'requested') as stage, count(*) as n from intake.batch_row r left join ops.enrolment e "
            "on e.enrolment = r.enrolment where r.batch = any($1) and r.outcome in ('accepted', 'amended') group by 1",
            self.batches,
        )
        stages = Counter({row["stage"]: row["n"] for row in rows})
        batches = await db.fetch("select state, position from intake.batch where batch = any($1)", self.batches)
        undecided = await db.fetchval("select count(*) from intake.request where outcome is null")
        calls = await db.fetchval(
            "select count(*) from log.call where not lane = any($1) or (lane = 'agency.replies' and unsure)", _PATIENT
        )
        behind = await db.fetchval(
            "select sum(h.next - p.off) from log.position p join log.head h using (topic, part) "
            "where (p.kafka is null or p.topic not like 'enrolment.requests.%')"
        )
        heads = await db.fetchval("select sum(next) from log.head")
        due = await self._agency_busy() or await self._signing()
        read = await db.fetchval("select count(*) from mail_watcher.mail where not look and state <> 'fetched'")
        self._unread = self._agency_mails() > read
        seen = (heads, undecided, read, tuple(b["position"] for b in batches), tuple(sorted(stages.items())))
        if seen != self._last or calls or behind or due:
            self._last, self._changed = seen, time.monotonic()
        working = any(batch["state"] == "working" for batch in batches) or undecided
        return stages, not working and not any(stages[stage] for stage in OPEN_STAGES)

    @property
    def quiet(self) -> bool:
        """Nothing has happened for a while; a longer one while mails that have left the agency are not read yet."""
        return time.monotonic() - self._changed > (MAIL_S if self._unread else QUIET_S)

    def stir(self) -> None:
        """Something was just done from outside: what it leads to comes first."""
        self._changed = time.monotonic()

    async def on(self, people: Iterable[datetime]) -> bool:
        """Move on to the next moment; `people`: when somebody means to do something. False when it was moved far enough for anything."""
        now = await self.now()
        due = await self._own.db.pool.fetch(
            "select distinct due from log.timer where grp = 'hoso.enrolment' and due > $1", now
        )
        moments = [*(row["due"] for row in due), *self._agency_due(now), *people]
        if self._phone is not None:
            moments += await self._phone.waiting()
        ahead = sorted(moment for moment in moments if moment > now)
        if ahead and ahead[0] - now < timedelta(seconds=2):
            return True  # it comes by itself
        if self._moved > LAST:
            return False
        target = max((moment for moment in ahead if moment <= ahead[0] + TOGETHER), default=now + LONGEST)
        delta = target - now + timedelta(seconds=1)
        self._moved += delta
        after = await jump(self._own.db, self._gateway, delta, "demo", clock=self._own.clock)
        if self._phone is not None:
            async with Api(self._phone.url) as service:
                await service.ask("PUT", "/clock", {"base": after.isoformat()})
        self._say(
            f"  … nothing left to do now: the world's clock moves {_length(delta)} on, to {after:%d/%m %H:%M} UTC"
        )
        self.stir()
        return True

    async def _signing(self) -> bool:
        """Whether a signature is awaited of nobody's phone: it is about to be asked for, or about to be fetched."""
        awaited = await self._own.db.pool.fetchval("select count(*) from log.call where lane = 'signer.await'")
        return bool(awaited) and not (self._phone is not None and await self._phone.waiting())

    async def _agency_busy(self) -> bool:
        """Whether the agency is about to do something of its own."""
        now = (await self.now()).timestamp()
        with contextlib.closing(ledger(self._agency)) as agency:
            row = agency.execute(
                "select (select count(*) from mails where state = 'queued' and due_world <= ?1) "
                "+ (select count(*) from tasks where (clock = 'world' and due <= ?1) or (clock = 'real' and due <= ?2))",
                (now, time.time() + 10),
            ).fetchone()
        return bool(row[0])

    def _agency_mails(self) -> int:
        """How many mails have left the agency, forged ones with them."""
        with contextlib.closing(ledger(self._agency)) as agency:
            return int(agency.execute("select count(*) from mails where state = 'sent'").fetchone()[0])

    def _agency_due(self, now: datetime) -> list[datetime]:
        with contextlib.closing(ledger(self._agency)) as agency:
            rows = agency.execute(
                "select due_world as at from mails where state = 'queued' union select due from tasks where clock = 'world'"
            ).fetchall()
        return [moment for row in rows if (moment := datetime.fromtimestamp(row["at"], UTC)) > now]


def _length(delta: timedelta) -> str:
    minutes = int(delta.total_seconds() // 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"


async def until_ended(passing: Passing, people: Any, say: Callable[[str], None]) -> bool:
    """Until everything has ended or waits for a person who will not answer. False when something never does."""
    shown: dict[str, int] = {}
    while True:
        stages, done = await passing.look()
        if dict(stages) != shown:
            shown = dict(stages)
            say("  " + " · ".join(f"{n} {stage}" for stage, n in sorted(stages.items(), key=lambda one: -one[1])))
        now = await passing.now()
        if await people.act(now):
            passing.stir()
        elif passing.quiet:
            later = people.later(now)
            if done and not later:
                return True
            try:
                if not await passing.on(later):
                    return False
            except HosoError as error:
                say(f"  {error}")
        await people.rest()

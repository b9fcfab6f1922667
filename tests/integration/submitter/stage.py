"""The submitter on a real log and a real vault, before an agency made by hand."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

from hoso.domain.rejections import rejections
from hoso.runtime.clock import boottime
from hoso.runtime.kernel import Kernel
from hoso.runtime.outgoing import Cause, Source, write
from hoso.runtime.steps import Tell
from hoso.store.postgres import Database
from hoso.store.vault import Vault
from schemas.envelope import Fact, decode
from schemas.events import FilingAsked
from services.submitter.gateway import AgencyGateway, Dossier, Receipt
from services.submitter.ledger import PostgresFilings
from services.submitter.metrics import SubmitterMetrics
from services.submitter.service import Bounds, Needs, service
from tests.support.waiting import eventually
from tests.unit.submitter import world

QUICK = Bounds(timedelta(seconds=2), timedelta(0), timedelta(hours=1), timedelta(seconds=0.1))


@dataclass
class Agency(world.AgencyByHand):
    """The same, and it can keep a filing waiting, or answer each filing anew."""

    answers: list[Receipt | Exception] = field(default_factory=list)
    """For filings, in turn; after the last one `receipt`."""
    gate: asyncio.Event | None = None
    at: list[float] = field(default_factory=list)
    """When filings were asked, in seconds since boot."""

    async def submit(self, dossier: Dossier, key: str, deadline: float) -> Receipt:
        self.at.append(boottime())
        answer = self.answers.pop(0) if self.answers else self.receipt
        self.filed.append((dossier, key, deadline))
        if self.gate is not None:
            await self.gate.wait()
        if isinstance(answer, Exception):
            raise answer
        return answer


class Stage:
    """What happens is said on the log; what came of it is read from the tables."""

    def __init__(self, db: Database, vault: Vault, agency: Agency) -> None:
        self.db = db
        self.vault = vault
        self.agency = agency
        self.gateway: AgencyGateway = agency
        self.kernel = Kernel(db, "hoso.submitter", "test")
        self.filings = PostgresFilings(db.pool, vault, SubmitterMetrics(self.kernel.metrics.registry))
        self._source = Source("hoso.enrolment", "test", {})

    @contextlib.asynccontextmanager
    async def open(self, bounds: Bounds = QUICK) -> AsyncIterator[Stage]:
        """Run the service."""
        await self.kernel.start()
        made = service(Needs(self.gateway, self.vault, self.filings, rejections(), self.kernel.clock.now), bounds)
        running = asyncio.create_task(self.kernel.run(made))
        try:
            yield self
        finally:
            if self.agency.gate is not None:
                self.agency.gate.set()
            self.kernel.drained.set()
            await running

    async def filing(self, data: bytes = b"<Hoso/>", **other: Any) -> FilingAsked:
        """A filing of a unit of its own, whose document lies in the vault."""
        enrolment = uuid4()
        document = await self.vault.put("hoaban", enrolment, "evidence", data)
        own = {"enrolment": enrolment, "dossier": uuid4(), "document": document, "sha256": sha256(data).hexdigest()}
        return world.filing(**{**own, **other})

    async def say(self, *facts: Fact, unit: UUID | None = None) -> UUID:
        """The enrolment service asks, all in one transaction; the unit."""
        subject = unit or uuid4()
        steps = [(Cause(subject, "hoaban", getattr(fact, "enrolment", subject), None), Tell(fact)) for fact in facts]
        async with self.db.pool.acquire() as tx, tx.transaction():
            words = await write(tx, self._source, steps, self.kernel.clock.now())
        self.kernel.bell.ring(words)
        return subject

    async def told(self, topic: str = "agency.replied") -> list[Fact]:
        rows = await self.db.quick.fetch(
            "select type, body from log.event where topic = $1 order by at, part, off", topic
        )
        return [decode(row["type"], row["body"]).data for row in rows]

    async def answered(self, count: int = 1, seconds: float = 15) -> Sequence[Fact]:
        """What was told, once there are so many."""

        async def look() -> list[Fact]:
            found = await self.told()
            return found if len(found) >= count else []

        return await eventually(look, f"{count} answers on the log", seconds)

    async def ledger(self) -> list[dict[str, Any]]:
        rows = await self.db.quick.fetch(
            "select *, xmin::text as xmin from submitter.filing order by asked_at, attempt"
        )
        return [dict(row) for row in rows]

    async def tries(self) -> list[dict[str, Any]]:
        return [
            dict(row) for row in await self.db.quick.fetch("select *, xmin::text as xmin from submitter.try order by n")
        ]

    async def outcomes(self) -> list[str]:
        return [row["outcome"] for row in await self.tries()]

    async def at_rest(self) -> None:
        """No call is waiting or in flight any more, except for polling."""

        async def look() -> bool:
            return not await self.db.quick.fetchval("select count(*) from log.call where lane <> 'agency.replies'")

        await eventually(look, "the lanes to be empty")

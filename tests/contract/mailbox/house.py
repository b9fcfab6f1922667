"""A watcher, a matcher and a consumer done by hand, on a real database, a vault in memory and a listed mailbox."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4, uuid5

import asyncpg

from hoso.runtime.clock import WorldClock
from hoso.runtime.steps import Tell, Tx
from hoso.store.vault import Erased, Sealing
from schemas.envelope import Event, Fact, envelope_of
from schemas.events import MailExpected, MailSettled, MailUndecided
from schemas.units import Kind
from services.mail_watcher import store
from services.mail_watcher.handlers import handle
from services.mail_watcher.mailbox import Access, Fetched, Folder
from services.mail_watcher.matcher import Matcher
from services.mail_watcher.ports import Admission
from services.mail_watcher.records import NoRecords
from services.mail_watcher.secret import Secret
from services.mail_watcher.settings import MailboxSettings
from services.mail_watcher.store import ExpectationStates
from services.mail_watcher.trust import Policy, TrustSettings
from services.mail_watcher.watcher import Watcher
from tests.unit.mail_watcher.mails import NAME, UNIT

CONTACT = "ketoan@daiphuc.example"


class MemoryVault:
    """Keeps what is put, by content and scope; counts what may be read."""

    def __init__(self) -> None:
        self.kept: dict[UUID, tuple[str, UUID, str, bytes]] = {}

    async def put(self, tenant: str, scope: UUID, purpose: str, data: bytes, /) -> UUID:
        ref = uuid5(scope, f"{tenant}{purpose}{data!r}")
        self.kept[ref] = (tenant, scope, purpose, data)
        return ref

    async def put_many(self, sealings: Sequence[Sealing], /) -> list[UUID]:
        return [await self.put(s.tenant, s.scope, s.purpose, s.data) for s in sealings]

    async def get(self, ref: UUID, /) -> bytes:
        if ref not in self.kept:
            raise Erased(f"{ref}")
        return self.kept[ref][3]

    async def destroy(self, *refs: UUID) -> None:
        for ref in refs:
            self.kept.pop(ref, None)


class ListedMailbox:
    """A mailbox port over a list."""

    def __init__(self, mails: Sequence[bytes | None], uidvalidity: int = 1) -> None:
        self.mails = list(mails)
        self.uidvalidity = uidvalidity
        self.arrived = datetime.now(UTC).replace(microsecond=0)

    async def connect(self) -> None: ...
    async def close(self) -> None: ...
    async def flag(self, uids: Sequence[int]) -> None: ...
    async def idle(self, timeout: float) -> None:
        await asyncio.get_running_loop().create_future()

    async def folders(self) -> Sequence[Folder]:
        return [Folder("INBOX")]

    async def open(self, folder: str) -> None: ...

    async def status(self) -> tuple[int, int]:
        return self.uidvalidity, len(self.mails) + 1

    async def fetch_after(self, uid: int, limit: int) -> Sequence[Fetched]:
        chosen = list(enumerate(self.mails, 1))[uid : uid + limit]
        return [Fetched(n, len(raw or b""), self.arrived, raw) for n, raw in chosen]


class House:
    """A database with our tables, a vault, and the log's consumer done by hand."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool
        self.vault = MemoryVault()
        self.clock = WorldClock()
        self.told: list[Admission] = []
        self.told_of_mails: list[Admission] = []
        self.settings = MailboxSettings(
            uuid4(),
            "t1",
            Access("127.0.0.1", 1, "u", Secret("p"), tls="none"),
            TrustSettings(policy=Policy.SENDER_ONLY),
        )
        self.matcher = Matcher(lambda: {self.settings.id: self.settings}, pool, self.vault, self.admit, self.clock)

    async def admit(self, tx: Tx, steps: Sequence[Admission]) -> Callable[[], None]:
        assert tx.is_in_transaction()
        for one in steps:
            fact = one.step.fact if isinstance(one.step, Tell) else None
            (self.told_of_mails if isinstance(fact, MailUndecided | MailSettled) else self.told).append(one)
        return lambda: None

    def watcher(self, owner: str = "one") -> Watcher:
        return Watcher(self.settings, self.pool, self.vault, self.clock, NoRecords(), owner)

    async def scan(self, mails: Sequence[bytes | None], uidvalidity: int = 1, owner: str = "one") -> None:
        async with self.pool.acquire() as tx, tx.transaction():
            cursor = await store.take(tx, self.settings.id, owner)
        assert cursor is not None
        await self.watcher(owner).scan(ListedMailbox(mails, uidvalidity), cursor)

    async def consume(self, unit: UUID, fact: Fact, at: datetime | None = None) -> None:
        """What the kernel does with one event: load, handle, save, in one transaction."""
        event: Event[Any] = envelope_of(type(fact)).model_construct(
            subject=unit, tenant=self.settings.tenant, data=fact
        )
        states = ExpectationStates()
        async with self.pool.acquire() as tx, tx.transaction():
            before = (await states.load(tx, [unit]))[unit]
            after, _ = handle(before, event, at or datetime.now(UTC) - timedelta(minutes=1))
            if after != before:
                await states.save(tx, {unit: after})

    def expected(self, kind: Kind = "register", **other: Any) -> tuple[UUID, MailExpected]:
        fact = MailExpected(
            enrolment=uuid4(), dossier=uuid4(), attempt=1, kind=kind, mailbox=self.settings.id, contact=CONTACT,
            unit_code=UNIT, unit_name=NAME, tax_code="0101234567",
        )  # fmt: skip
        return uuid4(), fact.model_copy(update=other)

    async def states(self) -> list[str]:
        rows = await self.pool.fetch(
            "select state from mail_watcher.mail where mailbox = $1 order by uid", self.settings.id
        )
        return [row["state"] for row in rows]

    async def match(self) -> None:
        for _ in range(5):
            if not await self.matcher.round():
                return
        raise AssertionError("the matcher does not come to an end")

    def facts(self) -> list[Any]:
        return [a.step.fact for a in self.told if isinstance(a.step, Tell)]

    def of_mails(self) -> list[Any]:
        """What was told on mail.undecided, in order."""
        return [a.step.fact for a in self.told_of_mails if isinstance(a.step, Tell)]

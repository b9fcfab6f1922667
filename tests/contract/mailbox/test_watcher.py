"""The watcher and the matcher on a real database and a real mailbox: what is written down, when, and by whom."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

import asyncpg
import pytest
import pytest_asyncio

from hoso.process.embedded import EmbeddedServer
from hoso.runtime.clock import WorldClock
from hoso.runtime.steps import Tell, Tx
from hoso.store.migrations import migrate
from hoso.store.vault import Erased, Sealing
from schemas.envelope import Event, Fact, envelope_of
from schemas.events import ActivationCodeArrived, MailAssigned, MailExpected, MailNumbered, StopResultArrived
from schemas.units import Kind
from services.mail_watcher import store
from services.mail_watcher.handlers import handle
from services.mail_watcher.mailbox import Access, Fetched
from services.mail_watcher.matcher import Matcher
from services.mail_watcher.ports import Admission
from services.mail_watcher.records import NoRecords
from services.mail_watcher.secret import Secret
from services.mail_watcher.service import MailRoom
from services.mail_watcher.settings import MailboxSettings
from services.mail_watcher.store import ExpectationStates, FenceLost
from services.mail_watcher.trust import Policy, TrustSettings
from services.mail_watcher.watcher import Watcher
from tests.contract.mailbox.servers import PASSWORD, Pymap
from tests.unit.mail_watcher.mails import CODE, NAME, UNIT, activation, stop_result

pytestmark = pytest.mark.asyncio
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

    async def destroy(self, ref: UUID, /) -> None:
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

    async def status(self) -> tuple[int, int]:
        return self.uidvalidity, len(self.mails) + 1

    async def fetch_after(self, uid: int, limit: int) -> Sequence[Fetched]:
        chosen = list(enumerate(self.mails, 1))[uid : uid + limit]
        return [Fetched(n, len(raw or b""), self.arrived, raw) for n, raw in chosen]


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("pg")
    server = EmbeddedServer(folder)
    server.start()
    yield server.url
    server.stop()


class House:
    """A database with our tables, a vault, and the log's consumer done by hand."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool
        self.vault = MemoryVault()
        self.clock = WorldClock()
        self.told: list[Admission] = []
        self.settings = MailboxSettings(
            uuid4(),
            "t1",
            Access("127.0.0.1", 1, "u", Secret("p"), tls="none"),
            TrustSettings(policy=Policy.SENDER_ONLY),
        )
        self.matcher = Matcher(lambda: {self.settings.id: self.settings}, pool, self.vault, self.admit)

    async def admit(self, tx: Tx, steps: Sequence[Admission]) -> Callable[[], None]:
        assert tx.is_in_transaction()
        self.told += steps
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


@pytest_asyncio.fixture
async def house(database: str) -> AsyncIterator[House]:
    pool = await asyncpg.create_pool(database, min_size=1, max_size=6)
    async with pool.acquire() as db:
        await migrate(db, "test")
        await db.execute("delete from log.head where topic = $1", store.TOPIC)
        await db.execute("delete from log.position where grp = $1", store.GROUP)
    yield House(pool)
    await pool.close()


async def test_a_code_reaches_its_enrolment_and_only_the_vault_has_it(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    unit, fact = house.expected()
    await house.consume(unit, fact)
    await house.scan([activation()])
    await house.match()
    (told,) = house.facts()
    assert isinstance(told, ActivationCodeArrived)
    assert (told.enrolment, told.dossier, told.attempt) == (fact.enrolment, fact.dossier, 1)
    assert told.expires_at - told.arrived_at == timedelta(hours=24)
    first = house.told[0]
    assert (first.subject, first.correlation, first.tenant) == (unit, fact.enrolment, "t1")
    assert house.vault.kept[told.code] == ("t1", fact.enrolment, "code", CODE.encode())
    assert [scope for _, scope, purpose, _ in house.vault.kept.values() if purpose == "code"] == [fact.enrolment]
    tables = [
        dict(row)
        for row in await house.pool.fetch("select * from mail_watcher.mail where mailbox = $1", house.settings.id)
    ]
    assert CODE not in repr(tables)
    assert CODE not in caplog.text
    assert CODE not in repr(house.told)
    assert await house.states() == ["matched"]


async def test_a_mail_before_its_expectation_is_parked_and_found_later(house: House) -> None:
    await house.scan([activation()])
    await house.match()
    assert await house.states() == ["parked"]
    assert not house.told
    unit, fact = house.expected(unit_code="AB1111C", unit_name="KHÁC", contact="x@y.example", tax_code="9999999999")
    await house.consume(unit, fact)
    await house.match()
    assert await house.states() == ["parked"]
    unit, fact = house.expected()
    await house.consume(unit, fact)
    await house.match()
    assert await house.states() == ["matched"]
    assert house.facts()[0].dossier == fact.dossier


async def test_no_mail_is_matched_before_the_consumer_has_read_the_heads_noted_with_it(house: House) -> None:
    await house.pool.execute("insert into log.head(topic, part, next) values ($1, 3, 7)", store.TOPIC)
    first, second = house.expected(unit_code=""), house.expected(unit_code="")
    await house.consume(*first)
    await house.scan([activation(unit="DKTGLD")])
    await house.match()
    assert await house.states() == ["fetched"]
    position = "insert into log.position(grp, topic, part, off, at) values ($1, $2, 3, $3, now()) "
    position += "on conflict (grp, topic, part) do update set off = $3"
    await house.pool.execute(position, store.GROUP, store.TOPIC, 6)
    await house.match()
    assert await house.states() == ["fetched"]
    await house.consume(*second)
    await house.pool.execute(position, store.GROUP, store.TOPIC, 7)
    await house.match()
    assert await house.states() == ["undecided"]
    assert not house.told


async def test_the_same_bytes_count_once_also_after_another_uidvalidity(house: House) -> None:
    unit, fact = house.expected()
    await house.consume(unit, fact)
    await house.scan([activation(), activation()])
    await house.match()
    await house.scan([activation(), activation()], uidvalidity=2)
    await house.match()
    assert len(house.told) == 1
    assert (
        await house.pool.fetchval(
            "select uidvalidity from mail_watcher.mailbox_cursor where mailbox = $1", house.settings.id
        )
        == 2
    )


async def test_who_lost_the_mailbox_writes_nothing(house: House) -> None:
    async with house.pool.acquire() as tx, tx.transaction():
        mine = await store.take(tx, house.settings.id, "one")
        assert mine is not None
        assert await store.take(tx, house.settings.id, "two") is None
    await house.pool.execute(
        "update mail_watcher.mailbox_cursor set seen_at = now() - interval '9 seconds' where mailbox = $1",
        house.settings.id,
    )
    async with house.pool.acquire() as tx, tx.transaction():
        assert await store.take(tx, house.settings.id, "two") is not None
    with pytest.raises(FenceLost):
        await house.watcher().scan(ListedMailbox([activation()]), mine)
    assert await house.states() == []


async def test_quarantine_others_and_hostile_ones_are_written_down(house: House) -> None:
    await house.scan([
        activation(sender="Bảo hiểm <thongbao@baohiemxahoi.gov.vn.evil.example>"),
        activation().replace(b"\r\n\r\n", b"\r\nX: \x00\r\n\r\n", 1),
        None,
        stop_result("Kính gửi quý đơn vị, mời dự hội nghị.", subject="Thư mời"),
        activation(code="AAAAAAAAA1 BBBBBBBBB2"),
    ])  # fmt: skip
    await house.match()
    assert await house.states() == ["quarantined", "quarantined", "quarantined", "other", "undecided"]
    assert not house.told
    whys = [
        row["why"]
        for row in await house.pool.fetch(
            "select why from mail_watcher.mail where mailbox = $1 order by uid", house.settings.id
        )
    ]
    assert all(whys[:3])
    assert "different codes" in whys[4]


async def test_a_person_decides(house: House) -> None:
    (unit, fact), other = house.expected(unit_code=""), house.expected(unit_code="")
    await house.consume(unit, fact)
    await house.consume(*other)
    await house.scan([activation(unit="DKTGLD")])
    await house.match()
    assert await house.states() == ["undecided"]
    mail = await house.pool.fetchval("select id from mail_watcher.mail where mailbox = $1", house.settings.id)
    said = MailAssigned(mail=mail, enrolment=fact.enrolment, dossier=fact.dossier, attempt=1, actor="lan")
    await house.consume(unit, said)
    await house.match()
    await house.consume(unit, said)
    await house.match()
    assert await house.states() == ["matched"]
    assert [told.dossier for told in house.facts()] == [fact.dossier]


async def test_a_stop_mail_that_names_only_its_number_waits_for_the_number(house: House) -> None:
    unit, fact = house.expected("stop")
    await house.consume(unit, fact)
    await house.scan([stop_result("Hồ sơ số 00012/2026/00101 đăng ký ngừng không được chấp nhận.\nLý do: sai chữ ký.")])
    await house.match()
    assert await house.states() == ["parked"]
    await house.consume(
        unit,
        MailNumbered(enrolment=fact.enrolment, dossier=fact.dossier, attempt=1, kind="stop", number="00012/2026/00101"),
    )
    await house.match()
    (told,) = house.facts()
    assert isinstance(told, StopResultArrived)
    assert not told.accepted
    assert "sai chữ ký" in told.text


async def test_a_code_that_the_vault_destroyed_is_matched_without_an_event(house: House) -> None:
    unit, fact = house.expected()
    await house.consume(unit, fact)
    await house.scan([activation()])
    for ref in [ref for ref, (_, _, purpose, _) in house.vault.kept.items() if purpose == "code"]:
        await house.vault.destroy(ref)
    await house.match()
    assert await house.states() == ["matched"]
    assert not house.told


async def test_fifty_branches_one_mailbox_one_name_one_tax_code(house: House) -> None:
    branches = []
    for n in range(50):
        unit, fact = house.expected(unit_code=f"TZ{n:04}Z"[:7])
        branches.append((unit, fact))
        stop_unit, stop = unit, fact.model_copy(update={"kind": "stop", "dossier": uuid4()})
        await house.consume(unit, fact)
        await house.consume(stop_unit, stop)
    codes = {fact.unit_code: f"A{n:08}B" for n, (_, fact) in enumerate(branches)}
    mails: list[bytes] = []
    for _, fact in branches:
        for copy in range(2):
            mails.append(
                activation(
                    unit=fact.unit_code, code=codes[fact.unit_code], message_id=f"<{fact.unit_code}.{copy}@x.example>"
                )
            )
    mails += [stop_result(f"Kính gửi: {NAME}.\nNgừng sử dụng dịch vụ thành công. {n}") for n in range(10)]
    await house.scan([*mails[::2], *mails[1::2]])
    await house.match()
    by_enrolment = {fact.enrolment: fact.unit_code for _, fact in branches}
    for told in house.facts():
        assert isinstance(told, ActivationCodeArrived)
        assert house.vault.kept[told.code][3].decode() == codes[by_enrolment[told.enrolment]]
    assert {told.enrolment for told in house.facts()} == set(by_enrolment)
    states = await house.states()
    assert states.count("matched") == 100
    assert states.count("undecided") == 10


async def test_a_mail_to_an_own_address_needs_nothing_else(house: House) -> None:
    house.settings = replace(house.settings, own_contacts=True)
    (unit, fact), other = (
        house.expected("stop", contact="Own+1@daiphuc.example"),
        house.expected("stop", contact="own+2@daiphuc.example"),
    )
    await house.consume(unit, fact)
    await house.consume(*other)
    await house.scan([stop_result("Ngừng sử dụng dịch vụ thành công.", to="own+1@daiphuc.example")])
    await house.match()
    assert [told.dossier for told in house.facts()] == [fact.dossier]


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
    """Waits for a condition with a deadline; there is nothing to await on the other side."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + seconds
    while not await condition():
        assert loop.time() < ends, "it did not come to pass in time"
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("adapter", ["aioimaplib", "imapclient"])
async def test_the_whole_room_on_a_real_mailbox(house: House, pymap: Pymap, adapter: Any) -> None:
    user = pymap.user()
    access = Access("127.0.0.1", pymap.port, user, Secret(PASSWORD), tls="none", timeout_s=5.0)
    house.settings = replace(house.settings, access=access, adapter=adapter)
    units = [house.expected(unit_code=f"TZ{n:04}Z") for n in range(3)]
    for unit, fact in units:
        await house.consume(unit, fact)

    async def mailboxes() -> Sequence[MailboxSettings]:
        return [house.settings]

    drained = asyncio.Event()
    room = MailRoom(mailboxes, house.pool, house.vault, house.clock, NoRecords(), house.admit, "one")
    running = asyncio.create_task(room.run(drained))
    for n, (_, fact) in zip(itertools.count(1), units, strict=False):
        await asyncio.to_thread(pymap.deliver, user, [activation(unit=fact.unit_code, code=f"A{n:08}B")])

        async def told(wanted: int = n) -> bool:
            return len(house.told) == wanted

        await until(told)
    drained.set()
    await asyncio.wait_for(running, 10)
    assert [told.enrolment for told in house.facts()] == [fact.enrolment for _, fact in units]
    owner = await house.pool.fetchval(
        "select owner from mail_watcher.mailbox_cursor where mailbox = $1", house.settings.id
    )
    assert owner is None

"""The junk folder is read like the inbox, by either adapter; what lies in both, or moves, is one mail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.mail_watcher import store
from services.mail_watcher.folders import Beside, beside
from services.mail_watcher.mailbox import Access, Folder, FolderMissing
from services.mail_watcher.records import NoRecords
from services.mail_watcher.secret import Secret
from services.mail_watcher.service import MailRoom
from services.mail_watcher.settings import MailboxSettings
from tests.contract.mailbox.conftest import Open
from tests.contract.mailbox.house import House
from tests.contract.mailbox.servers import JUNK, PASSWORD, Dovecot
from tests.contract.mailbox.test_mailbox import everything, letter
from tests.support.waiting import eventually
from tests.unit.mail_watcher.mails import activation

pytestmark = pytest.mark.asyncio
JUNK_NAME = "Thư không mời"


async def test_folders_are_listed_and_opened(dovecot: Dovecot, opened: Open) -> None:
    user = dovecot.user()
    dovecot.deliver(user, [letter(1)])
    dovecot.deliver(user, [letter(2), letter(3)], JUNK)
    mailbox = opened(dovecot.port, user)
    await mailbox.connect()
    listed = {folder.name: folder.flags for folder in await mailbox.folders()}
    assert "\\junk" in listed[JUNK_NAME]
    assert "\\all" in listed["Archive"]
    assert "INBOX" in listed
    await mailbox.status()
    assert [mail.raw for mail in await everything(mailbox)] == [letter(1)]
    await mailbox.open(JUNK_NAME)
    await mailbox.status()
    found = await everything(mailbox)
    assert [mail.raw for mail in found] == [letter(2), letter(3)]
    await mailbox.flag([mail.uid for mail in found])
    with pytest.raises(FolderMissing):
        await mailbox.open("Không có")
    await mailbox.open("INBOX")
    await mailbox.status()
    waiting = asyncio.ensure_future(mailbox.idle(30))
    await asyncio.to_thread(dovecot.deliver, user, [letter(4)])
    await asyncio.wait_for(waiting, 10)
    await mailbox.status()
    assert [mail.raw for mail in await everything(mailbox)] == [letter(1), letter(4)]


@asynccontextmanager
async def room(house: House, dovecot: Dovecot, **settings: Any) -> AsyncIterator[str]:
    """The whole watcher on a mailbox of its own."""
    user = dovecot.user()
    access = Access("127.0.0.1", dovecot.port, user, Secret(PASSWORD), tls="none", timeout_s=5.0)
    house.settings = replace(house.settings, access=access, rescan=timedelta(seconds=0.3), **settings)

    async def mailboxes() -> Sequence[MailboxSettings]:
        return [house.settings]

    drained = asyncio.Event()
    running = asyncio.create_task(
        MailRoom(mailboxes, house.pool, house.vault, house.clock, NoRecords(), house.admit, "one").run(drained)
    )
    yield user
    drained.set()
    await asyncio.wait_for(running, 10)


def told(house: House, wanted: int) -> Callable[[], Any]:
    async def so_many() -> bool:
        return len(house.told) == wanted

    return so_many


def states(house: House, *wanted: str) -> Callable[[], Any]:
    async def such() -> bool:
        return await house.states() == list(wanted)

    return such


@pytest.mark.parametrize("adapter", ["aioimaplib", "imapclient"])
async def test_a_code_in_the_junk_folder_is_found(house: House, dovecot: Dovecot, adapter: Any) -> None:
    first, second = house.expected(unit_code="TZ0001Z"), house.expected(unit_code="TZ0002Z")
    await house.consume(*first)
    await house.consume(*second)
    async with room(house, dovecot, adapter=adapter) as user:
        await asyncio.to_thread(dovecot.deliver, user, [activation(unit="TZ0001Z", code="A00000001B")], JUNK)
        await eventually(told(house, 1), "the code out of the junk folder", 20)
        await asyncio.to_thread(dovecot.move, user, JUNK, "INBOX")
        await asyncio.to_thread(dovecot.deliver, user, [activation(unit="TZ0002Z", code="A00000002B")])
        await eventually(told(house, 2), "the code out of the inbox", 20)
    assert [fact.enrolment for fact in house.facts()] == [first[1].enrolment, second[1].enrolment]
    rows = await house.pool.fetch(
        "select folder, state from mail_watcher.mail where mailbox = $1 order by arrived_at, folder desc",
        house.settings.id,
    )
    assert sorted((row["folder"], row["state"]) for row in rows) == [("INBOX", "matched"), (JUNK_NAME, "matched")]


async def test_junk_is_held_to_the_same_trust(house: House, dovecot: Dovecot) -> None:
    await house.consume(*house.expected())
    async with room(house, dovecot) as user:
        forged = activation(sender="BHXH <thongbao@baohiemxahoi.gov.vn.evil.example>")
        await asyncio.to_thread(dovecot.deliver, user, [forged], JUNK)
        await eventually(states(house, "quarantined"), "the forged mail", 20)
    assert not house.told
    assert not house.of_mails()


async def test_none_reads_no_other_folder_and_names_read_theirs(house: House, dovecot: Dovecot) -> None:
    await house.consume(*house.expected(unit_code="TZ0001Z"))
    async with room(house, dovecot, also="none") as user:
        await asyncio.to_thread(dovecot.deliver, user, [activation(unit="TZ0001Z", code="A00000001B")], JUNK)
        await asyncio.to_thread(dovecot.deliver, user, [letter(1)])
        await eventually(states(house, "quarantined"), "the letter in the inbox", 20)
    assert not house.told
    house.settings = replace(house.settings, also="\\All")
    async with room(house, dovecot, also="\\All,Không có") as user:
        await asyncio.to_thread(dovecot.deliver, user, [activation(unit="TZ0001Z", code="A00000002B")], "Archive")
        await eventually(told(house, 1), "the code in the archive", 20)


async def test_cursors_of_folders_are_their_own_and_fenced(house: House, dovecot: Dovecot) -> None:
    async with room(house, dovecot) as user:
        await asyncio.to_thread(dovecot.deliver, user, [letter(n) for n in range(5)], JUNK)
        await asyncio.to_thread(dovecot.deliver, user, [letter(9)])

        async def both() -> bool:
            return len(await house.states()) == 6

        await eventually(both, "all mails", 20)
    row = await house.pool.fetchrow(
        "select c.uid, c.standing, f.uid as beside from mail_watcher.mailbox_cursor c "
        "join mail_watcher.folder_cursor f using (mailbox) where mailbox = $1", house.settings.id
    )  # fmt: skip
    assert row is not None
    assert (row["uid"], row["beside"], row["standing"]) == (1, 5, "reading")
    async with house.pool.acquire() as tx, tx.transaction():
        mine = await store.take(tx, house.settings.id, "one")
        assert mine is not None
    late = store.Cursor(1, 99, mine.epoch - 1, JUNK_NAME)
    with pytest.raises(store.FenceLost):
        async with house.pool.acquire() as tx, tx.transaction():
            await store.record(tx, house.settings.id, late, [], main=False)
    assert (
        await house.pool.fetchval("select uid from mail_watcher.folder_cursor where mailbox = $1", house.settings.id)
        == 5
    )
    async with house.pool.acquire() as tx, tx.transaction():
        other = await store.take(tx, house.settings.id, "one", "Khác")
        assert other is not None
        assert (other.uidvalidity, other.uid, other.folder) == (0, 0, "Khác")


LISTED = [
    Folder("INBOX"), Folder("Sent", frozenset({"\\sent"})), Folder("INBOX.Spam"), Folder("Thư rác"),
    Folder("[Gmail]/All Mail", frozenset({"\\all"})),
]  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "listed", "found"),
    [
        ("auto", LISTED, Beside(("INBOX.Spam", "Thư rác"))),
        ("auto", [*LISTED, Folder("X", frozenset({"\\junk"}))], Beside(("X",))),
        ("auto", [Folder("INBOX")], Beside(())),
        ("none", LISTED, Beside(())),
        ("\\All, Thư rác, Nowhere", LISTED, Beside(("[Gmail]/All Mail", "Thư rác"), ("Nowhere",))),
        ("inbox,Sent", LISTED, Beside(("Sent",))),
    ],
)
async def test_which_folders_are_read_beside_the_main_one(wanted: str, listed: list[Folder], found: Beside) -> None:
    assert beside(wanted, listed, "INBOX") == found

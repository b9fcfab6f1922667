"""What every mailbox adapter owes the watcher, on real servers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from services.mail_watcher.aioimaplib_mailbox import AioimaplibMailbox
from services.mail_watcher.mailbox import Fetched, Mailbox, MailboxRefused
from tests.contract.mailbox.conftest import Open
from tests.contract.mailbox.servers import PASSWORD, Dovecot, Server

pytestmark = pytest.mark.asyncio


def letter(n: int, body: bytes = b"text") -> bytes:
    return b"From: a@b.example\r\nSubject: star * and paren ( %d\r\nMessage-ID: <%d@b.example>\r\n\r\n%s\r\n" % (
        n,
        n,
        body,
    )


async def everything(mailbox: Mailbox, after: int = 0) -> list[Fetched]:
    found: list[Fetched] = []
    while batch := await mailbox.fetch_after(found[-1].uid if found else after, 50):
        found += batch
    return found


async def deliver(server: Server, user: str, mails: Sequence[bytes]) -> None:
    await asyncio.to_thread(server.deliver, user, mails)


async def test_an_empty_mailbox_has_nothing_after_any_uid(server: Server, opened: Open) -> None:
    user = server.user()
    mailbox = opened(server.port, user)
    await mailbox.connect()
    validity, following = await mailbox.status()
    assert validity > 0
    assert following > 0
    assert list(await mailbox.fetch_after(0, 50)) == []


async def test_new_mails_are_seen_once_and_only_those_after_the_cursor(server: Server, opened: Open) -> None:
    user = server.user()
    await deliver(server, user, [letter(1), letter(2)])
    mailbox = opened(server.port, user)
    await mailbox.connect()
    _, following = await mailbox.status()
    first = list(await mailbox.fetch_after(0, 50))
    assert [mail.raw for mail in first] == [letter(1), letter(2)]
    assert first[-1].uid == following - 1
    # n:* returns the last mail for every n: it must not come back
    assert list(await mailbox.fetch_after(first[-1].uid, 50)) == []
    await deliver(server, user, [letter(3)])
    await mailbox.status()
    assert [mail.raw for mail in await mailbox.fetch_after(first[-1].uid, 50)] == [letter(3)]
    assert [mail.raw for mail in await mailbox.fetch_after(0, 1)] == [letter(1)]


async def test_bodies_come_byte_for_byte(server: Server, opened: Open) -> None:
    user = server.user()
    bodies = [
        b"* 1 FETCH (UID 5)\r\n* BYE\r\nA1 OK done\r\n)",
        "Mã kích hoạt: đặc biệt ắ ễ ợ".encode(),
        bytes(range(0x80, 0x100)),
        b"x" * 20_000,
        b"{5}\r\n()()((\r\n\r\n\r\n* * *",
        b"",
    ]
    mails = [letter(n, body) for n, body in enumerate(bodies)]
    await deliver(server, user, mails)
    mailbox = opened(server.port, user)
    await mailbox.connect()
    await mailbox.status()
    found = await everything(mailbox)
    assert [mail.raw for mail in found] == mails
    assert [mail.size for mail in found] == [len(mail) for mail in mails]


async def test_the_date_is_the_servers(server: Server, opened: Open) -> None:
    user = server.user()
    earliest = datetime.now(UTC) - timedelta(seconds=2)
    await deliver(server, user, [b"Date: Sat, 01 Jan 2000 00:00:00 +0000\r\n" + letter(1)])
    mailbox = opened(server.port, user)
    await mailbox.connect()
    await mailbox.status()
    (mail,) = await mailbox.fetch_after(0, 50)
    assert earliest <= mail.internaldate <= datetime.now(UTC) + timedelta(seconds=1)
    assert mail.internaldate.tzinfo is not None


async def test_a_mail_above_the_limit_comes_without_its_body(server: Server, opened: Open) -> None:
    user = server.user()
    await deliver(server, user, [letter(1), letter(2, b"y" * 30_000), letter(3)])
    mailbox = opened(server.port, user, max_bytes=10_000)
    await mailbox.connect()
    await mailbox.status()
    found = await everything(mailbox)
    assert [mail.raw for mail in found] == [letter(1), None, letter(3)]
    assert found[1].size == len(letter(2, b"y" * 30_000))


async def test_another_uidvalidity_is_told(server: Server, opened: Open) -> None:
    user = server.user()
    await deliver(server, user, [letter(1)])
    mailbox = opened(server.port, user)
    await mailbox.connect()
    before, _ = await mailbox.status()
    await mailbox.close()
    await asyncio.to_thread(server.change_uidvalidity, user)
    again = opened(server.port, user)
    await again.connect()
    after, _ = await again.status()
    assert after != before


async def test_a_thousand_mails(server: Server, opened: Open) -> None:
    user = server.user()
    mails = [letter(n) for n in range(1_000)]
    await deliver(server, user, mails)
    mailbox = opened(server.port, user)
    await mailbox.connect()
    await mailbox.status()
    found = await everything(mailbox)
    assert [mail.raw for mail in found] == mails
    await mailbox.flag([mail.uid for mail in found])
    assert len(await everything(mailbox, found[-2].uid)) == 1


async def test_idle_wakes_for_a_mail_and_ends_without_one(server: Server, opened: Open) -> None:
    user = server.user()
    mailbox = opened(server.port, user)
    await mailbox.connect()
    for n in range(3):
        await mailbox.status()
        seen = await everything(mailbox)
        waiting = asyncio.ensure_future(mailbox.idle(30))
        started = time.monotonic()
        await deliver(server, user, [letter(n)])
        await asyncio.wait_for(waiting, 10)
        assert time.monotonic() - started < 10
        await mailbox.status()
        assert len(await everything(mailbox)) == len(seen) + 1
    started = time.monotonic()
    await mailbox.status()
    await everything(mailbox)
    await asyncio.wait_for(mailbox.idle(0.5), 5)
    assert time.monotonic() - started < 5


async def test_a_mail_between_scan_and_idle_is_not_slept_over(server: Server, opened: Open) -> None:
    user = server.user()
    mailbox = opened(server.port, user)
    await mailbox.connect()
    await mailbox.status()
    assert await everything(mailbox) == []
    await deliver(server, user, [letter(1)])
    await asyncio.wait_for(mailbox.idle(30), 10)


async def test_a_wrong_password_needs_a_person(server: Server, opened: Open) -> None:
    user = server.user()
    mailbox = opened(server.port, user, password="not " + PASSWORD)
    with pytest.raises(MailboxRefused) as caught:
        await mailbox.connect()
    assert PASSWORD not in str(caught.value)


async def test_a_missing_folder_needs_a_person(server: Server, opened: Open) -> None:
    user = server.user()
    with pytest.raises(MailboxRefused, match="Không có"):
        await opened(server.port, user, folder="Không có").connect()


async def test_tls_with_a_known_certificate(dovecot: Dovecot, opened: Open) -> None:
    user = dovecot.user()
    dovecot.deliver(user, [letter(1)])
    mailbox = opened(dovecot.tls_port, user, tls="implicit", ca_file=str(dovecot.dir / "cert.pem"))
    await mailbox.connect()
    await mailbox.status()
    assert [mail.raw for mail in await mailbox.fetch_after(0, 50)] == [letter(1)]


async def test_tls_with_an_unknown_certificate_needs_a_person(dovecot: Dovecot, opened: Open) -> None:
    with pytest.raises(MailboxRefused, match="certificate"):
        await opened(dovecot.tls_port, dovecot.user(), tls="implicit").connect()


async def test_starttls_works_or_is_refused_in_a_sentence(dovecot: Dovecot, opened: Open) -> None:
    user = dovecot.user()
    mailbox = opened(dovecot.port, user, tls="starttls", ca_file=str(dovecot.dir / "cert.pem"))
    if isinstance(mailbox, AioimaplibMailbox):
        with pytest.raises(MailboxRefused, match="imapclient"):
            await mailbox.connect()
        return
    await mailbox.connect()
    assert (await mailbox.status())[0] > 0

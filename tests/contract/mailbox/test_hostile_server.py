"""A server that lies, falls silent or goes away is noticed within seconds, and no password is ever shown."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import pytest

from services.mail_watcher.mailbox import Access, Mailbox, MailboxDown, MailboxRefused
from services.mail_watcher.secret import Secret
from tests.contract.mailbox.conftest import Open
from tests.contract.mailbox.servers import HostileServer

pytestmark = pytest.mark.asyncio
CANARY = "canary-8Zk1"


async def use(mailbox: Mailbox, fetch: bool) -> None:
    """All a watcher does, until something fails."""
    await mailbox.connect()
    await mailbox.status()
    if fetch:
        await mailbox.fetch_after(0, 50)
    while True:
        await mailbox.idle(20)


@pytest.mark.parametrize(
    "misdeed",
    [
        "silent-greeting",
        "bye-greeting",
        "garbage-greeting",
        "silent-login",
        "foreign-tag-login",
        "no-login-now",
        "silent-search",
        "drop-search",
        "garbage-search",
        "many-lines",
        "endless-line",
        "no-idle-word",
        "chatter-idle",
        "bye-idle",
        "drop-idle",
    ],
)
async def test_every_misdeed_surfaces(misdeed: str, opened: Open, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with HostileServer(misdeed) as server:
        mailbox = opened(server.port, "demo", CANARY, timeout_s=1.0)
        started = time.monotonic()
        with pytest.raises(MailboxDown) as caught:
            await use(mailbox, "idle" not in misdeed)
        assert time.monotonic() - started < 6
        await mailbox.close()
    assert CANARY not in caplog.text
    assert CANARY not in repr(caught.value)


@pytest.mark.parametrize("manner", ["mail-before-idle", "mail-with-idle", "mail-in-pieces"])
async def test_however_a_server_tells_of_a_mail_the_connection_stays(manner: str, opened: Open) -> None:
    async with HostileServer(manner) as server:
        mailbox = opened(server.port, timeout_s=2.0)
        await mailbox.connect()
        await mailbox.status()
        await mailbox.fetch_after(8, 50)
        for _ in range(2):  # it says it at every IDLE; the second time the news may be none
            await asyncio.wait_for(mailbox.idle(1.0), 5)
        assert await mailbox.status() == (7, 9)


async def test_after_a_failure_every_call_fails_at_once(opened: Open) -> None:
    async with HostileServer("drop-search") as server:
        mailbox = opened(server.port, timeout_s=1.0)
        await mailbox.connect()
        await mailbox.status()
        with pytest.raises(MailboxDown):
            await mailbox.fetch_after(0, 50)
        started = time.monotonic()
        with pytest.raises(MailboxDown):
            await mailbox.status()
        assert time.monotonic() - started < 2


async def test_an_idle_that_cannot_be_ended_surfaces(opened: Open) -> None:
    async with HostileServer("silent-idle") as server:
        mailbox = opened(server.port, timeout_s=1.0)
        await mailbox.connect()
        await mailbox.status()
        started = time.monotonic()
        await mailbox.fetch_after(8, 50)
        with pytest.raises(MailboxDown):
            await mailbox.idle(0.5)
        assert time.monotonic() - started < 6


async def test_a_cancelled_idle_ends_and_can_be_closed(opened: Open) -> None:
    async with HostileServer("silent-idle") as server:
        mailbox = opened(server.port, timeout_s=1.0)
        await mailbox.connect()
        await mailbox.status()
        await mailbox.fetch_after(8, 50)
        waiting = asyncio.ensure_future(mailbox.idle(60))
        await asyncio.wait_for(server.idling.wait(), 5)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.wait_for(mailbox.close(), 5)


async def test_nobody_listens(opened: Open) -> None:
    async with HostileServer("") as server:
        port = server.port
    with pytest.raises(MailboxDown):
        await opened(port, timeout_s=1.0).connect()


async def test_clear_text_stays_on_this_machine(adapter: Any) -> None:
    mailbox = adapter(Access("192.0.2.1", 143, "u", Secret("p"), tls="none"))
    with pytest.raises(MailboxRefused, match="TLS"):
        await mailbox.connect()


async def test_control_characters_are_refused(opened: Open) -> None:
    with pytest.raises(MailboxRefused):
        await opened(1, user="a\r\nA2 LOGOUT").connect()

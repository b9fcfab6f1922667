"""Whom a mailbox believes, with mails delivered by a real server; the junk folder is not believed more."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.mail_watcher.mailbox import Access
from services.mail_watcher.records import NoRecords
from services.mail_watcher.secret import Secret
from services.mail_watcher.service import MailRoom
from services.mail_watcher.settings import MailboxSettings
from services.mail_watcher.trust import Policy, TrustSettings
from tests.contract.mailbox.house import House
from tests.contract.mailbox.servers import JUNK, PASSWORD, Dovecot
from tests.support.waiting import eventually
from tests.unit.mail_watcher.mails import activation
from tests.unit.mail_watcher.test_trust import AGENCY, records, signed

pytestmark = pytest.mark.asyncio


def stamped(raw: bytes, server: str, word: str) -> bytes:
    return f"Authentication-Results: {server}; dkim={word} header.d={AGENCY}\r\n".encode() + raw


POLICIES: dict[str, tuple[TrustSettings, Any, Any]] = {
    "dkim": (
        TrustSettings(policy=Policy.DKIM, records=records()),
        signed,
        lambda raw: signed(raw).replace(b"\r\nSubject: ", b"\r\nSubject: Re: ", 1),
    ),
    "auth-results": (
        TrustSettings(policy=Policy.AUTH_RESULTS, authserv_id="mx.daiphuc.example"),
        lambda raw: stamped(raw, "mx.daiphuc.example", "pass"),
        lambda raw: stamped(stamped(raw, "mx.daiphuc.example", "pass"), "mx.other.example", "pass"),
    ),
    "sender-only": (
        TrustSettings(policy=Policy.SENDER_ONLY),
        lambda raw: raw,
        lambda raw: raw.replace(AGENCY.encode() + b">", AGENCY.encode() + b".evil.example>", 1),
    ),
}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("folder", ["INBOX", JUNK])
async def test_what_each_policy_believes(house: House, dovecot: Dovecot, policy: str, folder: str) -> None:
    trust, good, bad = POLICIES[policy]
    user = dovecot.user()
    access = Access("127.0.0.1", dovecot.port, user, Secret(PASSWORD), tls="none", timeout_s=5.0)
    house.settings = replace(house.settings, access=access, trust=trust, rescan=timedelta(seconds=0.3))
    first, second = house.expected(unit_code="TZ0001Z"), house.expected(unit_code="TZ0002Z")
    await house.consume(*first)
    await house.consume(*second)
    mails = [
        bad(activation(unit="TZ0001Z", code="A00000001B")),
        good(activation(unit="TZ0002Z", code="A00000002B")),
    ]
    dovecot.deliver(user, mails, folder)

    async def mailboxes() -> Sequence[MailboxSettings]:
        return [house.settings]

    async def decided() -> bool:
        return sorted(await house.states()) == ["matched", "quarantined"]

    drained = asyncio.Event()
    room = MailRoom(mailboxes, house.pool, house.vault, house.clock, NoRecords(), house.admit, "one")
    running = asyncio.create_task(room.run(drained))
    await eventually(decided, "both mails to be judged", 20)
    drained.set()
    await asyncio.wait_for(running, 10)
    assert [fact.dossier for fact in house.facts()] == [second[1].dossier]

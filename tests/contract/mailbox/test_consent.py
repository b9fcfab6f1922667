"""XOAUTH2: access tokens out of a consent, against a token service and Dovecot, by either adapter."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from services.mail_watcher.mailbox import Access, ConsentNeeded, LoginRefused, MailboxDown, MailboxRefused
from services.mail_watcher.oauth import BadGrant, Grant, OauthTokens, checked_url
from services.mail_watcher.records import NoRecords
from services.mail_watcher.secret import Secret
from services.mail_watcher.service import MailRoom
from services.mail_watcher.settings import MailboxSettings
from tests.contract.mailbox.conftest import Open
from tests.contract.mailbox.consents import CLIENT, SECRET, TokenService
from tests.contract.mailbox.house import House
from tests.contract.mailbox.servers import Dovecot
from tests.contract.mailbox.test_mailbox import everything, letter
from tests.support.waiting import eventually
from tests.unit.mail_watcher.mails import activation

pytestmark = pytest.mark.asyncio


def of(service: TokenService, refresh: str, rotated: Any = None, **other: Any) -> OauthTokens:
    grant = Grant(service.url, CLIENT, Secret(SECRET), Secret(refresh), "mail offline_access")
    return OauthTokens(replace(grant, **other), rotated)


async def test_a_consent_opens_the_mailbox(dovecot: Dovecot, tokens: TokenService, opened: Open) -> None:
    user = dovecot.user()
    dovecot.deliver(user, [letter(1)])
    mailbox = opened(dovecot.port, user, password="", tokens=of(tokens, tokens.consent(user)))
    await mailbox.connect()
    await mailbox.status()
    assert [mail.raw for mail in await everything(mailbox)] == [letter(1)]
    assert tokens.asked[0]["scope"] == "mail offline_access"


async def test_a_token_the_server_refuses_is_replaced_once(
    dovecot: Dovecot, tokens: TokenService, opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    user = dovecot.user()
    consent = of(tokens, tokens.consent(user))
    mailbox = opened(dovecot.port, user, password="", tokens=consent)
    await mailbox.connect()
    await mailbox.close()
    tokens.access.clear()  # withdrawn before its time
    await mailbox.connect()
    assert (await mailbox.status())[0] > 0
    assert len(tokens.asked) == 2
    given = await consent.bearer()
    assert given.reveal() not in caplog.text
    await mailbox.close()
    tokens.access = dict.fromkeys(tokens.access, "somebody else")
    tokens.refresh = dict.fromkeys(tokens.refresh, "somebody else")
    with pytest.raises(LoginRefused, match="token"):
        await mailbox.connect()
    assert len(tokens.asked) == 3


async def test_a_token_goes_over_tls_too(dovecot: Dovecot, tokens: TokenService, opened: Open) -> None:
    user = dovecot.user()
    mailbox = opened(
        dovecot.tls_port, user, password="", tls="implicit", ca_file=str(dovecot.dir / "cert.pem"),
        tokens=of(tokens, tokens.consent(user)),
    )  # fmt: skip
    await mailbox.connect()
    assert (await mailbox.status())[0] > 0


async def test_a_token_is_kept_until_shortly_before_its_end(tokens: TokenService) -> None:
    long = of(tokens, tokens.consent("a"))
    assert await long.bearer() == await long.bearer()
    assert len(tokens.asked) == 1
    assert await long.bearer(anew=True) == await long.bearer()
    assert len(tokens.asked) == 2
    tokens.lifetime = 0
    short = of(tokens, tokens.consent("a"))
    assert await short.bearer() != await short.bearer()
    tokens.lifetime = "soon"
    odd = of(tokens, tokens.consent("a"))
    assert await odd.bearer() == await odd.bearer()


async def test_two_that_ask_at_once_are_one_question(tokens: TokenService) -> None:
    consent = of(tokens, tokens.consent("a"))
    one, two = await asyncio.gather(consent.bearer(), consent.bearer())
    assert one == two
    assert len(tokens.asked) == 1


async def test_a_new_refresh_token_is_kept_and_used(tokens: TokenService) -> None:
    tokens.rotates = True
    kept: list[str] = []
    down = True

    async def rotated(refresh: Secret) -> None:
        if down:
            raise OSError("the database is away")
        kept.append(refresh.reveal())

    consent = of(tokens, tokens.consent("a"), rotated)
    with pytest.raises(OSError, match="away"):
        await consent.bearer()
    down = False
    await consent.bearer(anew=True)
    await consent.bearer(anew=True)
    assert [form["refresh_token"] for form in tokens.asked[1:]] == [tokens.asked[1]["refresh_token"], kept[0]]
    assert kept[-1] in tokens.refresh
    down = True
    with pytest.raises(OSError, match="away"):
        await consent.bearer(anew=True)
    down, tokens.rotates = False, False
    await consent.bearer(anew=True)
    assert len(kept) == 3
    await consent.bearer(anew=True)
    assert len(kept) == 3


REFUSALS: list[tuple[int, Any, type[Exception], str]] = [
    (400, {"error": "invalid_grant", "error_description": "AADSTS70000 secret words"}, ConsentNeeded, "consent"),
    (400, {"error": "interaction_required"}, ConsentNeeded, "consent"),
    (401, {"error": "invalid_client"}, MailboxRefused, "invalid_client"),
    (400, {"error": "secret words"}, MailboxRefused, "HTTP 400"),
    (404, b"<html>secret words", MailboxRefused, "HTTP 404"),
    (302, {}, MailboxRefused, "HTTP 302"),
    (200, {"token": "x"}, MailboxRefused, "no access token"),
    (200, {"access_token": ["x"]}, MailboxRefused, "no access token"),
    (200, b"[" * 50_000, MailboxRefused, "HTTP 200"),
    (200, b'{"access_token": "' + b"x" * 200_000 + b'"}', MailboxRefused, "HTTP 200"),
    (429, {"error": "slow_down"}, MailboxDown, "429"),
    (503, b"secret words", MailboxDown, "503"),
]


@pytest.mark.parametrize(("status", "body", "error", "says"), REFUSALS)
async def test_what_the_service_refuses_is_one_sentence(
    tokens: TokenService, status: int, body: Any, error: type[Exception], says: str
) -> None:
    tokens.answers.append((status, body))
    with pytest.raises(error, match=says) as caught:
        await of(tokens, "r").bearer()
    assert type(caught.value) is error
    assert "secret words" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_service_that_does_not_answer_is_tried_again(tokens: TokenService) -> None:
    with pytest.raises(MailboxDown, match="cannot be reached"):
        await of(tokens, "r", token_url="http://127.0.0.1:9/token").bearer()


async def test_a_token_that_would_say_something_else_is_not_sent(
    dovecot: Dovecot, tokens: TokenService, opened: Open
) -> None:
    for token in ("a\x01auth=Bearer b", "a\r\nA2 LOGOUT", "đ", "x" * 20_000):
        tokens.answers.append((200, {"access_token": token}))
        with pytest.raises(MailboxRefused, match="cannot be sent"):
            await opened(dovecot.port, dovecot.user(), password="", tokens=of(tokens, "r")).connect()


@pytest.mark.parametrize(
    "url", ["http://login.example/token", "ftp://x.example", "https://", "https://u:p@x.example/", "x", "https://[x/"]
)
async def test_a_token_service_is_reached_by_https_only(url: str) -> None:
    with pytest.raises(BadGrant):
        checked_url(url)
    assert checked_url("https://login.example/token") == "https://login.example/token"


@pytest.mark.parametrize("adapter", ["aioimaplib", "imapclient"])
async def test_a_mailbox_without_consent_stands_so_and_others_are_read(
    house: House, dovecot: Dovecot, tokens: TokenService, adapter: Any
) -> None:
    await house.consume(*house.expected())
    user = dovecot.user()
    access = Access("127.0.0.1", dovecot.port, user, Secret(""), tls="none", timeout_s=5.0)
    withdrawn = of(tokens, tokens.consent(user))
    tokens.refresh.clear()
    house.settings = replace(house.settings, adapter=adapter, access=replace(access, consent="1", tokens=withdrawn))
    current = [house.settings]

    async def mailboxes() -> Sequence[MailboxSettings]:
        return current

    async def standing() -> str:
        return str(
            await house.pool.fetchval(
                "select standing from mail_watcher.mailbox_cursor where mailbox = $1", house.settings.id
            )
        )

    async def needs_consent() -> bool:
        return await standing() == "needs-consent"

    async def is_read() -> bool:
        return await standing() == "reading"

    async def read() -> bool:
        return len(house.told) == 1

    drained = asyncio.Event()
    room = MailRoom(mailboxes, house.pool, house.vault, house.clock, NoRecords(), house.admit, "one")
    running = asyncio.create_task(room.run(drained))
    await eventually(needs_consent, "the mailbox to stand without consent", 20)
    assert len(tokens.asked) == 1  # no loop of questions
    await asyncio.to_thread(dovecot.deliver, user, [activation()])
    again = of(tokens, tokens.consent(user))
    current[:] = [replace(house.settings, access=replace(access, consent="2", tokens=again))]
    await eventually(read, "the code, after the consent was given", 20)
    await eventually(is_read, "the mailbox to stand as read", 20)
    drained.set()
    await asyncio.wait_for(running, 10)

"""Mailboxes by command: declared with a password or a consent, tried out, read by the service, shown as they stand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from hoso.store.postgres import Database
from schemas.envelope import decode
from tests.contract.mailbox.consents import CLIENT, SECRET, TokenService
from tests.contract.mailbox.servers import JUNK, PASSWORD, Dovecot
from tests.integration.cli.command import Cli
from tests.support.waiting import eventually
from tests.unit.mail_watcher.mails import activation, change_result

pytestmark = pytest.mark.asyncio


async def declared(cli: Cli, dovecot: Dovecot, user: str, *more: str) -> Any:
    await cli("tenant", "add", "acme")
    words = ("--host", "127.0.0.1", "--port", str(dovecot.port), "--tls", "none", "--user", user, *more)
    return await cli("mailbox", "add", "acme", "bhxh@acme.vn", *words, given=f"{PASSWORD}\n")


async def test_a_consent_is_sealed_renewed_and_asked_for_again(
    cli: Cli, db: Database, dovecot: Dovecot, tokens: TokenService, tmp_path: Path
) -> None:
    user, file = dovecot.user(), tmp_path / "consent.json"
    consent = {
        "token_url": tokens.url,
        "client_id": CLIENT,
        "client_secret": SECRET,
        "refresh_token": tokens.consent(user),
    }
    for wrong, says in (
        ("[", "no JSON object"),
        ("{}", "token_url, client_id, refresh_token"),
        (json.dumps({**consent, "token_url": "http://login.example/token"}), "https://"),
        (json.dumps({**consent, "client_id": 7}), "client_id"),
    ):
        file.write_text(wrong)
        refused = await declared(cli, dovecot, user, "--oauth-file", str(file))
        assert (refused.status, refused.err.count("\n"), says in refused.err) == (2, 1, True), refused.err
    tokens.rotates = True
    file.write_text(json.dumps(consent))
    added = await declared(cli, dovecot, user, "--oauth-file", str(file))
    assert added.status == 0, added.err
    shown = (await cli("mailbox", "list", "--json")).out
    assert json.loads(shown)[0]["auth"] == "xoauth2"
    assert SECRET not in shown
    assert consent["refresh_token"] not in shown
    for _ in range(2):  # each time the refresh token of the time before
        tested = await cli("mailbox", "test", "bhxh@acme.vn")
        assert tested.status == 0, tested.out + tested.err
        assert "Thư không mời" in tested.out
    assert len({form["refresh_token"] for form in tokens.asked}) == 2
    secrets = await db.pool.fetchval("select count(*) from store.vault_item i join store.vault_key k on k.id = i.key where k.purpose = 'secret'")  # fmt: skip
    assert secrets == 1  # what was replaced is gone
    service = await cli.run("mail_watcher", HOSO_MAIL_SCAN="1s", HOSO_DKIM_RECORDS=str(_no_records(tmp_path)))

    async def standing() -> str:
        return (await cli("mailbox", "list", "--json")).json[0]["state"] or ""

    async def is_read() -> bool:
        return await standing() == "reading"

    await eventually(is_read, "the mailbox to be read", 40)
    assert await service.stop() == 0
    tokens.refresh.clear()
    service = await cli.run("mail_watcher", HOSO_MAIL_SCAN="1s", HOSO_DKIM_RECORDS=str(_no_records(tmp_path)))

    async def needs_consent() -> bool:
        return await standing() == "needs-consent"

    await eventually(needs_consent, "the mailbox to stand without consent", 40)
    assert "invalid_grant" in (await cli("mailbox", "list", "--json")).json[0]["error"]
    assert await service.stop() == 0


def _no_records(folder: Path) -> Path:
    file = folder / "records.json"
    file.write_text("{}")
    return file


async def test_phrases_of_ones_own_and_a_mail_set_aside(
    cli: Cli, db: Database, dovecot: Dovecot, tmp_path: Path
) -> None:
    user, phrases = dovecot.user(), tmp_path / "phrases.json"
    added = await declared(cli, dovecot, user, "--policy", "sender-only")
    assert added.status == 0
    assert "anybody can forge" in added.err
    dovecot.deliver(user, [change_result("Mã đơn vị: TZ1234Z\nXong rồi nhé.", subject="Về việc sửa hồ sơ đơn vị")])
    dovecot.deliver(user, [activation(code="AAAAAAAAA1 BBBBBBBBB2", subject="Mã AAAAAAAAA1")], JUNK)
    phrases.write_text('{"change-result": {"topic": [7]}}')
    settings = {
        "HOSO_MAIL_SCAN": "1s",
        "HOSO_MAIL_PHRASES": str(phrases),
        "HOSO_DKIM_RECORDS": str(_no_records(tmp_path)),
    }
    bad = await cli("run", "mail_watcher", **settings)
    assert (bad.status, "HOSO_MAIL_PHRASES" in bad.err) == (2, True), bad.err
    phrases.write_text('{"change-result": {"topic": ["sửa hồ sơ đơn vị"], "accepted": ["xong rồi"]}}')
    service = await cli.run("mail_watcher", **settings)

    async def both() -> bool:
        rows = (await cli("mail", "list", "--json")).out
        return sorted(row["state"] for row in (json.loads(rows) if rows.strip() else [])) == ["parked", "undecided"]

    await eventually(both, "both mails to be read", 40)
    rows = {row["state"]: row for row in (await cli("mail", "list", "--undecided", "--json")).json}
    assert (rows["parked"]["kind"], rows["parked"]["folder"]) == ("change-result", "INBOX")
    unclear = rows["undecided"]
    assert (unclear["kind"], unclear["folder"]) == ("activation", "Thư không mời")
    assert unclear["subject"] == "Mã XXXXXXXXXX"
    for _ in range(2):
        aside = await cli("mail", "aside", unclear["mail"], "--reason", "a copy", "--actor", "lan")
        assert aside.status == 0, aside.err
    assert await service.stop() == 0
    events = await db.pool.fetch(
        "select type, body, subject from log.event where topic = 'mail.undecided' order by at, off"
    )
    told = [(str(row["subject"]), decode(row["type"], row["body"]).data) for row in events]
    assert [(subject, type(fact).__name__) for subject, fact in told] == [
        (unclear["mail"], "MailUndecided"),
        (unclear["mail"], "MailSettled"),
    ]
    assert told[1][1].how == "set-aside"
    audited = await db.pool.fetchrow(
        "select actor, detail from store.audit where what = 'mail.aside' order by n limit 1"
    )
    assert audited is not None
    assert (audited["actor"], json.loads(audited["detail"])["reason"]) == ("lan", "a copy")
    assert (await cli("mail", "aside", str(uuid4()))).status == 2


async def test_what_cannot_be_declared_says_why(cli: Cli, dovecot: Dovecot) -> None:
    for words, says in (
        (("--policy", "auth-results"), "--authserv-id"),
        (("--delivery", "received"), "--delivery: 'received'"),
        (("--ca-file", "/nowhere/ca.pem"), "/nowhere/ca.pem"),
    ):
        refused = await declared(cli, dovecot, "u", *words)
        assert (refused.status, says in refused.err.splitlines()[-1]) == (2, True), refused.err


async def test_a_certificate_of_ones_own(cli: Cli, dovecot: Dovecot) -> None:
    user = dovecot.user()
    await cli("tenant", "add", "acme")
    where = ("--host", "127.0.0.1", "--port", str(dovecot.tls_port), "--user", user)
    for more, good in (((), False), (("--ca-file", str(dovecot.dir / "cert.pem")), True)):
        for client in ("aioimaplib", "imapclient"):
            added = await cli(
                "mailbox", "add", "acme", "a@acme.vn", *where, "--client", client, *more, given=f"{PASSWORD}\n"
            )
            assert added.status == 0, added.err
            tested = await cli("mailbox", "test", "a@acme.vn")
            assert (tested.status == 0, "not trusted" in tested.out) == (good, not good), tested.out

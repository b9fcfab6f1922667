"""Setting up by commands: tenants, keys, mailboxes, signing profiles."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from tests.contract.signing.pki import employer
from tests.integration.cli.command import Cli


def files(tmp_path: Path, **certificate: datetime) -> tuple[str, str]:
    """A PKCS#12 file and its password's file."""
    (tmp_path / "main.p12").write_bytes(employer(**certificate).pkcs12("geheim"))  # type: ignore[arg-type]
    (tmp_path / "main.pw").write_text("geheim\n")
    return str(tmp_path / "main.p12"), str(tmp_path / "main.pw")


async def test_tenants_and_keys(cli: Cli, url: str) -> None:
    empty = await cli("tenant", "list")
    assert (empty.status, empty.err.strip()) == (1, "Nothing found.")
    added = await cli("tenant", "add", "acme", "--title", "Tập đoàn ACME", "--actor", "lan")
    assert (added.status, added.out.strip()) == (0, "Tenant acme is set up.")
    assert [row["title"] for row in (await cli("tenant", "list", "--json")).json] == ["Tập đoàn ACME"]

    key = await cli("key", "add", "acme", "payroll", "--scopes", "submit,read")
    assert key.out.startswith("hoso_")
    assert len(key.out.split()) == 1  # the token alone, so that it can go into a file
    id_ = key.out.split("_")[1]
    listed = await cli("key", "list", "--tenant", "acme")
    assert id_ in listed.out
    assert key.out.strip() not in listed.out
    assert (await cli("key", "remove", id_)).status == 0
    again = await cli("key", "remove", id_)
    assert (again.status, again.err.count("\n")) == (2, 1)

    db = await asyncpg.connect(url)
    audited = await db.fetch("select actor, what from store.audit order by n")
    topics = await db.fetchval("select count(*) from log.head where topic = 'enrolment.requests.acme'")
    await db.close()
    assert [row["what"] for row in audited] == ["tenant.add", "key.add", "key.remove"]
    assert audited[0]["actor"] == "lan"
    assert topics == 8


async def test_wrong_names_are_one_sentence(cli: Cli) -> None:
    wrong = await cli("tenant", "add", "Not A Name")
    assert wrong.status == 2
    assert wrong.err.startswith("hoso: 'Not A Name' is no tenant name")
    assert wrong.err.count("\n") == 1
    unknown = await cli("key", "add", "nobody", "x")
    assert (unknown.status, unknown.out) == (2, "")
    assert "Traceback" not in unknown.err
    scope = await cli("key", "add", "nobody", "x", "--scopes", "everything")
    assert "no such scope: everything" in scope.err


async def test_a_signing_profile_signs_a_sample(cli: Cli, tmp_path: Path) -> None:
    await cli("tenant", "add", "acme")
    p12, password = files(tmp_path)
    added = await cli("profile", "add", "acme", "main", "--pkcs12", p12, "--password-file", password)
    assert added.status == 0, added.err
    assert "0101234567" in added.out
    tested = await cli("profile", "test", "acme", "main", "--json")
    assert tested.status == 0
    assert tested.json["ok"]
    assert tested.json["tax_codes"] == ["0101234567"]
    assert (await cli("profile", "list", "--json")).json[0]["days_left"] == tested.json["days_left"]
    assert (await cli("profile", "test", "acme", "other")).status == 2

    typed = await cli("profile", "add", "acme", "typed", "--pkcs12", p12, given="wrong\n")
    assert (typed.status, "does not open with this password" in typed.err) == (2, True)
    assert (await cli("profile", "remove", "acme", "main")).status == 0
    assert (await cli("profile", "list")).status == 1


async def test_an_expired_certificate_is_told(cli: Cli, tmp_path: Path) -> None:
    await cli("tenant", "add", "acme")
    day = datetime.now(UTC)
    p12, password = files(tmp_path, not_before=day - timedelta(days=20), not_after=day - timedelta(days=10))
    assert (await cli("profile", "add", "acme", "old", "--pkcs12", p12, "--password-file", password)).status == 0
    tested = await cli("profile", "test", "acme", "old")
    assert tested.status == 1
    assert "the certificate expired on" in tested.out


async def test_a_mailbox_that_refuses_is_told(cli: Cli, tmp_path: Path, unused_port: int) -> None:
    await cli("tenant", "add", "acme")
    (tmp_path / "mail.pw").write_text("geheim\n")
    where = (
        "--host",
        "127.0.0.1",
        "--port",
        str(unused_port),
        "--tls",
        "none",
        "--password-file",
        str(tmp_path / "mail.pw"),
    )
    added = await cli("mailbox", "add", "acme", "bhxh@acme.vn", *where)
    assert added.status == 0, added.err
    shown = (await cli("mailbox", "list", "--json")).json[0]
    assert (shown["address"], shown["port"], shown["policy"]) == ("bhxh@acme.vn", unused_port, "dkim")
    assert "geheim" not in str(shown)
    tested = await cli("mailbox", "test", "bhxh@acme.vn", "--json")
    assert tested.status == 1
    assert not tested.json["ok"]
    open_door = await cli("mailbox", "add", "acme", "b@acme.vn", "--host", "imap.acme.vn", "--tls", "none", given="x\n")
    assert (open_door.status, "without TLS" in open_door.err) == (2, True)
    policy = await cli("mailbox", "add", "acme", "b@acme.vn", "--host", "h", "--policy", "hope", given="x\n")
    assert (policy.status, "--policy: 'hope'" in policy.err) == (2, True)
    assert (await cli("mailbox", "remove", "bhxh@acme.vn")).status == 0
    assert (await cli("mailbox", "test", "bhxh@acme.vn")).status == 2


async def test_keys_of_the_vault(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "kek"
    assert (await cli("vault", "new-key", str(file))).status == 0
    assert file.stat().st_mode & 0o777 == 0o600
    again = await cli("vault", "new-key", str(file))
    assert (again.status, again.err.count("\n")) == (2, 1)
    first = file.read_text()
    await cli("tenant", "add", "acme", HOSO_VAULT_KEY_FILE=str(file))
    p12, password = files(tmp_path)
    add = ("profile", "add", "acme", "main", "--pkcs12", p12, "--password-file", password)
    assert (await cli(*add, HOSO_VAULT_KEY_FILE=str(file))).status == 0
    assert (await cli("vault", "new-key", str(file), "--rotate")).status == 0
    assert file.read_text().endswith(first)
    early = await cli.run("ops", HOSO_VAULT_KEY_FILE=str(file))
    os.utime(file, (time.time() + 60, time.time() + 60))  # as if it had changed after the service began
    refused = await cli("vault", "rewrap", HOSO_VAULT_KEY_FILE=str(file))
    assert (refused.status, refused.err.count("\n"), "(ops)" in refused.err) == (2, 1, True)
    os.utime(file, (time.time() - 60, time.time() - 60))
    wrapped = await cli("vault", "rewrap", HOSO_VAULT_KEY_FILE=str(file))
    assert await early.stop() == 0
    assert wrapped.out.strip() == "1 data keys are wrapped anew."
    file.write_text(file.read_text().splitlines()[0] + "\n")  # the old key may go
    assert (await cli("profile", "test", "acme", "main", HOSO_VAULT_KEY_FILE=str(file))).status == 0

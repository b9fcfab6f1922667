"""Commands about the installation itself: run, up, migrate, check, settings, help."""

from __future__ import annotations

import asyncio
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import aiohttp

from hoso.log.partitions import partition_of
from hoso.log.port import Entry
from hoso.log.postgres import append
from hoso.settings import markdown
from hoso.store.postgres import Database
from tests.integration.cli.command import ROOT, Cli
from tests.support.waiting import eventually


async def test_a_service_runs_until_it_is_told_to_end(cli: Cli) -> None:
    running = await cli.run("ops")
    assert running.facts["service"] == "ops"
    assert running.facts["ops"].startswith("http://127.0.0.1:")
    alive = (await cli("status", "--json")).json["services"]
    assert [row["group"] for row in alive] == ["hoso.ops"]
    lag = await cli("lag", "--json")
    assert lag.status == 0
    assert {row["records"] for row in lag.json["groups"]} == {0}
    assert lag.json["relay"] == []
    assert await running.stop() == 0
    assert (await cli("run", "nobody")).status == 2


async def test_a_service_of_the_other_log_does_not_start(cli: Cli) -> None:
    assert (await cli("migrate")).status == 0
    away = await cli("run", "ops", HOSO_LOG="kafka://127.0.0.1:1")
    assert (away.status, away.err.count("\n")) == (2, 1)
    assert "`hoso migrate`" in away.err


async def test_a_service_that_braked_stands_still_until_it_is_ended(cli: Cli, url: str) -> None:
    """What starts it again at once would hold nine more units each time."""
    running = await cli.run("notifier")
    db = await Database.open(url, name="test", size=1, quick=1)
    try:
        units = [uuid4() for _ in range(10)]
        entries = [Entry("enrolment.progressed", partition_of(u, 8), uuid4(), "t.v9", u, "acme", b"{}") for u in units]
        async with db.pool.acquire() as tx, tx.transaction():
            await append(tx, entries, datetime.now(UTC))

        async def unwell() -> bool:
            async with aiohttp.ClientSession() as session, session.get(running.facts["ops"] + "/health") as answer:
                return answer.status == 503

        await eventually(unwell, "it to say that it is not well", 20)
        assert running.process.returncode is None
        assert await db.pool.fetchval("select count(*) from log.held") == 0
    finally:
        await db.close()
    assert await running.stop() == 70


async def test_everything_embedded(tmp_path: Path) -> None:
    """A fresh folder: commands start the database for as long as they need it, then `hoso up` owns it."""
    cli = Cli("", tmp_path / "hồ sơ" / "var")
    away = await cli("status")
    assert (away.status, away.err.count("\n")) == (75, 1)
    early = await cli("tenant", "add", "acme")
    assert early.status == 75
    assert not (cli.var / "pg").exists()  # only migrate and up make a database
    migrated = await cli("migrate", "--json")
    assert migrated.status == 0, migrated.err
    assert "log 1" in migrated.json
    assert (await cli("tenant", "add", "acme")).status == 0
    assert (await cli("tenant", "list")).status == 0
    assert (await cli("status")).status == 75

    up = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "app.main",
        "up",
        "--services",
        "enrolment,ops",
        cwd=ROOT,
        env=cli.environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert up.stdout is not None
    lines = [await asyncio.wait_for(up.stdout.readline(), 30) for _ in range(3)]
    assert lines[0].startswith(b"enrolment")
    assert lines[2] == b"hoso is running; Ctrl-C stops it\n"
    assert {row["group"] for row in (await cli("status", "--json")).json["services"]} == {"hoso.enrolment", "hoso.ops"}
    second = await cli("up", "--services", "ops")
    assert (second.status, "another `hoso up`" in second.err) == (2, True)
    up.send_signal(signal.SIGTERM)
    _, err = await asyncio.wait_for(up.communicate(), 30)
    assert (up.returncode, err) == (0, b"")


async def test_check_says_what_is_missing_and_how_to_mend_it(cli: Cli) -> None:
    found = await cli("check", "--json")
    assert found.status == 1
    states = {row["what"]: row for row in found.json}
    assert states["database"]["state"] == "ok"
    assert states["schema version"]["state"] == "ok"
    assert (states["tenants"]["state"], states["tenants"]["cure"]) == ("missing", "hoso tenant add NAME")
    assert states["the agency's gateway"]["state"] == "missing"
    production = await cli("check", HOSO_ENVIRONMENT="production")
    assert production.status == 1
    assert "hoso vault new-key" in production.out
    assert "this database belongs to the environment 'test'" in production.out
    broken = await cli("check", HOSO_SYSTEM_TRIES="many")
    assert (broken.status, "HOSO_SYSTEM_TRIES" in broken.out) == (1, True)


async def test_check_names_every_mailbox_that_is_not_read_and_every_webhook_that_fails(cli: Cli, db: Database) -> None:
    await cli("tenant", "add", "acme")
    for name in ("good", "refused", "new", "consent"):
        await cli("mailbox", "add", "acme", f"{name}@acme.vn", "--host", "imap.acme.vn", given="pw\n")
    for name, standing in (("good", "reading"), ("refused", "refused"), ("consent", "needs-consent")):
        await db.pool.execute(
            "insert into mail_watcher.mailbox_cursor(mailbox, standing, error) "
            "select id, $2, 'LOGIN failed' from store.mailbox where address = $1",
            f"{name}@acme.vn",
            standing,
        )
    added = await cli("webhook", "add", "acme", "https://hr.acme.vn/hook", "--json")
    await db.pool.execute("update notifier.endpoint set failing_since = now(), error = 'HTTP 500'")
    rows = {row["what"]: row for row in (await cli("check", "--json")).json}
    assert "mailbox good@acme.vn of acme" not in rows
    refused = rows["mailbox refused@acme.vn of acme"]
    assert (refused["state"], refused["message"]) == ("missing", "refused: LOGIN failed")
    assert "hoso mailbox test refused@acme.vn" in refused["cure"]
    assert rows["mailbox new@acme.vn of acme"]["state"] == "soon"
    assert "--oauth-file" in rows["mailbox consent@acme.vn of acme"]["cure"]
    assert "HTTP 500" in rows["webhooks"]["message"]
    assert added.json["webhook"] in rows["webhooks"]["cure"]


async def test_a_port_chosen_at_every_start_is_read_where_it_was_written(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("hoso_x_y")
    words = ("sheet", "cancel", "0192f0c1-7c1e-7000-8000-000000000001", "--key-file", str(tmp_path / "key"))
    nobody = await cli(*words)
    assert (nobody.status, "up.json" in nobody.err) == (2, True)
    cli.var.mkdir(exist_ok=True)
    (cli.var / "up.json").write_text('{"services": {"intake": {"http": "http://127.0.0.1:9"}}}')
    assert "127.0.0.1:9" in (await cli(*words)).err


async def test_blank_names_and_nothing_to_print_are_one_sentence(cli: Cli, tmp_path: Path) -> None:
    await cli("tenant", "add", "acme")
    for words in (("agent-code", "new", "acme", " "), ("key", "add", "acme", "")):
        blank = await cli(*words)
        assert (blank.status, "name" in blank.err, blank.out) == (2, True, "")
    none = await cli("form", "batch", "--out", str(tmp_path / "gone" / "a.pdf"), HOSO_LANGUAGE="vi")
    assert (none.status, len(none.err.splitlines()), "hoso: " in none.err) == (2, 1, True)
    unknown = await cli("agent-code", "new", "nobody", "main", HOSO_LANGUAGE="vi")
    assert (unknown.status, "Không có khách hàng" in unknown.err) == (2, True)


async def test_settings(cli: Cli) -> None:
    shown = await cli(
        "settings", "--json", HOSO_OPS_TOKEN="geheim", HOSO_VAULT_DATABASE="postgresql://me:geheim@host/db"
    )
    assert shown.status == 0
    assert "geheim" not in shown.out
    assert {row["variable"]: row["value"] for row in shown.json}["HOSO_LANGUAGE"] == "en"
    assert (await cli("settings", "--markdown")).out == markdown()
    unknown = await cli("settings", HOSO_COLOUR="red")
    assert (unknown.status, unknown.err) == (2, "hoso: no such setting: HOSO_COLOUR; see docs/settings.md\n")


async def test_help_needs_nothing(cli: Cli) -> None:
    vi = await cli("--help", HOSO_LANGUAGE="vi", HOSO_COLOUR="red")
    assert vi.status == 0
    assert "Đăng ký các đơn vị" in vi.out
    assert (await cli("no-such-command")).status == 2
    assert (await cli("tenant", "add")).status == 2


async def test_no_database_is_one_sentence(tmp_path: Path) -> None:
    cli = Cli(f"postgresql://hoso@/hoso?host={tmp_path}", tmp_path / "var")
    for words in (["lag"], ["tenant", "add", "acme"], ["migrate"]):
        away = await cli(*words, HOSO_LANGUAGE="vi")
        assert (away.status, away.err.count("\n")) == (75, 1), words
        assert "không trả lời" in away.err

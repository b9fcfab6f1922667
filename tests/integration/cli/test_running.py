"""Commands about the installation itself: run, up, migrate, check, settings, help."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from hoso.settings import markdown
from tests.integration.cli.command import ROOT, Cli


async def test_a_service_runs_until_it_is_told_to_end(cli: Cli) -> None:
    running = await cli.run("ops")
    assert running.facts["service"] == "ops"
    assert running.facts["ops"].startswith("http://127.0.0.1:")
    alive = (await cli("status", "--json")).json["services"]
    assert [row["group"] for row in alive] == ["hoso.ops"]
    lag = await cli("lag", "--json")
    assert lag.status == 0
    assert {row["records"] for row in lag.json} == {0}
    assert await running.stop() == 0
    assert (await cli("run", "nobody")).status == 2


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

"""`hoso backup` and `hoso restore` as operators use them: an embedded database, and a server by URL."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from hoso.process.embedded import EmbeddedServer
from tests.integration.cli.command import ROOT, Cli
from tests.support.waiting import eventually


@pytest.fixture
def own(tmp_path: Path) -> Cli:
    """A command line on an embedded database of its own."""
    return Cli("", tmp_path / "var")


def data_of(cli: Cli) -> Path:
    return cli.var / "pg" / "data"


async def names(cli: Cli, **environment: str) -> set[str]:
    found = await cli("tenant", "list", "--json", **environment)
    return {row["tenant"] for row in found.json} if found.out else set()


async def asked(cli: Cli, sql: str) -> Any:
    """One value, of an embedded database that is started for it."""
    server = EmbeddedServer(cli.var / "pg")
    await asyncio.to_thread(server.start)
    try:
        db = await asyncpg.connect(server.url)
        try:
            return await db.fetchval(sql)
        finally:
            await db.close()
    finally:
        await asyncio.to_thread(server.stop)


async def test_a_backup_is_whole_named_last_and_replaced_in_turn(own: Cli, tmp_path: Path) -> None:
    to = tmp_path / "backups"
    early = await own("backup", "--to", str(to))
    assert early.status == 75
    assert (await own("migrate")).status == 0
    made = [(await own("backup", "--to", str(to), "--json")).json for _ in range(2)]
    assert [one["environment"] for one in made] == ["test", "test"]
    assert all((Path(one["folder"]) / "data" / "backup_manifest").exists() for one in made)
    third = await own("backup", "--to", str(to), "--keep", "1", "--json")
    assert sorted(third.json["removed"]) == sorted(one["name"] for one in made)
    assert [one.name for one in to.glob("hoso-*")] == [third.json["name"]]
    said = await own("backup", "--to", str(to))
    assert "vault.key elsewhere" in said.out
    assert not list(to.glob(".hoso-*"))


async def test_an_interrupted_backup_leaves_nothing_that_looks_like_one(own: Cli, tmp_path: Path) -> None:
    to = tmp_path / "backups"
    assert (await own("migrate")).status == 0
    process = await _caught_in_the_middle(own, to)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGCONT)
    _, err = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, err) == (130, b"")
    assert not list(to.glob("hoso-*"))
    left = to / ".hoso-20260302T020000Z.part"
    left.mkdir(exist_ok=True)
    assert (await own("backup", "--to", str(to))).status == 0
    assert not left.exists()


async def _caught_in_the_middle(own: Cli, to: Path) -> asyncio.subprocess.Process:
    """A backup that stands still between its beginning and its name; one that was faster is thrown away."""

    async def begun() -> bool:
        return bool(list(to.glob("*hoso-*")))

    for _ in range(20):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "app.main",
            "backup",
            "--to",
            str(to),
            cwd=ROOT,
            env=own.environment(),
            stderr=asyncio.subprocess.PIPE,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
        )
        await eventually(begun, "a backup to begin", 30)
        process.send_signal(signal.SIGSTOP)
        if list(to.glob(".hoso-*.part")) and not list(to.glob("hoso-*")):
            return process
        process.send_signal(signal.SIGCONT)
        await asyncio.wait_for(process.communicate(), 30)
        shutil.rmtree(to)
    raise AssertionError("every backup was faster than a look at it")


async def test_a_restore_opens_the_recovery_and_loses_nothing_that_is_still_there(own: Cli, tmp_path: Path) -> None:
    """The old folder is put aside, and what was committed after the backup is taken from its log."""
    to = tmp_path / "backups"
    assert (await own("migrate")).status == 0
    await own("tenant", "add", "before")
    assert (await own("backup", "--to", str(to))).status == 0
    await own("tenant", "add", "after")
    assert (await own("restore")).out == "No recovery is open.\n"
    refused = await own("restore", "--from", str(to))
    assert (refused.status, "--replace" in refused.err) == (2, True)
    restored = await own("restore", "--from", str(to), "--replace")
    assert restored.status == 0, restored.err
    assert "Recovery is open" in restored.out
    (aside,) = data_of(own).parent.glob("data.before-*")
    assert str(aside) in restored.out
    assert await names(own) == {"before", "after"}
    standing = await own("restore", "--json")
    assert (standing.status, standing.json["open"], standing.json["unsure"]) == (1, True, {})
    ended = await own("restore", "--done")
    assert (ended.status, ended.out) == (0, "Recovery has ended.\n")
    assert (await own("restore")).status == 0
    written = "select string_agg(what, ' ' order by n) from store.audit where what like 'restore.%'"
    assert await asked(own, written) == "restore.open restore.done"


async def test_every_restore_begins_an_epoch_that_no_other_had(own: Cli, tmp_path: Path) -> None:
    """Also when one backup is restored twice: Kafka has records of the first time."""
    to = tmp_path / "backups"
    assert (await own("migrate")).status == 0
    assert (await own("backup", "--to", str(to))).status == 0
    seen = [0]
    for _ in range(2):
        shutil.rmtree(data_of(own))
        restored = await own("restore", "--from", str(to))
        assert restored.status == 0, restored.err
        assert await asked(
            own,
            "select bool_and(e.epoch = h.epoch and e.first = h.next) from log.epoch e join log.head h using (topic, part)",
        )
        seen.append(await asked(own, "select min(epoch) from log.head"))
    assert seen == sorted(set(seen))


async def test_the_archive_takes_a_restore_to_any_moment(own: Cli, tmp_path: Path) -> None:
    to, archive = tmp_path / "backups", tmp_path / "the archive's"
    more = {"HOSO_WAL_ARCHIVE": str(archive)}
    assert (await own("migrate", **more)).status == 0
    await own("tenant", "add", "first", **more)
    assert (await own("backup", "--to", str(to), **more)).status == 0
    await own("tenant", "add", "second", **more)
    moment = datetime.now(UTC).isoformat()
    await own("tenant", "add", "third", **more)
    assert [file for file in archive.iterdir() if len(file.name) == 24]

    folder = data_of(own)
    shutil.rmtree(folder)  # the disk is lost; the archive lies on another one
    back = await own("restore", "--from", str(to), "--until", moment, **more)
    assert back.status == 0, back.err
    assert await names(own, **more) == {"first", "second"}

    shutil.rmtree(folder)
    late = await own("restore", "--from", str(to), "--until", datetime.now(UTC).isoformat(), **more)
    assert (late.status, "does not reach that moment" in late.err) == (2, True)
    assert not folder.exists()
    elsewhere = await own("restore", "--from", str(to), "--wal", str(archive))
    assert elsewhere.status == 0, elsewhere.err
    assert await names(own) == {"first", "second"}  # the newest history there is: the one that was restored to


async def test_a_backup_that_is_not_whole_is_refused_before_anything_is_touched(own: Cli, tmp_path: Path) -> None:
    to = tmp_path / "backups"
    assert (await own("migrate")).status == 0
    made = (await own("backup", "--to", str(to), "--json")).json
    file = Path(made["folder"]) / "data" / "global" / "pg_control"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    shutil.rmtree(data_of(own))
    refused = await own("restore", "--from", str(to))
    assert (refused.status, "global/pg_control: SHA-256" in refused.err) == (2, True)
    assert not data_of(own).exists()
    file.write_bytes(whole)
    (segment,) = (Path(made["folder"]) / "data" / "pg_wal").glob("0*")
    segment.unlink()
    refused = await own("restore", "--from", str(to))
    assert (refused.status, segment.name in refused.err) == (2, True)


async def test_what_cannot_be_restored_is_one_sentence(own: Cli, tmp_path: Path) -> None:
    to = tmp_path / "backups"
    nothing = await own("restore", "--from", str(to))
    assert (nothing.status, "no backup in" in nothing.err) == (2, True)
    assert (await own("migrate")).status == 0
    assert (await own("backup", "--to", str(to))).status == 0
    early = await own("restore", "--from", str(to), "--until", "2026-01-01T00:00+07:00")
    assert (early.status, "no backup in" in early.err) == (2, True)
    future = await own("restore", "--from", str(to), "--until", "2999-01-01T00:00+07:00")
    assert (future.status, "lies in the future" in future.err) == (2, True)
    both = await own("restore", "--from", str(to), "--done")
    assert (both.status, "choose one of" in both.err) == (2, True)
    other = await own("restore", "--from", str(to), "--replace", HOSO_ENVIRONMENT="production")
    assert (other.status, "environment 'test'" in other.err) == (2, True)
    server = EmbeddedServer(own.var / "pg")
    await asyncio.to_thread(server.start)
    try:
        running = await own("restore", "--from", str(to), "--replace")
        assert (running.status, "is running" in running.err) == (2, True)
        opened = await own("restore", "--open")
        assert (opened.status, "was not just restored" in opened.err) == (2, True)
    finally:
        await asyncio.to_thread(server.stop)


@pytest.fixture
def theirs(tmp_path: Path) -> Iterator[str]:
    """A server somebody else started, with nothing on it but this database: a backup takes a whole server."""
    server = EmbeddedServer(tmp_path / "theirs", settings={"fsync": "off"})
    server.start()
    yield server.url
    server.stop()


async def test_a_server_by_url(theirs: str, tmp_path: Path) -> None:
    """Its files are laid down, its operator starts it; nobody writes before the recovery is open."""
    cli = Cli(theirs, tmp_path / "var")
    assert (await cli("migrate")).status == 0
    to, folder = tmp_path / "backups", tmp_path / "server"
    await cli("tenant", "add", "acme")
    made = await cli("backup", "--to", str(to))
    assert made.status == 0, made.err
    refused = await cli("restore", "--from", str(to))
    assert (refused.status, "--data" in refused.err) == (2, True)
    laid = await cli("restore", "--from", str(to), "--data", str(folder / "data"))
    assert (laid.status, "hoso restore --open" in laid.out) == (0, True), laid.err
    server = EmbeddedServer(folder, settings={"fsync": "off"})
    await asyncio.to_thread(server.start)
    try:
        restored = Cli(server.url, tmp_path / "var")
        unopened = await restored("tenant", "add", "late")
        assert (unopened.status, "hoso restore --open" in unopened.err) == (2, True), unopened.err
        opened = await restored("restore", "--open")
        assert opened.status == 0, opened.err
        assert (await restored("tenant", "add", "late")).status == 0
        assert await names(restored) == {"acme", "late"}
        assert (await restored("restore", "--done")).status == 0
    finally:
        await asyncio.to_thread(server.stop)


async def test_a_role_that_may_not_is_told_what_it_lacks(url: str, tmp_path: Path) -> None:
    db = await asyncpg.connect(url)
    role = f"plain_{os.getpid()}"
    try:
        await db.execute(
            f"create role {role} login; grant all on all tables in schema hoso to {role}; grant usage on schema hoso to {role}"
        )
        plain = await Cli(url.replace("//hoso@", f"//{role}@"), tmp_path / "var")(
            "backup", "--to", str(tmp_path / "backups")
        )
        assert (plain.status, "REPLICATION" in plain.err) == (2, True), plain.err
    finally:
        await db.execute(f"drop owned by {role}; drop role {role}")
        await db.close()

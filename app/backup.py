"""`hoso backup`: a base backup of the whole PostgreSQL server with the log it needs, verified, under a name that appears last.

    DIR/hoso-20260302T020000Z/hoso.json   what it is: release of the schema, server, when
    DIR/hoso-20260302T020000Z/data/       the files of the server, as pg_basebackup wrote them, with their manifest

What is not whole is called `.hoso-….part` and removed by the next backup.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from app.backup_manifest import verify
from app.words import text
from hoso.process.embedded import program
from hoso.runtime.failures import HosoError

STAMP = "hoso-%Y%m%dT%H%M%SZ"
MIB = 1024 * 1024
SPARE_MIB = 64
"""Room beside the files themselves: the log that is written meanwhile."""
_LOOK = """
select current_setting('server_version_num')::int as version, (select sum(pg_database_size(oid)) from pg_database)::bigint as bytes,
  (select rolreplication or rolsuper from pg_roles where rolname = current_user) as may,
  (select count(*) from pg_tablespace) - 2 as tablespaces, current_setting('wal_level') as wal, to_regclass('hoso.installation') as ours
"""


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup as its `hoso.json` tells."""

    name: str
    began: datetime
    ended: datetime
    server: int
    """PostgreSQL's version number, e.g. 180001."""
    environment: str
    schema: dict[str, int]
    first_wal: str
    """The oldest segment of the write-ahead log that restoring it needs."""
    mib: int


def kept(folder: Path) -> list[Backup]:
    """The backups in a folder, oldest first. What has no readable `hoso.json` is none."""
    found = []
    for one in sorted(folder.glob("hoso-*")):
        with contextlib.suppress(HosoError):
            found.append(read(one))
    return found


def read(folder: Path) -> Backup:
    """One backup. Raises HosoError."""
    try:
        told = json.loads((folder / "hoso.json").read_text())
        began, ended = (datetime.fromisoformat(told.pop(name)) for name in ("began", "ended"))
        return Backup(**told, began=began, ended=ended)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise HosoError(text("backup.none", folder=folder)) from error


async def take(db: Any, url: str, to: Path, environment: str) -> Backup:
    """Make a backup of the server `db` is connected to, by `url`. Interrupted, it leaves nothing that looks like one. Raises HosoError."""
    facts = await db.fetchrow(_LOOK)
    _refuse(facts, to)
    schema = await db.fetch("select part, max(version) as version from hoso.migration group by part order by part")
    with _alone(to):
        began = datetime.now(UTC)
        part = to / f".{began:{STAMP}}.part"
        try:
            part.mkdir(mode=0o700)
            await _run(
                url, "pg_basebackup", "-D", str(part / "data"), *_OPTIONS, *(["-P"] if sys.stderr.isatty() else [])
            )
            await _verified(part / "data")
            label = (part / "data" / "backup_label").read_text()
            made = Backup(
                f"{began:{STAMP}}",
                began,
                datetime.now(UTC),
                facts["version"],
                environment,
                {row["part"]: row["version"] for row in schema},
                label.partition("(file ")[2].partition(")")[0],
                _size(part) // MIB,
            )
            (part / "hoso.json").write_text(json.dumps(asdict(made), default=str, indent=1) + "\n")
            _sync(part / "hoso.json")
            await asyncio.sleep(0)  # an interrupt that came meanwhile counts
            part.rename(to / made.name)
            _sync(to)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
    return made


_OPTIONS = ("-X", "stream", "--checkpoint=fast", "--manifest-checksums=SHA256", "--no-password", "--label=hoso")


def _refuse(facts: Any, to: Path) -> None:
    if facts["ours"] is None:
        raise HosoError(text("backup.empty"))
    if not facts["may"]:
        raise HosoError(text("backup.may-not"))
    if facts["wal"] == "minimal":
        raise HosoError(text("backup.minimal"))
    if facts["tablespaces"]:
        raise HosoError(text("backup.tablespaces"))
    own = major_of(program("pg_basebackup"))
    if own < facts["version"] // 10_000:
        raise HosoError(text("backup.older", own=own, server=facts["version"] // 10_000))
    try:
        to.mkdir(parents=True, exist_ok=True, mode=0o700)
        free = shutil.disk_usage(to).free // MIB
    except OSError as error:
        raise HosoError(text("file.unwritable", file=to, why=error.strerror)) from error
    needed = facts["bytes"] * 11 // 10 // MIB + SPARE_MIB
    if free < needed:
        raise HosoError(text("backup.room", folder=to, free=free, needed=needed))


def major_of(found: Path) -> int:
    """The release of one of PostgreSQL's programs."""
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    return int(said.partition("(PostgreSQL) ")[2].partition(".")[0])


@contextlib.contextmanager
def _alone(to: Path) -> Iterator[None]:
    """One backup at a time in a folder; what an interrupted one left is removed."""
    with open(to / ".lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise HosoError(text("backup.busy", folder=to)) from error
        for left in to.glob(".hoso-*.part"):
            shutil.rmtree(left, ignore_errors=True)
        yield


async def _run(url: str, name: str, *words: str) -> None:
    """A program of PostgreSQL's on a database; its progress goes to the terminal. Raises HosoError with its last words."""
    plain, password = without_password(url)
    process = await asyncio.create_subprocess_exec(
        program(name),
        "-d",
        plain,
        *words,
        env={**os.environ, **({"PGPASSWORD": password} if password else {})},
        stderr=None if "-P" in words else asyncio.subprocess.PIPE,
    )
    try:
        _, said = await process.communicate()
    except asyncio.CancelledError:
        process.terminate()
        await process.wait()
        raise
    if process.returncode:
        last = (said or b"").decode(errors="replace").strip().splitlines()[-1:]
        raise HosoError(text("backup.failed", program=name, why=(last or [str(process.returncode)])[0]))


async def _verified(data: Path) -> None:
    """`verify`, which an interrupt ends at the next chunk. Raises HosoError."""
    interrupted = threading.Event()

    def told(_read: int) -> None:
        if interrupted.is_set():
            raise InterruptedError

    try:
        await asyncio.to_thread(verify, data, told)
    except asyncio.CancelledError:
        interrupted.set()
        raise


def without_password(url: str) -> tuple[str, str]:
    """The URL as others on this machine may see it, and its password. Raises HosoError where the key's password stands in it: libpq
    takes that from nowhere else."""
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    if any(name == "sslpassword" for name, _ in query):
        raise HosoError(text("backup.sslpassword"))
    password = unquote(parts.password or "") or next((value for name, value in query if name == "password"), "")
    user, at, host = parts.netloc.rpartition("@")
    rest = urlencode([pair for pair in query if pair[0] != "password"], safe="/")
    return urlunsplit(parts._replace(netloc=user.partition(":")[0] + at + host, query=rest)), password


def prune(to: Path, keep: int, archive: Path | None) -> Sequence[Backup]:
    """Remove all but the newest `keep` backups, and of the archive what none of them needs. Returns what was removed."""
    found = kept(to)
    gone, left = found[:-keep], found[-keep:]
    for one in gone:
        aside = to / f".{one.name}.part"
        (to / one.name).rename(aside)  # never half a backup under a whole one's name
        shutil.rmtree(aside, ignore_errors=True)
    if archive is not None and left and archive.is_dir():
        oldest = min(one.first_wal[8:24] for one in left)
        for file in archive.iterdir():
            segment = file.name[:24]
            if len(segment) == 24 and set(segment) <= set("0123456789ABCDEF") and segment[8:] < oldest:
                file.unlink()
    return gone


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)

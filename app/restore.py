"""`hoso restore`: a verified backup laid down as a data folder, brought forward by the log, and opened with the recovery fence.

The folder takes its name when it is whole. Until the recovery is open the server writes for nobody (`default_transaction_read_only`),
so that an interrupted restore, or a server somebody started too early, files nothing.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from app.backup import MIB, Backup, kept, read
from app.backup_manifest import verify
from app.recovery import Standing, open_recovery, standing
from app.words import text
from hoso.points import holds
from hoso.process.embedded import EmbeddedServer, program
from hoso.runtime.failures import HosoError
from hoso.store import migrations

UNTIL_OPEN = (
    "default_transaction_read_only",
    "hot_standby",
    "restore_command",
    "recovery_target_time",
    "recovery_target_action",
)
"""What is set while a restore is not open, and reset by opening it."""
SPARE_MIB = 200
LONGEST_S = 7 * 24 * 3600.0


def chosen(source: Path, until: datetime | None) -> Path:
    """The backup a person means: this folder, or the newest in it that ended before `until`. Raises HosoError."""
    if (source / "hoso.json").exists():
        found = read(source)
        if until is not None and until < found.ended:
            raise HosoError(
                text(
                    "restore.too-early", until=f"{until:%Y-%m-%d %H:%M:%SZ}", ended=f"{found.ended:%Y-%m-%d %H:%M:%SZ}"
                )
            )
        return source
    fitting = [one for one in kept(source) if until is None or one.ended <= until]
    if not fitting:
        raise HosoError(text("restore.nothing", folder=source))
    return source / fitting[-1].name


def lay_down(
    source: Path,
    data: Path,
    environment: str,
    *,
    archives: Sequence[Path] = (),
    until: datetime | None = None,
    replace: bool = False,
    told: Callable[[str, int, int], None] = lambda _word, _done, _all: None,
) -> tuple[Backup, Path | None]:
    """Verify the backup in `source` and put its files at `data`, ready to be recovered. Nobody may run there. Returns the backup,
    and where the folder that was there is now. `told` hears how far it is. Raises HosoError before anything is changed."""
    backup = read(source)
    if backup.environment != environment:
        raise HosoError(text("restore.environment", theirs=backup.environment, ours=environment))
    there = data.exists() and any(data.iterdir())
    if there and not replace:
        raise HosoError(text("restore.not-empty", folder=data))
    free = shutil.disk_usage(next(p for p in (data.absolute(), *data.absolute().parents) if p.exists())).free // MIB
    if free < backup.mib + SPARE_MIB:
        raise HosoError(text("restore.room", folder=data, free=free, needed=backup.mib + SPARE_MIB))
    counted = _Counted(backup.mib, told)
    verify(source / "data", counted.add("verify"))
    new = data.with_name(f"{data.name}.restoring")
    shutil.rmtree(new, ignore_errors=True)
    copied = counted.add("copy")

    def copy(one: str, other: str) -> str:
        shutil.copy2(one, other)
        copied(os.stat(other).st_size)
        return other

    shutil.copytree(source / "data", new, copy_function=copy)
    new.chmod(0o700)
    aside = data.with_name(f"{data.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%SZ}") if there else None
    if aside is not None and _same_server(data, new):
        archives = [*archives, aside / "pg_wal"]  # what was committed and not archived yet
    with open(new / "postgresql.auto.conf", "a") as conf:
        conf.writelines(f"{name} = '{value}'\n" for name, value in _until_open(archives, until).items())
    (new / "recovery.signal").touch()
    (new / "backup_manifest").unlink()
    os.sync()
    if aside is not None:
        data.rename(aside)
    elif data.exists():
        data.rmdir()
    new.rename(data)
    return backup, aside


class _Counted:
    """Bytes as whole MiB, told when they change."""

    def __init__(self, whole: int, told: Callable[[str, int, int], None]) -> None:
        self._whole = max(whole, 1)
        self._told = told

    def add(self, word: str) -> Callable[[int], None]:
        done = last = 0

        def more(count: int) -> None:
            nonlocal done, last
            done += count
            if done // MIB != last:
                last = done // MIB
                self._told(word, min(last, self._whole), self._whole)

        return more


def _same_server(one: Path, other: Path) -> bool:
    """Both folders are of one PostgreSQL cluster: the identifier is the first number in the control file."""
    try:
        return (one / "global/pg_control").read_bytes()[:8] == (other / "global/pg_control").read_bytes()[:8]
    except OSError:
        return False


def _until_open(archives: Sequence[Path], until: datetime | None) -> dict[str, str]:
    folders = " ".join(shlex.quote(str(folder.absolute())) for folder in archives).replace("%", "%%") or "/nonexistent"
    command = f'for d in {folders}; do test -f "$d/%f" && exec cp "$d/%f" %p; done; exit 1'
    told = {
        "default_transaction_read_only": "on",
        "hot_standby": "off",
        "restore_command": command.replace("'", "''"),
        "recovery_target_action": "promote",
    }
    if until is not None:
        told["recovery_target_time"] = f"{until.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f+00}"
    return told


async def recover(server: EmbeddedServer, environment: str, actor: str) -> Standing | None:
    """Start the server on a folder just laid down, wait until its log is replayed, open the recovery, stop it. Raises HosoError when the log does not reach the moment that was asked for."""
    log = server.folder / "postgres.log"
    before = log.stat().st_size if log.exists() else 0
    try:
        try:
            await asyncio.to_thread(server.start, LONGEST_S)
        except HosoError as error:
            if b"before configured recovery target" in log.read_bytes()[before:]:
                raise HosoError(text("restore.unreached")) from error
            raise
        return await opened(server.url, environment, actor)
    finally:
        await asyncio.to_thread(server.stop)


async def opened(url: str, environment: str, actor: str) -> Standing | None:
    """Open the recovery of a restored server that runs, and let it write again. Raises HosoError when it was not restored."""
    db = await asyncpg.connect(url, timeout=20, server_settings={"timezone": "UTC"})
    try:
        while await db.fetchval("select pg_is_in_recovery()"):
            await asyncio.sleep(0.1)
        if await db.fetchval("show default_transaction_read_only") != "on":
            raise HosoError(text("restore.not-restored"))
        await db.execute("set default_transaction_read_only = off")
        async with db.transaction():
            await migrations.migrate(db, environment)
            await open_recovery(db, actor, fence=holds("restore"))
            found = await standing(db)
        try:
            for name in UNTIL_OPEN:
                await db.execute(f"alter system reset {name}")
            await db.execute("select pg_reload_conf()")
        except asyncpg.InsufficientPrivilegeError as error:
            words = "; ".join(f"alter system reset {name}" for name in UNTIL_OPEN)
            raise HosoError(text("restore.superuser", words=f"{words}; select pg_reload_conf()")) from error
        return found
    finally:
        await db.close(timeout=5)


def startable(backup: Backup) -> bool:
    """Whether the embedded server's own release is the backup's."""
    from app.backup import major_of

    return major_of(program("postgres")) == backup.server // 10_000

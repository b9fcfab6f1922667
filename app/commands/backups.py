"""`hoso backup` and `hoso restore` (docs/backup.md)."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.opening import Actor, connect, running_database, settings, up_lock, wait_for
from app.commands.showing import NOTHING, Json, as_json, cell, say, warn
from app.words import text
from hoso.runtime.failures import HosoError

if TYPE_CHECKING:
    from app.backup import Backup
    from app.recovery import Standing, Unread
    from hoso.process.embedded import EmbeddedServer
    from hoso.settings import Settings


def register(app: typer.Typer) -> None:
    """Put the commands of this file on `app`."""
    app.command("backup")(backup)
    app.command("restore")(restore)


def backup(
    to: Annotated[
        Path,
        typer.Option("--to", metavar="FOLDER", help="Where the backup is written: another disk, best another machine."),
    ],
    keep: Annotated[
        int | None,
        typer.Option(
            "--keep",
            min=1,
            metavar="N",
            help="Keep so many of the newest, remove older ones; also the log that none of them needs.",
        ),
    ] = None,
    json_: Json = False,
) -> None:
    """Back up the database while it runs, verify, and only then give it its name: hoso-<UTC time>.

    Stops nobody. The vault's key is not in it. Interrupted, it leaves no half backup.

    Example: hoso backup --to /backup/hoso --keep 14
    """
    from app.backup import prune, take

    known = settings()

    async def job() -> Backup:
        async with running_database(known) as url:
            db = await connect(url)
            try:
                await db.execute("set statement_timeout = 5000")
                return await take(db, url, to, known.environment)
            finally:
                await db.close(timeout=2)

    made = wait_for(job())
    removed = prune(to, keep, known.wal_archive) if keep else []
    if json_:
        as_json({**asdict(made), "folder": str(to / made.name), "removed": [one.name for one in removed]})
        return
    say(text("backup.made", folder=to / made.name, mib=made.mib, key=known.vault_key_file or known.var / "vault.key"))
    for one in removed:
        say(text("backup.removed", name=one.name))
    for name in ("vault_database", "registry_database", "clock_database"):
        if getattr(known, name):
            warn(text("backup.elsewhere", setting=f"HOSO_{name.upper()}"))


def restore(
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="FOLDER", help="A backup, or the folder of several: then the newest that fits."),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="TIME", help="The moment to go back to. Default: the last one there is."),
    ] = None,
    wal: Annotated[
        Path | None,
        typer.Option("--wal", metavar="FOLDER", help="Where the write-ahead log is kept. Default: HOSO_WAL_ARCHIVE."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="FOLDER", help="The data folder of a server of yours. Default: the embedded one's."
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put aside what is in the data folder now; nothing is deleted.")
    ] = False,
    open_: Annotated[
        bool, typer.Option("--open", help="A server of yours runs on what was laid down: open the recovery.")
    ] = False,
    done: Annotated[bool, typer.Option("--done", help="End the recovery.")] = False,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="With --done: although enrolments of before are still open.")
    ] = False,
    actor: Actor = "",
    json_: Json = False,
) -> None:
    """Restore from a backup and open the recovery; without options, say how far a recovery is.

    Stop hoso first. Until --done, filing and activating ask the agency before they do it, because what was asked after the
    backup is forgotten here and known to the world. Exit 1 while a recovery is open.

    Example: hoso restore --from /backup/hoso
    """
    from hoso import points

    if (source is not None) + open_ + done > 1:
        raise typer.BadParameter(text("restore.usage"))
    known = settings()
    points.arm(known.points or None, known.environment)
    if source is not None:
        _restored(known, source, _moment(until), wal, data, replace, actor)
    elif open_:
        _opened(known, actor)
    else:
        _ended(known, actor, done, anyway, json_)


def _moment(given: str | None) -> datetime | None:
    if given is None:
        return None
    try:
        found = datetime.fromisoformat(given).astimezone(UTC)
    except ValueError as error:
        raise typer.BadParameter(text("restore.bad-time", given=given)) from error
    if found > datetime.now(UTC):
        raise typer.BadParameter(text("restore.future", given=given))
    return found


def _restored(
    known: Settings,
    source: Path,
    until: datetime | None,
    wal: Path | None,
    data: Path | None,
    replace: bool,
    actor: str,
) -> None:
    from app.house import embedded_server
    from app.restore import chosen, lay_down

    server = embedded_server(known) if data is None else None
    if server is None and data is None:
        raise HosoError(text("restore.no-data"))
    folder = server.data if server is not None else (data or Path())
    archives = [one for one in (wal or known.wal_archive,) if one is not None]
    found = chosen(source, until)
    with up_lock(known.var):
        if server is not None:
            _nobody_runs(server, found)
        made, aside = lay_down(
            found, folder, known.environment, archives=archives, until=until, replace=replace, told=_progress()
        )
        if server is None:
            say(text("restore.laid", name=made.name, folder=folder))
        else:
            _recovered(known, server, aside, actor)
    if aside is not None:
        say(text("restore.aside", folder=aside))


def _nobody_runs(server: EmbeddedServer, found: Path) -> None:
    from app.backup import major_of, read
    from hoso.process.embedded import program

    if (pid := server.leftover()) is not None:
        raise HosoError(text("restore.running", folder=server.folder, pid=pid))
    theirs, own = read(found).server // 10_000, major_of(program("postgres"))
    if theirs != own:
        raise HosoError(text("restore.release", theirs=theirs, own=own))


def _recovered(known: Settings, server: EmbeddedServer, aside: Path | None, actor: str) -> None:
    """Recover and open; what cannot be recovered makes room again for what was there."""
    from app.restore import recover

    try:
        standing = wait_for(recover(server, known.environment, actor))
    except BaseException:
        shutil.rmtree(server.data, ignore_errors=True)
        if aside is not None:
            aside.rename(server.data)
        raise
    _say_opened(standing)


def _opened(known: Settings, actor: str) -> None:
    from app.house import database_url
    from app.restore import opened

    url = database_url(known)

    async def job() -> Standing | None:
        await (await connect(url)).close(timeout=2)  # says in a sentence that nobody answers
        return await opened(url, known.environment, actor)

    _say_opened(wait_for(job()))


def _say_opened(found: Standing | None) -> None:
    say(text("restore.opened", until=cell(found.known_until if found is not None else None)))


def _ended(known: Settings, actor: str, done: bool, anyway: bool, json_: bool) -> None:
    from app.recovery import close_recovery, standing

    async def job() -> Standing | None:
        async with running_database(known) as url:
            db = await connect(url)
            try:
                left = await _unread(known, db)
                async with db.transaction():
                    if done:
                        return await close_recovery(db, actor, anyway=anyway, unread=left)
                    found = await standing(db)
                    return found and replace(found, unread=left)
            finally:
                await db.close(timeout=2)

    found = wait_for(job())
    closed = found is None or (done and not found.unsure and not found.unread and (anyway or not found.enrolments))
    if json_:
        as_json({"open": not closed, **(asdict(found) if found is not None else {})})
    elif found is None:
        say(text("restore.none"))
    elif closed:
        say(text("restore.done"))
    else:
        _tell(found, done)
    if not closed:
        raise typer.Exit(NOTHING)


async def _unread(known: Settings, db: Any) -> list[Unread]:
    """What Kafka still has of before; nothing without Kafka."""
    from app.recovery import unread

    if not known.on_kafka:
        return []
    from app.kafka import ends_of

    ends = ends_of(known)
    try:
        return await unread(db, ends)
    finally:
        await ends.close()


def _tell(found: Standing, done: bool) -> None:
    unsure = sum(found.unsure.values())
    words = {"since": cell(found.since), "until": cell(found.known_until), "unsure": unsure}
    say(text("restore.standing", **words, enrolments=found.enrolments))
    for lane, count in found.unsure.items():
        say(text("restore.unsure", lane=lane, count=count))
    for one in found.unread:
        say(text("restore.unread", group=one.group, topic=one.topic, records=one.records, state=one.state))
    if done and unsure:
        warn(text("restore.not-done"))
    elif done:
        warn(text("restore.not-read") if found.unread else text("restore.still-open", enrolments=found.enrolments))


def _progress() -> Callable[[str, int, int], None]:
    """On a terminal, one line that is written over."""

    def told(word: str, done: int, all_: int) -> None:
        if sys.stderr.isatty():
            end = "\n" if done >= all_ else ""
            print(f"\r{text(f'restore.{word}', done=done, all=all_)}\033[K", end=end, file=sys.stderr, flush=True)

    return told

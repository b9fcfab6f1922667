"""How commands get at the house: settings, database, vault; and how what is missing becomes one sentence.

reading(job)    one connection that only looks, with a time-out, without the vault
working(job)    the whole house; an embedded database that nobody runs is started for as long as the command takes
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from uuid import UUID

import typer

from app.words import text

if TYPE_CHECKING:
    from app.house import House
    from hoso.settings import Settings

T = TypeVar("T")
LOOK_MS = 5_000
"""A command that looks must not hold old rows alive (docs/kernel.md §5)."""

Actor = Annotated[
    str,
    typer.Option(
        "--actor",
        metavar="NAME",
        callback=lambda given: given or os_user(),
        show_default=False,
        help="Who does this, for the record. Default: the user of the system.",
    ),
]


def os_user() -> str:
    """The name of whoever runs this."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def settings() -> Settings:
    """The settings. Raises SettingsError."""
    from hoso.settings import load

    return load()


def away(url: str) -> Exception:
    """The error that says: no database answers here (exit 75)."""
    from app.failing import DatabaseAway
    from hoso.store.postgres import redacted

    return DatabaseAway(text("db.away", url=redacted(url)))


def wait_for(job: Coroutine[Any, Any, T]) -> T:
    """Run to the end; a database that goes away meanwhile is one sentence."""
    import asyncpg

    try:
        return asyncio.run(job)
    except (ConnectionError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        from app.failing import DatabaseAway
        from hoso.runtime.consumer import LOST

        if isinstance(error, (*LOST, asyncpg.QueryCanceledError)):
            raise DatabaseAway(text("db.lost", error=str(error) or type(error).__name__)) from error
        raise


# --- looking ----------------------------------------------------------------------------------------------------


def reading(job: Callable[[Any, Settings], Awaitable[T]], *, start: bool = False) -> T:
    """Give `job` a connection that only looks, after the schema was checked. `start`: as `working` does."""
    return wait_for(_starting(job) if start else _reading(job))


async def _starting(job: Callable[[Any, Settings], Awaitable[T]]) -> T:
    async with running_database(settings()):
        return await _reading(job)


async def _reading(job: Callable[[Any, Settings], Awaitable[T]]) -> T:
    from hoso.process.embedded import EmbeddedServer
    from hoso.store import migrations

    known = settings()
    folder = known.database_folder
    # As app.house.database_url says it; not imported here, because it knows all services and takes a second.
    db = await connect(known.database if folder is None else EmbeddedServer(folder).url)
    try:
        await migrations.check(db, known.environment)
        await db.execute(f"set statement_timeout = {LOOK_MS}")
        return await job(db, known)
    finally:
        await db.close(timeout=2)


async def connect(url: str) -> Any:
    """A connection. Raises DatabaseAway at once when nobody answers, HosoError when we are not let in."""
    import asyncpg

    from hoso.runtime.failures import HosoError
    from hoso.store.postgres import redacted

    try:
        return await asyncpg.connect(
            url, timeout=5, server_settings={"application_name": "hoso-cli", "timezone": "UTC"}
        )
    except (OSError, TimeoutError, asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError) as error:
        raise away(url) from error
    except (asyncpg.InvalidCatalogNameError, asyncpg.InvalidAuthorizationSpecificationError, ValueError) as error:
        raise HosoError(f"the database at {redacted(url)} does not let us in: {error}; mend HOSO_DATABASE") from error


async def world_now(db: Any) -> datetime:
    """The world's time."""
    from app.world import world_clock

    return (await world_clock(db)).now()


# --- working ----------------------------------------------------------------------------------------------------


def working(job: Callable[[House], Awaitable[T]]) -> T:
    """Give `job` the whole house."""
    return wait_for(_working(job))


async def _working(job: Callable[[House], Awaitable[T]]) -> T:
    from app.house import house

    known = settings()
    async with running_database(known), house(known, "cli", size=3) as own:
        return await job(own)


@contextlib.asynccontextmanager
async def running_database(known: Settings, *, make: bool = False) -> AsyncIterator[str]:
    """The database's URL. An embedded one that nobody runs is started, and stopped afterwards.

    `hoso up` cannot start meanwhile. `make`: also when there is none yet."""
    from app.failing import DatabaseAway
    from app.house import database_url, embedded_server

    url, server = database_url(known), embedded_server(known)
    try:
        await (await connect(url)).close(timeout=2)
    except DatabaseAway:
        if server is None:
            raise
    else:
        yield url
        return
    if not make and not (server.data / "PG_VERSION").exists():
        raise away(url)
    with up_lock(known.var):
        if await asyncio.to_thread(server.leftover) is not None:
            raise away(url)  # it runs and does not answer: it is starting, or ending
        try:
            await asyncio.to_thread(server.start)
            yield url
        finally:
            await asyncio.to_thread(server.stop)


@contextlib.contextmanager
def up_lock(var: Path) -> Any:
    """The lock `hoso up` holds: whoever has it may start the embedded database."""
    from app.failing import DatabaseAway

    var.mkdir(parents=True, exist_ok=True)
    with open(var / "up.lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DatabaseAway(text("db.busy", var=var)) from error
        yield


async def audit(tx: Any, actor: str, tenant: str | None, what: str, **detail: Any) -> None:
    """Write down who did what."""
    import json

    await tx.execute(
        "insert into store.audit(actor, tenant, what, detail) values ($1, $2, $3, $4)",
        actor,
        tenant,
        what,
        json.dumps(detail, default=str),
    )


# --- what people type -------------------------------------------------------------------------------------------


def read_bytes(file: Path) -> bytes:
    """A file people named. Raises HosoError."""
    from hoso.runtime.failures import HosoError

    try:
        return file.read_bytes()
    except OSError as error:
        raise HosoError(text("file.unreadable", file=file, why=error.strerror)) from error


def write_bytes(file: Path, data: bytes) -> None:
    """Write a file people named. Raises HosoError."""
    from hoso.runtime.failures import HosoError

    try:
        file.write_bytes(data)
    except OSError as error:
        raise HosoError(text("file.unwritable", file=file, why=error.strerror)) from error


def password(file: Path | None) -> str:
    """A password from the first line of a file, or asked for; never from the command line."""
    if file is not None:
        return read_bytes(file).decode("utf-8").split("\n")[0].rstrip("\r")
    return str(typer.prompt(text("prompt.password"), hide_input=True))


def read_uuid(given: str) -> UUID:
    """An id people typed. Raises a usage error."""
    try:
        return UUID(given)
    except ValueError as error:
        raise typer.BadParameter(text("id.bad", given=given)) from error


def read_time(given: str | None) -> datetime | None:
    """A time people typed; without a zone it is Vietnam's. Raises a usage error."""
    from app.commands.showing import VIETNAM

    if given is None:
        return None
    try:
        found = datetime.fromisoformat(given)
    except ValueError as error:
        raise typer.BadParameter(text("time.bad", given=given)) from error
    return found if found.tzinfo is not None else found.replace(tzinfo=VIETNAM)

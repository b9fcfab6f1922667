"""What every process of an installation has: its settings, its database, its vault, what people set up."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from app.gathered import GatheredVault
from hoso.process.embedded import EmbeddedServer, archiving
from hoso.runtime.failures import SettingsError
from hoso.runtime.steps import Service
from hoso.settings import Settings
from hoso.setup.registry import SetUp
from hoso.setup.units import PostgresUnitRegistry
from hoso.store import migrations
from hoso.store.postgres import Database, open_pool
from hoso.store.vault import KeyRing, Vault

Job = Callable[[], Awaitable[None]]
Wired = tuple[Service[Any] | None, Sequence[Job], dict[str, Any]]
"""A service, the jobs beside it, and what to tell about its addresses."""


@dataclass(slots=True)
class House:
    """What every process of this installation has."""

    settings: Settings
    db: Database
    vault: Vault
    set_up: SetUp
    registry: PostgresUnitRegistry
    clock: asyncpg.Pool | None
    """Where the world's clock is kept, when that is another database."""


def embedded_server(settings: Settings) -> EmbeddedServer | None:
    """The server below `HOSO_VAR` with the settings it is always started with; None when the database is somebody's server."""
    folder = settings.database_folder
    return None if folder is None else EmbeddedServer(folder, settings=archiving(settings.wal_archive))


def database_url(settings: Settings) -> str:
    """Where the database answers; an embedded one is started by `hoso up`."""
    folder = settings.database_folder
    return settings.database if folder is None else EmbeddedServer(folder).url


def key_ring(settings: Settings) -> KeyRing:
    """The key-encryption keys. In `test` one is made when there is none; in `production` it must be given."""
    path = settings.vault_key_file
    if path is None:
        if settings.environment == "production":
            raise SettingsError(
                "HOSO_VAULT_KEY_FILE is not set: in production the key-encryption key must be given; make one with `hoso vault new-key FILE`, keep it outside the database's backups"
            )
        path = settings.var / "vault.key"
        with contextlib.suppress(FileExistsError):
            KeyRing.make(path)
    return KeyRing.read(path)


@contextlib.asynccontextmanager
async def house(settings: Settings, name: str, *, size: int = 6) -> AsyncIterator[House]:
    """Connect, check the schema, open the vault; let go of everything afterwards."""
    keys = key_ring(settings)
    url = database_url(settings)
    db = await Database.open(url, name=f"hoso-{name}", size=size)
    others: list[asyncpg.Pool] = []
    try:
        async with db.pool.acquire() as connection:
            await migrations.check(connection, settings.environment)
        # In the same database what is sealed needs no flush of its own: whatever refers to it flushes it, the log is one sequence.
        pools: list[asyncpg.Pool | None] = []
        for other in (settings.vault_database, settings.registry_database, settings.clock_database):
            pools.append(await open_pool(other, f"hoso-{name}", 4, "on") if other else None)
        others += [pool for pool in pools if pool is not None]
        vault = GatheredVault(pools[0] or db.quick, keys)
        yield House(settings, db, vault, SetUp(pools[1] or db.pool, vault), PostgresUnitRegistry(pools[1]), pools[2])
    finally:
        for extra in others:
            extra.terminate()
        await db.close()


def group_of(name: str) -> str:
    """The group a service reads in."""
    return f"hoso.{name.replace('_', '-')}"

"""The pools services use, on PostgreSQL 15 or later: the embedded server's (`hoso/process/embedded.py`) or yours by URL."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from typing import Any

import asyncpg

from hoso.runtime.failures import HosoError

IDLE_IN_TRANSACTION_S = 5
"""A stopped process may hold row locks no longer than this: the server ends its session and others go on."""


class Database:
    """The pools of one process: `pool` flushes at commit, `quick` does not.

    Quick is for purely internal batches: write-ahead log is one sequence, so whatever flushes later flushes their causes
    too, and a crash takes back a batch together with everything that followed from it.
    """

    def __init__(self, url: str, pool: asyncpg.Pool, quick: asyncpg.Pool) -> None:
        self.url = url
        self.pool = pool
        self.quick = quick

    @classmethod
    async def open(cls, url: str, *, name: str, size: int = 6, quick: int = 4) -> Database:
        """Connect; waits up to 20 s for a server that is starting. Raises HosoError with what to mend."""
        until = time.monotonic() + 20
        while True:
            try:
                pool = await open_pool(url, name, size, "on")
                break
            except (OSError, asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError) as error:
                if time.monotonic() > until:
                    raise HosoError(
                        f"no database answers at {redacted(url)}: {error}; is it running, is HOSO_DATABASE right?"
                    ) from error
                await asyncio.sleep(0.2)
            except (
                asyncpg.InvalidCatalogNameError,
                asyncpg.InvalidAuthorizationSpecificationError,
                ValueError,
            ) as error:
                raise HosoError(
                    f"the database at {redacted(url)} does not let us in: {error}; mend HOSO_DATABASE"
                ) from error
        return cls(url, pool, await open_pool(url, name, quick, "off"))

    async def connect(self) -> asyncpg.Connection:
        """A connection of its own, for listening."""
        return await asyncpg.connect(self.url, server_settings={"application_name": "hoso-bell"})

    async def close(self) -> None:
        for pool in (self.pool, self.quick):
            try:
                await asyncio.wait_for(pool.close(), 3)
            except TimeoutError:
                pool.terminate()


async def open_pool(url: str, name: str, size: int, flush: str) -> asyncpg.Pool:
    """A pool of sessions that the server ends when a transaction stands still; `flush`: synchronous_commit."""
    return await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=size,
        command_timeout=60,
        reset=_no_reset,
        server_settings={
            "application_name": name,
            "synchronous_commit": flush,
            "timezone": "UTC",
            "jit": "off",
            "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_S}s",
        },
    )


async def _no_reset(_db: Any) -> None:
    """Connections carry no session state, so nothing is reset between uses; that saves a round trip each."""


def columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    """Rows as the columns that `unnest` takes. There must be at least one row."""
    return [list(column) for column in zip(*rows, strict=True)]


_SECRET = re.compile(r"(?i)([?&][a-z]*password=)[^&#]*")


def redacted(url: str) -> str:
    """The URL without its password, wherever that is written: `user:password@`, `?password=`, `&sslpassword=`."""
    head, at, tail = _SECRET.sub(r"\1***", url).rpartition("@")
    scheme, slashes, user = head.partition("://")
    return f"{scheme}{slashes}{user.partition(':')[0]}{at}{tail}"

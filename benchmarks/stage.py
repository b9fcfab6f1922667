"""What the benchmarks share: an embedded database of their own, and the machine in words."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil

from hoso.log.postgres import create_days
from hoso.process.embedded import EmbeddedServer
from hoso.runtime.clock import WorldClock
from hoso.store.migrations import migrate
from hoso.store.postgres import Database


@contextlib.asynccontextmanager
async def database() -> AsyncIterator[tuple[str, Database]]:
    """A fresh embedded PostgreSQL with fsync on, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="hoso-bench-"))
    server = EmbeddedServer(folder / "pg")
    server.start()
    try:
        db = await Database.open(server.url, name="bench", size=4)
        try:
            async with db.pool.acquire() as tx, tx.transaction():
                await migrate(tx, "test")
                await create_days(tx, WorldClock().now())
            yield server.url, db
        finally:
            await db.close()
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def postgres_cpu() -> float:
    """CPU seconds of every PostgreSQL process of this machine that lives now."""
    total = 0.0
    for process in psutil.process_iter(["name", "cpu_times"]):
        if process.info["name"] == "postgres" and process.info["cpu_times"]:
            total += process.info["cpu_times"].user + process.info["cpu_times"].system
    return total


def machine() -> dict[str, Any]:
    """The conditions a figure was taken under."""
    return {"cores": os.cpu_count(), "python": platform.python_version(), "load": round(os.getloadavg()[0], 2)}


def verdict(**figures: Any) -> None:
    """The last line of every benchmark: one line of JSON."""
    print(json.dumps({**figures, **machine()}), flush=True)

"""A machine that dies: hoso, its services and its database at once; and commands of an operator on such a world."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil

from hoso.process.embedded import EmbeddedServer
from tests.chaos.arena import Arena
from tests.integration.cli.command import ROOT, Ended


async def everybody_killed(world: Arena) -> None:
    """kill -9, also of stopped ones; nobody of it is left."""
    services = [int(facts["pid"]) for facts in world.up()["services"].values() if facts]
    everybody = [psutil.Process(pid) for pid in (world.pid("hoso"), *services, world.pid("postgres"))]
    for process in everybody:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    await asyncio.to_thread(psutil.wait_procs, everybody, 10)
    await asyncio.to_thread(world.world.processes["hoso"].wait, 10)
    await asyncio.to_thread(EmbeddedServer(world.world.folder / "hoso" / "pg").end_leftover)


async def command(environment: Mapping[str, str], *words: str, tree: Path = ROOT) -> Ended:
    """`hoso …` of the release in `tree`, to its end."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("HOSO_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "app.main",
        *words,
        cwd=tree,
        env={**plain, **environment, "HOSO_LANGUAGE": "en", "PYTHONPATH": str(tree)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 120)
    return Ended(process.returncode or 0, out.decode(), err.decode())

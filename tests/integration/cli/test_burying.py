"""What a supervisor does about a child that died: that child's member row goes, and nobody else's."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from app.supervisor import Child, Supervisor
from hoso.settings import load
from hoso.store.postgres import Database


class Undertaker(Supervisor):
    """Buries when told to."""

    async def bury(self, child: Child) -> None:
        await self._bury(child)


async def member(db: Database, pid: int, group: str = "hoso.mail-watcher", ago: float = 0) -> UUID:
    """A row of a process of this pid, on a machine of this host's name."""
    id_ = uuid4()
    await db.pool.execute(
        "insert into log.member(id, grp, host, pid, since) values ($1, $2, $3, $4, now() - $5 * interval '1 second')",
        id_,
        group,
        os.uname().nodename,
        pid,
        ago,
    )
    return id_


@pytest.mark.parametrize("was_ready", [True, False])
async def test_the_rows_of_another_machine_stay(db: Database, url: str, tmp_path: Path, was_ready: bool) -> None:
    child = Child("mail_watcher")
    child.starts.append(time.monotonic())
    child.process = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    pid = child.process.pid
    await child.process.wait()
    own = await member(db, pid)
    others = {await member(db, pid, "hoso.ops"), await member(db, pid, ago=60), await member(db, pid + 1)}
    if was_ready:
        child.facts = {"pid": pid, "member": str(own)}
        others.add(await member(db, pid))
    await Undertaker(load(var=tmp_path, database=url, environment="test"), [], lambda _line: None).bury(child)
    assert {row["id"] for row in await db.pool.fetch("select id from log.member")} == others

"""`hoso up`: the embedded database and every service as a process of its own, started again when they die.

A child that dies is started again at once; its calls are free at once too, because its member row is deleted. A child that
is not ready after 30 s, or gives no answer on /health for 10 s (it was stopped, or hangs), is killed; any answer will do, also
"the database is away". A child that braked stays down, and one that refuses its settings before it was ever ready ends
everything: both are for people.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import asyncpg

from app.compose import BRAKED, connector
from app.disk import LOW_MIB, REFUSE_MIB, free_mib
from app.house import database_url, embedded_server, group_of, key_ring
from app.leftovers import end_leftovers
from app.preparing import prepare
from hoso.process import logs
from hoso.runtime.failures import HosoError
from hoso.settings import Settings
from hoso.store.postgres import redacted

log = logging.getLogger(__name__)
DEAF_S = 10.0
READY_S = 30.0
DISK_S = 30.0
_BURY = "delete from log.member where pid = $1 and host = $2 and grp = $3 and since > now() - $4::interval"


class Child:
    """One service's process, whichever one it is just now."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.process: asyncio.subprocess.Process | None = None
        self.facts: dict[str, Any] = {}
        self.heard = 0.0
        self.starts: list[float] = []
        self.status: int | None = None
        self.said = ""

    def delay(self) -> float:
        """Nothing at first; a child that keeps dying waits longer, at most 5 s."""
        recent = [t for t in self.starts if t > time.monotonic() - 30]
        return 0.0 if len(recent) < 3 else min(0.5 * 2 ** (len(recent) - 3), 5.0)


class Supervisor:
    """Owns the children, and the embedded database when there is one."""

    def __init__(self, settings: Settings, services: Sequence[str], say: Callable[[str], None]) -> None:
        self._settings = settings
        self._say = say
        self._children = [Child(name) for name in services]
        self._stopping = asyncio.Event()
        self._server = embedded_server(settings)
        self._url = database_url(settings)
        self._failed: str | None = None
        self._terminal = sys.stderr.isatty()
        """Children then write their warnings on it themselves (hoso/process/logs.py)."""

    async def run(self, ready: Callable[[dict[str, Any]], None] = lambda _facts: None) -> int:
        """Until SIGTERM or SIGINT. Raises HosoError before anything is accepted when something is missing."""
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, self._stopping.set)
        logs.set_up("supervisor", self._settings.var / "log", self._settings.log_level)
        with _only_one(self._settings.var):
            self._check()
            if count := await asyncio.to_thread(end_leftovers, self._settings.var, self._stopping.is_set):
                log.warning("services of a supervisor that was killed have ended", extra={"count": count})
            try:
                if self._server is not None:
                    await asyncio.to_thread(self._server.start)
                for applied in await prepare(self._settings, self._url):
                    log.info("migrated", extra={"table": applied})
                watchers = [asyncio.create_task(self._keep(child)) for child in self._children]
                watchers.append(asyncio.create_task(self._keep_database()))
                listening = asyncio.create_task(self._listen_to_health())
                looking = asyncio.create_task(watch_disk(self._settings.var))
                await self._until_ready()
                if not self._stopping.is_set():
                    ready(self.facts())
                await self._stopping.wait()
                listening.cancel()
                looking.cancel()
                pending = set(watchers)
                while pending:  # a child that was being started just now is told too
                    await self._end_children()
                    _, pending = await asyncio.wait(pending, timeout=0.5)
            finally:
                self._stopping.set()
                await self._end_children()
                if self._server is not None:
                    await asyncio.to_thread(self._server.stop)
                (self._settings.var / "up.json").unlink(missing_ok=True)
        if self._failed:
            raise HosoError(self._failed)
        return 0

    def _check(self) -> None:
        key_ring(self._settings)
        if "submitter" in {c.name for c in self._children}:
            connector(self._settings)

    def facts(self) -> dict[str, Any]:
        """Addresses and pids, as they are written to `<var>/up.json`."""
        services = {c.name: c.facts for c in self._children}
        return {"pid": os.getpid(), "database": redacted(self._url), "services": services}

    def _write(self) -> None:
        file = self._settings.var / "up.json"
        new = file.with_suffix(".new")
        new.unlink(missing_ok=True)
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            json.dump(self.facts(), opened, indent=1)
        new.replace(file)

    async def _until_ready(self) -> None:
        while not self._stopping.is_set() and not all(c.facts for c in self._children):
            await asyncio.sleep(0.02)

    async def _keep(self, child: Child) -> None:
        while not self._stopping.is_set():
            await asyncio.sleep(child.delay())
            if self._stopping.is_set():
                return
            child.starts.append(time.monotonic())
            status = await self._live(child)
            if self._stopping.is_set():
                return
            await self._bury(child)
            if status == BRAKED:
                self._say(
                    f"{child.name} has stopped itself (see {self._settings.var}/log/{child.name}.log); the others go on"
                )
                await self._stopping.wait()
            elif status == 2 and not child.facts:  # never ready: as it is set up it cannot run
                self._failed = child.said or f"{child.name} cannot start with these settings"
                self._stopping.set()
            else:
                log.error(
                    "a service died and is started again",
                    extra={"service": child.name, "pid": child.facts.get("pid"), "code_of": status},
                )

    async def _live(self, child: Child) -> int:
        read, write = os.pipe()
        child.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "app.main",
            "run",
            child.name,
            "--ready-fd",
            str(write),
            pass_fds=[write],
            stdin=asyncio.subprocess.DEVNULL,
            stderr=None if self._terminal else asyncio.subprocess.PIPE,
            start_new_session=True,
            env={
                **os.environ,
                **_as_environment(self._settings),
                "HOSO_DATABASE": self._url,
                "SUPERVISED_BY": str(os.getpid()),
            },
        )
        os.close(write)
        reading = asyncio.create_task(self._hear_ready(child, read))
        tail = b""
        if child.process.stderr is not None:
            async for line in child.process.stderr:
                tail = line if line.strip() else tail
        status = await child.process.wait()
        reading.cancel()
        child.said = tail.decode(errors="replace").strip()
        child.status = status
        if child.said and status not in (0, -9):
            log.error("last words: %s", child.said, extra={"service": child.name})
        return status

    async def _hear_ready(self, child: Child, fd: int) -> None:
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(fd, "rb")
        )
        try:
            line = await reader.readline()
            if line:
                child.facts = json.loads(line)
                child.heard = time.monotonic()
                self._write()
        finally:
            transport.close()

    async def _bury(self, child: Child) -> None:
        """Nobody has to wait for its heartbeat: its member row goes, its calls are free. A process of another machine may have its pid
        and its host's name; one that was never ready has told no more, so it is known by when it began too."""
        pid = child.process.pid if child.process else None
        member = child.facts.get("member") if child.facts.get("pid") == pid else None
        began = timedelta(seconds=time.monotonic() - child.starts[-1] + 1) if child.starts else timedelta(0)
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
            db = await asyncpg.connect(self._url, timeout=2)
            try:
                if member:
                    await db.execute("delete from log.member where id = $1", UUID(member))
                else:
                    group = group_of(child.name)
                    await db.execute(_BURY, pid, os.uname().nodename, group, began)
            finally:
                await db.close(timeout=1)

    async def _listen_to_health(self) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
            while True:
                await asyncio.sleep(1)
                await asyncio.gather(*(self._ask(session, child) for child in self._children))

    async def _ask(self, session: aiohttp.ClientSession, child: Child) -> None:
        process = child.process
        if process is None or process.returncode is not None:
            return
        if child.facts.get("pid") != process.pid:
            if time.monotonic() - child.starts[-1] > READY_S:
                log.error("a service is not ready and is killed", extra={"service": child.name, "pid": process.pid})
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
            return
        try:
            headers = {"Authorization": f"Bearer {self._settings.ops_token}"} if self._settings.ops_token else {}
            async with session.get(child.facts["ops"] + "/health", headers=headers):
                child.heard = time.monotonic()
        except (aiohttp.ClientError, TimeoutError, OSError):
            if time.monotonic() - child.heard > DEAF_S:
                log.error("a service does not answer and is killed", extra={"service": child.name, "pid": process.pid})
                child.heard = time.monotonic()
                with contextlib.suppress(ProcessLookupError):
                    process.kill()

    async def _keep_database(self) -> None:
        while self._server is not None and not self._stopping.is_set():
            await asyncio.sleep(0.2)
            server = self._server.process
            if server is not None and server.poll() is not None and not self._stopping.is_set():
                log.error("the database died and is started again", extra={"pid": server.pid})
                try:
                    await asyncio.to_thread(self._server.start)
                except HosoError as error:
                    log.critical("%s", error)
                    await asyncio.sleep(1)

    async def _end_children(self) -> None:
        alive = [c.process for c in self._children if c.process is not None and c.process.returncode is None]
        for process in alive:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
                process.terminate()
        waits = [asyncio.create_task(p.wait()) for p in alive]
        if waits:
            _, pending = await asyncio.wait(waits, timeout=12)
            if pending:
                for process in alive:
                    with contextlib.suppress(ProcessLookupError):
                        process.kill()
                await asyncio.wait(pending, timeout=5)


async def watch_disk(var: Path, every: float = DISK_S, free: Callable[[Path], int] = free_mib) -> None:
    """One line when room gets scarce, and the next one only after there was enough meanwhile."""
    told = False
    while True:
        with contextlib.suppress(OSError):
            left = free(var)
            if left < LOW_MIB and not told:
                log.error(
                    "only %s MiB are free for %s: free some space; below %s MiB nothing new is taken",
                    left,
                    var,
                    REFUSE_MIB,
                )
            told = left < LOW_MIB
        await asyncio.sleep(every)


@contextlib.contextmanager
def _only_one(var: Path) -> Any:
    """One supervisor a folder. Children of one that was killed have no lock: `end_leftovers` waits for them."""
    var.mkdir(parents=True, exist_ok=True)
    with open(var / "up.lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise HosoError(
                f"another `hoso up` runs in {var}: stop it first, or give this one another folder with HOSO_VAR"
            ) from error
        yield


def _as_environment(settings: Settings) -> dict[str, str]:
    """The settings as they are, for children; durations in seconds."""
    said = {}
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if value is None or value == "":
            continue
        value = value.absolute() if name == "var" else value
        said[f"HOSO_{name.upper()}"] = f"{value.total_seconds():.3f}s" if isinstance(value, timedelta) else str(value)
    return said

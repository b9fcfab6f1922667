"""The command line as people use it: real processes, a real database."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Cli:
    """Runs `hoso …` against one database."""

    url: str
    var: Path

    def environment(self, **more: str) -> dict[str, str]:
        plain = {name: value for name, value in os.environ.items() if not name.startswith("HOSO_")}
        own = {"HOSO_ENVIRONMENT": "test", "HOSO_VAR": str(self.var), "HOSO_LANGUAGE": "en", "HOSO_HTTP": "127.0.0.1:0"}
        if self.url:
            own["HOSO_DATABASE"] = self.url
        return {**plain, **own, **more}

    async def __call__(self, *words: str, given: str = "", **environment: str) -> Ended:
        """Run to the end; `given` goes to stdin."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "app.main",
            *words,
            cwd=ROOT,
            env=self.environment(**environment),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(given.encode()), 60)
        return Ended(process.returncode or 0, out.decode(), err.decode())

    async def run(self, name: str, **environment: str) -> Running:
        """Start a service as the supervisor does, until it is ready."""
        read, write = os.pipe()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "app.main",
            "run",
            name,
            "--ready-fd",
            str(write),
            cwd=ROOT,
            env=self.environment(**environment),
            pass_fds=[write],
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        os.close(write)
        line = await asyncio.to_thread(_first_line, read)
        assert process.stderr is not None
        assert line, (await process.stderr.read()).decode()
        return Running(process, json.loads(line))


@dataclass(frozen=True)
class Running:
    """A service's process, and what it said when it was ready."""

    process: asyncio.subprocess.Process
    facts: dict[str, Any]

    async def stop(self) -> int:
        """End it as the supervisor does; its exit status."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(self.process.communicate(), 15)
        return self.process.returncode or 0


def _first_line(fd: int) -> str:
    with os.fdopen(fd) as pipe:
        return pipe.readline()

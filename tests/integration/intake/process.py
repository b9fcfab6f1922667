"""Intake as the process it is in a deployment, so that it can be killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[3]


class Process:
    """One `hoso run intake`. Its points are files in `points`."""

    def __init__(self, url: str, folder: Path) -> None:
        self.points = folder / "points"
        self.points.mkdir(exist_ok=True)
        self.http = ""
        self._folder = folder
        self._url = url
        self._child: asyncio.subprocess.Process | None = None

    async def start(self) -> Process:
        """Returns when it serves."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("HOSO_")}
        own = {"ENVIRONMENT": "test", "DATABASE": self._url, "VAR": str(self._folder), "HTTP": "127.0.0.1:0"}
        own |= {"POINTS": str(self.points), "VAULT_KEY_FILE": str(self._folder / "vault.key")}
        reading, writing = os.pipe()
        with open(self._folder / "intake.out", "ab") as out:
            self._child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "app.main", "run", "intake", "--ready-fd", str(writing)),
                **{"cwd": ROOT, "env": clean | {f"HOSO_{name}": value for name, value in own.items()}},
                **{"pass_fds": (writing,), "stdout": out, "stderr": out},
            )
        os.close(writing)
        with os.fdopen(reading) as pipe:
            told = await asyncio.wait_for(asyncio.to_thread(pipe.readline), 60)
        assert told, (self._folder / "intake.out").read_text()[-2_000:]
        self.http = json.loads(told)["http"]
        await eventually(self._serves, "intake to serve")
        return self

    async def _serves(self) -> bool:
        host, _, port = self.http.removeprefix("http://").partition(":")
        try:
            _, writer = await asyncio.open_connection(host, int(port))
        except ConnectionError:
            return False
        writer.close()
        return True

    def arm(self, point: str, action: str = "kill") -> None:
        """The next to pass `point` sends itself the signal."""
        half = self.points / f"{point}.half"
        half.write_text(action)
        half.rename(self.points / point)

    async def ended(self, seconds: float = 30) -> int:
        """Its exit status, negative for a signal."""
        assert self._child is not None
        status = await asyncio.wait_for(self._child.wait(), seconds)
        self._child = None
        return status

    async def stop(self) -> None:
        """Let it drain, when it still runs."""
        if self._child is not None and self._child.returncode is None:
            self._child.send_signal(signal.SIGCONT)
            self._child.terminate()
            await self.ended()

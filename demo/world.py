"""The made-up world as processes: simulated agency, mail host, hoso. Started, found again, ended.

Every process is written down with its pid, so that a later run can end what an earlier one left behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hoso.process.embedded import EmbeddedServer
from hoso.settings import Settings, load

FAST = {
    "HOSO_ENVIRONMENT": "test",
    "HOSO_HTTP": "127.0.0.1:0",
    "HOSO_GATEWAY_TIMEOUT": "3s",
    "HOSO_GATEWAY_TRANSPORT_BOUND": "2s",
    "HOSO_GATEWAY_POLL": "0.3s",
    "HOSO_MAIL_SCAN": "2s",
    "HOSO_MAIL_SENDERS": "agency.example",
    "HOSO_LOG_LEVEL": "INFO",
}
"""The pace of the made-up world: the agency answers at once, so its silence means something sooner."""


class World:
    """One made-up world below one folder."""

    def __init__(
        self,
        folder: Path,
        *,
        settings: Mapping[str, str] | None = None,
        simulator: Sequence[str] = (),
        log: str | None = None,
    ) -> None:
        """`log`: `postgres` or `kafka` (then a broker of this world is started too); by default what the variable LOG says."""
        self.folder = folder.resolve()
        self.log = log or os.environ.get("LOG") or "postgres"
        self._given = dict(settings or {})
        self._simulator_options = list(simulator)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.boxes: dict[str, str] = {}

    # --- what an earlier run left ------------------------------------------------------------------------------

    def end_leftovers(self) -> list[int]:
        """End processes an earlier run wrote down and that still are what it wrote; and the database of this folder."""
        ended = []
        try:
            known = json.loads((self.folder / "pids.json").read_text())
        except (OSError, ValueError):
            known = {}
        for pid, words in known.items():
            if _command_line(int(pid)) == words:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGCONT)
                    os.kill(int(pid), signal.SIGTERM)
                ended.append(int(pid))
        until = time.monotonic() + 15
        while any(_command_line(pid) for pid in ended):
            if time.monotonic() > until:
                for pid in ended:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        if (self.folder / "hoso" / "pg").exists():
            EmbeddedServer(self.folder / "hoso" / "pg").end_leftover()
        return ended

    def start_afresh(self) -> None:
        """An empty folder of our own."""
        self.end_leftovers()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    # --- starting ----------------------------------------------------------------------------------------------

    def start(self, name: str, *words: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a process of this world; what it says goes to `<folder>/<name>.out`."""
        out = open(self.folder / f"{name}.out", "ab")  # noqa: SIM115 - handed to the child
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            env={**_without_hoso(), **(environment or {})},
            cwd=self.folder,
        )
        out.close()
        self.processes[name] = process
        self._write_pids()
        return process

    def _write_pids(self) -> None:
        pids = {str(p.pid): _command_line(p.pid) for p in self.processes.values() if p.poll() is None}
        new = self.folder / "pids.new"
        new.write_text(json.dumps(pids))
        new.replace(self.folder / "pids.json")

    def start_post(self, addresses: Sequence[str]) -> None:
        """The mail host with one mailbox an address."""
        self.boxes = {address: secrets.token_urlsafe(12) for address in addresses}
        plan = {"boxes": [{"address": a, "user": a, "password": p} for a, p in self.boxes.items()]}
        (self.folder / "boxes.json").write_text(json.dumps(plan))
        self.start_broker()
        self.start("post", "demo.post", "--boxes", str(self.folder / "boxes.json"), "--data", str(self.folder / "post"))

    def start_broker(self) -> None:
        """Kafka, where this world's log is there. Does not wait: hoso does."""
        if self.log == "kafka" and "HOSO_LOG" not in self._given:
            self.start("kafka", "demo.broker", "--data", str(self.folder / "kafka"))

    def start_simulator(self, smtp_port: int, *, listen: str = "127.0.0.1:0") -> None:
        """The simulated agency."""
        self.start(
            "simulator",
            "simulator",
            "--listen",
            listen,
            "--data",
            str(self.folder / "simulator"),
            "--environment",
            "test",
            "--smtp",
            f"127.0.0.1:{smtp_port}",
            *self._simulator_options,
        )

    def start_esign(self) -> None:
        """The simulated remote signing service; `esign/esign.json` tells where it is."""
        words = ("simulator.esign", "--environment", "test", "--lifetime", "900", "--data", str(self.folder / "esign"))
        self.start("esign", *words)

    def also(self, **settings: str) -> None:
        """More settings of this world's hoso, which were not known before its neighbours were up."""
        self._given |= settings

    def start_hoso(self) -> None:
        """`hoso up` with this world's settings."""
        self.start("hoso", "app.main", "up", environment=self.environment())

    def environment(self) -> dict[str, str]:
        """The settings of this world's hoso."""
        gateway = self.read("simulator/simulator.json")["url"]
        dkim = self.read("simulator/dkim.json")
        records = {f"{d['selector']}._domainkey.{d['domain']}": d["record"] for d in (dkim, dkim.get("impostor")) if d}
        (self.folder / "dkim-records.json").write_text(json.dumps(records))
        return {
            **FAST,
            "HOSO_VAR": str(self.folder / "hoso"),
            "HOSO_GATEWAY": gateway,
            "HOSO_DKIM_RECORDS": str(self.folder / "dkim-records.json"),
            "HOSO_AGENCY_CERTIFICATES": str(self.folder / "simulator" / "agency-certificate.pem"),
            "HOSO_UNIT_DIRECTORY": gateway,
            **({"HOSO_LOG": self._kafka()} if self.log == "kafka" and "HOSO_LOG" not in self._given else {}),
            **self._given,
        }

    def _kafka(self) -> str:
        until = time.monotonic() + 60
        while True:
            with contextlib.suppress(FileNotFoundError, ValueError):
                nodes = self.read("kafka/cluster.json")["nodes"]
                return "kafka://" + ",".join(f"127.0.0.1:{node['clients']}" for node in nodes)
            if self.processes["kafka"].poll() is not None or time.monotonic() > until:
                last = (self.folder / "kafka.out").read_text(errors="replace").strip().splitlines()[-4:]
                raise RuntimeError(f"Kafka did not start: {' | '.join(last) or 'it said nothing'}")
            time.sleep(0.05)

    def settings(self) -> Settings:
        """The same as an object, for a program that looks on."""
        said = {k.removeprefix("HOSO_").lower(): v for k, v in self.environment().items()}
        return load(**said)

    def read(self, name: str) -> Any:
        """A JSON file of this world. Raises FileNotFoundError until it is there."""
        return json.loads((self.folder / name).read_text())

    async def until(self, name: str, process: str, seconds: float = 60) -> Any:
        """The JSON file a process writes when it is ready. Raises RuntimeError with its last words when it ended."""
        until = time.monotonic() + seconds
        while True:
            with contextlib.suppress(FileNotFoundError, ValueError):
                return self.read(name)
            if self.processes[process].poll() is not None or time.monotonic() > until:
                last = (self.folder / f"{process}.out").read_text(errors="replace").strip().splitlines()[-4:]
                raise RuntimeError(f"{process} did not start: {' | '.join(last) or 'it said nothing'}")
            await asyncio.sleep(0.03)

    async def until_up(self, seconds: float = 90) -> Any:
        """hoso's addresses, once every service has told its own."""
        up = await self.until("hoso/up.json", "hoso", seconds)
        until = time.monotonic() + seconds
        while not all(up["services"].values()):
            if self.processes["hoso"].poll() is not None or time.monotonic() > until:
                raise RuntimeError(
                    f"not every service started: {[n for n, f in up['services'].items() if not f]}; see {self.folder}/hoso/log"
                )
            await asyncio.sleep(0.05)
            up = await self.until("hoso/up.json", "hoso", seconds)
        return up

    # --- ending ------------------------------------------------------------------------------------------------

    def end(self) -> None:
        """hoso first, so that it drains against a living agency; then the rest."""
        for name in ("hoso", *[n for n in self.processes if n != "hoso"]):
            process = self.processes.get(name)
            if process is None or process.poll() is not None:
                continue
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._write_pids()


def _command_line(pid: int) -> str:
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
    return "" if state == "Z" else raw.replace(b"\0", b" ").decode(errors="replace").strip()


def _without_hoso() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("HOSO_")}

"""Every process of compose.yaml without containers: `python -m compose.local` (until Ctrl-C), and the test that they work together.

What runs is what the file says, at the addresses and in the folders of this machine (compose/plan.py). In place of three images:

apache/kafka      demo/broker.py: the same Kafka from Maven's jars, three nodes, with settings of its own
postgres          the embedded PostgreSQL of hoso, by its socket
prometheus, alertmanager   this machine's programs of that name, where there are any; else they are left out, like Grafana
"""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from compose.plan import HERE, Places, Service, read
from demo.broker import Cluster
from demo.ports import free_port
from hoso.process.embedded import EmbeddedServer

PROGRAMS = {"prometheus": ("prometheus",), "alertmanager": ("prometheus-alertmanager", "alertmanager")}
TRIES = 3
"""Of a job that is done once: `restart: on-failure`."""


class CannotRun(Exception):
    """The message is one sentence."""


class Local:
    """The processes of one compose.yaml below one folder."""

    def __init__(self, folder: Path, given: Mapping[str, str] | None = None) -> None:
        self.folder = folder.resolve()
        self.token = secrets.token_urlsafe(16)
        self.services = read({"HOSO_OPS_TOKEN": self.token, "POSTGRES_PASSWORD": "not-asked-for", **(given or {})})
        self.places = Places(self.services, self.folder, free_port)
        self.left_out: dict[str, str] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._kafka = Cluster(self.folder / "kafka", 3)
        self._postgres = EmbeddedServer(self.folder / "postgres", settings={"max_connections": "300"})

    # --- starting ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Everything, each after what it waits for. Raises CannotRun, CannotStart and HosoError; call `end` in any case."""
        self._prepare()
        for service in self.services.values():
            for other, condition in service.after.items():
                if condition == "healthy":
                    self.until_healthy(other)
            self._start(service)

    def _prepare(self) -> None:
        for name in ("out", "secrets", "volumes", "mounted"):
            (self.folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        (self.folder / "secrets" / "ops_token").write_text(self.token)
        self._kafka.start()
        for node in self._kafka.nodes:
            self.places.set(f"kafka-{node.number}", 9092, node.clients)
        for service in self.services.values():
            for target, here, ours in self.places.mounts(service):
                if ours and service.kind != "grafana":
                    self._translate(HERE / here.name, here, service)
                elif target != "/run/secrets":
                    here.mkdir(exist_ok=True, mode=0o700)

    def _translate(self, source: Path, to: Path, service: Service) -> None:
        """Our configuration files, with the addresses and folders of this machine."""
        if source.is_file():
            to.write_text(self.places.said(source.read_text("utf-8"), service), "utf-8")
            return
        to.mkdir(exist_ok=True)
        for file in source.iterdir():
            self._translate(file, to / file.name, service)

    def _start(self, service: Service) -> None:
        if service.kind == "postgres":
            self._postgres.start()
        elif service.kind == "hoso":
            self._run_hoso(service)
        elif service.kind in PROGRAMS:
            program = next(filter(None, map(shutil.which, PROGRAMS[service.kind])), None)
            if program is None:
                self.left_out[service.name] = f"no {service.kind} on this machine"
            else:
                self._spawn(service, [program, *self.places.words(service.command, service)], dict(os.environ))
        elif service.kind != "kafka":
            self.left_out[service.name] = f"nothing here stands for the image {service.told['image']}"

    def _run_hoso(self, service: Service) -> None:
        for turn in range(TRIES if service.ends else 1):
            process = self._spawn(service, self.here(service.command, service), self.environment(service))
            if not service.ends or process.wait(120) == 0:
                return
            time.sleep(1 + turn)
        raise CannotRun(f"{service.name} failed {TRIES} times: {self._last_words(service.name)}")

    def here(self, words: list[str], service: Service) -> list[str]:
        """A command of our image as it is run here."""
        said = self.places.words(words, service)
        return {"hoso": [sys.executable, "-m", "app.main"], "python": [sys.executable]}[said[0]] + said[1:]

    def environment(self, service: Service) -> dict[str, str]:
        """The settings of a service as they are here."""
        own = {name: self.places.said(value, service) for name, value in service.environment.items()}
        if "HOSO_DATABASE" in own:
            own["HOSO_DATABASE"] = self._postgres.url
        plain = {name: value for name, value in os.environ.items() if not name.startswith("HOSO_")}
        return {**plain, **own, "PYTHONPATH": str(HERE.parent)}

    def _spawn(self, service: Service, words: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        with open(self.folder / "out" / service.name, "ab") as out:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=environment,
                cwd=self.folder,
                start_new_session=True,
            )
        self.processes[service.name] = process
        return process

    # --- health -----------------------------------------------------------------------------------------------------

    def healthy(self, name: str) -> bool:
        """What the service's own health check says."""
        service = self.services[name]
        if service.kind == "kafka":
            return self._kafka.ready(int(name.rpartition("-")[2]))
        if service.kind == "postgres":
            return self._postgres.process is not None and self._postgres.process.poll() is None
        if service.kind in PROGRAMS:
            url = self.places.said(service.health[-1], service)
            with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
                return bool(answer.status == 200)
            return False
        asked = subprocess.run(
            self.here(service.health, service),
            env=self.environment(service),
            cwd=self.folder,
            capture_output=True,
            check=False,
            timeout=10,
        )
        return asked.returncode == 0

    def until_healthy(self, name: str, seconds: float = 90.0) -> None:
        """Raises CannotRun when it ended, or is not healthy in time."""
        until = time.monotonic() + seconds
        while not self.healthy(name):
            process = self.processes.get(name)
            if process is not None and process.poll() is not None:
                raise CannotRun(f"{name} ended: {self._last_words(name)}")
            if time.monotonic() > until:
                raise CannotRun(f"{name} is not healthy after {seconds:.0f} s: {self._last_words(name)}")
            time.sleep(0.2)

    def checked(self) -> list[str]:
        """The services that have a health check and run here."""
        return [s.name for s in self.services.values() if s.health and s.name not in self.left_out]

    def _last_words(self, name: str) -> str:
        file = self.folder / "out" / name
        said = file.read_text("utf-8", "replace").strip().splitlines() if file.exists() else []
        return " | ".join(said[-3:]) or "it said nothing"

    # --- ending -----------------------------------------------------------------------------------------------------

    def end(self) -> None:
        """Everything, the last started first."""
        for process in reversed(self.processes.values()):
            if process.poll() is None:
                process.terminate()
        for process in self.processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._postgres.stop()
        self._kafka.stop(patience=5)


def main() -> int:
    """Until Ctrl-C."""
    make = argparse.ArgumentParser(prog="python -m compose.local", description=__doc__.split("\n")[0])
    make.add_argument("--data", type=Path, default=Path("var/compose"), metavar="DIR", help="its folder (var/compose)")
    own = Local(make.parse_args().data)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        own.start()
        for name in own.checked():
            own.until_healthy(name)
        for name, port in (("intake", 8080), ("prometheus", 9090), ("alertmanager", 9093)):
            if name not in own.left_out:
                print(f"{name:<13}http://127.0.0.1:{own.places.port(name, port)}")
        for name, why in own.left_out.items():
            print(f"{name:<13}left out: {why}")
        print(f"API key      {own.folder}/volumes/hoso/api-key", flush=True)
        signal.pause()
    except KeyboardInterrupt:
        return 0
    except CannotRun as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        own.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())

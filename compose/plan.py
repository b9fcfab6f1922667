"""compose.yaml as one machine without containers can follow it: the same commands and settings, other addresses and folders.

Each container has ports and folders of its own; here all share loopback and one file system. So wherever a command, a setting or a
configuration file says `host:port` or names a path that a volume is mounted at, the port and the folder of this machine stand instead.
Nothing else is changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

HERE = Path(__file__).parent
FILE = HERE / "compose.yaml"
_HOLE = re.compile(r"\$\{(\w+)(?::\?[^}]*)?\}")
_OWN = ("0.0.0.0", "127.0.0.1", "localhost")


class NotGiven(Exception):
    """compose.yaml wants {0} from the environment."""


@dataclass(frozen=True, slots=True)
class Service:
    """One service of the file, with its holes filled."""

    name: str
    told: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """The name of its image without registry and tag."""
        return str(self.told["image"]).rpartition("/")[2].partition(":")[0]

    @property
    def network(self) -> str:
        """Whose network it has: its own, or another service's."""
        mode = str(self.told.get("network_mode", ""))
        return mode.removeprefix("service:") if mode.startswith("service:") else self.name

    @property
    def command(self) -> list[str]:
        """What is run; empty: what the image runs."""
        return [str(word) for word in self.told.get("command", [])]

    @property
    def environment(self) -> dict[str, str]:
        return {name: str(value) for name, value in self.told.get("environment", {}).items()}

    @property
    def health(self) -> list[str]:
        """The command that says whether it is healthy; empty: nobody asks."""
        test = [str(word) for word in self.told.get("healthcheck", {}).get("test", [])]
        return test[1:] if test[:1] == ["CMD"] else []

    @property
    def after(self) -> dict[str, str]:
        """The services it waits for, and what for: started, healthy, or completed_successfully."""
        told = self.told.get("depends_on", {})
        if isinstance(told, list):
            return dict.fromkeys(told, "started")
        return {name: str(one["condition"]).removeprefix("service_") for name, one in told.items()}

    @property
    def ends(self) -> bool:
        """Whether it is a job that is done once."""
        return self.told.get("restart") == "on-failure"


def read(environment: Mapping[str, str], file: Path = FILE) -> dict[str, Service]:
    """The services, each after those it waits for. Raises NotGiven."""
    told = _filled(yaml.safe_load(file.read_text("utf-8")), environment)
    services = {name: Service(name, one) for name, one in told["services"].items()}
    ordered: dict[str, Service] = {}
    while len(ordered) < len(services):
        ready = [s for s in services.values() if s.name not in ordered and s.after.keys() <= ordered.keys()]
        if not ready:
            raise ValueError(f"services that wait for one another: {sorted(services.keys() - ordered.keys())}")
        ordered |= {s.name: s for s in ready}
    return ordered


def _filled(value: Any, environment: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _HOLE.sub(lambda hole: _given(hole.group(1), environment), value)
    if isinstance(value, dict):
        return {name: _filled(one, environment) for name, one in value.items()}
    return [_filled(one, environment) for one in value] if isinstance(value, list) else value


def _given(name: str, environment: Mapping[str, str]) -> str:
    if not environment.get(name):
        raise NotGiven(name)
    return environment[name]


class Places:
    """Which port and which folder of this machine stands for one of a container."""

    def __init__(self, services: Mapping[str, Service], folder: Path, free_port: Callable[[], int]) -> None:
        self._services = services
        self._folder = folder
        self._free_port = free_port
        self._ports: dict[tuple[str, int], int] = {}
        names = "|".join(re.escape(name) for name in (*_OWN, *sorted(services, key=len, reverse=True)))
        self._address = re.compile(rf"(?<![\w.-])({names}):(\d+)(?!\d)")

    def set(self, service: str, port: int, here: int) -> None:
        """Port `port` of a service is `here`."""
        self._ports[self._services[service].network, port] = here

    def port(self, service: str, port: int) -> int:
        """The port here for one of a service; chosen when it is first asked for."""
        key = (self._services[service].network, port)
        if key not in self._ports:
            self._ports[key] = self._free_port()
        return self._ports[key]

    def mounts(self, service: Service) -> list[tuple[str, Path, bool]]:
        """Path in the container, path here, whether it is a file of ours to be translated; the longest path first."""
        found = [("/run/secrets", self._folder / "secrets", False)]
        for volume in service.told.get("volumes", []):
            source, _, rest = str(volume).partition(":")
            target = rest.partition(":")[0]
            ours = source.startswith("./")
            found.append((target, self._folder / ("mounted" if ours else "volumes") / Path(source).name, ours))
        return sorted(found, key=lambda one: -len(one[0]))

    def said(self, text: str, service: Service) -> str:
        """A word of a command, a setting or a file, as it reads here."""

        def address(found: re.Match[str]) -> str:
            host = service.name if found.group(1) in _OWN else found.group(1)
            return f"127.0.0.1:{self.port(host, int(found.group(2)))}"

        text = self._address.sub(address, text)
        for target, here, _ in self.mounts(service):
            text = re.sub(rf"(?<![\w./-]){re.escape(target)}(?![\w.-])", str(here), text)
        return text

    def words(self, words: list[str], service: Service) -> list[str]:
        """A command as it reads here; the number behind an option `…-port` is a port of the service's own."""
        return [
            str(self.port(service.name, int(word)))
            if before.endswith("-port") and word.isdigit()
            else self.said(word, service)
            for before, word in zip(["", *words], words, strict=False)
        ]

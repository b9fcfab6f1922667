"""What a made-up Kafka cluster keeps below its folder: who it is, its ports and passwords; of each node its settings and its data."""

from __future__ import annotations

import base64
import json
import re
import secrets
import shutil
import socket
import string
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from demo.broker_jars import RECIPE, CannotStart
from demo.broker_keys import Keys, write_private
from demo.children import die_with_parent

QUIET = [
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
]
"""How little the programs of Kafka say."""
_PASSWORD = re.compile(r"[A-Za-z0-9._~-]{8,}")


@dataclass(frozen=True, slots=True)
class Node:
    """One node: its number from 1, and its ports on 127.0.0.1. `tls` takes clients with a certificate (0: not secured). `front`: the
    port it tells clients of, where somebody stands between (0: nobody)."""

    number: int
    directory: str
    clients: int
    controllers: int
    tls: int
    front: int = 0


class Layout:
    """The cluster of one folder; `nodes` and `users` are known once it is held. The same every time, with the same ports."""

    def __init__(
        self, folder: Path, data: Path, count: int, users: Mapping[str, str], security: bool, fronted: bool
    ) -> None:
        """`data`: where the data of the nodes lies. `users`, `security` and `fronted`: as Cluster has them."""
        self.keys = Keys(folder)
        self.nodes: tuple[Node, ...] = ()
        self.users: dict[str, str] = {}
        self._folder, self._data = folder, data
        self._count, self._given = count, dict(users)
        self._security, self._fronted = security, fronted
        self._reserved: list[socket.socket] = []
        self._id = ""

    @property
    def held(self) -> bool:
        """Whether its ports are reserved."""
        return bool(self._reserved)

    def hold(self) -> None:
        """Make the cluster, or read what it is, and reserve its ports. Raises CannotStart when the folder holds another."""
        file = self._folder / "cluster.json"
        if not file.exists():
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._make(file)
            return
        told = json.loads(file.read_text("utf-8"))
        self._id, self.users = told["id"], told["users"]
        self.nodes = tuple(Node(**one) for one in told["nodes"])
        if (len(self.nodes), bool(self.users)) != (self._count, self._security) or not (
            self._given.items() <= self.users.items()
        ):
            raise CannotStart(f"{self._folder} holds another kind of Kafka cluster: give another folder or remove it")
        for node in self.nodes:
            for port in filter(None, (node.clients, node.controllers, node.tls, node.front)):
                self._reserve(port)

    def _make(self, file: Path) -> None:
        if self._security:
            self.users = {"admin": secrets.token_urlsafe(18), **self._given}
            if odd := [name for name, password in self.users.items() if not _PASSWORD.fullmatch(password)]:
                raise ValueError(f"passwords of Kafka users are eight or more of A-Z a-z 0-9 . _ ~ -: {odd}")
            self.keys.make()
        self._id = _kafka_uuid()
        self.nodes = tuple(
            Node(
                number,
                _kafka_uuid(),
                self._reserve(0),
                self._reserve(0),
                tls=self._reserve(0) if self._security else 0,
                front=self._reserve(0) if self._fronted else 0,
            )
            for number in range(1, self._count + 1)
        )
        for node in self.nodes:
            self.properties(node).write_text(self._configured(node), "utf-8")
        content = {"id": self._id, "nodes": [asdict(node) for node in self.nodes], "users": self.users}
        write_private(file, json.dumps(content, indent=1).encode())

    def release(self) -> None:
        """Give the ports back."""
        for held in self._reserved:
            held.close()
        self._reserved.clear()

    def _reserve(self, port: int) -> int:
        """Keep a port of 127.0.0.1 (0: any that is free) by a socket that is bound and never listens: a node can listen there, while
        the system gives the port to nobody else, not even for the while the node is down."""
        held = socket.socket()
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            held.bind(("127.0.0.1", port))
        except OSError as error:
            held.close()
            raise CannotStart(
                f"127.0.0.1:{port}, a port of the Kafka cluster in {self._folder}, cannot be had ({error.strerror}): "
                "end what holds it or remove the folder"
            ) from error
        self._reserved.append(held)
        return int(held.getsockname()[1])

    def properties(self, node: Node) -> Path:
        """The file of a node's settings."""
        return self._folder / f"node{node.number}.properties"

    def _configured(self, node: Node) -> str:
        listeners = [f"{'SASL_SSL' if self._security else 'PLAINTEXT'}://127.0.0.1:{node.clients}"]
        if self._security:
            listeners.append(f"SSL://127.0.0.1:{node.tls}")
        listeners.append(f"CONTROLLER://127.0.0.1:{node.controllers}")
        known = {
            "id": node.number,
            "quorum": ",".join(f"127.0.0.1:{one.controllers}" for one in self.nodes),
            "listeners": ",".join(listeners),
            "between": "SSL" if self._security else "PLAINTEXT",
            "data": self._data / f"node{node.number}",
            "copies": self._count,
            "session": 6000 if self._count == 3 else 2500,
            "in_sync": 2 if self._count == 3 else 1,
            "folder": self._folder,
            "advertised": "",
        }
        if node.front:
            known["advertised"] = "advertised.listeners=" + ",".join(
                one.replace(f":{node.clients}", f":{node.front}") for one in listeners if "CONTROLLER" not in one
            )
        files = ["server.properties", "secured.properties"] if self._security else ["server.properties"]
        return "".join(string.Template((RECIPE / name).read_text("utf-8")).substitute(known) for name in files)

    def format(self, jars: Path, within: Sequence[str]) -> None:
        """Write cluster, voters and users into data folders that do not have them; all nodes at once. `within`: what a program is
        started by that is to see these folders. Raises CannotStart."""
        quorum = ["--standalone"]
        if self._count > 1:
            voters = ",".join(f"{one.number}@127.0.0.1:{one.controllers}:{one.directory}" for one in self.nodes)
            quorum = ["--initial-controllers", voters]
        for name, password in self.users.items():
            quorum += ["--add-scram", f"SCRAM-SHA-512=[name={name},password={password}]"]
        running = []
        for node in self.nodes:
            if self._formatted(node).exists():
                continue
            shutil.rmtree(self._data / f"node{node.number}", ignore_errors=True)
            words = [
                *within,
                "java",
                "-Xmx128m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                *QUIET,
                "-cp",
                f"{jars}/*",
            ]
            words += ["kafka.tools.StorageTool", "format", "-t", self._id, "-c", str(self.properties(node)), *quorum]
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                preexec_fn=die_with_parent,
            )
            running.append((node, process))
        for node, process in running:
            said, _ = process.communicate()
            if process.returncode:
                raise CannotStart(f"Kafka node {node.number} could not be made: {said.strip()[-500:]}")
            self._formatted(node).touch()

    def _formatted(self, node: Node) -> Path:
        return self._folder / f"node{node.number}.formatted"


def _kafka_uuid() -> str:
    """As Kafka writes them; none that begins with a dash, which its commands take for an option."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text

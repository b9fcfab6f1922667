"""A real Apache Kafka on this machine, for demonstrations, tests and benchmarks. `python -m demo.broker --help`

Java 17 and, once a machine, Maven; no container. Every node is one Java process, broker and controller at once, with its data below
the folder of its cluster. Nodes die with the process that started them (Linux: with the thread, so start them from the main thread).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from demo.broker_jars import VERSION, CannotStart, fetch_jars, missing
from demo.broker_layout import QUIET, Layout, Node
from demo.children import die_with_parent

STARTED = b"Kafka Server started"
"""What a node logs once it is registered and takes requests."""
START_SECONDS = 90.0
STOP_SECONDS = 15.0


class Disk(Protocol):
    """Where the data of the nodes lies, when not in the cluster's own folder."""

    @property
    def folder(self) -> Path: ...

    @property
    def within(self) -> Sequence[str]:
        """What a program is started by that is to see this disk."""
        ...


class Cluster:
    """A cluster of 1 or 3 nodes below one folder. Data, ports and passwords stay as they are when it is started again.

    With `security` clients come by SASL_SSL with SCRAM-SHA-512, or by SSL with a certificate of `keys`; what no ACL allows is
    refused. `admin` may do everything; `users` (name: password) may do what `allow` says.
    """

    def __init__(
        self,
        folder: Path,
        nodes: int = 1,
        security: bool = False,
        *,
        users: Mapping[str, str] | None = None,
        fronted: bool = False,
        disk: Disk | None = None,
    ) -> None:
        """`fronted`: clients are told of other ports (`Node.front`), on which nobody listens yet. `disk`: the data lies there."""
        if nodes not in (1, 3):
            raise ValueError("a cluster has 1 node or 3")
        self.folder = folder.resolve()
        self.security = security or bool(users)
        data = disk.folder if disk else self.folder
        self._layout = Layout(self.folder, data, nodes, users or {}, self.security, fronted)
        self.keys = self._layout.keys
        self._within = list(disk.within) if disk else []
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._log_read: dict[int, int] = {}

    # --- how clients reach it --------------------------------------------------------------------------------------

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Known once it was started."""
        return self._layout.nodes

    @property
    def users(self) -> dict[str, str]:
        """name: password. Known once it was started."""
        return self._layout.users

    @property
    def bootstrap(self) -> str:
        """host:port of every node, for clients (SASL_SSL when secured, else plain). Known once it was started."""
        return ",".join(f"127.0.0.1:{node.front or node.clients}" for node in self.nodes)

    @property
    def bootstrap_tls(self) -> str:
        """The same for clients that show a certificate."""
        return ",".join(f"127.0.0.1:{node.tls}" for node in self.nodes)

    @property
    def ca(self) -> Path:
        """The PEM file of the authority that clients trust."""
        return self.keys.authority

    def arguments(self, user: str = "admin", password: str | None = None) -> dict[str, Any]:
        """What an aiokafka client is made with, for a user where the cluster is secured."""
        if not self.security:
            return {"bootstrap_servers": self.bootstrap}
        return {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": "SASL_SSL",
            "ssl_context": ssl.create_default_context(cafile=str(self.ca)),
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": user,
            "sasl_plain_password": self.users[user] if password is None else password,
        }

    # --- running ---------------------------------------------------------------------------------------------------

    def start(self, node: int | None = None) -> None:
        """Start all nodes that are not running, or one; make the cluster first when it is new. Does not wait. Raises CannotStart."""
        jars = fetch_jars()
        if shutil.which("java") is None:
            raise CannotStart(missing())
        if not self._layout.held:
            self._layout.hold()
            self._layout.format(jars, self._within)
        for one in self.nodes:
            if (node is None or one.number == node) and not self.running(one.number):
                self._start(one, jars)

    def until_ready(self, seconds: float = START_SECONDS) -> None:
        """Wait until every node that was started takes requests. Raises CannotStart when one ended or is too slow."""
        until = time.monotonic() + seconds
        waiting = set(self._processes)
        while waiting:
            for number in list(waiting):
                if not self.running(number):
                    tail = self.log(number).read_text("utf-8", "replace").strip().splitlines()[-3:]
                    raise CannotStart(f"Kafka node {number} ended: {' | '.join(tail)} (see {self.log(number)})")
                if self.ready(number):
                    waiting.discard(number)
                elif time.monotonic() > until:
                    raise CannotStart(f"Kafka node {number} is not up after {seconds:.0f} s; see {self.log(number)}")
            time.sleep(0.02)

    def ready(self, node: int) -> bool:
        """Whether a node has said since its last start that it takes requests."""
        with self.log(node).open("rb") as said:
            said.seek(self._log_read[node])
            return STARTED in said.read()

    def log(self, node: int) -> Path:
        """What a node says."""
        return self.folder / f"node{node}.log"

    def running(self, node: int) -> bool:
        """Whether a node has a process, paused or not."""
        process = self._processes.get(node)
        return process is not None and process.poll() is None

    def pid(self, node: int) -> int:
        """Of the node's process."""
        return self._processes[node].pid

    def kill(self, node: int) -> None:
        """SIGKILL, and wait until it is gone. Its port stays reserved."""
        process = self._processes.pop(node)
        process.kill()
        process.wait()

    def pause(self, node: int) -> None:
        """SIGSTOP: its connections stay open and nothing answers."""
        self._processes[node].send_signal(signal.SIGSTOP)

    def resume(self, node: int) -> None:
        """SIGCONT."""
        self._processes[node].send_signal(signal.SIGCONT)

    def stop(self, patience: float = STOP_SECONDS) -> None:
        """End all nodes; what does not end within `patience` seconds is killed. The data stays."""
        for process in self._processes.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        until = time.monotonic() + patience
        for process in self._processes.values():
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()
        self._layout.release()

    def _start(self, node: Node, jars: Path) -> None:
        heap = "-Xmx384m" if len(self.nodes) == 1 else "-Xmx320m"
        words = [*self._within, "java", "-Xms96m", heap, "-XX:+UseSerialGC", *QUIET]
        words += ["-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info", "-cp", f"{jars}/*"]
        words += ["kafka.Kafka", str(self._layout.properties(node))]
        log = self.log(node.number)
        with log.open("ab") as out:
            self._log_read[node.number] = out.seek(0, os.SEEK_END)
            self._processes[node.number] = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                cwd=self.folder,
                preexec_fn=die_with_parent,
            )


def main() -> int:
    """The process. Answers with its exit status."""
    make = argparse.ArgumentParser(
        prog="python -m demo.broker",
        description=f"Apache Kafka {VERSION} on this machine, until Ctrl-C. Prints the bootstrap servers when it takes requests.",
        epilog="With --secure the password of admin stands in DIR/cluster.json, and DIR/ca.pem is what clients trust.",
    )
    make.add_argument("--data", type=Path, default=Path("var/kafka"), metavar="DIR", help="its folder (var/kafka)")
    make.add_argument("--nodes", type=int, choices=(1, 3), default=1, help="3: every record has three copies")
    make.add_argument("--secure", action="store_true", help="TLS, SCRAM-SHA-512 and ACLs")
    make.add_argument("--fetch", action="store_true", help="only fetch the jars")
    given = make.parse_args()
    cluster = Cluster(given.data, given.nodes, given.secure)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if given.fetch:
            print(fetch_jars())
            return 0
        cluster.start()
        cluster.until_ready()
        print(cluster.bootstrap, flush=True)
        while all(cluster.running(node.number) for node in cluster.nodes):
            time.sleep(0.5)
        cluster.until_ready(0)
    except CannotStart as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        with contextlib.suppress(KeyboardInterrupt):
            cluster.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())

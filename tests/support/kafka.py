"""A real Apache Kafka for tests: one node a session, started when first asked for; other clusters where a test needs them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest

from demo.broker import Cluster
from demo.broker_jars import missing
from tests.support.needs import absent

MakeCluster = Callable[..., Cluster]
_OPERATIONS = {"read": 3, "write": 4, "create": 5, "delete": 6, "alter": 7, "describe": 8}
_RESOURCES = {"topic": 2, "group": 3, "cluster": 4, "transactional-id": 5}
_LITERAL, _PREFIXED, _ALLOW = 3, 4, 3


def needed() -> None:
    """Skip where a broker cannot run; in CI fail."""
    if sentence := missing():
        absent(sentence)


async def allow(cluster: Cluster, user: str, operations: Iterable[str], resource: str) -> None:
    """Let a user `read`, `write`, `create`, `delete`, `alter` or `describe` a resource: `topic:name`, `topic:start*`, `group:name`,
    `transactional-id:name`, `cluster:kafka-cluster`. What no ACL allows is refused."""
    kind, _, name = resource.partition(":")
    pattern = _PREFIXED if name.endswith("*") and name != "*" else _LITERAL
    name = name[:-1] if pattern == _PREFIXED else name
    admin = AIOKafkaAdminClient(**cluster.arguments())
    await admin.start()
    try:
        for operation in operations:
            request = CreateAclsRequest(
                _RESOURCES[kind], name, pattern, f"User:{user}", "*", _OPERATIONS[operation], _ALLOW
            )
            answer = await admin._send_request(request)
            refused = [message or code for code, message in answer.creation_responses if code]
            assert not refused, f"the broker does not let {user} {operation} {resource}: {refused}"
    finally:
        await admin.close()


@pytest.fixture(scope="session")
def broker() -> Iterator[Cluster]:
    """One plain node, kept for the session: kill and pause others, from `kafka_cluster`. Topics need names of their own."""
    needed()
    folder = Path(tempfile.mkdtemp(prefix="hoso-test-kafka-"))
    own = Cluster(folder)
    try:
        own.start()
        own.until_ready()
        yield own
    finally:
        own.stop(patience=0)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def kafka(broker: Cluster) -> str:
    """host:port of that node."""
    return broker.bootstrap


@pytest.fixture
def kafka_cluster() -> Iterator[MakeCluster]:
    """Makes clusters that a test has for itself: `kafka_cluster(nodes=3)`, `kafka_cluster(security=True, users={"relay": "…"})`; they
    take requests when it returns."""
    needed()
    made: list[Cluster] = []

    def make(nodes: int = 1, security: bool = False, users: Mapping[str, str] | None = None) -> Cluster:
        cluster = Cluster(Path(tempfile.mkdtemp(prefix="hoso-test-kafka-")), nodes, security, users=users)
        made.append(cluster)
        cluster.start()
        cluster.until_ready()
        return cluster

    yield make
    for cluster in made:
        cluster.stop(patience=0)
        shutil.rmtree(cluster.folder, ignore_errors=True)

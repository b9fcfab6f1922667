"""A real Apache Kafka for tests: one node a session, started when first asked for; other clusters where a test needs them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from demo.broker import Cluster
from demo.broker_jars import missing

MakeCluster = Callable[..., Cluster]


def needed() -> None:
    """Skip where a broker cannot run; in CI fail."""
    if sentence := missing():
        if os.environ.get("CI") == "true":
            pytest.fail(sentence)
        pytest.skip(sentence)


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

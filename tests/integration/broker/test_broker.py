"""The Kafka of demonstrations and tests is a real one: it keeps what it acknowledged, and refuses whom it should."""

from __future__ import annotations

import contextlib
import os
import select
import ssl
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError

from demo.broker import Cluster
from demo.broker_jars import CannotStart, fetch_jars
from tests.support.kafka import MakeCluster, allow


async def _topic(cluster: Cluster) -> str:
    name = f"t.{uuid.uuid4().hex}"
    admin = AIOKafkaAdminClient(**cluster.arguments())
    await admin.start()
    answer = await admin.create_topics([NewTopic(name, 1, len(cluster.nodes))])
    await admin.close()
    assert [code for _, code, _ in answer.topic_errors] == [0]
    return name


async def _written(topic: str, *values: bytes, **arguments: object) -> None:
    producer = AIOKafkaProducer(**arguments, enable_idempotence=True)
    await producer.start()
    try:
        for value in values:
            await producer.send_and_wait(topic, value)
    finally:
        await producer.stop()


async def _read(cluster: Cluster, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(**cluster.arguments(), auto_offset_reset="earliest")
    await consumer.start()
    consumer.assign([TopicPartition(topic, 0)])
    try:
        return [(await consumer.getone()).value for _ in range(count)]
    finally:
        await consumer.stop()


async def test_what_was_acknowledged_is_still_there_after_kill_9(kafka_cluster: MakeCluster) -> None:
    cluster = kafka_cluster()
    topic, before = await _topic(cluster), cluster.bootstrap
    await _written(topic, b"1", b"2", **cluster.arguments())
    cluster.kill(1)
    assert not cluster.running(1)
    cluster.start(1)
    cluster.until_ready()
    assert cluster.bootstrap == before, "clients find it where it was"
    await _written(topic, b"3", **cluster.arguments())
    assert await _read(cluster, topic, 3) == [b"1", b"2", b"3"]


async def test_a_cluster_outlives_the_program_that_made_it(kafka_cluster: MakeCluster) -> None:
    cluster = kafka_cluster(users={"relay": "a-password"})
    topic = await _topic(cluster)
    await _written(topic, b"1", **cluster.arguments())
    cluster.stop()
    again = Cluster(cluster.folder, security=True)
    try:
        again.start()
        again.until_ready()
        assert (again.bootstrap, again.users) == (cluster.bootstrap, cluster.users)
        assert await _read(again, topic, 1) == [b"1"]
    finally:
        again.stop(patience=0)
    with pytest.raises(CannotStart, match="another kind"):
        Cluster(cluster.folder, nodes=3).start()


async def test_three_nodes_go_on_without_one(kafka_cluster: MakeCluster) -> None:
    cluster = kafka_cluster(nodes=3)
    topic = await _topic(cluster)
    await _written(topic, b"1", **cluster.arguments())
    cluster.kill(1)
    await _written(topic, b"2", **cluster.arguments())
    assert await _read(cluster, topic, 2) == [b"1", b"2"]


async def test_a_secured_cluster_lets_in_only_whom_it_knows_and_only_where_they_may(kafka_cluster: MakeCluster) -> None:
    cluster = kafka_cluster(users={"relay": "a-password"})
    topic, other = await _topic(cluster), await _topic(cluster)
    await allow(cluster, "relay", ["write"], f"topic:{topic}")
    await _written(topic, b"1", **cluster.arguments("relay"))
    with pytest.raises(TopicAuthorizationFailedError):
        await _written(other, b"1", **cluster.arguments("relay"))
    with pytest.raises(KafkaConnectionError):
        await _written(topic, b"2", **cluster.arguments("relay", "another-password"))
    with pytest.raises(KafkaConnectionError):
        await _written(topic, b"2", bootstrap_servers=cluster.bootstrap)

    trusting = ssl.create_default_context(cafile=str(cluster.ca))
    by_certificate = {"bootstrap_servers": cluster.bootstrap_tls, "security_protocol": "SSL", "ssl_context": trusting}
    with pytest.raises(KafkaConnectionError):
        await _written(topic, b"2", **by_certificate)
    trusting.load_cert_chain(*cluster.keys.issue("relay"))
    await _written(topic, b"3", **by_certificate)
    assert await _read(cluster, topic, 2) == [b"1", b"3"]


async def test_a_mistyped_topic_is_not_made(broker: Cluster, kafka: str) -> None:
    assert kafka == broker.bootstrap
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        (described,) = await admin.describe_topics(["enrolment.reqeusts"])
        assert described["error_code"] == 3, "unknown"
        assert "enrolment.reqeusts" not in await admin.list_topics()
    finally:
        await admin.close()


def test_nodes_die_with_the_program_that_started_them(tmp_path: Path, broker: Cluster) -> None:
    assert broker.running(1), "the machine has what a node needs"
    script = (
        "import os, signal, sys, pathlib; from demo.broker import Cluster\n"
        "own = Cluster(pathlib.Path(sys.argv[1])); own.start(); own.until_ready()\n"
        "print(own.pid(1), flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "kafka")], capture_output=True, text=True)
    node = int(done.stdout)
    assert done.returncode == -9
    with contextlib.suppress(ProcessLookupError):
        assert select.select([os.pidfd_open(node)], [], [], 10)[0], "the node still runs"


def test_jars_that_cannot_be_had_are_told_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotStart, match="apt-get install --no-install-recommends default-jre-headless maven"):
        fetch_jars()
    assert not list(tmp_path.iterdir()), "nothing half fetched is left"

"""`hoso topics` on a real cluster: made, compared, altered, refused; rights; and a topic that was lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError

from demo.broker import Cluster
from hoso.kafka.admin import administered
from hoso.kafka.connection import Broker
from hoso.kafka.topics import DAY_MS, differences
from hoso.runtime.failures import HosoError
from schemas.topics import TOPICS
from tests.integration.cli.command import Cli
from tests.support.kafka import MakeCluster
from tests.support.waiting import eventually

ADMIN = "agency.replied"


@pytest.fixture
def cli(url: str, tmp_path: Path) -> Cli:
    return Cli(url, tmp_path / "var")


class Hand:
    """Somebody who changes the cluster behind our back."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def _do(self, what: str, *words: Any) -> Any:
        admin = AIOKafkaAdminClient(**self._cluster.arguments())
        await admin.start()
        try:
            return await getattr(admin, what)(*words)
        finally:
            await admin.close()

    async def set(self, topic: str, **settings: str) -> None:
        named = {name.replace("_", "."): value for name, value in settings.items()}
        await self._do("alter_configs", [ConfigResource(ConfigResourceType.TOPIC, topic, named)])

    async def settings(self, topic: str) -> dict[str, str]:
        """Those set on the topic itself."""
        (answer,) = await self._do("describe_configs", [ConfigResource(ConfigResourceType.TOPIC, topic)])
        ((_, _, _, _, entries),) = answer.resources
        return {entry[0]: entry[1] for entry in entries if entry[3] == 1}

    async def delete(self, topic: str) -> None:
        await self._do("delete_topics", [topic])

        async def gone() -> bool:
            return topic not in await self._do("list_topics")

        await eventually(gone, f"{topic} to be gone")

    async def make(self, topic: str, partitions: int) -> None:
        answer = await self._do("create_topics", [NewTopic(topic, partitions, 1)])
        assert [code for _, code, _ in answer.topic_errors] == [0]


async def test_the_cluster_becomes_what_the_table_says_and_nothing_is_destroyed(
    cli: Cli, kafka_cluster: MakeCluster
) -> None:
    cluster = kafka_cluster()
    hand, env = Hand(cluster), {"HOSO_LOG": f"kafka://{cluster.bootstrap}"}

    missing = await cli("topics", "diff", "--json", **env)
    assert missing.status == 1
    assert {t.name for t in TOPICS} < {row["topic"] for row in missing.json}
    assert {row["kind"] for row in missing.json} == {"missing"}
    assert (
        await cli("topics", "apply", "--copies", "3", **env)
    ).err == "hoso: 3 copies need 3 brokers, and the cluster has 1\n"
    done = await cli("topics", "apply", **env)
    assert (done.status, done.err) == (0, "")
    assert f"{ADMIN}: made, 8×1 (partitions×copies)" in done.out
    same = await cli("topics", "diff", **env)
    assert (same.status, same.out) == (0, "Every topic is as the table says.\n")
    listed = {row["topic"]: row for row in (await cli("topics", "list", "--json", **env)).json}
    assert (listed[ADMIN]["partitions"], listed[ADMIN]["copies"]) == (8, 1)

    added = await cli("tenant", "add", "acme", **env)
    assert "Run `hoso topics apply` to make the topic enrolment.requests.acme in Kafka." in added.out
    told = await cli("topics", "diff", **env)
    assert told.status == 1
    assert {line.split(":")[0] for line in told.out.splitlines()} == {
        "enrolment.requests.acme",
        "enrolment.requests.acme.hoso.intake.dlq",
    }
    assert (await cli("topics", "apply", **env)).status == 0
    assert (await hand.settings("enrolment.requests.acme"))["compression.type"] == "uncompressed"

    ours = {"cleanup_policy": "delete", "min_insync_replicas": "1"}
    await hand.set(ADMIN, **ours, retention_ms=str(7 * DAY_MS), segment_ms="3600000")
    told = await cli("topics", "diff", **env)
    assert told.out == f"{ADMIN}: retention.ms is {7 * DAY_MS} and should be {14 * DAY_MS}\n"
    assert (await cli("topics", "apply", **env)).status == 0
    assert await hand.settings(ADMIN) == {
        "cleanup.policy": "delete",
        "min.insync.replicas": "1",
        "retention.ms": str(14 * DAY_MS),
        "segment.ms": "3600000",
    }

    await hand.set(ADMIN, **ours, retention_ms=str(30 * DAY_MS))
    refused = await cli("topics", "apply", **env)
    assert (refused.status, refused.out) == (2, "")
    assert refused.err == (
        f"hoso: topic {ADMIN}: retention.ms from {30 * DAY_MS} to {14 * DAY_MS} may lose events; add --yes if that is what you want\n"
    )
    assert (await hand.settings(ADMIN))["retention.ms"] == str(30 * DAY_MS)
    assert (await cli("topics", "apply", "--yes", **env)).status == 0
    assert (await hand.settings(ADMIN))["retention.ms"] == str(14 * DAY_MS)

    await hand.delete(ADMIN)
    await hand.make(ADMIN, 1)
    refused = await cli("topics", "apply", "--yes", **env)
    assert refused.status == 2
    assert refused.err.startswith(f"hoso: topic {ADMIN} has 1 partitions instead of 8: that cannot be mended")
    assert len(refused.err.splitlines()) == 1
    nobody = await cli("topics", "acls", "--apply", **env)
    assert (nobody.status, nobody.out) == (2, "")
    assert "checks nobody's rights" in nobody.err


async def test_a_broker_that_is_away_makes_no_topic_smaller(kafka_cluster: MakeCluster) -> None:
    cluster = kafka_cluster(nodes=3)
    broker, name = Broker.of(f"kafka://{cluster.bootstrap}"), "enrolment.requests.acme"
    async with administered(broker) as admin:
        should, _ = await admin.planned([name], len(broker.servers))
        await admin.make(should)
    cluster.kill(3)

    async def missed() -> bool:
        try:
            async with administered(broker) as admin:
                return await admin.brokers() == 2
        except HosoError:  # its connection was to the one that is gone
            return False

    await eventually(missed, "the broker to be missed", 60)
    async with administered(broker) as admin:
        for servers in (3, 1):  # all are named in HOSO_LOG, or only one
            again, there = await admin.planned([name], servers)
            assert [topic.copies for topic in again] == [topic.copies for topic in should]
            assert {topic.copies for topic in again} == {3}
            assert differences(again, there) == []


async def test_without_kafka_there_is_nothing_to_apply(cli: Cli, unused_tcp_port: int) -> None:
    for words in (("diff",), ("apply",), ("acls",), ("resend", ADMIN, "--all")):
        told = await cli("topics", *words)
        assert (told.status, told.out) == (2, "")
        assert "HOSO_LOG=postgres" in told.err
    away = await cli("topics", "diff", HOSO_LOG=f"kafka://127.0.0.1:{unused_tcp_port}")
    assert away.status == 2
    assert away.err.count("\n") == 1
    assert "no Kafka answers" in away.err


@pytest.fixture
def unused_tcp_port() -> int:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


async def test_rights_are_what_each_needs_and_no_more(cli: Cli, kafka_cluster: MakeCluster, tmp_path: Path) -> None:
    cluster = kafka_cluster(security=True, users={"acme": "correct-horse-1", "hoso.intake": "correct-horse-2"})
    word = tmp_path / "word"
    word.write_text(cluster.users["admin"])
    env = {
        "HOSO_LOG": f"kafka+sasl-ssl://{cluster.bootstrap}",
        "HOSO_KAFKA_CA": str(cluster.ca),
        "HOSO_KAFKA_USER": "admin",
        "HOSO_KAFKA_PASSWORD_FILE": str(word),
    }
    for tenant in ("acme", "globex"):
        assert (await cli("tenant", "add", tenant)).status == 0
    mine = tmp_path / "acme"
    mine.write_text(cluster.users["acme"])
    refused = await cli("topics", "apply", **{**env, "HOSO_KAFKA_USER": "acme", "HOSO_KAFKA_PASSWORD_FILE": str(mine)})
    assert refused.status == 2
    assert "cannot be made: Authorization failed" in refused.err
    applied = await cli("topics", "apply", **env)
    assert (applied.status, applied.err) == (0, "")
    shown = await cli("topics", "acls", "--json", **env)
    granted = await cli("topics", "acls", "--apply", **env)
    assert (granted.status, granted.err) == (0, "")
    assert granted.out == f"{len(shown.json)} rights are granted.\n"
    commands = (await cli("topics", "acls", "--commands", **env)).out.splitlines()
    assert len(commands) == len(shown.json)
    assert all(line.startswith("kafka-acls.sh --bootstrap-server 127.0.0.1:") for line in commands)

    acme = AIOKafkaProducer(**cluster.arguments("acme"), enable_idempotence=True)
    await acme.start()
    try:
        await acme.send_and_wait("enrolment.requests.acme", b"{}")
        for foreign in ("enrolment.requests.globex", "enrolment.progressed", "enrolment.requested"):
            with pytest.raises(TopicAuthorizationFailedError):
                await acme.send_and_wait(foreign, b"{}")
    finally:
        await acme.stop()
    assert await reads(cluster, "acme", "acme.erp", "enrolment.progressed") is None
    assert await reads(cluster, "acme", "hoso.intake", "enrolment.progressed") is GroupAuthorizationFailedError
    assert await reads(cluster, "acme", "acme.erp", "enrolment.requests.acme") is TopicAuthorizationFailedError
    assert await reads(cluster, "hoso.intake", "hoso.intake", "enrolment.requests.acme") is None
    assert await reads(cluster, "hoso.intake", "hoso.intake", "mail.received") is TopicAuthorizationFailedError


async def reads(cluster: Cluster, user: str, group: str, topic: str) -> type[Exception] | None:
    """What a reader is refused with."""
    consumer = AIOKafkaConsumer(topic, **cluster.arguments(user), group_id=group, auto_offset_reset="earliest")
    try:
        await consumer.start()
        await consumer.getmany(timeout_ms=500)
    except (GroupAuthorizationFailedError, TopicAuthorizationFailedError) as error:
        return type(error)
    finally:
        await consumer.stop()
    return None


def test_the_rights_of_a_producing_system_stand_in_its_page() -> None:
    page = (Path(__file__).parents[3] / "docs" / "producing.md").read_text("utf-8")
    for word in ("enrolment.requests.<tenant>", "enrolment.progressed", "`<tenant>.`", json.dumps("specversion")[1:-1]):
        assert word in page

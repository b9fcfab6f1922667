"""Trends, with faust-streaming in its own environment on a real Kafka: counted, counted once, counted again from the beginning."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from hoso.kafka import headers
from hoso.kafka.access import rights
from hoso.kafka.admin import administered
from hoso.kafka.connection import Broker
from hoso.log.partitions import partition_of
from hoso.log.port import Record
from hoso.runtime.clock import WorldClock
from hoso.runtime.ids import uuid7
from hoso.runtime.outgoing import Cause, Source, entry_of
from hoso.runtime.steps import Tell
from hoso.settings import load
from schemas.events import EnrolmentProgressed
from schemas.topics import PARTITIONS, TOPICS
from schemas.units import Stage
from tests.support.kafka import MakeCluster
from tests.support.needs import absent
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".venv-trends" / "bin" / "python"
TOPIC = "enrolment.progressed"
BEGAN = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=10)


@pytest.fixture(scope="module", autouse=True)
def _environment() -> None:
    if not PYTHON.exists():
        absent("faust-streaming is not here: bash scripts/trends.sh")


class Outbox:
    """Writes enrolment.progressed as a relay does, each event under its own number."""

    def __init__(self, producer: AIOKafkaProducer, tenant: str) -> None:
        self._producer = producer
        self._source = str(uuid.uuid4())
        self._next = dict.fromkeys(range(PARTITIONS), 0)
        self.tenant = tenant
        self.sent: list[Record] = []

    async def tell(self, unit: UUID, enrolment: UUID, stage: Stage, at: datetime, progress: int = 50) -> None:
        fact = EnrolmentProgressed(enrolment=enrolment, request="r", stage=stage, progress=progress)
        entry = entry_of(
            Source("hoso.enrolment", "test", {}), Cause(unit, self.tenant, enrolment, None), Tell(fact), at
        )
        off = self._next[entry.part]
        self._next[entry.part] += 1
        record = Record(entry.topic, entry.part, off, at, entry.type, unit, self.tenant, entry.body)
        self.sent.append(record)
        await self.send(record)

    async def send(self, record: Record) -> None:
        told = headers.written(self._source, 0, record)
        key = str(record.subject).encode()
        await self._producer.send_and_wait(record.topic, record.body, key=key, partition=record.part, headers=told)


@contextlib.asynccontextmanager
async def trends(kafka: str, folder: Path, version: int, **given: str) -> AsyncIterator[str]:
    """The process; what it answers at. It listens nowhere else."""
    process = await asyncio.create_subprocess_exec(
        *(str(PYTHON), "-m", "services.ops.trends", "--http", "127.0.0.1:0", "--version", str(version)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=sys.stderr,
        env={"PATH": os.environ["PATH"], "HOSO_LOG": f"kafka://{kafka}", "HOSO_VAR": str(folder), **given},
    )
    assert process.stdout is not None
    try:
        url = str(json.loads(await asyncio.wait_for(process.stdout.readline(), 30))["http"])
        listening = [one for one in psutil.Process(process.pid).net_connections("inet") if one.status == "LISTEN"]
        assert [f"http://{one.laddr.ip}:{one.laddr.port}" for one in listening] == [url]
        yield url
    finally:
        process.kill()
        await process.wait()


async def ask(url: str, tenant: str) -> dict[str, Any]:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/trends?minutes=60") as answer:
        told = await answer.json()
    mine: dict[str, Any] = {
        part: [row for row in told[part] if row["tenant"] == tenant] for part in ("events", "stages", "now")
    }
    return mine


def counted(told: dict[str, Any]) -> int:
    return sum(row["count"] for row in told["events"])


def spent(told: dict[str, Any], stage: str) -> tuple[int, float, float]:
    """How many left a stage, how long they had been in it in all, and the longest."""
    rows = [row for row in told["stages"] if row["stage"] == stage]
    return (
        sum(row["count"] for row in rows),
        sum(row["count"] * row["mean"] for row in rows),
        max(row["longest"] for row in rows),
    )


@contextlib.asynccontextmanager
async def made(**arguments: Any) -> AsyncIterator[Outbox]:
    """The topics, and somebody who writes to them."""
    admin = AIOKafkaAdminClient(**arguments)
    await admin.start()
    await admin.create_topics([NewTopic(topic.name, topic.partitions, 1) for topic in TOPICS])
    await admin.close()
    producer = AIOKafkaProducer(**arguments)
    await producer.start()
    try:
        yield Outbox(producer, f"t{uuid.uuid4().hex[:12]}")
    finally:
        await producer.stop()


@pytest.fixture
async def outbox(kafka: str) -> AsyncIterator[Outbox]:
    async with made(bootstrap_servers=kafka) as own:
        yield own


async def test_events_are_counted_once_by_topic_stage_and_tenant_and_again_from_the_beginning(
    kafka: str, outbox: Outbox, tmp_path: Path
) -> None:
    units = [uuid7() for _ in range(20)]
    assert len({partition_of(unit, PARTITIONS) for unit in units}) > 1
    enrolments = [uuid7() for _ in units]
    for unit, enrolment in zip(units, enrolments, strict=True):
        await outbox.tell(unit, enrolment, Stage.REQUESTED, BEGAN)
        await outbox.tell(unit, enrolment, Stage.FILED, BEGAN + timedelta(seconds=30))
    await outbox.tell(units[0], enrolments[0], Stage.ENROLLED, BEGAN + timedelta(seconds=90), progress=100)
    version = int(WorldClock().now().timestamp() * 1000) % 10**9
    async with trends(kafka, tmp_path, version) as url:

        async def all_there() -> bool:
            return counted(await ask(url, outbox.tenant)) == 41

        await eventually(all_there, "41 events to be counted")
        behind_them = partition_of(units[1], PARTITIONS)
        repeated = [record for record in outbox.sent if record.part == behind_them]
        for record in repeated:  # as after a relay's failover
            await outbox.send(record)
        await outbox.tell(units[1], enrolments[1], Stage.ENROLLED, BEGAN + timedelta(seconds=60), progress=100)

        async def behind() -> bool:
            return counted(await ask(url, outbox.tenant)) >= 42

        await eventually(behind, "what was sent behind the repeated ones to be counted")
        told = await ask(url, outbox.tenant)
    assert counted(told) == 42
    assert {row["topic"] for row in told["events"]} == {TOPIC}
    assert all(row["longest"] >= 500 for row in told["events"])
    assert spent(told, "requested") == (20, 600.0, 30.0)
    assert spent(told, "filed") == (2, 90.0, 60.0)
    (now,) = told["now"]
    assert (now["stage"], now["count"]) == ("filed", 18)
    assert now["oldest"] >= 500

    async with trends(kafka, tmp_path, version + 1) as url:

        async def again() -> bool:
            return counted(await ask(url, outbox.tenant)) == 42

        await eventually(again, "everything to be counted from the beginning")
        (now,) = (await ask(url, outbox.tenant))["now"]
        assert (now["stage"], now["count"]) == ("filed", 18)


async def test_the_rights_that_hoso_topics_acls_prints_suffice(kafka_cluster: MakeCluster, tmp_path: Path) -> None:
    cluster = kafka_cluster(security=True, users={"hoso.trends": "correct-horse-1"})

    def user(name: str) -> dict[str, str]:
        word = tmp_path / name
        word.write_text(cluster.users[name])
        return {
            "log": f"kafka+sasl-ssl://{cluster.bootstrap}",
            "kafka_ca": str(cluster.ca),
            "kafka_user": name,
            "kafka_password_file": str(word),
        }

    async with made(**cluster.arguments("admin")) as own:
        async with administered(Broker.of_settings(load(**user("admin")))) as admin:
            await admin.allow([right for right in rights([]) if right.user == "hoso.trends"])
        given = {f"HOSO_{name.upper()}": value for name, value in user("hoso.trends").items()}
        async with trends(cluster.bootstrap, tmp_path, 1, **given) as url:
            await own.tell(uuid7(), uuid7(), Stage.REQUESTED, BEGAN)

            async def there() -> bool:
                return counted(await ask(url, own.tenant)) == 1

            await eventually(there, "the event to be counted")
            parts = [TopicPartition("hoso.trends-events-changelog", part) for part in range(PARTITIONS)]
            async with AIOKafkaConsumer(**cluster.arguments("admin")) as reader:

                async def kept() -> bool:
                    return sum((await reader.end_offsets(parts)).values()) > 0

                await eventually(kept, "the table to be kept in Kafka")

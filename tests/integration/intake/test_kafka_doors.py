"""Producing systems at a real Kafka: librdkafka's kcat and examples/producer.py publish, and are answered on enrolment.progressed."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaConsumer

from demo.broker import Cluster
from hoso.kafka import headers as ours
from hoso.log.port import Record
from hoso.store.postgres import Database
from schemas.events import EnrolUnit, RequestRefused
from schemas.topics import topic_named
from tests.integration.cli.command import ROOT, Cli
from tests.integration.intake.house import OTHER_EMAIL, fields, furnished
from tests.support.kafka import MakeCluster
from tests.support.needs import absent
from tests.support.waiting import eventually

TOPIC = "enrolment.requests.hoaban"
BINARY = ["-H", "ce_specversion=1.0", "-H", f"ce_type={EnrolUnit.TYPE}", "-H", "ce_id=1", "-H", "ce_source=erp"]
WHOLE = ["-H", "content-type=application/cloudevents+json"]


@asynccontextmanager
async def running(db: Database, folder: Path, cluster: Cluster) -> AsyncIterator[Cli]:
    """Intake, enrolment and the relay of a house with two tenants, on Kafka."""
    await furnished(db, folder)
    cli = Cli(db.url, folder)
    env = {"HOSO_LOG": f"kafka://{cluster.bootstrap}"}
    for words in (("migrate",), ("topics", "apply")):
        done = await cli(*words, **env)
        assert done.status == 0, done.err
    async with AsyncExitStack() as stack:
        for name in ("relay", "intake", "enrolment", "ops"):
            stack.push_async_callback((await cli.run(name, **env)).stop)
        yield cli


def kcat() -> str:
    """The program; a missing one skips here, and fails in CI."""
    found = shutil.which("kcat")
    if found is None:
        absent("kcat is not installed: run `bash scripts/test-tools.sh`")
    return found


def publish(cluster: Cluster, folder: Path, value: Any, *words: str, topic: str = TOPIC) -> None:
    """One record into partition 0, as another client writes it."""
    file = folder / "record"
    file.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
    subprocess.run(
        [kcat(), "-P", "-b", cluster.bootstrap, "-t", topic, "-p", "0", *words, str(file)], check=True, timeout=30
    )


def event(data: Any, **other: Any) -> dict[str, Any]:
    return {"specversion": "1.0", "id": "1", "source": "erp", "type": EnrolUnit.TYPE, "data": data, **other}


async def answers(cluster: Cluster, wanted: set[str]) -> dict[str, Any]:
    """The first answer to each of these requests."""
    reader = AIOKafkaConsumer("enrolment.progressed", bootstrap_servers=cluster.bootstrap, auto_offset_reset="earliest")
    await reader.start()
    found: dict[str, Any] = {}
    try:
        async with asyncio.timeout(60):
            while not wanted <= set(found):
                record = await reader.getone()
                told = json.loads(record.value)
                assert dict(record.headers)["hoso-tenant"].decode() == told["tenant"]
                found.setdefault(told["data"]["request"], told)
    except TimeoutError:
        raise AssertionError(f"no answer to {wanted - set(found)}") from None
    finally:
        await reader.stop()
    return found


async def test_whatever_another_client_publishes_is_answered_or_kept_with_its_reason(
    db: Database, tmp_path: Path, kafka_cluster: MakeCluster
) -> None:
    kcat()
    cluster = kafka_cluster()
    async with running(db, tmp_path, cluster):
        faked = ours.written(
            str(await db.pool.fetchval("select id from log.source")),
            2**30,
            Record("x", 0, 2**61, topic_time(), "t", uuid4(), "lienminh", b""),
        )
        lies = [word for name, value in faked for word in ("-H", f"{name}={value.decode()}")]

        def bad(value: Any, *words: str) -> None:
            publish(cluster, tmp_path, value, *words)

        bad(b"\x00\xff broken", *WHOLE)
        bad(b"{", "-z", "gzip")
        bad(b"<xml/>", "-H", "content-type=text/xml")
        subprocess.run(
            [kcat(), "-P", "-b", cluster.bootstrap, "-t", TOPIC, "-p", "0", "-Z", "-k", "k"], input=b"", check=True
        )
        publish(cluster, tmp_path, b"", "-Z", "-k", "k")
        bad(event({"request": "other-type", "fields": {}}, type="vn.hoso.enrolment.progressed.v1"), *WHOLE)
        bad(event({"request": "too-large", "fields": {}, "remarks": "x" * 200_000}), *WHOLE, "-z", "zstd")
        bad(event({"request": "no-fields"}), *WHOLE)
        bad(event({"request": "wrong-data", "fields": fields(1, phone="12")}), *WHOLE)
        bad(event({"request": "lying", "fields": fields(2, email=OTHER_EMAIL)}, tenant="lienminh"), *WHOLE, *lies)
        bad({"request": "bare", "fields": fields(3)})
        for codec in ("snappy", "lz4", "zstd", "gzip"):
            publish(cluster, tmp_path, event({"request": f"good-{codec}", "fields": fields(4)}), *WHOLE, "-z", codec)
        publish(cluster, tmp_path, {"request": "good-binary", "fields": fields(5)}, *BINARY, "-k", "T")
        publish(cluster, tmp_path, event({"request": "good-binary", "fields": fields(5)}), *WHOLE)

        refused = {"other-type", "too-large", "no-fields", "wrong-data", "lying", "bare"}
        told = await answers(cluster, refused | {"good-snappy", "good-binary"})
        for request in refused:
            assert told[request]["type"] == RequestRefused.TYPE
            assert told[request]["data"]["errors"]
        assert {answer["tenant"] for answer in told.values()} == {"hoaban"}
        assert "hoso mailbox add" in told["lying"]["data"]["errors"][0]
        assert told["good-binary"]["data"]["stage"]

        async def read() -> bool:
            return await db.pool.fetchval("select count(*) from log.call") == 0

        await eventually(read, "every request to be admitted", 30)
        dead = await db.pool.fetch("select error, body from log.dead order by off")
        assert [row["body"][:9] for row in dead[:3]] == [b"\x00\xff broken", b"{", b"<xml/>"]
        for row, why in zip(dead, ("not UTF-8", "not JSON", "text/xml", "no value"), strict=False):
            assert why in row["error"]
        requested = await db.pool.fetch("select tenant, body from log.event where topic = 'enrolment.requested'")
        assert sorted(json.loads(r["body"])["data"]["form"]["unit_code"] for r in requested) == ["TA0004Z", "TA0005Z"]
        assert {row["tenant"] for row in requested} == {"hoaban"}
        assert await db.pool.fetchval("select count(*) from log.held") == 0
        stand = await db.pool.fetchrow("select off, kafka from log.position where topic = $1 and part = 0", TOPIC)
        assert stand["off"] == 0, "a stranger's headers say nothing of our own log"


def topic_time() -> Any:
    from datetime import UTC, datetime

    assert topic_named(TOPIC).strangers
    return datetime(2026, 3, 2, tzinfo=UTC)


async def test_the_example_of_a_producing_system_is_told_what_became_of_its_request(
    db: Database, tmp_path: Path, kafka_cluster: MakeCluster
) -> None:
    cluster = kafka_cluster()
    async with running(db, tmp_path, cluster) as cli:

        async def produce(*words: str) -> asyncio.subprocess.Process:
            return await asyncio.create_subprocess_exec(
                sys.executable, str(ROOT / "examples" / "producer.py"), *words,
                env={**os.environ, "KAFKA": cluster.bootstrap}, stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip

        def cells(number: int, **other: str) -> list[str]:
            return [f"{name}={value}" for name, value in fields(number, **other).items()]

        wrong = await produce("hoaban", "erp-1", *cells(1, phone="12"))
        out, _ = await asyncio.wait_for(wrong.communicate(), 60)
        assert wrong.returncode == 1
        assert "Điện thoại" in json.loads(out)["errors"][0]

        right = await produce("hoaban", "erp-2", *cells(2))
        try:
            assert right.stdout is not None
            first = json.loads(await asyncio.wait_for(right.stdout.readline(), 60))
            assert (first["request"], first["unit_code"]) == ("erp-2", "TA0002Z")

            async def cancelled() -> bool:
                return (await cli("enrolment", "cancel", "TA0002Z", "--reason", "test")).status == 0

            await eventually(cancelled, "ops to know the enrolment, so that it can be cancelled", 30)
            out, _ = await asyncio.wait_for(right.communicate(), 60)
        finally:
            if right.returncode is None:
                right.kill()
                await right.wait()
        assert json.loads(out.splitlines()[-1])["stage"] == "cancelled"
        assert right.returncode == 1

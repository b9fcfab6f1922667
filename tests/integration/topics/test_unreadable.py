"""A stranger's record that the client library cannot read stops nobody: it is a dead letter, and what lies around it is read."""

from __future__ import annotations

import subprocess
from uuid import uuid4

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from app.world import world_clock
from hoso.kafka.connection import Broker
from hoso.kafka.log import KafkaLog
from hoso.log.port import Record
from hoso.store.postgres import Database
from schemas.topics import topic_named
from tests.integration.intake.test_kafka_doors import kcat
from tests.support.waiting import eventually

VALUE = b'{"request": "%d", "fields": {}, "remarks": "' + b"x" * 5_000 + b'"}'
"""Long enough to be worth compressing."""
HEADERS = [b"ce_specversion=1.0", b"ce_type=vn.hoso.enrolment.request.v1"]


async def test_a_header_name_that_is_no_text_and_a_codec_nobody_has_are_passed(db: Database, kafka: str) -> None:
    program, name = kcat(), f"enrolment.requests.t{uuid4().hex[:12]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    answer = await admin.create_topics(
        [NewTopic(name, 1, 1)]
    )  # as somebody made it who does not know `hoso topics apply`
    await admin.close()
    assert [code for _, code, _ in answer.topic_errors] == [0]

    def publish(number: int, *words: bytes) -> None:
        told = [word for header in HEADERS for word in (b"-H", header)]
        subprocess.run(
            [program.encode(), b"-P", b"-b", kafka.encode(), b"-t", name.encode(), b"-p", b"0", *told, *words],
            input=VALUE % number, check=True, timeout=30,
        )  # fmt: skip

    publish(0)
    publish(1, b"-H", b"\xff\xfe=1")
    publish(2)
    publish(3, b"-z", b"zstd")
    publish(4, b"-H", b"\xff=1", b"-z", b"gzip")
    publish(5)
    found: list[Record] = []
    now = (await world_clock(db.pool)).now
    log = KafkaLog(
        db.pool, f"hoso.{uuid4().hex}", [topic_named(name)], uuid4(), lambda: None,
        broker=Broker.of(f"kafka://{kafka}"), environment="test", now=now,
    )  # fmt: skip

    async def all_read() -> bool:
        records = list(await log.read(100))
        if records:
            async with db.pool.acquire() as tx, tx.transaction():
                await log.fence(tx, records)
                await log.move(tx, records)
            log.moved(records)
            found.extend(records)
        return len(found) >= 6

    try:
        await eventually(all_read, f"six records, found {found}", 60)
    finally:
        await log.close()
    assert [(r.off, r.subject is None) for r in found] == [
        (0, False),
        (1, True),
        (2, False),
        (3, True),
        (4, True),
        (5, False),
    ]
    assert "UnicodeDecodeError" in found[1].type
    assert "zstd" in found[3].type

"""Dead letters as Kafka's readers expect them: each row of log.dead goes once to `<topic>.<group>.dlq`.

The row is written in the transaction that passes the record (hoso/runtime/consumer.py); it is the letter. What lies in Kafka
is a copy for others: payload unchanged, where it came from in the headers, the letter's id as key. Sent, then marked; so
after a crash it may come twice, under the same key. A missing topic or a refusal keeps the letters here, with one sentence a minute
and `hoso_dead_letters_unpublished`; nothing else waits for it.

dlq-id, dlq-reason, dlq-error, dlq-source-topic, dlq-source-partition, dlq-source-offset, dlq-group, dlq-attempts, dlq-failed-at (ISO 8601,
UTC); traceparent, where the payload has one
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from hoso.kafka.connection import Broker, connected, quiet
from hoso.kafka.topics import dlq_of
from hoso.runtime.consumer import LOST
from hoso.runtime.kernel import Kernel

log = logging.getLogger(__name__)

HELPING = 100
LOOK_S = 1.0
TELL_S = 60.0
STUCK_S = 30.0

_UNPUBLISHED = """
select id, grp, topic, part, off, reason, error, body, failed_at from log.dead
where published_at is null and not (topic || '.' || grp || '.dlq') = any($1) order by at, id limit $2
"""
Redrives = Callable[[Any, str, bytes], Awaitable[int]]


def headers_of(row: Any, attempts: int) -> list[tuple[str, bytes]]:
    """What is said of a letter beside its payload."""
    said = {
        "dlq-id": str(row["id"]),
        "dlq-reason": row["reason"],
        "dlq-error": row["error"],
        "dlq-source-topic": row["topic"],
        "dlq-source-partition": str(row["part"]),
        "dlq-source-offset": str(row["off"]),
        "dlq-group": row["grp"],
        "dlq-attempts": str(attempts),
        "dlq-failed-at": row["failed_at"].astimezone(UTC).isoformat(),
    }
    trace = _trace(row["body"])
    if trace:
        said["traceparent"] = trace
    return [(name, text.encode("utf-8", "replace")) for name, text in said.items()]


def _trace(body: bytes) -> str:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    trace = told.get("traceparent") if isinstance(told, dict) else None
    return trace if isinstance(trace, str) and trace.isascii() and len(trace) <= 100 else ""


class DeadLetters:
    """Brings one database's dead letters to Kafka. Runs beside the relay; two at once only publish twice."""

    def __init__(self, kernel: Kernel, broker: Broker, redrives: Redrives) -> None:
        """`redrives(db, topic, body)`: how often such a letter was put back onto the log."""
        self._kernel = kernel
        self._broker = broker
        self._redrives = redrives
        self._producer: AIOKafkaProducer | None = None
        self._told: dict[str, float] = {}

    async def run(self) -> None:
        """Until drained. Raises HosoError when Kafka does not let us in."""
        quiet()
        try:
            while not self._kernel.drained.is_set():
                pause = LOOK_S
                try:
                    if await self.turn() == HELPING:
                        pause = 0.0
                except (*LOST, KafkaError, TimeoutError) as error:
                    self._tell("away", f"dead letters wait: {error!r}")
                    await self._drop()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._kernel.drained.wait(), pause)
        finally:
            await self._drop()

    async def turn(self) -> int:
        """Publish what is there; how many letters were acknowledged. Raises KafkaError, TimeoutError and LOST."""
        missing: list[str] = []
        async with self._kernel.db.quick.acquire() as db:
            rows = await db.fetch(_UNPUBLISHED, missing, 1)
        if not rows:
            return 0
        producer = await self._connected()
        if producer is None:
            return 0
        there = (await producer.client.fetch_all_metadata()).topics()
        async with self._kernel.db.quick.acquire() as db:
            pairs = await db.fetch("select distinct topic, grp from log.dead where published_at is null")
            missing = sorted({dlq_of(r["topic"], r["grp"]) for r in pairs} - there)
            for name in missing:
                self._tell(name, f"Kafka has no topic {name}: its dead letters wait; run `hoso topics apply`")
            rows = await db.fetch(_UNPUBLISHED, missing, HELPING)
            attempts = [1 + await self._redrives(db, r["topic"], r["body"]) for r in rows]
        await self._send(producer, rows, attempts)
        async with self._kernel.db.quick.acquire() as db:
            done: list[UUID] = [r["id"] for r in rows]
            await db.execute("update log.dead set published_at = now() where id = any($1)", done)
        return len(rows)

    async def _send(self, producer: AIOKafkaProducer, rows: Sequence[Any], attempts: Sequence[int]) -> None:
        async with asyncio.timeout(STUCK_S):
            waiting = [
                await producer.send(
                    dlq_of(row["topic"], row["grp"]),
                    row["body"],
                    key=str(row["id"]).encode(),
                    headers=headers_of(row, n),
                )
                for row, n in zip(rows, attempts, strict=True)
            ]
            await asyncio.gather(*waiting)

    async def _connected(self) -> AIOKafkaProducer | None:
        if self._producer is None:

            async def start() -> AIOKafkaProducer:
                made = AIOKafkaProducer(
                    **self._broker.arguments(), client_id="hoso.dead-letters", acks="all", enable_idempotence=True
                )
                try:
                    await made.start()
                except BaseException:
                    with contextlib.suppress(Exception):
                        await made.stop()
                    raise
                return made

            self._producer = await connected(start, self._broker, self._kernel.drained)
        return self._producer

    async def _drop(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(producer.stop(), 3)

    def _tell(self, about: str, sentence: str) -> None:
        now = time.monotonic()
        if now - self._told.get(about, -TELL_S) >= TELL_S:
            self._told[about] = now
            log.error(sentence)

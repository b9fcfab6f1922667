"""Dead letters as Kafka's readers expect them: each row of log.dead goes once to `<topic>.<group>.dlq`.

The row is written in the transaction that passes the record (hoso/runtime/consumer.py); it is the letter. What lies in Kafka
is a copy for others: payload unchanged, where it came from in the headers, the letter's id as key. Sent, then marked; so
after a crash it may come twice, under the same key. A missing topic or a refusal keeps the letters here, with one sentence a minute
and `hoso_dead_letters_unpublished`; nothing else waits for it. A letter larger than Kafka takes is published as its beginning, with
`dlq-cut`: how many bytes it has; it is whole in log.dead.

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
from typing import Any, NamedTuple
from uuid import UUID

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError

from hoso.kafka.connection import Broker, connected, quiet
from hoso.kafka.topics import dlq_of
from hoso.runtime.consumer import LOST
from hoso.runtime.kernel import Kernel

log = logging.getLogger(__name__)

HELPING = 100
LOOK_S = 1.0
TELL_S = 60.0
STUCK_S = 30.0
CUT = 64 * 1024
"""What is published of a letter that is too large."""

_UNPUBLISHED = """
select id, grp, topic, part, off, reason, error, body, failed_at from log.dead
where published_at is null and not (topic || '.' || grp || '.dlq') = any($1) and not id = any($2)
order by at, id limit $3
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


def cut_of(row: Any, attempts: int) -> list[tuple[str, bytes]]:
    """The same of a letter whose beginning alone is published."""
    return [(name, value[:1000]) for name, value in headers_of(row, attempts)] + [
        ("dlq-cut", str(len(row["body"])).encode())
    ]


def _trace(body: bytes) -> str:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    trace = told.get("traceparent") if isinstance(told, dict) else None
    return trace if isinstance(trace, str) and trace.isascii() and len(trace) <= 100 else ""


def _away(error: Exception) -> bool:
    """Kafka, not the letter."""
    if isinstance(error, KafkaError):
        return bool(error.retriable) or isinstance(error, KafkaTimeoutError)
    return isinstance(error, OSError | TimeoutError)


class Letter(NamedTuple):
    """One letter as it is sent."""

    row: Any
    attempts: int
    body: bytes
    headers: list[tuple[str, bytes]]

    def cut(self) -> Letter:
        """Its beginning; itself, when it is no larger."""
        return (
            self
            if len(self.body) <= CUT
            else Letter(self.row, self.attempts, self.body[:CUT], cut_of(self.row, self.attempts))
        )


class DeadLetters:
    """Brings one database's dead letters to Kafka. Runs beside the relay; two at once only publish twice."""

    def __init__(self, kernel: Kernel, broker: Broker, redrives: Redrives) -> None:
        """`redrives(db, topic, body)`: how often such a letter was put back onto the log."""
        self._kernel = kernel
        self._broker = broker
        self._redrives = redrives
        self._producer: AIOKafkaProducer | None = None
        self._told: dict[str, float] = {}
        self._aside: dict[UUID, float] = {}
        """Letters that Kafka does not take: tried again a minute later, so that they never fill a helping."""

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

    async def close(self) -> None:
        """Let go of the connection."""
        await self._drop()

    async def turn(self) -> int:
        """Publish what is there; how many letters were acknowledged. Raises KafkaError, TimeoutError and LOST."""
        now = time.monotonic()
        self._aside = {id_: since for id_, since in self._aside.items() if now - since < TELL_S}
        async with self._kernel.db.quick.acquire() as db:
            rows = await db.fetch(_UNPUBLISHED, [], list(self._aside), 1)
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
            rows = await db.fetch(_UNPUBLISHED, missing, list(self._aside), HELPING)
            letters = [letter for row in rows if (letter := await self._letter(db, row)) is not None]
        done, refused = await self._send(producer, letters)
        large = [one for one in letters if isinstance(refused.get(one.row["id"]), MessageSizeTooLargeError)]
        for one in large:  # each alone: small ones were refused with the large one they shared a batch with
            cut, why = await self._send(producer, [one.cut()])
            done += cut
            refused = {id_: error for id_, error in refused.items() if id_ not in cut} | why
            if any(map(_away, why.values())):
                break
        if done:
            async with self._kernel.db.quick.acquire() as db:
                await db.execute("update log.dead set published_at = now() where id = any($1)", done)
        await self._refused(refused)
        return len(done)

    async def _letter(self, db: Any, row: Any) -> Letter | None:
        try:
            attempts = 1 + await self._redrives(db, row["topic"], row["body"])
            return Letter(row, attempts, row["body"], headers_of(row, attempts))
        except LOST:
            raise
        except Exception as error:  # about this letter; the others and the relay go on
            self._put_aside(row["id"], error)
            return None

    async def _send(
        self, producer: AIOKafkaProducer, letters: Sequence[Letter]
    ) -> tuple[list[UUID], dict[UUID, Exception]]:
        """Those that were acknowledged, and why others were not; each by itself."""
        waiting: dict[UUID, asyncio.Future[Any]] = {}
        refused: dict[UUID, Exception] = {}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STUCK_S):
                for one in letters:
                    id_, to = one.row["id"], dlq_of(one.row["topic"], one.row["grp"])
                    try:
                        waiting[id_] = await producer.send(to, one.body, key=str(id_).encode(), headers=one.headers)
                    except Exception as error:
                        refused[id_] = error
                        if _away(error):
                            break
                if waiting:
                    await asyncio.wait(waiting.values())
        done = []
        for id_, future in waiting.items():
            future.add_done_callback(lambda late: late.cancelled() or late.exception())
            if not future.done() or future.cancelled():
                refused[id_] = TimeoutError(f"nothing was acknowledged for {STUCK_S:.0f} s")
            elif isinstance(why := future.exception(), Exception):
                refused[id_] = why
            else:
                done.append(id_)
        return done, refused

    async def _refused(self, refused: dict[UUID, Exception]) -> None:
        """Put aside what Kafka does not want; raises when Kafka is away."""
        if not all(isinstance(error, MessageSizeTooLargeError) for error in refused.values()):
            await self._drop()  # a client that has failed for good is not asked again
        away = [error for error in refused.values() if _away(error)]
        for id_, error in refused.items():
            if not _away(error):
                self._put_aside(id_, error)
        if away:
            raise away[0]

    def _put_aside(self, letter: UUID, error: Exception) -> None:
        self._aside[letter] = time.monotonic()
        self._tell(type(error).__name__, f"dead letter {letter} waits, the others go on: {error!r}")

    async def _connected(self) -> AIOKafkaProducer | None:
        if self._producer is None:

            async def start() -> AIOKafkaProducer:
                made = AIOKafkaProducer(
                    **self._broker.arguments(),
                    client_id="hoso.dead-letters",
                    acks="all",
                    enable_idempotence=False,  # its numbers had a gap behind a letter that is refused
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

"""The relay: moves every log partition of this database to the same partition of the same topic in Kafka, in order.

It reads what is committed, flushes (what is sent must outlive a power cut), sends a contiguous run of each partition, waits
until all of it is acknowledged, and only then moves its position. Started again it goes on from there: records may appear
twice, never out of order and never with a gap, so two relays at once are harmless; a lock in the database only saves work.
On any error of the producer the process ends: nothing may be sent behind a record whose fate is not known.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from itertools import groupby, takewhile
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaError,
    MessageSizeTooLargeError,
    NotEnoughReplicasError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from hoso.kafka import headers
from hoso.kafka.connection import Broker, connected, quiet
from hoso.log.port import GapFound, Record
from hoso.log.postgres import READ
from hoso.points import holds, point
from hoso.runtime.consumer import LOST
from hoso.runtime.failures import HosoError
from hoso.runtime.kernel import Kernel

log = logging.getLogger(__name__)

GROUP = "hoso.relay"
HELPING = 300
"""Records of one partition in one go, if they fit into one batch."""
BATCH_BYTES = 256 * 1024
"""Of one partition in one request; a topic takes 1 MiB when nobody says otherwise."""
MISSED_S = 60.0
Partition = tuple[str, int]


class CannotSend(HosoError):
    """Kafka did not take what was sent; the relay ends and goes on from its position when it is started again."""


class Relay:
    """One relay of one database."""

    def __init__(self, kernel: Kernel, broker: Broker, *, patience: float = 20.0) -> None:
        """`patience`: seconds a record waits for a leader of its partition; six times as long a sent one for its acknowledgement. Then the
        relay ends and goes on from its position when it is started again."""
        self._patience = patience
        self._kernel = kernel
        self._db = kernel.db
        self._broker = broker
        self._producer: AIOKafkaProducer | None = None
        self._source = ""
        self._positions: dict[Partition, tuple[int, datetime]] = {}
        self._epochs: dict[Partition, list[tuple[int, int]]] = {}
        self._there: set[Partition] = set()
        self._missed: dict[str, float] = {}
        """Topics that Kafka does not have, or not all of: when that was said last."""

    async def run(self) -> None:
        """Until drained. Raises CannotSend, GapFound and HosoError."""
        drained = self._kernel.drained
        if not await self.open():
            return
        try:
            while not drained.is_set():
                with contextlib.suppress(*LOST):
                    await self._lead()
                if not drained.is_set():
                    await asyncio.sleep(0.2)
        finally:
            await self.close()

    async def open(self) -> bool:
        """Wait for a broker and connect; False when drained meanwhile."""
        quiet()
        self._producer = await connected(self._start, self._broker, self._kernel.drained)
        return self._producer is not None

    async def close(self) -> None:
        """Let go of the connection. Nothing is sent any more, also not what an error left behind in the client's buffers."""
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(producer.client.close(), 1)
            with contextlib.suppress(Exception):
                await asyncio.wait_for(producer.stop(), 1)

    async def _start(self) -> AIOKafkaProducer:
        made = AIOKafkaProducer(
            **self._broker.arguments() | {"request_timeout_ms": round(self._patience * 1000)},
            client_id=GROUP,
            acks="all",
            enable_idempotence=holds("idempotent"),
            linger_ms=0,
            max_batch_size=BATCH_BYTES,
        )
        try:
            await made.start()
        except ClusterAuthorizationFailedError as error:  # who may write nowhere is not given a producer's number
            await made.stop()
            raise CannotSend(f"Kafka does not let the relay write ({error}): run `hoso topics acls`") from error
        except BaseException:
            with contextlib.suppress(Exception):
                await made.stop()
            raise
        return made

    async def _lead(self) -> None:
        """Relay while the lock is ours; stand by while it is another's."""
        drained = self._kernel.drained
        db = await self._db.connect()
        try:
            while not await db.fetchval("select pg_try_advisory_lock(hashtext('hoso.relay'))"):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(drained.wait(), 0.5)
                if drained.is_set():
                    return
            log.info("relaying", extra={"address": ",".join(self._broker.servers)})
            await self.reload()
            await self._turns(db)
        finally:
            db.terminate()

    async def _turns(self, lock: asyncpg.Connection) -> None:
        bell = self._kernel.bell.on(*sorted({topic for topic, _ in self._positions}), "topics", "relay")
        looked = time.monotonic()
        while not self._kernel.drained.is_set():
            bell.clear()
            moved = await self.turn()
            if time.monotonic() - looked > 1.0:
                looked = time.monotonic()
                await lock.fetchval("select 1")  # the lock lives as long as this session
                await self.reload()
            if not moved:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(bell.wait(), 1.0)

    async def reload(self) -> None:
        """Read anew where the relay stands, which topics there are, and what was restored."""
        async with self._db.quick.acquire() as db:
            self._source = str(await db.fetchval("select id from log.source"))
            await db.execute(
                "insert into log.position(grp, topic, part, off, at) select $1, topic, part, first, '-infinity' from log.head "
                "on conflict do nothing",
                GROUP,
            )
            rows = await db.fetch("select topic, part, off, at from log.position where grp = $1", GROUP)
            epochs = await db.fetch("select topic, part, epoch, first from log.epoch order by topic, part, epoch")
        self._positions = {(r["topic"], r["part"]): (r["off"], r["at"]) for r in rows}
        found = defaultdict(list)
        for r in epochs:
            found[r["topic"], r["part"]].append((r["first"], r["epoch"]))
        self._epochs = dict(found)
        await self._look_for_topics()

    async def _look_for_topics(self) -> None:
        """A topic or partition that Kafka does not have, or that has no leader, waits, and says so once a minute; the others go on."""
        wanted = set(self._positions)
        if wanted <= self._there:
            return
        assert self._producer is not None
        with contextlib.suppress(KafkaError):
            cluster = await self._producer.client.fetch_all_metadata()
            self._there = {
                (t, part) for t in cluster.topics() for part in cluster.available_partitions_for_topic(t) or ()
            }
        for topic in sorted({topic for topic, _ in wanted - self._there}):
            if time.monotonic() - self._missed.get(topic, -MISSED_S) >= MISSED_S:
                self._missed[topic] = time.monotonic()
                parts = sorted(part for name, part in wanted - self._there if name == topic)
                log.error(
                    "Kafka has no such topic, or partitions of it are not there or have no leader; their events wait: look at the brokers, "
                    "or run `hoso topics apply`",
                    extra={"topic": topic, "parts": parts},
                )

    async def turn(self) -> int:
        """Send what is there; how many records were acknowledged and passed."""
        keys = sorted(self._there & self._positions.keys())
        async with self._db.quick.acquire() as db:
            rows = await db.fetch(
                READ,
                [k[0] for k in keys],
                [k[1] for k in keys],
                [self._positions[k][0] for k in keys],
                [self._positions[k][1] for k in keys],
                HELPING,
            )
        if not rows:
            return 0
        records = [Record(*row) for row in rows]
        self._contiguous(records)
        # A synchronous commit of something: all that was committed before it, also without a flush, is on disk afterwards.
        async with self._db.pool.acquire() as db:
            await db.execute("select pg_logical_emit_message(true, 'hoso.relay', '')")
        await point("relay.before-send")
        sent = await self._send(records)
        await point("relay.after-send")
        await self._pass(sent)
        return len(sent)

    def _contiguous(self, records: Sequence[Record]) -> None:
        for key, run in groupby(records, key=lambda r: (r.topic, r.part)):
            expected = self._positions[key][0]
            for record in run:
                if record.off != expected:
                    raise GapFound(
                        f"{key[0]}/{key[1]}: the relay has to read {expected}, the log goes on at {record.off}"
                    )
                expected += 1

    async def _send(self, records: Sequence[Record]) -> list[Record]:
        """Send one batch of each partition; what is in them, once all are acknowledged. No batch is under way behind another: one that
        is refused leaves no gap."""
        assert self._producer is not None
        sent: list[Record] = []
        waiting = []
        try:
            async with asyncio.timeout(6 * self._patience):
                for (topic, part), run in groupby(records, key=lambda r: (r.topic, r.part)):
                    batch = self._producer.create_batch()
                    sent += takewhile(lambda r: self._fits(batch, r), run)  # noqa: B023
                    batch.close()
                    waiting.append(await self._producer.send_batch(batch, topic, partition=part))
                await _acknowledged(waiting)
        except TimeoutError as error:
            raise CannotSend(
                f"Kafka has acknowledged nothing for {6 * self._patience:.0f} s; the relay ends and goes on from its position"
            ) from error
        except AssertionError as error:  # it was there when Kafka was asked last
            raise CannotSend("a topic has fewer partitions in Kafka than here: see `hoso topics diff`") from error
        except KafkaError as error:
            raise CannotSend(_said(error)) from error
        return sent

    def _fits(self, batch: Any, record: Record) -> bool:
        key = str(record.subject).encode() if record.subject else None
        told = headers.written(self._source, self._epoch(record), record)
        return batch.append(timestamp=None, key=key, value=record.body, headers=told) is not None

    def _epoch(self, record: Record) -> int:
        epoch = 0
        for first, number in self._epochs.get((record.topic, record.part), ()):
            if record.off >= first:
                epoch = number
        return epoch

    async def _pass(self, records: Sequence[Record]) -> None:
        """Move the positions; one that somebody else has moved (a second relay, `hoso topics resend`) stays where it is."""
        last = {(r.topic, r.part): r for r in records}
        keys = list(last)
        async with self._db.quick.acquire() as db:
            rows = await db.fetch(
                "update log.position p set off = w.off, at = w.at, moved_at = clock_timestamp() "
                "from unnest($2::text[], $3::smallint[], $4::bigint[], $5::bigint[], $6::timestamptz[]) as w(topic, part, was, off, at) "
                "where p.grp = $1 and (p.topic, p.part, p.off) = (w.topic, w.part, w.was) returning p.topic, p.part",
                GROUP,
                [k[0] for k in keys],
                [k[1] for k in keys],
                [self._positions[k][0] for k in keys],
                [last[k].off + 1 for k in keys],
                [last[k].at for k in keys],
            )
        if len(rows) != len(keys):
            await self.reload()
            return
        for key in keys:
            self._positions[key] = (last[key].off + 1, last[key].at)
        self._kernel.metrics.handled.labels(GROUP, "all").inc(len(records))


async def _acknowledged(waiting: Sequence[asyncio.Future[Any]]) -> None:
    """Wait for all, or raise the first error; nobody asks the others then."""
    await asyncio.wait(waiting, return_when=asyncio.FIRST_EXCEPTION)
    for one in waiting:
        one.add_done_callback(lambda done: done.cancelled() or done.exception())
    for one in waiting:
        if one.done():
            one.result()


def _said(error: KafkaError) -> str:
    match error:
        case UnknownTopicOrPartitionError():
            return "Kafka does not have a topic that the relay writes to: `hoso topics resend` for what was in it, then `hoso topics apply`"
        case TopicAuthorizationFailedError():
            return f"Kafka does not let the relay write ({error}): run `hoso topics acls`"
        case NotEnoughReplicasError():
            return "Kafka has too few replicas in sync for what min.insync.replicas asks: look at the brokers"
        case MessageSizeTooLargeError():
            return "an event is larger than the topic takes: raise max.message.bytes of the topic (hoso topics apply)"
    return f"Kafka did not take what was sent ({error!r}); the relay goes on from its position when it is started again"

"""Fills a topic of Kafka again from the outbox: after it was deleted, emptied, or lost with its disks.

The relay's position goes back, it finds that out within a second and sends from there; consumers drop by their marks what they
have seen, and wait for what is missing while later events come first. A topic made anew counts from 0, so all groups read it from
its beginning: whoever calls this rings "topics" afterwards, and they look where they are anew.

Others who read a public topic keep only the highest number they saw, so there nothing later may come before what is sent again.
Two things are refused for them: a relay that runs (what it has in flight would be first in the new topic), and a topic that
already begins with a later event. Kafka is asked that before anything is locked in the database, under `no_relay`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from hoso.kafka import headers
from hoso.kafka.connection import Broker
from hoso.kafka.unreadable import FAILURES, one_by_one
from hoso.runtime.failures import HosoError
from schemas.topics import Topic

RELAY = "hoso.relay"
PATIENCE_S = 60.0


class Resent(NamedTuple):
    """One partition: from where the relay sends again, and how many events that are."""

    part: int
    off: int
    events: int


class Held(NamedTuple):
    """What Kafka has of a topic, by partition."""

    begins: Mapping[int, int]
    """The number of the first event of a database; none where none of its events lies."""
    ends: Mapping[int, int]
    """The Kafka offset that the next record will have."""


class Lost(NamedTuple):
    """Events that a group has not seen and that the outbox no longer holds: `off` up to `first`."""

    grp: str
    part: int
    off: int
    first: int


@contextlib.asynccontextmanager
async def no_relay(db: Any, topic: str) -> AsyncIterator[None]:
    """No relay of this database starts meanwhile; `db` is one connection, outside a transaction. Raises HosoError when one runs."""
    if not await db.fetchval("select pg_try_advisory_lock(hashtext('hoso.relay'))"):
        raise _runs(topic)
    try:
        yield
    finally:
        if not db.is_closed():
            await db.execute("select pg_advisory_unlock(hashtext('hoso.relay'))")


async def carried(db: Any, topic: str) -> list[int]:
    """The partitions that the relay carries. Raises HosoError when there is none."""
    rows = await db.fetch("select part from log.position where grp = $1 and topic = $2 order by part", RELAY, topic)
    if not rows:
        raise _nothing(topic)
    return [row["part"] for row in rows]


def _runs(topic: str) -> HosoError:
    return HosoError(
        f"the relay runs, and what it is sending would come first for those who read {topic}: stop it, run this again, then "
        "`hoso topics apply`, then start the relay; nothing is lost meanwhile"
    )


def _nothing(topic: str) -> HosoError:
    return HosoError(
        f"the relay has carried nothing of topic '{topic}': see `hoso topics list`, and start it with `hoso run relay`"
    )


async def resend(tx: Any, topic: Topic, start: int = 0, ends: Mapping[int, int] | None = None) -> list[Resent]:
    """Put the relay back to offset `start` of each partition, or to the oldest that is kept. In the caller's transaction.

    Never puts it forward. Readers look for their places anew; where strangers write, only those whose place Kafka no longer has
    (`ends`), for what strangers wrote has no number by which it could be dropped the second time.
    Raises HosoError when the relay has never carried this topic, or runs and the topic is public.
    """
    if topic.public and not await tx.fetchval("select pg_try_advisory_xact_lock(hashtext('hoso.relay'))"):
        raise _runs(topic.name)
    await tx.execute("select 1 from log.position where topic = $1 order by grp, part for update", topic.name)
    rows = await tx.fetch(
        "update log.position p set off = least(p.off, greatest(h.first, $2)), at = '-infinity', moved_at = clock_timestamp() "
        "from log.head h where p.grp = $3 and p.topic = $1 and (h.topic, h.part) = (p.topic, p.part) "
        "returning p.part, p.off, h.next - p.off as events",
        topic.name,
        start,
        RELAY,
    )
    if not rows:
        raise _nothing(topic.name)
    kept = dict(ends or {}) if topic.strangers else {}
    await tx.execute(
        "update log.position p set kafka = null where topic = $1 and kafka is not null and grp <> $2 and not exists ("
        "select 1 from unnest($3::smallint[], $4::bigint[]) as e(part, last) where e.part = p.part and p.kafka <= e.last)",
        topic.name,
        RELAY,
        list(kept),
        list(kept.values()),
    )
    return sorted(Resent(*row) for row in rows)


async def lost(tx: Any, topic: str) -> list[Lost]:
    """What no resending can bring back to a group. Only for events of this database."""
    rows = await tx.fetch(
        "select p.grp, p.part, p.off, h.first from log.position p join log.head h using (topic, part) "
        "where p.topic = $1 and p.grp <> $2 and 0 < p.off and p.off < h.first order by 1, 2",
        topic,
        RELAY,
    )
    return [Lost(*row) for row in rows]


async def held(broker: Broker, topic: str, partitions: Sequence[int], source: str) -> Held:
    """What Kafka has of a topic, and of `source` in it.

    Raises HosoError when Kafka cannot be asked. A topic that Kafka does not have holds nothing.
    """
    client = AIOKafkaConsumer(**broker.arguments(), client_id="hoso-cli", enable_auto_commit=False)
    found: dict[int, int] = {}
    ends: dict[TopicPartition, int] = {}
    try:
        async with asyncio.timeout(PATIENCE_S):
            await client.start()
            if not partitions or topic not in await client.topics():
                return Held({}, {})
            parts = [TopicPartition(topic, n) for n in partitions]
            ends = await client.end_offsets(parts)
            at = await client.beginning_offsets(parts)
            while waiting := [p for p in parts if at[p] < ends[p] and p.partition not in found]:
                for part, records in (await _helping(client, {p: at[p] for p in waiting}, ends)).items():
                    for one in records:
                        at[part] = one.offset + 1
                        told = headers.read(topic, one.partition, one.offset, one.key, one.value, one.headers)
                        if told is not None and told[1].source == source:
                            found.setdefault(one.partition, told[1].off)
    except (KafkaError, TimeoutError) as error:
        raise HosoError(f"Kafka cannot be asked what topic {topic} holds: {error or type(error).__name__}") from error
    finally:
        await client.stop()
    return Held(found, {part.partition: end for part, end in ends.items()})


async def _helping(
    client: AIOKafkaConsumer, at: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
) -> dict[TopicPartition, list[Any]]:
    """What comes next of each partition. Where strangers write it may be what the client cannot read: then one by one."""
    client.assign(list(at))
    for part, offset in at.items():
        client.seek(part, offset)
    try:
        return dict(await client.getmany(timeout_ms=500))
    except FAILURES:
        return {part: await one_by_one(client, part, offset, ends[part]) for part, offset in at.items()}


def must_begin_before(topic: str, rows: list[Resent], there: Mapping[int, int]) -> None:
    """Raises HosoError when a partition begins with a later event than the first that would be sent again."""
    for row in rows:
        if row.events and there.get(row.part, row.off) > row.off:
            raise HosoError(
                f"topic {topic}, partition {row.part}, already begins with event {there[row.part]}, after {row.off}: readers would take that "
                "for the beginning; delete the topic in Kafka, run this again, then `hoso topics apply`, then start the relay"
            )

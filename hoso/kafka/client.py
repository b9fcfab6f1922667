"""The client that a reader of Kafka uses, and what it asks of partitions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError, KafkaTimeoutError

from hoso.kafka.connection import SESSION_MS, Broker
from hoso.runtime.failures import HosoError

SKEW = timedelta(minutes=1)
ANSWER_S = 2.0
"""A partition that has a leader answers by then."""


def reading(broker: Broker, group: str, name: str, instance: str | None) -> AIOKafkaConsumer:
    """A member of a group that starts nowhere by itself, and takes of the records of transactions only what was committed."""
    return AIOKafkaConsumer(
        **broker.arguments(),
        group_id=group,
        group_instance_id=instance,
        client_id=instance or name,
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",
        partition_assignment_strategy=(RangePartitionAssignor,),
        session_timeout_ms=SESSION_MS,
        heartbeat_interval_ms=1_000,
        max_poll_interval_ms=600_000,
        fetch_max_wait_ms=500,
        max_partition_fetch_bytes=256 * 1024,
    )


async def check_topics(consumer: AIOKafkaConsumer, names: Sequence[str], group: str) -> None:
    """Raises HosoError when a topic is not there; patterns may stand for none."""
    there = await consumer.topics()
    missing = [name for name in names if "<" not in name and name not in there]
    if missing:
        raise HosoError(
            f"Kafka has no topic {', '.join(missing)} (or {group} may not read it): run `hoso topics apply`"
        )


def refused(error: BaseException, group: str) -> HosoError:
    """What to do when Kafka does not let a group read."""
    return HosoError(f"Kafka refuses {group} ({error}): run `hoso topics acls`")


async def bounds(consumer: AIOKafkaConsumer, parts: Sequence[TopicPartition]) -> dict[TopicPartition, tuple[int, int]]:
    """Where partitions begin and end. One that does not answer, because it has no leader, is left out. Raises KafkaError when none does."""

    async def ask(some: Sequence[TopicPartition]) -> dict[TopicPartition, tuple[int, int]]:
        async with asyncio.timeout(ANSWER_S):
            begins = await consumer.beginning_offsets(list(some))
            ends = await consumer.end_offsets(list(some))
        return {part: (begins[part], ends[part]) for part in some}

    try:
        return await ask(parts)
    except (TimeoutError, KafkaTimeoutError):
        pass
    found: dict[TopicPartition, tuple[int, int]] = {}
    for told in await asyncio.gather(*(ask([part]) for part in parts), return_exceptions=True):
        if isinstance(told, dict):
            found |= told
        elif not isinstance(told, TimeoutError | KafkaError):
            raise told
    if not found:
        raise KafkaTimeoutError("no partition answers")
    return found


async def since(consumer: AIOKafkaConsumer, part: TopicPartition, moment: datetime | None, end: int) -> int:
    """The first offset that Kafka wrote after `moment`, or a little before, for clocks differ; `end` when there is none."""
    if moment is None:
        return end
    found = await consumer.offsets_for_times({part: round((moment - SKEW).timestamp() * 1000)})
    return found[part].offset if found.get(part) else end

"""The stage on Kafka: its topics in the session's broker, a relay that runs when it is told to, readers that can be watched."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import NoError, TopicAlreadyExistsError, for_code

from hoso.kafka.connection import Broker
from hoso.kafka.log import KafkaLog
from hoso.kafka.relay import GROUP as RELAY
from hoso.kafka.relay import Relay
from hoso.runtime.clock import WorldClock
from hoso.runtime.ids import uuid7
from hoso.runtime.kernel import Kernel
from hoso.store.postgres import Database
from schemas.topics import Topic
from tests.support.waiting import eventually

PARTITIONS = 8


class KafkaStage(Database):
    """A database whose log goes through Kafka: `relayed` moves what is there, `reader` reads it back."""

    def __init__(self, db: Database, bootstrap: str, witness: AIOKafkaConsumer) -> None:
        super().__init__(db.url, db.pool, db.quick)
        self.broker = Broker.of(f"kafka://{bootstrap}")
        self.witness = witness
        self.kernel = Kernel(self, RELAY, "test")
        self.relay = Relay(self.kernel, self.broker)
        self.readers: list[Reader] = []
        self._relaying = asyncio.Lock()

    @property
    def reading(self) -> dict[str, Any]:
        """What a kernel is given that reads from Kafka, as a process does it."""
        how: dict[str, Any] = {"broker": self.broker, "environment": "test", "now": WorldClock().now}
        return {"log_of": lambda *reading: KafkaLog(*reading, **how)}

    async def relayed(self) -> int:
        """Move everything that is committed to Kafka; how many records that were. A relay takes one turn at a time."""
        async with self._relaying:
            await self.relay.reload()
            total = 0
            while moved := await self.relay.turn():
                total += moved
            return total

    def reader(self, group: str, topics: Sequence[Topic], member: UUID | None = None, **how: Any) -> Reader:
        """One reader; closed with the stage."""
        made = Reader(self, group, topics, member or uuid7(), **how)
        self.readers.append(made)
        return made

    async def ends(self, topics: Sequence[str]) -> dict[tuple[str, int], int]:
        """Where Kafka's partitions end."""
        parts = [TopicPartition(topic, part) for topic in topics for part in range(PARTITIONS)]
        return {(p.topic, p.partition): off for p, off in (await self.witness.end_offsets(parts)).items()}

    async def records(self, topic: Topic) -> list[Any]:
        """Everything in a topic, by partition and offset."""
        parts = [TopicPartition(topic.name, part) for part in range(PARTITIONS)]
        ends = await self.witness.end_offsets(parts)
        begins = await self.witness.beginning_offsets(parts)
        self.witness.assign(parts)
        for part in parts:
            self.witness.seek(part, begins[part])
        found: list[Any] = []
        while len(found) < sum(ends.values()) - sum(begins.values()):
            for records in (await self.witness.getmany(timeout_ms=500)).values():
                found += records
        return sorted(found, key=lambda r: (r.partition, r.offset))


class Reader(KafkaLog):
    """A reader of the group's positions. Alone in a Kafka group of its own, it has all partitions, whoever else reads them too:
    what only the fence may decide is not left to Kafka. `together`: in the group."""

    def __init__(
        self,
        stage: KafkaStage,
        group: str,
        topics: Sequence[Topic],
        member: UUID,
        *,
        together: bool = False,
        instance: str | None = None,
    ) -> None:
        self.woken = asyncio.Event()
        super().__init__(
            stage.quick,
            group,
            topics,
            member,
            self.woken.set,
            broker=stage.broker,
            environment="test",
            now=WorldClock().now,
            instance=instance,
        )
        self.stage = stage
        if not together:
            self._fetching._joins = f"{group}.{uuid7()}"

    async def close(self) -> None:
        await super().close()
        if self in self.stage.readers:
            self.stage.readers.remove(self)

    async def joined(self) -> None:
        """Wait until partitions are ours and read from where the database says."""

        async def there() -> bool:
            own = self._fetching
            return await own.joined() and bool(own.places or own.in_hand or own.astray)

        await eventually(there, "the reader to join", 20)

    @property
    def parts(self) -> set[tuple[str, int]]:
        """The partitions it reads."""
        return set(self._fetching.places)

    @property
    def lies_ready(self) -> int:
        """How many records were fetched and not given out."""
        return sum(len(found) for found in self._fetching._fetched.values())

    async def at_the_end(self) -> bool:
        """Whether it has read all that its partitions hold, and nothing it gave out is unfinished."""
        own = self._fetching
        ends = await self.stage.ends(own._topics)
        return not own._fetched and not own.in_hand and all(p.next >= ends[key] for key, p in own.places.items())

    async def ready(self) -> bool:
        """Wait until records lie ready, or there are none left: False."""
        await self.stage.relayed()
        await self.joined()

        async def something() -> bool:
            own = self._fetching
            return bool(own._fetched) or bool(own.in_hand) or own.astray or await self.at_the_end()

        await eventually(something, "records to arrive", 20)
        return not await self.at_the_end()


async def lay_out_topics(bootstrap: str, topics: Sequence[Topic], **settings: str) -> None:
    """Delete the topics, and make them anew once they are gone."""
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        names = [t.name for t in topics]
        await admin.delete_topics(names)

        async def gone() -> bool:
            return not set(names) & set(await admin.list_topics())

        await eventually(gone, "the topics to be gone", 20)
        created: set[str] = set()

        async def made() -> bool:
            answer = await admin.create_topics(
                [NewTopic(t.name, t.partitions, 1, topic_configs=settings) for t in topics]
            )
            created.update(name for name, code, _ in answer.topic_errors if not code)
            errors = [for_code(code) for _, code, _ in answer.topic_errors]
            assert set(errors) <= {NoError, TopicAlreadyExistsError}, errors
            return TopicAlreadyExistsError not in errors or created.issuperset(names)

        await eventually(made, "the topics to be gone and made anew", 20)

        async def led() -> bool:
            found = await admin.describe_topics(names)
            return all(
                len(t["partitions"]) == PARTITIONS and all(p["leader"] >= 0 for p in t["partitions"]) for t in found
            )

        await eventually(led, "every partition to have a leader", 20)
    finally:
        await admin.close()


@contextlib.asynccontextmanager
async def on_kafka(db: Database, bootstrap: str, topics: Sequence[Topic]) -> AsyncIterator[KafkaStage]:
    """The stage of one test."""
    await lay_out_topics(bootstrap, topics)
    witness = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, fetch_max_wait_ms=50)
    await witness.start()
    stage = KafkaStage(db, bootstrap, witness)
    await stage.kernel.start()
    await stage.relay.open()
    try:
        yield stage
    finally:
        for reader in list(stage.readers):
            await reader.close()
        await stage.relay.close()
        await witness.stop()

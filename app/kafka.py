"""Kafka, where HOSO_LOG names it: what a process then is given. Imported only then; its client would cost every process memory."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from app.house import House, Wired
from app.stopped import redrives
from hoso.kafka.admin import administered
from hoso.kafka.connection import Broker
from hoso.kafka.dead_letters import DeadLetters
from hoso.kafka.instances import instance
from hoso.kafka.lag import KafkaEnds
from hoso.kafka.log import KafkaLog
from hoso.kafka.relay import Relay
from hoso.log.port import EventLog
from hoso.runtime.kernel import Kernel
from hoso.settings import Settings


@contextlib.contextmanager
def reader(settings: Settings, name: str, kernel: Callable[[], Kernel]) -> Iterator[Callable[..., EventLog]]:
    """Makes the log that a service reads; under a name that is this process's as long as it lives."""
    broker = Broker.of_settings(settings)
    with instance(settings.var, name) as named:

        def log_of(*reading: Any) -> EventLog:
            now = kernel().clock.now
            return KafkaLog(*reading, broker=broker, environment=settings.environment, now=now, instance=named)

        yield log_of


def ends_of(settings: Settings) -> KafkaEnds:
    """Asks Kafka how far its topics go, for the lag."""
    return KafkaEnds(Broker.of_settings(settings))


def relay(own: House, kernel: Kernel) -> Wired:
    """The relay, and the copies of dead letters beside it."""
    broker = Broker.of_settings(own.settings)
    return None, [Relay(kernel, broker).run, DeadLetters(kernel, broker, redrives).run], {}


async def make_topics(settings: Settings, names: Sequence[str]) -> None:
    """Make the topics that Kafka does not have. What differs is left to `hoso topics apply`."""
    broker = Broker.of_settings(settings)
    async with administered(broker) as admin:
        should, there = await admin.planned(sorted(names), len(broker.servers))
        await admin.make([topic for topic in should if topic.name not in there])

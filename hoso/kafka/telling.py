"""What a reader tells Kafka: how far it is, for lag tools only. The positions that count are in the database."""

from __future__ import annotations

import logging

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

log = logging.getLogger(__name__)


class Telling:
    """The Kafka offsets that the database has committed and Kafka was not told yet."""

    def __init__(self, group: str) -> None:
        self._group = group
        self._reached: dict[TopicPartition, int] = {}

    def reached(self, topic: str, part: int, offset: int) -> None:
        """Note the offset that is read next."""
        self._reached[TopicPartition(topic, part)] = offset

    async def tell(self, consumer: AIOKafkaConsumer) -> None:
        """Tell it; what Kafka does not take now is told next time, what is another member's by now never."""
        done, self._reached = self._reached, {}
        mine = consumer.assignment()
        offsets = {part: off for part, off in done.items() if part in mine}
        if not offsets:
            return
        try:
            await consumer.commit(offsets)
        except (KafkaError, ValueError) as error:
            log.debug("what was read could not be told to Kafka", extra={"group": self._group, "error": repr(error)})
            self._reached = offsets | self._reached

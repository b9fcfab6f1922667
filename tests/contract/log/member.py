"""A process of the stage on Kafka, to be killed: `python -m tests.contract.log.member relay|consumer URL BOOTSTRAP [INSTANCE]`."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import sys
from typing import Any

from hoso import points
from hoso.kafka.connection import Broker
from hoso.kafka.log import KafkaLog
from hoso.kafka.relay import GROUP as RELAY
from hoso.kafka.relay import Relay
from hoso.runtime.kernel import Kernel
from hoso.store.postgres import Database
from schemas.topics import TOPIC_OF
from tests.contract.log.stage import GROUP, TOPICS, service


async def main(kind: str, url: str, bootstrap: str, instance: str | None = None) -> None:
    """Run until SIGTERM."""
    TOPIC_OF.update({fact: topic for topic in TOPICS for fact in topic.facts})
    points.arm(os.environ.get("HOSO_POINTS"), "test")
    broker = Broker.of(f"kafka://{bootstrap}")
    db = await Database.open(url, name=kind, size=3, quick=2)

    def log_of(*reader: Any) -> KafkaLog:
        return KafkaLog(*reader, broker=broker, environment="test", now=kernel.clock.now, instance=instance)

    kernel = Kernel(db, RELAY if kind == "relay" else GROUP, "test", log_of=log_of)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, kernel.drained.set)
    await kernel.start()
    if kind == "relay":
        await kernel.run(None, extra=[Relay(kernel, broker).run])
    else:
        await kernel.run(service())
    await db.close()


if __name__ == "__main__":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # never outlives the tests
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(main(*sys.argv[1:]))

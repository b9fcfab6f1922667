"""The path of benchmarks/hops.py built on other things, one stage a process: parse the JSON, pass the event on.

    raw                 aiokafka: getmany(500), send all, await the acknowledgements, commit; no state, no guarantee
    faststream-batch    FastStream's batch subscriber, publishes gathered; no state, at least once
    faststream-single   FastStream's subscriber for single messages, at least once (a commit each)
    faststream-first    the same with its default acknowledgement: at most once
    faust               faust-streaming's agents; no state, at least once

Runs in an environment of its own (benchmarks/requirements.lock, scripts/contenders.sh) and imports nothing of hoso. Settings are
those that were fastest; all get uvloop.

    python benchmarks/contenders.py KIND BROKER STAGE
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from typing import Any

PRODUCER: dict[str, Any] = {"acks": "all", "enable_idempotence": True, "max_batch_size": 262_144}
KINDS = ("raw", "faststream-batch", "faststream-single", "faststream-first", "faust")


def topic(kind: str, n: int) -> str:
    return f"bench.{kind}.t{n}"


async def raw(broker: str, n: int) -> None:
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

    producer = AIOKafkaProducer(bootstrap_servers=broker, **PRODUCER)
    consumer = AIOKafkaConsumer(
        topic("raw", n),
        bootstrap_servers=broker,
        group_id=f"bench.raw.s{n}",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await producer.start()
    await consumer.start()
    while True:
        sent = []
        for records in (await consumer.getmany(timeout_ms=200, max_records=500)).values():
            for record in records:
                event = json.loads(record.value)
                event["data"]["stage"] = n
                sent.append(await producer.send(topic("raw", n + 1), json.dumps(event).encode(), key=record.key))
        if sent:
            await asyncio.gather(*sent)
            await consumer.commit()


async def faststream(kind: str, broker: str, n: int) -> None:
    from faststream import AckPolicy
    from faststream.kafka import KafkaBroker, KafkaMessage

    own = KafkaBroker(broker, logger=None, **PRODUCER)
    policy = AckPolicy.ACK_FIRST if kind == "faststream-first" else AckPolicy.NACK_ON_ERROR
    common: dict[str, Any] = {
        "group_id": f"bench.{kind}.s{n}",
        "auto_offset_reset": "earliest",
        "ack_policy": policy,
    }
    following = topic(kind, n + 1)
    if kind == "faststream-batch":

        async def many(events: list[dict[str, Any]], message: KafkaMessage) -> None:
            # publish_batch() puts a whole batch into one partition, whatever the keys are.
            sent = []
            for event, record in zip(events, message.raw_message, strict=True):
                event["data"]["stage"] = n
                sent.append(await own.publish(event, following, key=record.key, no_confirm=True))
            await asyncio.gather(*sent)

        many.__annotations__ = {"events": list[dict[str, Any]], "message": KafkaMessage}
        own.subscriber(topic(kind, n), batch=True, max_records=500, **common)(many)
    else:

        async def one(event: dict[str, Any], message: KafkaMessage) -> None:
            event["data"]["stage"] = n
            await own.publish(event, following, key=message.raw_message.key)

        one.__annotations__ = {"event": dict[str, Any], "message": KafkaMessage}
        own.subscriber(topic(kind, n), **common)(one)
    await own.start()
    await asyncio.Event().wait()


def faust(broker: str, n: int, folder: str) -> None:
    import faust as library

    app = library.App(
        f"bench.faust.s{n}",
        broker="kafka://" + broker.replace(",", ";kafka://"),
        store="memory://",
        topic_partitions=8,
        topic_disable_leader=True,
        web_enabled=False,
        datadir=folder,
        producer_acks=-1,
        producer_linger=0.002,
        stream_wait_empty=False,
    )
    plain: dict[str, Any] = {"key_type": bytes, "key_serializer": "raw", "value_type": bytes, "value_serializer": "raw"}
    source, target = app.topic(topic("faust", n), **plain), app.topic(topic("faust", n + 1), **plain)

    async def forward(stream: Any) -> None:
        async for key, value in stream.items():
            event = json.loads(value)
            event["data"]["stage"] = n
            await target.send(key=key, value=json.dumps(event).encode())

    app.agent(source)(forward)
    sys.argv = ["faust", "--loop", "uvloop", "worker", "-l", "error", "--without-web"]
    app.main()


def main(kind: str, broker: str, n: int) -> None:
    if kind == "faust":
        with tempfile.TemporaryDirectory(prefix="hoso-bench-faust-") as folder:
            return faust(broker, n, folder)
    import uvloop

    uvloop.run(raw(broker, n) if kind == "raw" else faststream(kind, broker, n))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))

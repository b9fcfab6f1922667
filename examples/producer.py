"""A producing system: publishes one request to hoso's Kafka and waits for what becomes of it. docs/producing.md

    KAFKA=127.0.0.1:9092 python examples/producer.py acme erp-7 unit_code=TZ0001Z name='Chi nhánh Huế' …

With KAFKA_USER also KAFKA_PASSWORD_FILE and KAFKA_CA (TLS, SCRAM-SHA-512). Ends with 0 when the unit is enrolled, 1 when it was refused.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

OVER = {"enrolled": 0, "stopped": 0, "refused-request": 1, "cancelled": 1}


def connection() -> dict[str, Any]:
    made: dict[str, Any] = {"bootstrap_servers": os.environ.get("KAFKA", "127.0.0.1:9092")}
    if user := os.environ.get("KAFKA_USER"):
        made |= {"security_protocol": "SASL_SSL", "sasl_mechanism": "SCRAM-SHA-512", "sasl_plain_username": user}
        made["sasl_plain_password"] = Path(os.environ["KAFKA_PASSWORD_FILE"]).read_text("utf-8").strip()
        made["ssl_context"] = ssl.create_default_context(cafile=os.environ["KAFKA_CA"])
    return made


async def main(tenant: str, request: str, *cells: str) -> int:
    data = {"request": request, "fields": dict(cell.split("=", 1) for cell in cells), "actor": "example"}
    event = {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": "example",
        "type": "vn.hoso.enrolment.request.v1",
        "data": data,
    }
    answers = AIOKafkaConsumer(
        "enrolment.progressed", **connection(), group_id=f"{tenant}.{request}", auto_offset_reset="earliest"
    )
    await answers.start()
    try:
        async with AIOKafkaProducer(**connection(), acks="all", enable_idempotence=True) as producer:
            await producer.send_and_wait(
                f"enrolment.requests.{tenant}",
                json.dumps(event).encode(),
                key=data["fields"].get("unit_code", request).encode(),
                headers=[("content-type", b"application/cloudevents+json")],
            )
        seen: dict[tuple[bytes, int], tuple[int, int]] = {}
        async for record in answers:
            told = dict(record.headers)
            place, number = (told["hoso-source"], record.partition), (int(told["hoso-epoch"]), int(told["hoso-off"]))
            if number <= seen.get(place, (-1, -1)):
                continue  # the relay was restarted and sent it again
            seen[place] = number
            answer = json.loads(record.value)
            if answer["tenant"] != tenant or answer["data"].get("request") != request:
                continue
            print(json.dumps(answer["data"], ensure_ascii=False), flush=True)
            if answer["type"] == "vn.hoso.enrolment.request-refused.v1":
                return 1
            if (end := OVER.get(answer["data"].get("stage", ""))) is not None:
                return end
    finally:
        await answers.stop()
    return 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))

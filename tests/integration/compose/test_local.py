"""compose.yaml without containers: every process of it, by its own commands and settings, and one unit enrolled."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from compose.local import Local
from demo.broker_jars import missing
from demo.newcomer import ADDRESS, TAX_CODE, TENANT
from tests.chaos.sheets import Maker, Tenant
from tests.support.needs import absent
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def up() -> Iterator[Local]:
    """Started, and every health check has said yes once."""
    if sentence := missing():
        absent(sentence)
    folder = Path(tempfile.mkdtemp(prefix="hoso-test-compose-"))
    own = Local(folder)
    try:
        own.start()
        for name in own.checked():
            own.until_healthy(name)
        yield own
    finally:
        own.end()
        shutil.rmtree(folder, ignore_errors=True)


async def test_a_unit_is_enrolled(up: Local) -> None:
    unit = Maker(1, [Tenant(TENANT, ADDRESS, ((TAX_CODE, "Công ty thử nghiệm"),))]).row("").fields
    key = (up.folder / "volumes" / "hoso" / "api-key").read_text().strip()
    url = f"http://127.0.0.1:{up.places.port('intake', 8080)}/v1/enrolments"
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as session:
        async with session.post(url, json=unit, headers={"Idempotency-Key": "first"}) as answer:
            said = await answer.json()
            assert answer.status == 202, said

        async def enrolled() -> bool:
            async with session.get(f"{url}/{said['enrolment']}") as answer:
                found = await answer.json()
                assert found["stage"] != "waiting-for-person", found
                return bool(found["stage"] == "enrolled")

        await eventually(enrolled, "the unit to be enrolled", 90)


async def test_prometheus_hears_of_every_service_and_knows_the_rules(up: Local) -> None:
    if "prometheus" in up.left_out:
        absent("Prometheus is not here: apt-get install prometheus")
    url = f"http://127.0.0.1:{up.places.port('prometheus', 9090)}/api/v1"
    async with aiohttp.ClientSession() as session:

        async def query(expression: str) -> list[Any]:
            async with session.get(f"{url}/query", params={"query": expression}) as answer:
                return list((await answer.json())["data"]["result"])

        async def all_up() -> bool:
            return {one["metric"]["service"] for one in await query('up{job="hoso"} == 1')} == services

        services = {"relay", "intake", "enrolment", "signer", "submitter", "mail_watcher", "ops", "notifier"}
        await eventually(all_up, "every service to be scraped", 60)

        async def all_groups() -> bool:
            told = await query('max by (group) (hoso_lag_records{service="ops"})')
            return {one["metric"]["group"] for one in told} >= {"hoso.intake", "hoso.enrolment", "hoso.relay"}

        await eventually(all_groups, "ops to tell of every group and of the relay", 60)
        async with session.get(f"{url}/rules") as answer:
            (known,) = (await answer.json())["data"]["groups"]
        assert {rule["health"] for rule in known["rules"]} <= {"ok", "unknown"}
        assert len(known["rules"]) > 10


async def hoso(up: Local, *words: str) -> Any:
    """A command as `docker compose exec ops hoso … --json` gives it."""
    ops = up.services["ops"]
    process = await asyncio.create_subprocess_exec(
        *up.here(["hoso", *words, "--json"], ops), env=up.environment(ops), stdout=PIPE, cwd=up.folder
    )
    return json.loads((await asyncio.wait_for(process.communicate(), 60))[0])


async def test_bytes_of_a_stranger_are_a_letter_that_goes_back_three_times(up: Local) -> None:
    kafka = up.places.said(up.services["ops"].environment["HOSO_LOG"], up.services["ops"]).removeprefix("kafka://")
    topic = f"enrolment.requests.{TENANT}"
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    await producer.send_and_wait(topic, b"\xff{ no request", key=b"k")
    await producer.stop()

    async def waiting() -> list[Any]:
        return list(await hoso(up, "dead-letters", "list", "--topic", topic))

    for times in (0, 1, 2):
        (letter,) = await eventually(waiting, f"the letter after {times} redrives", 30)
        assert (letter["group"], letter["redrives"]) == ("hoso.intake", times)
        told = await hoso(up, "dead-letters", "redrive", "--topic", topic)
        assert [one["redrives"] for one in told["redriven"]] == [times + 1]
    (letter,) = await eventually(waiting, "the letter after 3 redrives", 30)
    refused = (await hoso(up, "dead-letters", "redrive", "--topic", topic))["refused"]
    assert refused == [{"id": letter["id"], "why": "worn"}]

    reader = AIOKafkaConsumer(f"{topic}.hoso.intake.dlq", bootstrap_servers=kafka, auto_offset_reset="earliest")
    await reader.start()
    async with asyncio.timeout(30):
        copies = [await reader.getone() for _ in range(4)]
    await reader.stop()
    assert {one.value for one in copies} == {b"\xff{ no request"}
    assert [dict(one.headers)["dlq-attempts"] for one in copies] == [b"1", b"2", b"3", b"4"]

    async def relayed() -> bool:
        told = await hoso(up, "lag")
        assert {row["state"] for row in told["groups"]} == {"ok"}
        return not any(row["records"] for row in (*told["groups"], *told["relay"]))

    await eventually(relayed, "the lag to be 0", 30)


async def test_a_health_check_can_say_no(up: Local) -> None:
    up.processes["notifier"].kill()
    await asyncio.to_thread(up.processes["notifier"].wait)
    assert not up.healthy("notifier")
    assert up.healthy("ops")

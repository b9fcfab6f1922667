"""compose.yaml without containers: every process of it, by its own commands and settings, and one unit enrolled."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from compose.local import Local
from demo.broker_jars import missing
from demo.newcomer import ADDRESS, TAX_CODE, TENANT
from tests.chaos.sheets import Maker, Tenant
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def up() -> Iterator[Local]:
    """Started, and every health check has said yes once."""
    if sentence := missing():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(sentence)
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
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(
            "Prometheus is not here: apt-get install prometheus"
        )
    url = f"http://127.0.0.1:{up.places.port('prometheus', 9090)}/api/v1"
    async with aiohttp.ClientSession() as session:

        async def query(expression: str) -> list[Any]:
            async with session.get(f"{url}/query", params={"query": expression}) as answer:
                return list((await answer.json())["data"]["result"])

        async def all_up() -> bool:
            return {one["metric"]["service"] for one in await query('up{job="hoso"} == 1')} == services

        services = {"relay", "intake", "enrolment", "signer", "submitter", "mail_watcher", "ops", "notifier"}
        await eventually(all_up, "every service to be scraped", 60)
        await eventually(
            lambda: query('hoso_lag_records{group="hoso.relay",service="ops"}'), "ops to tell of the relay", 60
        )
        groups = {one["metric"]["group"] for one in await query("max by (group) (hoso_lag_records)")}
        assert groups >= {"hoso.intake", "hoso.enrolment", "hoso.relay"}
        async with session.get(f"{url}/rules") as answer:
            (known,) = (await answer.json())["data"]["groups"]
        assert {rule["health"] for rule in known["rules"]} <= {"ok", "unknown"}
        assert len(known["rules"]) > 10


async def test_a_health_check_can_say_no(up: Local) -> None:
    up.processes["notifier"].kill()
    await asyncio.to_thread(up.processes["notifier"].wait)
    assert not up.healthy("notifier")
    assert up.healthy("ops")

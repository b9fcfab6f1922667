"""The third shape: a database per service, Kafka between. Each service has its own PostgreSQL, its own relay, its own folder."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.chaos.arena import Arena
from tests.chaos.sheets import Maker, sheets, tenants
from tests.e2e.town import Town
from tests.support.kafka import needed

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(os.environ.get("LOG") != "kafka", reason="`make test-kafka` runs this"),
]
TOGETHER = ("intake", "ops", "notifier")
"""They share a database with what people set up, the registry, the vault and the clock (docs/kafka.md)."""
APART = ("enrolment", "signer", "submitter", "mail_watcher")


class Apart(Arena):
    """A world whose services have a database each."""

    async def start_hoso(self) -> None:
        given = self.world.environment()
        self.world.start("hoso", "app.main", "up", "--services", ",".join((*TOGETHER, "relay")), environment=given)
        await self.world.until("hoso/up.json", "hoso", 90)
        for name in APART:
            self.start_apart(name)
        for name in APART:
            await self.world.until(f"{name}/up.json", name, 90)

    def start_apart(self, name: str) -> None:
        """A service with its own database and its own relay."""
        own = {
            "HOSO_VAR": str(self.world.folder / name),
            "HOSO_REGISTRY_DATABASE": self.url,
            "HOSO_VAULT_DATABASE": self.url,
            "HOSO_CLOCK_DATABASE": self.url,
            "HOSO_VAULT_KEY_FILE": str(self.world.folder / "hoso/vault.key"),
        }
        words = ("app.main", "up", "--services", f"{name},relay")
        self.world.start(name, *words, environment={**self.world.environment(), **own})

    async def kill_apart(self, name: str) -> None:
        """kill -9 of the service's supervisor; it and its database are started again."""
        process = self.world.processes[name]
        process.kill()
        process.wait()
        (self.world.folder / name / "up.json").unlink(missing_ok=True)
        self.start_apart(name)
        await self.world.until(f"{name}/up.json", name, 90)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def apart() -> AsyncIterator[tuple[Apart, Maker]]:
    needed()
    folder = Path(tempfile.mkdtemp(prefix="hoso-chaos-"))
    owners = tenants(1)
    world = Apart(folder, owners)
    try:
        await world.start()
        yield world, Maker(11, owners)
    finally:
        await world.end()
        shutil.rmtree(folder, ignore_errors=True)


async def ended(world: Apart, batch: object, seconds: float = 120) -> list[str]:
    """The stages of a batch's rows, once all are enrolled or the time is up."""
    town = Town(world)
    until = time.monotonic() + seconds
    while True:
        stages = [row["stage"] for row in await town.rows(world.tenants[0].name, batch)]  # type: ignore[arg-type]
        if set(stages) == {"enrolled"} or time.monotonic() > until:
            return stages
        await asyncio.sleep(0.2)


async def test_branches_are_enrolled_over_five_databases_each_filed_once(apart: tuple[Apart, Maker]) -> None:
    world, maker = apart
    rows = [maker.row("") for _ in range(4)] + [maker.row("C01", provider=True)]
    [(tenant, data, count)] = sheets(rows, len(rows))
    batch = await world.hand_in(tenant, data)
    assert await ended(world, batch) == ["enrolled"] * count
    filed = Town(world).agency("select unit_code, procedure, count(*) as n from arrivals group by 1, 2")
    assert all(row["n"] == 1 for row in filed), [tuple(row) for row in filed]
    assert sum(1 for row in filed) == count + 1, "one each, and one stop"


async def test_a_service_and_its_database_are_killed_and_nothing_is_filed_twice(apart: tuple[Apart, Maker]) -> None:
    world, maker = apart
    rows = [maker.row("") for _ in range(6)]
    [(tenant, data, count)] = sheets(rows, len(rows))
    batch = await world.hand_in(tenant, data)
    for name in ("submitter", "enrolment"):
        await world.kill_apart(name)
    assert await ended(world, batch) == ["enrolled"] * count
    filed = Town(world).agency("select unit_code, count(*) as n from arrivals group by 1")
    codes = {row.fields["unit_code"] for row in rows}
    assert {row["n"] for row in filed if row["unit_code"] in codes} == {1}

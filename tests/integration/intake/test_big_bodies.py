"""Big bodies take turns: memory is bounded however many are sent at once, and nobody is kept out by one tenant."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from app.adapters import ApiKeys, IntakeSetUp
from hoso.runtime.ids import uuid7
from hoso.setup.units import PostgresUnitRegistry
from hoso.store.postgres import Database
from hoso.store.vault import KeyRing, Vault
from services.intake.big_bodies import SMALL, BigBodies
from services.intake.service import Intake, Needs, intake
from services.intake.vault_sheets import VaultSheets
from tests.integration.intake.house import House, line, sheet
from tests.support.waiting import eventually

BIG = SMALL * 2
FILE = sheet([line(1)])
FILE += b"\r\n" + b"," * (BIG - len(FILE) - 2)  # empty cells


class Impatient(House):
    """An intake that makes nobody wait for long."""

    bodies: BigBodies

    def parts(self) -> Intake:
        self.bodies = BigBodies(wait=0.5, reading=5)
        setup, keys = IntakeSetUp(self.set_up), ApiKeys(self.set_up)
        sheets, registry = VaultSheets(self.vault), PostgresUnitRegistry()
        needs = (self.db.pool, self.kernel, self.kernel.clock, registry, setup, keys, sheets, uuid7)
        return intake(Needs(*needs, bodies=self.bodies))


@pytest_asyncio.fixture
async def busy(db: Database, tmp_path: Path) -> AsyncIterator[Impatient]:
    KeyRing.make(tmp_path / "vault.key")
    made = Impatient(db, Vault(db.pool, KeyRing.read(tmp_path / "vault.key")))
    await made.settle()
    await made.add_tenant("phuongnam", "bhxh@phuongnam.example")
    async with made.open():
        yield made


class Upload:
    """A sheet on its way, of which only the head and half was sent."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def begin(cls, house: House, tenant: str, path: str = "/v1/batches") -> Upload:
        host, _, port = house.url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        method = "POST" if path == "/v1/batches" else "PUT"
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {house.door(tenant).token}\r\n"
        head += f"Content-Type: text/csv\r\nContent-Length: {BIG}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + FILE[: SMALL // 8])
        await writer.drain()
        return cls(reader, writer)

    async def end(self) -> int:
        """Send the rest; the status."""
        self.writer.write(FILE[SMALL // 8 :])
        return (await self.answer())[0]

    async def answer(self) -> tuple[int, bytes]:
        async with asyncio.timeout(20):
            said = await self.reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", said.lower())
            assert length is not None
            said += await self.reader.readexactly(int(length[1]))
        self.writer.close()
        return int(said.split(b" ")[1]), said

    def abandon(self) -> None:
        self.writer.close()


async def taken(house: Impatient, turns: int) -> None:
    """Until so many turns are taken."""

    async def look() -> bool:
        return house.bodies._free._value == 2 - turns

    await eventually(look, f"{turns} turns")


async def test_a_tenant_has_one_turn_and_the_process_two(busy: Impatient) -> None:
    first = await Upload.begin(busy, "hoaban")
    await taken(busy, 1)
    for path in ("/v1/batches", "/v1/attachments/a.pdf", "/v1/org/units"):
        status, said = await (await Upload.begin(busy, "hoaban", path)).answer()
        assert (status, b"urn:hoso:problem:busy" in said) == (429, True)
        assert b"retry-after: 10" in said.lower()
        assert b"connection: close" in said.lower(), "its body was not read"

    other = await Upload.begin(busy, "lienminh")
    await taken(busy, 2)
    assert (await (await Upload.begin(busy, "phuongnam")).answer())[0] == 429

    small = await busy.door("phuongnam").upload(sheet([line(3)]))
    assert small.status == 202, "what is small waits for nobody"

    assert await other.end() == 202
    await taken(busy, 1)
    assert await (await Upload.begin(busy, "phuongnam")).end() == 202
    assert await first.end() == 202
    await taken(busy, 0)


async def test_who_waits_gets_the_turn_of_who_ends_or_goes_away(busy: Impatient) -> None:
    first = await Upload.begin(busy, "hoaban")
    await taken(busy, 1)
    second = await Upload.begin(busy, "hoaban")
    first.abandon()
    assert await second.end() == 202
    await taken(busy, 0)


async def test_a_body_that_dawdles_loses_its_turn(busy: Impatient) -> None:
    status, said = await (await Upload.begin(busy, "hoaban")).answer()
    assert (status, b"urn:hoso:problem:too-slow" in said) == (408, True)
    await taken(busy, 0)

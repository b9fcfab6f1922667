"""Intake as it runs: real tables, real vault and set-up, served by uvicorn on a loopback port."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import uvicorn
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from app.adapters import ApiKeys, IntakeSetUp
from hoso.runtime.ids import uuid7
from hoso.runtime.kernel import Kernel
from hoso.runtime.outgoing import Cause, Source, write
from hoso.runtime.steps import Tell
from hoso.setup.declarations import MailboxSettings
from hoso.setup.registry import SetUp
from hoso.setup.units import PostgresUnitRegistry
from hoso.store.postgres import Database
from hoso.store.vault import KeyRing, Vault
from schemas.envelope import Event, Fact, decode
from schemas.events import EnrolmentProgressed, EnrolmentRequested
from schemas.units import Stage
from services.intake.service import Intake, Needs, intake
from services.intake.vault_sheets import VaultSheets
from tests.simulator.dossiers import signer
from tests.support.waiting import eventually

EMAIL = "bhxh@hoaban.example"
OTHER_EMAIL = "bhxh@lienminh.example"
HEADERS = ("Mã đơn vị", "Tên đơn vị", "Mã số thuế", "Tỉnh/TP", "Địa chỉ", "Email", "Điện thoại")
FIELDS = {
    "name": "CÔNG TY TNHH Thực phẩm Hoa Ban",
    "tax_code": "9001234568",
    "province": "Hà Nội",
    "address": "Số 12 đường Ngô Xuân Quảng",
    "email": EMAIL,
    "phone": "0912345678",
}


def code(number: int) -> str:
    """A unit code nobody else in the test has."""
    return f"T{chr(65 + number // 10_000)}{number % 10_000:04}Z"


def fields(number: int = 1, **other: str) -> dict[str, str]:
    """One unit as a producer sends it."""
    return {"unit_code": code(number), **FIELDS, **other}


def line(number: int, **other: str) -> list[str]:
    """The same as a line of a sheet under HEADERS."""
    return list({"unit_code": code(number), **FIELDS, **other}.values())


def sheet(lines: Sequence[Sequence[str]], headers: Sequence[str] = HEADERS) -> bytes:
    """A CSV file in UTF-8."""
    return "\r\n".join(",".join(f'"{cell}"' for cell in row) for row in (headers, *lines)).encode()


@dataclass(slots=True)
class Answer:
    """What came back over HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def problem(self) -> str:
        """The code of an RFC 9457 problem; fails when it is none."""
        assert self.headers["Content-Type"] == "application/problem+json", self.body
        told = self.json
        assert told["status"] == self.status
        assert told["title"]
        assert told["type"].startswith("urn:hoso:problem:")
        return str(told["type"].rpartition(":")[2])


class Door:
    """Whoever holds one API key."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.token = token
        self._session = aiohttp.ClientSession()

    async def close(self) -> None:
        await self._session.close()

    async def ask(self, method: str, path: str, data: bytes | None = None, **headers: str) -> Answer:
        sent = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        async with self._session.request(method, self.url + path, data=data, headers=sent) as answer:
            return Answer(answer.status, dict(answer.headers), await answer.read())

    async def get(self, path: str) -> Answer:
        return await self.ask("GET", path)

    async def upload(self, data: bytes, path: str = "/v1/batches", **headers: str) -> Answer:
        return await self.ask("POST", path, data, **{"Content_Type": "text/csv", **headers})

    async def enrol(self, key: str, asked: dict[str, Any]) -> Answer:
        body = json.dumps(asked, ensure_ascii=False).encode()
        return await self.ask("POST", "/v1/enrolments", body, Content_Type="application/json", Idempotency_Key=key)

    async def finished(self, batch: str, seconds: float = 30) -> dict[str, Any]:
        """The batch once it is worked off, with its first 500 rows under `page`."""

        async def look() -> dict[str, Any] | None:
            answer = await self.get(f"/v1/batches/{batch}?limit=500")
            if answer.status == 503:  # the database is away; whoever asks again is answered
                assert (answer.problem, answer.headers["Retry-After"]) == ("unavailable", "2")
                return None
            return answer.json if answer.json["state"] != "working" else None

        return await eventually(look, f"batch {batch}", seconds)

    async def enrolled(self, data: bytes, **headers: str) -> dict[str, Any]:
        """Upload, and the batch once it is worked off."""
        answer = await self.upload(data, **headers)
        assert answer.status == 202, answer.body
        return await self.finished(answer.json["batch"])


class House:
    """One intake, what it stands on, and two tenants: `hoaban` and `lienminh`."""

    def __init__(self, db: Database, vault: Vault) -> None:
        self.db = db
        self.vault = vault
        self.set_up = SetUp(db.pool, vault)
        self.kernel = Kernel(db, "hoso.intake", "test")
        self.url = ""
        self._doors: list[Door] = []
        self._tokens: dict[str, str] = {}
        self._source = Source("hoso.enrolment", "test", {})

    def parts(self) -> Intake:
        """Intake, wired as the composition root does it."""
        setup, keys = IntakeSetUp(self.set_up), ApiKeys(self.set_up)
        sheets, registry = VaultSheets(self.vault), PostgresUnitRegistry()
        clock, pool = self.kernel.clock, self.db.pool
        return intake(Needs(pool, self.kernel, clock, registry, setup, keys, sheets, uuid7))

    async def settle(self) -> None:
        for tenant, address in (("hoaban", EMAIL), ("lienminh", OTHER_EMAIL)):
            await self.add_tenant(tenant, address)

    async def add_tenant(self, tenant: str, address: str) -> None:
        await self.set_up.add_tenant(tenant, tenant, "test")
        self._tokens[tenant] = await self.set_up.add_key(tenant, "erp", ["submit", "read"], "test")
        where = MailboxSettings("127.0.0.1", 1143, "u", tls="none")
        await self.set_up.add_mailbox(tenant, address, "shared", where, "p", "test")
        by = signer(f"MST:{FIELDS['tax_code']}", "MST:0101243150")
        keys = pkcs12.serialize_key_and_certificates(
            b"k", by.key, by.certificate, None, BestAvailableEncryption(b"pin")
        )
        await self.set_up.add_pkcs12(tenant, "chung", keys, "pin", "test")

    def door(self, tenant: str = "hoaban", token: str | None = None) -> Door:
        self._doors.append(Door(self.url, self._tokens[tenant] if token is None else token))
        return self._doors[-1]

    @contextlib.asynccontextmanager
    async def open(self, *, consume: bool = False) -> AsyncIterator[House]:
        """Serve; with `consume` the kernel runs the consumer and the lane as well."""
        parts = self.parts()
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(parts.app, log_config=None, lifespan="off", timeout_graceful_shutdown=1))
        await self.kernel.start()
        working = [asyncio.create_task(server.serve([listening]))]
        batches = asyncio.create_task(parts.batches.run(self.kernel.drained))
        if consume:
            working.append(asyncio.create_task(self.kernel.run(parts.consumer)))
        try:
            yield self
        finally:
            for door in self._doors:
                await door.close()
            server.should_exit = True
            self.kernel.drained.set()
            await asyncio.gather(*working)
            batches.cancel()
            await asyncio.gather(batches, return_exceptions=True)
            listening.close()

    @contextlib.asynccontextmanager
    async def beside(self) -> AsyncIterator[House]:
        """A second intake on the same database, with a desk and a gatherer of its own, like another process."""
        other = House(self.db, self.vault)
        other._tokens = self._tokens
        async with other.open():
            yield other

    # --- looking ------------------------------------------------------------------------------------------------

    async def events(self, topic: str = "enrolment.requested") -> list[Event[Any]]:
        rows = await self.db.pool.fetch(
            "select type, body from log.event where topic = $1 order by at, part, off", topic
        )
        return [decode(row["type"], row["body"]) for row in rows]

    async def requested(self) -> list[EnrolmentRequested]:
        return [event.data for event in await self.events() if isinstance(event.data, EnrolmentRequested)]

    async def open_transactions(self) -> int:
        found: int = await self.db.quick.fetchval(
            "select count(*) from pg_stat_activity where datname = current_database() and state like 'idle in tr%'"
        )
        return found

    async def sound(self) -> None:
        """What must hold after any history: one current enrolment a unit, each heard of once, nothing left open."""

        async def none_open() -> bool:
            return await self.open_transactions() == 0

        await eventually(none_open, "the end of every transaction", 3)
        doubled = await self.db.pool.fetch(
            "select unit from intake.enrolment where stage not in ('cancelled', 'refused-request') "
            "group by unit having count(*) > 1"
        )
        assert doubled == [], "a unit is enrolled twice"
        told = {fact.enrolment for fact in await self.requested()}
        kept = {row["enrolment"] for row in await self.db.pool.fetch("select enrolment from intake.enrolment")}
        assert told == kept, "the log and the tables disagree"

    # --- the enrolment service's part ---------------------------------------------------------------------------

    async def say(self, fact: Fact, unit: UUID, tenant: str = "hoaban", correlation: UUID | None = None) -> None:
        """Something on the log, as another service says it."""
        cause = Cause(unit, tenant, correlation or unit, None)
        async with self.db.pool.acquire() as tx, tx.transaction():
            words = await write(tx, self._source, [(cause, Tell(fact))], self.kernel.clock.now())
        self.kernel.bell.ring(words)

    async def progress(self, enrolment: str, stage: Stage, **other: Any) -> None:
        """The enrolment service says where an enrolment stands; returns once intake knows."""
        row = await self.db.pool.fetchrow("select * from intake.enrolment where enrolment = $1", UUID(enrolment))
        assert row is not None
        told = {"enrolment": row["enrolment"], "request": row["request"], "stage": stage, **other}
        await self.say(EnrolmentProgressed.model_validate(told), row["unit"], row["tenant"])

        async def known() -> bool:
            now = await self.db.pool.fetchrow("select * from intake.enrolment where enrolment = $1", UUID(enrolment))
            return now is not None and now["stage"] == stage and now["filed"] >= bool(other.get("filed"))

        await eventually(known, f"{enrolment} at {stage}")


async def furnished(db: Database, folder: Path) -> House:
    """A house with its tenants."""
    if not (folder / "vault.key").exists():
        KeyRing.make(folder / "vault.key")
    made = House(db, Vault(db.pool, KeyRing.read(folder / "vault.key")))
    await made.settle()
    return made

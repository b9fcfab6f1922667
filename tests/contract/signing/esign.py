"""The simulated signing service as a process, and what people do on their phones there."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp

from services.signer.keys.misa_account import Account
from tests.support.waiting import eventually

CLIENT, CLIENT_KEY = "hoso", "hoso-key"


@dataclass(frozen=True)
class Certificate:
    """One certificate of somebody at the service."""

    alias: str
    serial: str
    der: bytes


class Esign:
    """Speaks to the service's back door."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.url = url
        self._http = http

    async def _ask(self, method: str, path: str, **body: Any) -> Any:
        async with self._http.request(method, self.url + path, json=body) as answer:
            said = await answer.json()
            assert answer.status == 200, said
            return said

    async def person(
        self, name: str, *certificates: dict[str, Any], password: str = "mật khẩu", two_factor: bool = False
    ) -> list[Certificate]:
        wanted = [{"tax_code": "0101234567", "name": "Công ty Đèn Lồng", **one} for one in certificates]
        made = await self._ask(
            "POST", "/admin/people", name=name, password=password, two_factor=two_factor, certificates=wanted
        )
        return [
            Certificate(one["alias"], one["serial"], bytes.fromhex(one["certificate"])) for one in made["certificates"]
        ]

    def account(self, name: str, **changes: Any) -> Account:
        given: dict[str, Any] = {
            "host": self.url, "client_id": CLIENT, "client_key": CLIENT_KEY, "user": name, "password": "mật khẩu",
        }  # fmt: skip
        return Account(**given | changes)

    async def answer(self, answer: str, number: str | None = None) -> int:
        """What somebody does on the phone, to one prompt or to all; how many there were."""
        named = {"number": number} if number else {}
        return int((await self._ask("POST", "/admin/prompts", answer=answer, **named))["changed"])

    async def habit(self, answer: str = "", **more: Any) -> None:
        await self._ask("PUT", "/admin/habit", answer=answer, **more)

    async def fault(self, call: str, fault: str, times: int | None = 1) -> None:
        await self._ask("POST", "/admin/faults", call=call, fault=fault, times=times)

    async def no_faults(self) -> None:
        await self._ask("POST", "/admin/faults", clear=True)

    async def expire(self, name: str, refresh: bool = False) -> None:
        await self._ask("POST", "/admin/expire", name=name, refresh=refresh)

    async def status(self, alias: str, status: str) -> None:
        await self._ask("POST", "/admin/certificates", alias=alias, status=status)

    async def webhook(self, url: str) -> None:
        await self._ask("PUT", "/admin/webhook", url=url)

    async def clock(self, base: datetime) -> None:
        await self._ask("PUT", "/clock", base=base.isoformat())

    async def ledger(self) -> dict[str, Any]:
        shown: dict[str, Any] = await self._ask("GET", "/ledger")
        return shown

    async def prompts(self) -> list[dict[str, Any]]:
        """Everything that was ever on a phone; nothing of it twice."""
        ledger = await self.ledger()
        assert ledger["doubles"] == []
        return list(ledger["prompts"])

    async def calls(self, call: str) -> list[str]:
        """What came of every request of that kind."""
        return [one["outcome"] for one in (await self.ledger())["requests"] if one["call"] == call]

    async def otp(self, name: str) -> str:
        return str(next(one["otp"] for one in (await self.ledger())["people"] if one["name"] == name))


@contextlib.asynccontextmanager
async def esign(folder: Path, *arguments: str) -> AsyncIterator[Esign]:
    """The service, running in a process of its own."""
    command = [sys.executable, "-m", "simulator.esign", "--environment", "test", "--data", str(folder), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ready = folder / "esign.json"

    async def look() -> bool:
        assert process.poll() is None, "the simulated service ended at once"
        return ready.exists()

    try:
        await eventually(look, "the simulated signing service", 20)
        async with aiohttp.ClientSession() as http:
            yield Esign(json.loads(ready.read_text())["url"], http)
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 10)

"""What scenarios ask of their world: hand a sheet in, wait for its end, read its rows over HTTP and the agency's ledger."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp

from demo.judge import ledger
from demo.sheet import needs_of
from tests.chaos.arena import Arena
from tests.chaos.sheets import Maker, Tenant, sheets, tax_code

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "branches.xlsx"
UNITS_EACH = 300
"""A tenant of the town has at most so many branches."""
DEMO, OTHER, OWN = "demo", "lang-gieng", "rieng"


def owners() -> list[Tenant]:
    """The example sheet's tenant, with all that the sheet needs, and a neighbour."""
    needs = needs_of(EXAMPLE)
    first, *more = needs.addresses
    employers = ((tax_code(700), "Công ty TNHH Hoa Ban"),)
    return [
        Tenant(DEMO, first, employers, tuple(more), needs.profiles),
        Tenant(OTHER, "bhxh@langgieng.example", ((tax_code(800), "Công ty TNHH Hoa Ban"),)),
        Tenant(OWN, "bhxh@rieng.example", ((tax_code(900), "Công ty TNHH Hoa Ban"),), contact_mode="own"),
    ]


@dataclass
class Town:
    """The world and what has been done in it so far."""

    arena: Arena
    example: list[dict[str, Any]] = field(default_factory=list)
    makers: dict[str, Maker] = field(default_factory=dict)

    async def example_rows(self) -> list[dict[str, Any]]:
        """The example sheet's rows as HTTP shows them, once everything about them has ended."""
        if not self.example:
            batch = await self.arena.hand_in(DEMO, EXAMPLE.read_bytes(), name=EXAMPLE.name)
            assert await self.arena.until_ended(120), await self.arena.stuck()
            self.example = await self.rows(DEMO, batch)
        return self.example

    async def straight(self, tenant: str, count: int, flow: str = "") -> UUID:
        """Hand in a new sheet of made-up branches."""
        maker = self.maker(next(t for t in self.arena.tenants if t.name == tenant))
        [(_, data, _)] = sheets([maker.row(flow) for _ in range(count)], count)
        return await self.arena.hand_in(tenant, data)

    def maker(self, owner: Tenant) -> Maker:
        """Who makes this tenant's branches; no other tenant's maker makes the same unit codes."""
        many = len(self.makers)
        return self.makers.setdefault(owner.name, Maker(41 + many, [owner], first=UNITS_EACH * many))

    async def get(self, tenant: str, path: str) -> tuple[int, Any]:
        """Status and JSON of a GET with the tenant's key."""
        headers = {"Authorization": f"Bearer {self.arena.keys[tenant]}"}
        url = self.arena.up()["services"]["intake"]["http"] + path
        async with aiohttp.ClientSession(headers=headers) as session, session.get(url) as answer:
            return answer.status, await answer.json()

    async def result_sheet(self, tenant: str, batch: UUID) -> bytes:
        """The result sheet of a batch."""
        headers = {"Authorization": f"Bearer {self.arena.keys[tenant]}"}
        url = f"{self.arena.up()['services']['intake']['http']}/v1/batches/{batch}/result.xlsx"
        async with aiohttp.ClientSession(headers=headers) as session, session.get(url) as answer:
            assert answer.status == 200
            return await answer.read()

    async def rows(self, tenant: str, batch: UUID) -> list[dict[str, Any]]:
        """All rows of a batch."""
        found: list[dict[str, Any]] = []
        after = 0
        while after is not None:
            status, page = await self.get(tenant, f"/v1/batches/{batch}?after={after}&limit=100")
            assert status == 200, page
            found += page["page"]
            after = page["next"]
        return found

    def agency(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Rows out of the agency's ledger."""
        with contextlib.closing(ledger(self.arena.world.folder / "simulator" / "simulator.db")) as db:
            return db.execute(sql, values).fetchall()

    def arrivals(self) -> int:
        """How many filings have ever arrived at the agency."""
        return int(self.agency("select count(*) as n from arrivals")[0]["n"])

    async def cli(self, *words: str) -> tuple[int, str]:
        """Run `hoso …` on this world; status and what it said."""
        plain = {name: value for name, value in os.environ.items() if not name.startswith("HOSO_")}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "app.main",
            *words,
            cwd=self.arena.world.folder,
            env={**plain, **self.arena.world.environment()},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await asyncio.wait_for(process.communicate(), 60)
        return process.returncode or 0, out.decode()

"""The unit registry: which random UUID is which unit. One place for all services and tenants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from hoso.runtime.ids import uuid7


@dataclass(frozen=True, slots=True)
class RowKey:
    """What names a unit: its code; without one the tenant's own branch id."""

    unit_code: str | None
    branch_id: str | None

    @property
    def text(self) -> str:
        """The key in the registry: codes and branch ids never meet."""
        return f"code:{self.unit_code}" if self.unit_code else f"branch:{self.branch_id}"


@dataclass(frozen=True, slots=True)
class Claimed:
    """The unit's id. `foreign`: another tenant holds the unit code; the id then is this tenant's own and tells nothing."""

    unit: UUID
    foreign: bool


class PostgresUnitRegistry:
    """The registry in PostgreSQL. The unit code is unique over all tenants, the row key within one.

    In the services' own database it works within the caller's transaction. With a `pool` it lives elsewhere and commits on
    its own: what it does is idempotent, so a caller that rolls back loses nothing.
    """

    def __init__(self, pool: asyncpg.Pool | None = None) -> None:
        self._pool = pool

    async def claim(self, tx: Any, tenant: str, keys: Sequence[RowKey]) -> list[Claimed]:
        """The unit of each key, made where there is none. Idempotent; safe against a second tenant at the same moment."""
        if self._pool is None:
            return await self._claim(tx, tenant, keys)
        async with self._pool.acquire() as own, own.transaction():
            return await self._claim(own, tenant, keys)

    async def _claim(self, tx: Any, tenant: str, keys: Sequence[RowKey]) -> list[Claimed]:
        codes = [k.unit_code for k in keys if k.unit_code]
        known = await tx.fetch(
            "select unit, unit_code from store.unit where tenant = $1 and unit_code = any($2)", tenant, codes
        )
        ours = {r["unit_code"]: r["unit"] for r in known}  # also a branch that got its code later
        wanted = sorted({(k.text, k.unit_code) for k in keys if k.unit_code not in ours}, key=lambda k: k[0])
        names, ids = [k[0] for k in wanted], [uuid7() for _ in wanted]
        await tx.execute(
            "insert into store.unit(unit, tenant, row_key, unit_code) select u, $2, k, c "
            "from unnest($1::uuid[], $3::text[], $4::text[]) as t(u, k, c) on conflict do nothing",
            ids, tenant, names, [k[1] for k in wanted],
        )  # fmt: skip
        await tx.execute(
            "insert into store.unit(unit, tenant, row_key, unit_code) select u, $2, k, null "
            "from unnest($1::uuid[], $3::text[]) as t(u, k) "
            "where not exists (select 1 from store.unit s where s.tenant = $2 and s.row_key = k) on conflict do nothing",
            ids, tenant, names,
        )  # fmt: skip
        rows = await tx.fetch(
            "select unit, row_key, unit_code from store.unit where tenant = $1 and row_key = any($2)", tenant, names
        )
        found = {r["row_key"]: r for r in rows}
        for key in sorted({k for k in keys if k.unit_code and k.unit_code not in ours}, key=lambda k: k.text):
            if found[key.text]["unit_code"] is None and await self._adopt(tx, found[key.text]["unit"], key.unit_code):
                ours[key.unit_code] = found[key.text]["unit"]
        return [
            Claimed(ours[k.unit_code], False)
            if k.unit_code in ours
            else Claimed(found[k.text]["unit"], k.unit_code is not None and found[k.text]["unit_code"] != k.unit_code)
            for k in keys
        ]

    async def _adopt(self, tx: Any, unit: UUID, unit_code: str | None) -> bool:
        """Take a code that was released since somebody else's claim kept it from this unit."""
        if await tx.fetchval("select exists(select from store.unit where unit_code = $1)", unit_code):
            return False
        return await PostgresUnitRegistry().give_code(tx, unit, unit_code or "")  # in this transaction, wherever it is

    async def holder(self, db: Any, unit_code: str) -> tuple[UUID, str] | None:
        """Which unit of which tenant holds a code. For the operator: a tenant never learns it."""
        row = await (self._pool or db).fetchrow("select unit, tenant from store.unit where unit_code = $1", unit_code)
        return None if row is None else (row["unit"], row["tenant"])

    async def release(self, tx: Any, unit: UUID, unit_code: str) -> bool:
        """Take a code from the unit that holds it: whoever claims it next has it. False when the unit no longer holds it."""
        done = await (self._pool or tx).execute(
            "update store.unit set unit_code = null where unit = $1 and unit_code = $2", unit, unit_code
        )
        return bool(done == "UPDATE 1")

    async def give_code(self, tx: Any, unit: UUID, unit_code: str) -> bool:
        """Note a code that came later. False when another unit holds it."""
        if self._pool is not None:
            async with self._pool.acquire() as own:
                return await PostgresUnitRegistry().give_code(own, unit, unit_code)
        try:
            async with tx.transaction():
                await tx.execute("update store.unit set unit_code = $2 where unit = $1", unit, unit_code)
        except asyncpg.UniqueViolationError:
            return False
        return True

    async def link(self, tx: Any, units: Sequence[tuple[UUID, str]]) -> None:
        """Note which unit of the employer's own organisation each one is; sorted by unit, so nobody waits crosswise."""
        if self._pool is not None:
            async with self._pool.acquire() as own:
                return await PostgresUnitRegistry().link(own, units)
        await tx.execute(
            "update store.unit u set org_unit_id = t.org from unnest($1::uuid[], $2::text[]) as t(unit, org) "
            "where u.unit = t.unit and u.org_unit_id is distinct from t.org",
            [unit for unit, _ in units],
            [org for _, org in units],
        )
        return None

    async def tenant_of(self, db: Any, unit: UUID) -> str | None:
        """Whose unit it is."""
        return await (self._pool or db).fetchval("select tenant from store.unit where unit = $1", unit)  # type: ignore[no-any-return]

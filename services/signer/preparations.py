"""`Preparations` in PostgreSQL: what people were asked and what they signed, by name, first come first kept."""

from __future__ import annotations

from uuid import UUID

import asyncpg


class PostgresPreparations:
    """On a pool that flushes at commit: people see what follows from a row."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def find(self, tenant: str, name: str) -> UUID | None:
        ref: UUID | None = await self._pool.fetchval(
            "select ref from signer.kept where tenant = $1 and name = $2", tenant, name
        )
        return ref

    async def keep(self, tenant: str, name: str, ref: UUID) -> UUID:
        first: UUID = await self._pool.fetchval(
            "insert into signer.kept as k(tenant, name, ref) values ($1, $2, $3) "
            "on conflict (tenant, name) do update set ref = k.ref returning ref",
            tenant,
            name,
            ref,
        )
        return first

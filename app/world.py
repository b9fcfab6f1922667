"""Moving the whole world's clock: hoso's own, the log's day partitions, and the simulated agency's. Only in `test`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import asyncpg

from hoso.log.postgres import Bell, create_days
from hoso.runtime.clock import Setting, WorldClock
from hoso.runtime.failures import HosoError
from hoso.store.postgres import Database


async def world_clock(db: Any) -> WorldClock:
    """The clock as it is set now."""
    return WorldClock([Setting(*row) for row in await db.fetch("select anchor, base, rate from log.clock order by n")])


async def jump(
    db: Database, gateway: str, delta: timedelta, actor: str, rate: float = 1.0, *, clock: asyncpg.Pool | None = None
) -> datetime:
    """Move the world on by `delta`, going at `rate` from there; returns its new time. Raises HosoError outside `test`.

    The days jumped into exist before anybody can write into them; the agency hears of it last, so that no mail of the
    future reaches a hoso of the past. `clock`: the database that keeps the clock, when it is another one.
    """
    async with db.pool.acquire() as tx:
        if await tx.fetchval("select environment from hoso.installation") != "test":
            raise HosoError("the clock can be moved in the environment `test` only")
        anchor = datetime.now(UTC)
        old = (await world_clock(clock or tx)).world(anchor)
        base = old + delta
        async with tx.transaction():
            await create_days(tx, old, ahead=(base - old).days + 3)
            for keeper in (tx, clock) if clock is not None else (tx,):
                await keeper.execute(
                    "insert into log.clock(anchor, base, rate, actor) values ($1, $2, $3, $4)",
                    anchor,
                    base,
                    rate,
                    actor,
                )
        await tx.execute("select pg_notify($1, 'clock')", Bell.CHANNEL)
    if gateway:
        body = {"base": base.isoformat(), "anchor": anchor.isoformat(), "rate": rate}
        try:
            timeout = aiohttp.ClientTimeout(total=5)
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.put(f"{gateway.rstrip('/')}/clock", json=body) as answer,
            ):
                answer.raise_for_status()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise HosoError(
                f"hoso's clock is moved, the agency at {gateway} did not hear of it: {error}; say it again"
            ) from error
    return base

"""`hoso clock`: the world's clock, which only the environment `test` may move."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.opening import Actor, audit, reading, settings, working
from app.commands.showing import Json, as_json, cell, say
from app.words import text

if TYPE_CHECKING:
    from app.house import House
    from hoso.settings import Settings

app = typer.Typer(no_args_is_help=True, help="The world's clock. Only the environment test may move it.")
FASTEST = 1000.0
DAYS_AT_ONCE = 400
"""Day partitions made at once, at most: jumps go so far, and a fast world has so much road."""


@app.command("show")
def show(json_: Json = False) -> None:
    """The world's time, how fast it goes, and who set it.

    Example: hoso clock show
    """

    async def job(db: Any, known: Settings) -> dict[str, Any]:
        from app.commands.opening import world_now

        last = await db.fetchrow("select anchor, base, rate, actor from log.clock order by n desc limit 1")
        return {
            "world": await world_now(db),
            "rate": last["rate"] if last else 1.0,
            "set_at": last["anchor"] if last else None,
            "set_by": last["actor"] if last else None,
            "environment": known.environment,
        }

    found = reading(job)
    if json_:
        as_json(found)
    else:
        say(text("clock.show", world=cell(found["world"]), rate=f"{found['rate']:g}"))


@app.command("jump")
def jump(
    duration: Annotated[str, typer.Argument(metavar="DURATION", help="2d, 25h, 90m, 30s, or a sum such as 1d12h.")],
    actor: Actor = "",
    json_: Json = False,
) -> None:
    """Move the whole world on: hoso's clock, the log's days, and the simulated agency's clock.

    Example: hoso clock jump 25h
    """
    from hoso.runtime.clock import parse_duration
    from hoso.runtime.failures import SettingsError

    _only_in_test()
    try:
        delta = parse_duration(duration)
    except ValueError as error:
        raise SettingsError(str(error)) from error
    if delta > timedelta(days=DAYS_AT_ONCE):
        raise SettingsError(text("clock.far", days=DAYS_AT_ONCE))
    _set(delta, None, actor, "clock.jump", json_)


@app.command("rate")
def rate(
    times: Annotated[
        float, typer.Argument(metavar="N", min=0.001, max=FASTEST, help="World seconds a real second; 1 is real time.")
    ],
    actor: Actor = "",
    json_: Json = False,
) -> None:
    """Let the world go faster, or slower, from now on. Faster than 100 lasts about an hour: then jump instead.

    Example: hoso clock rate 60
    """
    _only_in_test()
    _set(timedelta(0), times, actor, "clock.rate", json_)


def _only_in_test() -> None:
    from hoso.runtime.failures import SettingsError

    if settings().environment != "test":
        raise SettingsError(text("clock.production"))


def _set(delta: timedelta, times: float | None, actor: str, what: str, json_: bool) -> None:
    async def job(own: House) -> tuple[Any, float]:
        from app.world import jump as move
        from app.world import world_clock
        from hoso.log.postgres import create_days

        pool = own.db.pool
        going = (
            times
            if times is not None
            else await pool.fetchval("select rate from log.clock order by n desc limit 1") or 1.0
        )
        if going > 1:
            async with pool.acquire() as tx, tx.transaction():
                # The kernel makes days ahead every ten minutes: a fast world needs more of them than two.
                ahead = min(DAYS_AT_ONCE, int(going * 3600 / 86_400) + 3)
                await create_days(tx, (await world_clock(tx)).now() + delta, ahead=ahead)
        await audit(pool, actor, None, what, seconds=delta.total_seconds(), rate=going)
        return await move(own.db, own.settings.gateway, delta, actor, going, clock=own.clock), going

    world, going = working(job)
    if json_:
        as_json({"world": world, "rate": going})
    else:
        say(text("clock.show", world=cell(world), rate=f"{going:g}"))

"""`hoso held`: units whose next event could not be handled."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.opening import Actor, audit, read_time, read_uuid, reading, working
from app.commands.showing import Json, as_json, listed, negative, say, warn
from app.words import text

if TYPE_CHECKING:
    from uuid import UUID

    from app.house import House
    from app.stopped import Filter
    from hoso.settings import Settings

held = typer.Typer(no_args_is_help=True, help="Units whose next event could not be handled.")
Unit = Annotated[str, typer.Argument(metavar="UNIT", help="The unit's id, from hoso held list.")]
Group = Annotated[str | None, typer.Option("--group", help="Only in this group, e.g. hoso.enrolment.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Only with this reason.")]
Topic = Annotated[str | None, typer.Option("--topic", help="Only of this topic.")]
Tenant = Annotated[str | None, typer.Option("--tenant", help="Only this tenant's.")]
Since = Annotated[
    str | None, typer.Option("--since", metavar="TIME", help="Only from this time on, e.g. 2026-03-02T08:00.")
]
Before = Annotated[str | None, typer.Option("--before", metavar="TIME", help="Only before this time.")]
PerSecond = Annotated[float, typer.Option("--per-second", min=0.01, max=1000.0, help="At most so many a second.")]


@held.command("list")
def list_held(
    reason: Reason = None,
    group: Group = None,
    topic: Topic = None,
    tenant: Tenant = None,
    since: Since = None,
    before: Before = None,
    json_: Json = False,
) -> None:
    """Held units, the longest held first. Exit 1 when there is none.

    Example: hoso held list --reason unknown-type
    """
    from app.stopped import Filter

    chosen = Filter(reason, group, topic, tenant, read_time(since), read_time(before))

    async def job(db: Any, _: Settings) -> list[dict[str, Any]]:
        from app import stopped

        return await stopped.held(db, chosen)

    columns = ("group", "unit", "tenant", "topic", "since", "reason", "error", "events", "unsure", "released")
    listed(reading(job), columns, json_)


@held.command("show")
def show_held(unit: Unit, group: Group = None, json_: Json = False) -> None:
    """The events that wait behind a held unit, in order. Exit 1 when there is none.

    Example: hoso held show 0192f0c1-7c1e-7000-8000-000000000001
    """
    subject = read_uuid(unit)

    async def job(db: Any, _: Settings) -> list[dict[str, Any]]:
        from app import stopped

        return await stopped.held_events(db, subject, group)

    listed(reading(job), ("group", "topic", "partition", "offset", "type", "body"), json_)


@held.command("release")
def release(
    unit: Annotated[str | None, typer.Argument(metavar="[UNIT]", help="The unit's id; or use --all-with.")] = None,
    group: Group = None,
    all_with: Annotated[
        str | None, typer.Option("--all-with", metavar="REASON", help="All units held for this reason.")
    ] = None,
    topic: Topic = None,
    tenant: Tenant = None,
    since: Since = None,
    before: Before = None,
    per_second: PerSecond = 50.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be released.")] = False,
    actor: Actor = "",
    json_: Json = False,
) -> None:
    """Handle what waits behind a held unit, in order; one that fails again stays held.

    A unit with a call whose outcome is unknown is not released before that call has ended.
    Exit 1 when nothing was released.

    Example: hoso held release --all-with unknown-type --dry-run
    """
    from app.stopped import Filter
    from hoso.runtime.failures import SettingsError

    if (unit is None) == (all_with is None):
        raise SettingsError(text("held.which"))
    subject = read_uuid(unit) if unit is not None else None
    chosen = Filter(all_with, group, topic, tenant, read_time(since), read_time(before))

    async def job(own: House) -> list[dict[str, Any]]:
        return await release_units(own, actor, chosen, subject=subject, dry_run=dry_run, per_second=per_second)

    rows = working(job)
    released = [row for row in rows if not row["unsure"]]
    if json_:
        as_json(
            {
                "released": [] if dry_run else released,
                "would_release": released if dry_run else [],
                "refused": [r for r in rows if r["unsure"]],
            }
        )
    for row in [] if json_ else rows:
        said = "held.unsure" if row["unsure"] else "held.would" if dry_run else "held.released"
        (warn if row["unsure"] else say)(
            text(said, unit=row["unit"], group=row["group"], events=row["events"], reason=row["reason"])
        )
    if not released:
        if not rows:
            warn(text("nothing"))
        negative()


async def release_units(
    own: House,
    actor: str,
    chosen: Filter,
    *,
    subject: UUID | None = None,
    dry_run: bool = False,
    per_second: float = 1000.0,
) -> list[dict[str, Any]]:
    """Release what fits, at most so many a second; those with a call of unknown outcome (`unsure`) stay. Returns all that fit."""
    from app import stopped
    from app.edge import announce

    async with own.db.pool.acquire() as db:
        rows = [row for row in await stopped.held(db, chosen) if subject is None or row["unit"] == subject]
    if dry_run:
        return rows
    loop = asyncio.get_running_loop()
    began = loop.time()
    for n, row in enumerate(row for row in rows if not row["unsure"]):
        await asyncio.sleep(max(0.0, began + n / per_second - loop.time()))
        async with own.db.pool.acquire() as tx, tx.transaction():
            row["unsure"] = not await _release(tx, row, actor)
        if not row["unsure"]:
            await announce(own.db.pool, {f"held:{row['group']}"})
    return rows


async def _release(tx: Any, row: dict[str, Any], actor: str) -> bool:
    """False: a call of the unit became unsure meanwhile. One that was released meanwhile needs nothing."""
    await tx.execute(
        "update log.held h set released = true where h.grp = $1 and h.subject = $2 "
        "and not exists (select 1 from log.call u where u.subject = h.subject and u.unsure)",
        row["group"],
        row["unit"],
    )
    if await tx.fetchval(
        "select 1 from log.held where grp = $1 and subject = $2 and not released", row["group"], row["unit"]
    ):
        return False
    await audit(tx, actor, row["tenant"], "held.release", group=row["group"], unit=row["unit"], reason=row["reason"])
    return True

"""`hoso held` and `hoso dead-letters`: what could not be handled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.opening import Actor, audit, read_uuid, reading, working
from app.commands.showing import Json, as_json, listed, negative, say, warn
from app.words import text

if TYPE_CHECKING:
    from uuid import UUID

    from app.house import House
    from hoso.settings import Settings

held = typer.Typer(no_args_is_help=True, help="Units whose next event could not be handled.")
dead = typer.Typer(no_args_is_help=True, help="Records of the log that nobody could read.")
Unit = Annotated[str, typer.Argument(metavar="UNIT", help="The unit's id, from hoso held list.")]
Group = Annotated[str | None, typer.Option("--group", help="Only in this group, e.g. hoso.enrolment.")]


@held.command("list")
def list_held(json_: Json = False) -> None:
    """Held units, the longest held first. Exit 1 when there is none.

    Example: hoso held list
    """

    async def job(db: Any, _: Settings) -> list[dict[str, Any]]:
        from app import log_views

        return await log_views.held(db)

    listed(reading(job), ("group", "unit", "since", "reason", "error", "events", "unsure", "released"), json_)


@held.command("show")
def show_held(unit: Unit, group: Group = None, json_: Json = False) -> None:
    """The events that wait behind a held unit, in order. Exit 1 when there is none.

    Example: hoso held show 0192f0c1-7c1e-7000-8000-000000000001
    """
    subject = read_uuid(unit)

    async def job(db: Any, _: Settings) -> list[dict[str, Any]]:
        from app import log_views

        return await log_views.held_events(db, subject, group)

    listed(reading(job), ("group", "topic", "partition", "offset", "type", "body"), json_)


@held.command("release")
def release(
    unit: Annotated[str | None, typer.Argument(metavar="[UNIT]", help="The unit's id; or use --all-with.")] = None,
    group: Group = None,
    all_with: Annotated[
        str | None, typer.Option("--all-with", metavar="REASON", help="All units held for this reason.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be released.")] = False,
    actor: Actor = "",
    json_: Json = False,
) -> None:
    """Handle what waits behind a held unit, in order; one that fails again stays held.

    A unit with a call whose outcome is unknown is not released before that call has ended.
    Exit 1 when nothing was released.

    Example: hoso held release --all-with unknown-type --dry-run
    """
    from hoso.runtime.failures import SettingsError

    if (unit is None) == (all_with is None):
        raise SettingsError(text("held.which"))
    subject = read_uuid(unit) if unit is not None else None

    async def job(own: House) -> list[dict[str, Any]]:
        return await release_units(own, actor, subject=subject, group=group, all_with=all_with, dry_run=dry_run)

    rows = working(job)
    chosen = [row for row in rows if not row["unsure"]]
    if json_:
        as_json(
            {
                "released": [] if dry_run else chosen,
                "would_release": chosen if dry_run else [],
                "refused": [r for r in rows if r["unsure"]],
            }
        )
    for row in [] if json_ else rows:
        said = "held.unsure" if row["unsure"] else "held.would" if dry_run else "held.released"
        (warn if row["unsure"] else say)(
            text(said, unit=row["unit"], group=row["group"], events=row["events"], reason=row["reason"])
        )
    if not chosen:
        if not rows:
            warn(text("nothing"))
        negative()


async def release_units(
    own: House,
    actor: str,
    *,
    subject: UUID | None = None,
    group: str | None = None,
    all_with: str | None = None,
    dry_run: bool = False,
) -> list[dict[str, Any]]:
    """Release what fits; those whose call has an unknown outcome (`unsure`) stay. Returns all that fit."""
    from app import log_views
    from app.edge import announce

    async with own.db.pool.acquire() as tx, tx.transaction():
        rows = [
            row
            for row in await log_views.held(tx)
            if (subject is None or row["unit"] == subject)
            and (all_with is None or row["reason"] == all_with)
            and group in (None, row["group"])
        ]
        chosen = [row for row in rows if not row["unsure"]]
        if not dry_run:
            await _release(tx, chosen, actor)
    if not dry_run and chosen:
        await announce(own.db.pool, {f"held:{row['group']}" for row in chosen})
    return rows


async def _release(tx: Any, chosen: list[dict[str, Any]], actor: str) -> None:
    await tx.execute(
        "update log.held h set released = true from unnest($1::text[], $2::uuid[]) as c(grp, subject) "
        "where (h.grp, h.subject) = (c.grp, c.subject)",
        [row["group"] for row in chosen],
        [row["unit"] for row in chosen],
    )
    for row in chosen:
        await audit(tx, actor, None, "held.release", group=row["group"], unit=row["unit"], reason=row["reason"])


@dead.command("list")
def list_dead(
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 100,
    json_: Json = False,
) -> None:
    """Dead letters, the newest first. Exit 1 when there is none.

    Example: hoso dead-letters list
    """

    async def job(db: Any, _: Settings) -> list[dict[str, Any]]:
        from app import log_views

        return await log_views.dead(db, limit)

    listed(reading(job), ("id", "at", "group", "topic", "partition", "offset", "reason", "error"), json_)


@dead.command("show")
def show_dead(
    id_: Annotated[str, typer.Argument(metavar="ID", help="From hoso dead-letters list.")],
    json_: Json = False,
) -> None:
    """One dead letter and its bytes. Exit 1 when there is none.

    Example: hoso dead-letters show 0192f0c1-7c1e-7000-8000-000000000001
    """
    letter = read_uuid(id_)

    async def job(db: Any, _: Settings) -> dict[str, Any] | None:
        from app import log_views

        return await log_views.dead_letter(db, letter)

    found = reading(job)
    if found is None:
        warn(text("nothing"))
        negative()
    found["body"] = found["body"].decode("utf-8", "backslashreplace")
    if json_:
        as_json(found)
        return
    for key, value in found.items():
        say(f"{key}: {value}")

"""`hoso dead-letters`: records of the log that nobody could read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from app.commands.heldunits import Before, Group, PerSecond, Reason, Since, Tenant, Topic
from app.commands.opening import Actor, read_time, read_uuid, reading, working
from app.commands.showing import Json, as_json, listed, negative, say, warn
from app.words import text

if TYPE_CHECKING:
    from app.house import House
    from app.redriving import Redriven
    from app.stopped import Filter
    from hoso.settings import Settings

dead = typer.Typer(no_args_is_help=True, help="Records of the log that nobody could read.")


@dead.command("list")
def list_dead(
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 100,
    reason: Reason = None,
    group: Group = None,
    topic: Topic = None,
    tenant: Tenant = None,
    since: Since = None,
    before: Before = None,
    done: Annotated[bool, typer.Option("--all", help="Those already redriven or settled too.")] = False,
    json_: Json = False,
) -> None:
    """Dead letters, the newest first. Exit 1 when there is none.

    Example: hoso dead-letters list --tenant acme
    """
    from app.stopped import Filter

    chosen = Filter(reason, group, topic, tenant, read_time(since), read_time(before))

    async def job(db: Any, _: Settings) -> list[dict[str, Any]]:
        from app import stopped

        return await stopped.dead(db, chosen, limit=limit, done=done)

    columns = ("id", "failed_at", "group", "topic", "partition", "offset", "reason", "error", "redrives")
    listed(reading(job), (*columns, "redriven_at", "settled_at") if done else columns, json_)


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
        from app import stopped

        return await stopped.dead_letter(db, letter)

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


def _named(id_: str | None, chosen: Filter) -> UUID | None:
    """The letter that was named; None: those that are chosen. Raises SettingsError unless it is the one or the other."""
    from hoso.runtime.failures import SettingsError

    if (id_ is None) == chosen.says_nothing:
        raise SettingsError(text("dead.which"))
    return read_uuid(id_) if id_ is not None else None


@dead.command("redrive")
def redrive_dead(
    id_: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="From hoso dead-letters list; or choose with the options."),
    ] = None,
    reason: Reason = None,
    group: Group = None,
    topic: Topic = None,
    tenant: Tenant = None,
    since: Since = None,
    before: Before = None,
    per_second: PerSecond = 10.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be redriven.")] = False,
    actor: Actor = "",
    json_: Json = False,
) -> None:
    """Put dead letters back onto their topic, each as a new event; as a rule after the cause was mended.

    A letter goes back 3 times at most, also when it fails again and has another id then. One that went back already
    goes again only when it is named. Exit 1 when nothing went back.

    Example: hoso dead-letters redrive --topic enrolment.requests.acme --dry-run
    """
    from app.stopped import MOST_REDRIVES, Filter

    chosen = Filter(reason, group, topic, tenant, read_time(since), read_time(before))
    letter = _named(id_, chosen)

    async def job(own: House) -> tuple[list[dict[str, Any]], list[Redriven]]:
        from app import stopped
        from app.redriving import redrive

        async with own.db.pool.acquire() as db:
            if letter is None:
                rows = list(reversed(await stopped.dead(db, chosen, done=False)))
            else:
                one = await stopped.dead_letter(db, letter)
                rows = [] if one is None else [{name: one[name] for name in one if name != "body"}]
        if dry_run:
            return rows, []
        ids = [row["id"] for row in rows]
        return rows, await redrive(own.db.pool, ids, actor, per_second=per_second, again=letter is not None)

    rows, told = working(job)
    gone = [one for one in told if one.event is not None]
    if json_:
        as_json(
            {
                "redriven": [{"id": o.letter, "event": o.event, "redrives": o.redrives} for o in gone],
                "would_redrive": rows if dry_run else [],
                "refused": [{"id": o.letter, "why": o.why} for o in told if o.event is None],
            }
        )
    else:
        for row in rows if dry_run else []:
            say(text("dead.would", id=row["id"], topic=row["topic"], reason=row["reason"], error=row["error"]))
        for one in told:
            if one.event is None:
                why = text(f"dead.{one.why}", most=MOST_REDRIVES)
                warn(text("dead.refused", id=one.letter, topic=one.topic, why=why))
            else:
                said = {"id": one.letter, "topic": one.topic, "event": one.event, "redrives": one.redrives}
                say(text("dead.redriven", **said))
    if not (rows if dry_run else gone):
        if not rows:
            warn(text("nothing"))
        negative()


@dead.command("settle")
def settle_dead(
    id_: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="From hoso dead-letters list; or choose with the options."),
    ] = None,
    why: Annotated[str, typer.Option("--why", help="What was done about it; kept in the audit.")] = "",
    reason: Reason = None,
    group: Group = None,
    topic: Topic = None,
    tenant: Tenant = None,
    since: Since = None,
    before: Before = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be settled.")] = False,
    actor: Actor = "",
    json_: Json = False,
) -> None:
    """Say that dead letters are seen to and will not go back: the sender was wrong and knows. They stay, and wait for nobody.

    Exit 1 when there was none.

    Example: hoso dead-letters settle --topic enrolment.requests.acme --why "acme sends them again"
    """
    from app.stopped import Filter

    chosen = Filter(reason, group, topic, tenant, read_time(since), read_time(before))
    letter = _named(id_, chosen)

    async def job(own: House) -> list[Any]:
        from app import stopped
        from app.redriving import settle

        async with own.db.pool.acquire() as db:
            if letter is None:
                rows = await stopped.dead(db, chosen, done=False)
            else:
                one = await stopped.dead_letter(db, letter)
                rows = [one] if one and not (one["redriven_at"] or one["settled_at"]) else []
        ids = [row["id"] for row in rows]
        return ids if dry_run else await settle(own.db.pool, ids, actor, why)

    ids = working(job)
    if json_:
        as_json({"would_settle" if dry_run else "settled": ids})
    else:
        for one in ids:
            say(text("dead.would-settle" if dry_run else "dead.settled", id=one))
    if not ids:
        warn(text("nothing"))
        negative()

"""`hoso status` and `hoso lag`: how the installation is doing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.enrolments import answer_command
from app.commands.opening import reading, world_now
from app.commands.showing import Json, as_json, listed, say, table
from app.words import cause_word, stage_word, text

if TYPE_CHECKING:
    from hoso.settings import Settings


def register(app: typer.Typer) -> None:
    """Put the commands of this file on `app`."""
    app.command("status")(status)
    app.command("lag")(lag)


def lag(
    partitions: Annotated[bool, typer.Option("--partitions", help="One line a partition.")] = False,
    json_: Json = False,
) -> None:
    """How far each group is behind the log, in records and in seconds. Exit 1 when no group has read anything yet.

    Example: hoso lag --partitions
    """

    async def job(db: Any, _: Settings) -> list[dict[str, Any]]:
        from hoso.process import lag as measured

        look = measured.lag_by_partition if partitions else measured.lag
        return await look(db, await world_now(db))

    columns = (
        ("group", "topic", "partition", "records", "seconds", "commit_age")
        if partitions
        else ("group", "topic", "records", "seconds")
    )
    listed(reading(job), columns, json_)


def status(
    limit: Annotated[
        int, typer.Option("--limit", min=1, help="At most so many enrolments that wait for a person.")
    ] = 50,
    json_: Json = False,
) -> None:
    """Everything at a glance: stages, what waits for a person and how to answer, held units, calls, services.

    Example: hoso status
    """

    async def job(db: Any, known: Settings) -> dict[str, Any]:
        from app import log_views
        from app.disk import free_mib
        from services.ops import views

        return {
            "free_mib": free_mib(known.var),
            "world": await world_now(db),
            "stages": await views.stages(db),
            "waiting": [{**row, "command": answer_command(row)} for row in await views.waiting(db, limit)],
            "held": await log_views.held(db),
            "dead_letters": await db.fetchval("select count(*) from log.dead"),
            "lanes": await log_views.lanes(db),
            "services": await log_views.members(db),
        }

    found = reading(job)
    if json_:
        as_json(found)
        return
    table(
        [{**row, "stage": stage_word(row["stage"])} for row in found["stages"]],
        ("tenant", "stage", "count"),
        text("status.stages"),
    )
    say()
    waiting = [{**row, "cause": cause_word(row["cause"], row["message"])} for row in found["waiting"]]
    table(waiting, ("tenant", "unit_code", "name", "cause", "command"), text("status.waiting"))
    say()
    if found["held"]:
        table(found["held"], ("group", "unit", "since", "reason", "events"), text("status.held"))
        say()
    table(found["lanes"], ("lane", "calls", "oldest", "unsure"), text("status.lanes"))
    say()
    table(
        [{**row, "service": row["group"].removeprefix("hoso.")} for row in found["services"]],
        ("service", "host", "pid", "address"),
        text("status.services"),
    )
    say(text("status.dead", count=found["dead_letters"]))
    if not found["services"]:
        say(text("status.nobody"))
    from app.disk import LOW_MIB, REFUSE_MIB

    if found["free_mib"] < LOW_MIB:
        say(text("status.disk", free=found["free_mib"], least=LOW_MIB, refuse=REFUSE_MIB))

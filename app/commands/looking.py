"""`hoso status` and `hoso lag`: how the installation is doing."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.enrolments import answer_command
from app.commands.heldunits import Group
from app.commands.opening import reading, world_now
from app.commands.showing import Json, as_json, negative, say, table, warn
from app.words import cause_word, stage_word, text

if TYPE_CHECKING:
    from hoso.process.lag import Ends
    from hoso.settings import Settings


def register(app: typer.Typer) -> None:
    """Put the commands of this file on `app`."""
    app.command("status")(status)
    app.command("lag")(lag)


def lag(
    partitions: Annotated[bool, typer.Option("--partitions", help="One line a partition.")] = False,
    group: Group = None,
    json_: Json = False,
) -> None:
    """How far each group is behind the log, in records and in seconds; waiting calls; held units; dead letters.

    With Kafka what the relay has not brought there is told on its own. Exit 1 when no group has read anything yet.

    Example: hoso lag --partitions --group hoso.enrolment
    """

    async def job(db: Any, known: Settings) -> dict[str, Any]:
        from hoso.process import lag as measured

        wanted = None if group is None else [group]
        async with _ends(known) as ends:
            rows = await measured.lag_by_partition(db, await world_now(db), wanted, ends)
        rows = rows if partitions else measured.by_topic(rows)
        return {
            "groups": [row for row in rows if row["group"] != measured.RELAY],
            "relay": [row for row in rows if row["group"] == measured.RELAY],
            "lanes": await measured.lanes(db, wanted),
            "stopped": await measured.stopped(db, wanted),
        }

    found = reading(job)
    if json_:
        as_json(found)
    else:
        _say_lag(found, partitions)
    if not found["groups"] and not found["relay"]:
        if not json_:
            warn(text("nothing"))
        negative()


@contextlib.asynccontextmanager
async def _ends(known: Settings) -> AsyncIterator[Ends | None]:
    """What tells of Kafka's partitions, where there is Kafka."""
    if not known.on_kafka:
        yield None
        return
    from app.kafka import ends_of

    ends = ends_of(known)
    try:
        yield ends
    finally:
        await ends.close()


def _say_lag(found: dict[str, Any], partitions: bool) -> None:
    columns = ("group", "topic", *(("partition",) if partitions else ()), "records", "seconds", "commit_age", "lag")
    for half in ("groups", "relay"):
        rows = [{**row, "lag": text(f"lag.state.{row['state']}")} for row in found[half]]
        if rows:
            table(rows, columns, text(f"lag.{half}"))
            say()
    if any(row["state"] == "unknown" for row in found["groups"]):
        warn(text("lag.away"))
    table(found["lanes"], ("lane", "calls", "oldest", "unsure"), text("status.lanes"))
    say()
    kafka = ("unpublished",) if found["relay"] else ()
    table(found["stopped"], ("group", "held", "dead", *kafka), text("lag.stopped"))


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
        from app import log_views, stopped
        from app.disk import free_mib
        from hoso.process.lag import lanes
        from services.ops import views

        return {
            "free_mib": free_mib(known.var),
            "world": await world_now(db),
            "stages": await views.stages(db),
            "waiting": [{**row, "command": answer_command(row)} for row in await views.waiting(db, limit)],
            "held": await stopped.held(db),
            "dead_letters": await db.fetchval(
                "select count(*) from log.dead where coalesce(redriven_at, settled_at) is null"
            ),
            "lanes": await lanes(db),
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

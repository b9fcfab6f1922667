"""`hoso enrolment`: where enrolments stand, and what people say to those that wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.answering import Answer, ArrivedAt, Reason, Value, for_everybody, given, in_words
from app.commands.opening import Actor, reading
from app.commands.showing import Json, as_json, cell, listed, negative, say, table, warn
from app.words import cause_word, language, stage_word, text

if TYPE_CHECKING:
    from app.house import House
    from hoso.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Where enrolments stand, and answers to those that wait for a person.")
Id = Annotated[str, typer.Argument(metavar="ID", help="The enrolment's id, or the unit code.")]


@app.command("list")
def list_(
    stage: Annotated[
        str | None, typer.Option("--stage", help="Only in this stage, e.g. waiting-for-person, enrolled.")
    ] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only this tenant's.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 1000,
    json_: Json = False,
) -> None:
    """Enrolments, those that changed last first. Exit 1 when there is none.

    Example: hoso enrolment list --stage waiting-for-person
    """

    async def job(db: Any, _: Settings) -> list[dict[str, Any]]:
        from services.ops import views

        return await views.listing(db, stage=stage, tenant=tenant, limit=limit)

    from hoso.runtime.failures import SettingsError
    from schemas.units import Stage

    if stage is not None and stage not in [s.value for s in Stage]:
        raise SettingsError(
            text("option.bad", option="--stage", given=stage, allowed=", ".join(s.value for s in Stage))
        )
    rows = reading(job)
    shown = rows if json_ else [{**row, "stage": stage_word(row["stage"])} for row in rows]
    listed(shown, ("enrolment", "tenant", "unit_code", "name", "stage", "cause", "changed_at"), json_)


@app.command("show")
def show(id_: Id, json_: Json = False) -> None:
    """One enrolment: where it stands, and everything that happened to it. Exit 1 when there is none.

    Example: hoso enrolment show TZ1234Z
    """

    async def job(db: Any, _: Settings) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        from services.ops import views

        found = await views.find(db, id_)
        return found, await views.timeline(db, found[0]["enrolment"]) if found else []

    found, events = reading(job)
    if not found:
        if json_:
            as_json(None)
        warn(text("enrolment.none", id=id_))
        negative()
    from app.telling import told

    told_rows = [{**row, "what": told(language(), row["type"], row["data"])} for row in events]
    if json_:
        import json

        as_json(
            {
                **found[0],
                "others": [row["enrolment"] for row in found[1:]],
                "timeline": [{**row, "data": json.loads(row["data"])} for row in told_rows],
            }
        )
        return
    _facts(found[0])
    if len(found) > 1:
        say(text("enrolment.others", ids=", ".join(str(row["enrolment"]) for row in found[1:])))
    say()
    table(told_rows, ("at", "what"), text("enrolment.timeline"))


def _facts(row: dict[str, Any]) -> None:
    lines = {
        "enrolment": row["enrolment"],
        "tenant": row["tenant"],
        "unit_code": row["unit_code"],
        "name": row["name"],
        "stage": stage_word(row["stage"]),
        "cause": row["cause"],
        "message": cause_word(row["cause"], row["message"]),
        "number": row["number"],
        "employees": row["employees"],
        "changed_at": row["changed_at"],
    }
    for key, value in lines.items():
        if value not in (None, ""):
            say(f"{text('col.' + key)}: {cell(value)}")
    command = answer_command(row)
    if command:
        say(f"{text('col.command')}: {command}")


def answer_command(row: dict[str, Any]) -> str:
    """The command that answers an enrolment that waits; "" when it waits for nobody."""
    from services.ops.answers import WITH_VALUE, answers_to
    from services.ops.views import standing_of

    standing = standing_of(row)
    if standing.stage != "waiting-for-person":
        return ""
    choices = answers_to(standing)
    if not choices:
        return f"hoso enrolment cancel {row['enrolment']} --reason …"
    return f"hoso enrolment answer {row['enrolment']} " + "|".join(
        f"{c} …" if c in (*WITH_VALUE, "data") else c for c in choices
    )


@app.command("answer")
def answer(
    id_: Id,
    said: Answer,
    value: Value = None,
    reason: Reason = "",
    arrived_at: ArrivedAt = None,
    actor: Actor = "",
) -> None:
    """Answer what an enrolment waits for; hoso enrolment show says what can be answered.

    An activation code is asked for, or read from stdin.

    Example: hoso enrolment answer 0192f0c1-7c1e-7000-8000-000000000001 unit-code TZ1234Z
    """
    wanted, fields = given(said, value, reason, arrived_at)

    async def job(own: House) -> Any:
        from app.answering import Desk

        enrolment = await _enrolment(own, id_)
        desk, edge = await Desk.of_command(own)
        found = await desk.answer(enrolment, wanted, fields, actor=actor)
        await edge.announce()
        return found

    found = in_words(job)
    say(text("enrolment.answered", id=found.enrolment, answer=said))
    for_everybody(wanted, None)


@app.command("cancel")
def cancel(
    id_: Id,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the record.")],
    actor: Actor = "",
) -> None:
    """Give an enrolment up. What was begun at the agency runs to its outcome; the unit may be requested again.

    Example: hoso enrolment cancel TZ1234Z --reason "asked for twice"
    """

    async def job(own: House) -> Any:
        from app.answering import Desk

        enrolment = await _enrolment(own, id_)
        desk, edge = await Desk.of_command(own)
        found = await desk.answers.cancel(enrolment, reason, actor=actor)
        await edge.announce()
        return found

    found = in_words(job)
    say(text("enrolment.cancelled", id=found.enrolment))


async def _enrolment(own: House, key: str) -> Any:
    """The enrolment an id or unit code names: the newest of the unit."""
    from hoso.runtime.failures import HosoError
    from services.ops import views

    async with own.db.pool.acquire() as db:
        found = await views.find(db, key)
    if not found:
        raise HosoError(text("enrolment.none", id=key))
    return found[0]["enrolment"]

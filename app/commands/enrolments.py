"""`hoso enrolment`: where enrolments stand, and what people say to those that wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.answering import Answer, ArrivedAt, Reason, Value, for_everybody, given
from app.commands.opening import Actor, reading, working, world_now
from app.commands.showing import Json, as_json, listed, negative, say, warn
from app.words import language, stage_word, text

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
    """One enrolment as a story: where it stands, what is to be done, its steps, attempts, tasks, and everything that happened.

    Exit 1 when there is none.

    Example: hoso enrolment show TZ1234Z
    """

    async def job(db: Any, _: Settings) -> tuple[list[dict[str, Any]], Any, Any, Any]:
        from services.ops import checklist_views, task_views, views

        found = await views.find(db, id_)
        if not found:
            return [], None, None, None
        one = found[0]["enrolment"]
        made = await checklist_views.of_enrolment(db, one, await world_now(db))
        return found, await views.timeline(db, one), await task_views.of_enrolment(db, one), made

    found, events, tasks, made = reading(job)
    if not found:
        if json_:
            as_json(None)
        warn(text("enrolment.none", id=id_))
        negative()

    from app.story import attempts, story
    from services.ops.checklist import as_shown

    told_rows = story(language(), events)
    tried = attempts(language(), events)
    if json_:
        more = {"others": [row["enrolment"] for row in found[1:]], "checklist": as_shown(made)}
        as_json({**found[0], **more, "attempts": tried, "tasks": tasks, "timeline": told_rows})
        return
    from app.commands.stories import tell

    tell(found, told_rows, tried, tasks, made, answer_command(found[0]))


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

    async def choices(db: Any, _: Settings) -> list[str]:
        from hoso.runtime.failures import HosoError
        from services.ops import views
        from services.ops.answers import answers_to

        rows = await views.find(db, id_)
        if not rows:
            raise HosoError(text("enrolment.none", id=id_))
        return list(answers_to(views.standing_of(rows[0])))

    wanted, fields = given(said, value, reason, arrived_at, lambda: reading(choices, start=True))

    async def job(own: House) -> Any:
        from app.answering import Desk

        enrolment = await _enrolment(own, id_)
        desk, edge = await Desk.of_command(own)
        found = await desk.answer(enrolment, wanted, fields, actor=actor)
        await edge.announce()
        return found

    found = working(job)
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

    found = working(job)
    say(text("enrolment.cancelled", id=found.enrolment))


@app.command("employees")
def employees(id_: Id, actor: Actor = "") -> None:
    """Fetch the employees of an enrolled unit again. The count comes with the enrolment: hoso enrolment show.

    Example: hoso enrolment employees TZ1234Z
    """

    async def job(own: House) -> Any:
        from app.answering import Desk

        enrolment = await _enrolment(own, id_)
        desk, edge = await Desk.of_command(own)
        found = await desk.answers.fetch_employees(enrolment, actor=actor)
        await edge.announce()
        return found

    found = working(job)
    say(text("enrolment.employees", id=found.enrolment))


async def _enrolment(own: House, key: str) -> Any:
    """The enrolment an id or unit code names: the newest of the unit."""
    from hoso.runtime.failures import HosoError
    from services.ops import views

    async with own.db.pool.acquire() as db:
        found = await views.find(db, key)
    if not found:
        raise HosoError(text("enrolment.none", id=key))
    return found[0]["enrolment"]

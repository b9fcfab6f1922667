"""`hoso unit checklist`: how far a unit is on its way onto the service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.opening import reading, world_now
from app.commands.showing import Json, as_json, negative, say, warn
from app.words import cause_word, text

if TYPE_CHECKING:
    from hoso.settings import Settings
    from services.ops.checklist import Checklist

SIGNS = {"done": "✓", "doing": "…", "waiting": "!", "failed": "✗", "todo": "○"}


def register(app: typer.Typer) -> None:
    """Put the command of this file on `hoso unit`."""
    app.command("checklist")(show)


def show(
    unit: Annotated[str, typer.Argument(metavar="UNIT", help="The unit's code, branch id, org unit id or id.")],
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only this tenant's.")] = None,
    json_: Json = False,
) -> None:
    """The five steps of a unit: organisation, declaration, signature, registration, employees. Exit 1 when there is none.

    Example: hoso unit checklist TZ1234Z
    """

    async def job(db: Any, _: Settings) -> tuple[dict[str, Any], Checklist] | None:
        from services.ops import checklist_views
        from services.ops.checklist import Unit, checklist

        found, now = await checklist_views.unit_named(db, unit, tenant), await world_now(db)
        if found is None:
            return None
        made = (
            await checklist_views.of_enrolment(db, found["enrolment"], now) if found["enrolment"] is not None else None
        )
        return found, made or checklist(Unit(True), now)

    answer = reading(job)
    if answer is None:
        if json_:
            as_json(None)
        warn(text("unit.none", id=unit))
        negative()
    from services.ops.checklist import as_shown

    found, made = answer
    if json_:
        as_json({**found, **as_shown(made)})
        return
    for line in lines(made):
        say(line)


def lines(made: Checklist) -> list[str]:
    """The checklist for people."""
    shown = [text("checklist.percent", percent=made.percent)]
    for step in made.steps:
        said = f" {SIGNS[step.state]} {text('step.' + step.name)}: {text('step-state.' + step.state)}"
        if step.cause:
            said += f" – {_why(step.cause)}"
        if step.missing:
            said += f" ({text('checklist.missing', steps=', '.join(text('step.' + one) for one in step.missing))})"
        shown.append(said)
    return shown


def _why(cause: str) -> str:
    from hoso.domain.causes import CAUSES

    if cause == "signature":
        return text("checklist.signature")
    if cause == "cancelled":
        return text("stage.cancelled")
    return cause_word(cause, CAUSES[cause].text if cause in CAUSES else cause)

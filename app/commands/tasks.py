"""`hoso tasks`: everything that waits for a person, and answering it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from app.commands.answering import Answer, ArrivedAt, Reason, Value, for_everybody, given
from app.commands.opening import Actor, audit, read_uuid, reading, working
from app.commands.showing import Json, as_json, cell, listed, negative, say, table, warn
from app.words import cause_word, text

if TYPE_CHECKING:
    from app.house import House
    from hoso.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Everything that waits for a person, and how it is answered.")
Id = Annotated[str, typer.Argument(metavar="ID", help="The task's id, or its first characters, from hoso tasks list.")]


@app.command("list")
def list_(
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only this tenant's.")] = None,
    cause: Annotated[str | None, typer.Option("--cause", help="Only of this cause, e.g. provider, unit-held.")] = None,
    assignee: Annotated[str | None, typer.Option("--assignee", help="Only those given to this person.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 200,
    json_: Json = False,
) -> None:
    """Open tasks, those that end soonest first. Exit 1 when there is none.

    Example: hoso tasks list --tenant acme
    """

    async def job(db: Any, _: Settings) -> list[dict[str, Any]]:
        from app.tasks import open_tasks

        return await open_tasks(db, tenant=tenant, cause=cause, assignee=assignee, limit=limit)

    rows = reading(job)
    shown = rows if json_ else [_line(row) for row in rows]
    listed(shown, ("task", "tenant", "who", "cause", "answers", "since", "until", "assignee"), json_)


@app.command("show")
def show(id_: Id, json_: Json = False) -> None:
    """One task: what happened, what to do, what can be answered, who has it. Exit 1 when there is none.

    Example: hoso tasks show 0192f0c1-7c1e-7000-8000-000000000003
    """

    async def job(db: Any, _: Settings) -> dict[str, Any] | None:
        from app.tasks import one_task

        id_found = await _named(db, id_)
        return None if id_found is None else await one_task(db, id_found)

    found = reading(job)
    if found is None:
        if json_:
            as_json(None)
        warn(text("task.none", id=id_))
        negative()
    if json_:
        as_json(found)
        return
    for key in ("task", "tenant", "enrolment", "unit", "unit_code", "name", "cause"):
        if found[key]:
            say(f"{text('col.' + key)}: {cell(found[key])}")
    say(f"{text('col.what')}: {cause_word(found['cause'], found['text'])}")
    for key in ("cure", "since", "until", "assignee", "answers", "ended_at", "answer", "actor", "reason"):
        if found[key]:
            say(f"{text('col.' + key)}: {cell(found[key])}")
    candidates = found["detail"].get("candidates", [])
    if candidates:
        say()
        numbered = [{**one, "place": number} for number, one in enumerate(candidates, 1)]
        table(numbered, ("place", "enrolment", "unit_code", "unit_name", "attempt"), text("task.candidates"))
    command = answer_line(found)
    if command:
        say()
        say(f"{text('col.command')}: {command}")


@app.command("answer")
def answer(
    id_: Id,
    said: Answer,
    value: Value = None,
    reason: Reason = "",
    arrived_at: ArrivedAt = None,
    actor: Actor = "",
) -> None:
    """Answer a task; hoso tasks show says what can be answered. An activation code is asked for, or read from stdin.

    For an undecided mail: assign and the candidate's number or the enrolment. For a held unit: release.

    Example: hoso tasks answer 0192f0c1-7c1e-7000-8000-000000000003 provider 00040 --reason "asked by phone"
    """

    async def choices(db: Any, _: Settings) -> list[str]:
        from app.tasks import one_task
        from hoso.runtime.failures import HosoError

        id_found = await _named(db, id_)
        found = None if id_found is None else await one_task(db, id_found)
        if found is None:
            raise HosoError(text("task.none", id=id_))
        return [] if found["ended_at"] is not None else list(found["answers"])

    wanted, fields = given(said, value, reason, arrived_at, lambda: reading(choices, start=True))

    async def job(own: House) -> Any:
        from app.answering import Desk
        from app.commands.heldunits import release_units
        from app.stopped import Filter
        from app.tasks import one_task
        from hoso.runtime.failures import HosoError

        async with own.db.pool.acquire() as db:
            id_found = await _named(db, id_)
            found = None if id_found is None else await one_task(db, id_found)
        if found is None:
            raise HosoError(text("task.none", id=id_))
        if found["cause"] == "unit-held":
            if said not in found["answers"]:
                raise HosoError(text("task.release"))
            group = found["detail"]["group"]
            released = await release_units(own, actor, Filter(group=group), subject=found["unit"])
            if any(row["unsure"] for row in released):
                raise HosoError(text("held.unsure", unit=found["unit"], group=group))
            return found
        desk, edge = await Desk.of_command(own)
        await desk.answer_task(found["task"], wanted, fields, actor=actor)
        await edge.announce()
        return found

    found = working(job)
    say(text("task.answered", id=found["task"], answer=said))
    for_everybody(wanted, None)


@app.command("assign")
def assign(
    id_: Id,
    assignee: Annotated[str | None, typer.Argument(metavar="[WHO]", help="Who does it; nobody when left out.")] = None,
    actor: Actor = "",
) -> None:
    """Give a task to somebody. It stays open until it is answered, or ends by itself.

    Example: hoso tasks assign 0192f0c1-7c1e-7000-8000-000000000003 lan
    """

    async def job(own: House) -> UUID:
        from hoso.runtime.failures import HosoError
        from services.ops import task_views

        async with own.db.pool.acquire() as tx, tx.transaction():
            id_found = await _named(tx, id_)
            if id_found is None or not await task_views.assign(tx, id_found, (assignee or "").strip()[:100] or None):
                raise HosoError(text("task.none", id=id_))
            row = await task_views.shown(tx, id_found)
            tenant = row["tenant"] if row is not None else None
            await audit(tx, actor, tenant, "task.assign", task=id_found, assignee=assignee)
        return id_found

    done = working(job)
    say(text("task.assigned", id=done, who=assignee or "-"))


@app.command("code")
def code(id_: Id, actor: Actor = "") -> None:
    """The activation code that a person has to type on the portal, where the gateway takes none. Who saw it is written down.

    Example: hoso tasks code 0192f0c1-7c1e-7000-8000-000000000003
    """

    async def job(own: House) -> str:
        from app.tasks import code_of, one_task
        from hoso.runtime.failures import HosoError

        async with own.db.pool.acquire() as tx, tx.transaction():
            id_found = await _named(tx, id_)
            found = None if id_found is None else await one_task(tx, id_found)
            if found is None:
                raise HosoError(text("task.none", id=id_))
            return await code_of(tx, own.vault, found, actor)

    say(working(job))


async def _named(db: Any, written: str) -> UUID | None:
    """The task an id names, or the first characters of the id of one open task."""
    from services.ops import task_views

    try:
        return UUID(written)
    except ValueError:
        pass
    found = await task_views.beginning(db, written.strip().lower())
    if len(found) > 1:
        read_uuid(written)  # too short to be one: the usage error says what an id is
    return found[0] if found else None


def answer_line(row: dict[str, Any]) -> str:
    """The command that answers a task; "" when it is answered elsewhere."""
    choices = row["answers"]
    if row["ended_at"] is not None or not choices:
        return ""
    from services.ops.answers import WITH_VALUE

    words = (f"{word} …" if word in (*WITH_VALUE, "assign", "data") else word for word in choices)
    return f"hoso tasks answer {row['task']} " + "|".join(words)


def _line(row: dict[str, Any]) -> dict[str, Any]:
    who = " ".join(part for part in (row["unit_code"], row["name"]) if part)
    subject = row["text"] if row["about"].startswith("mail:") else who
    return {**row, "who": subject, "cause": row["cause"]}

"""`hoso tenant`: the customers of this installation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.opening import Actor, reading, working
from app.commands.showing import Json, listed, say
from app.words import text

if TYPE_CHECKING:
    from app.house import House
    from hoso.settings import Settings

app = typer.Typer(no_args_is_help=True, help="The customers of this installation.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="Lower-case letters, digits and hyphens, at most 40.")]


@app.command("add")
def add(
    name: Name, title: Annotated[str, typer.Option("--title", help="What people call it.")] = "", actor: Actor = ""
) -> None:
    """Make a tenant and its request topic; again is harmless.

    Example: hoso tenant add acme --title "Tập đoàn ACME"
    """

    from schemas.topics import REQUESTS

    async def job(own: House) -> bool:
        await own.set_up.add_tenant(name, title, actor)
        # Who reads the tenants' request topics finds the new one at once.
        await own.db.pool.execute("select pg_notify('hoso', 'topics')")
        return own.settings.on_kafka

    with_kafka = working(job)
    say(text("tenant.added", name=name))
    if with_kafka:
        say(text("topic.apply-next", topic=REQUESTS.name.replace("<tenant>", name)))


@app.command("list")
def list_(json_: Json = False) -> None:
    """All tenants. Exit 1 when there is none.

    Example: hoso tenant list --json
    """

    async def job(db: Any, _: Settings) -> list[dict[str, Any]]:
        rows = await db.fetch("select name as tenant, title, made_at from store.tenant where not removed order by name")
        return [dict(row) for row in rows]

    listed(reading(job, start=True), ("tenant", "title", "made_at"), json_)


@app.command("remove")
def remove(name: Name, actor: Actor = "") -> None:
    """Revoke a tenant's keys and stop reading its mailboxes; what is under way goes on.

    Example: hoso tenant remove acme
    """

    async def job(own: House) -> None:
        await own.set_up.remove_tenant(name, actor)

    working(job)
    say(text("tenant.removed", name=name))

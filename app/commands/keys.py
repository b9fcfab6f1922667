"""`hoso key`: API keys of tenants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.opening import Actor, reading, working
from app.commands.showing import Json, as_json, listed, say, warn
from app.words import text

if TYPE_CHECKING:
    from app.house import House
    from hoso.settings import Settings

app = typer.Typer(no_args_is_help=True, help="API keys of tenants.")


@app.command("add")
def add(
    tenant: Annotated[str, typer.Argument(metavar="TENANT", help="Whose key it is.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the key is for; it stands in records as key:NAME.")],
    scopes: Annotated[
        str, typer.Option("--scopes", metavar="A,B", help="submit, read, setup; separated by commas.")
    ] = "submit,read",
    actor: Actor = "",
    json_: Json = False,
) -> None:
    """Make an API key. Its token is printed this once; only a hash is kept.

    The token alone goes to stdout, so it can be put into a file.

    Example: hoso key add acme payroll > acme.key
    """

    async def job(own: House) -> str:
        return await own.set_up.add_key(tenant, name, [s.strip() for s in scopes.split(",") if s.strip()], actor)

    token = working(job)
    if json_:
        as_json({"tenant": tenant, "name": name, "id": token.split("_")[1], "token": token})
    else:
        warn(text("key.added"))
        say(token)


@app.command("list")
def list_(
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only this tenant's.")] = None,
    json_: Json = False,
) -> None:
    """Keys in force. Exit 1 when there is none.

    Example: hoso key list --tenant acme
    """

    async def job(db: Any, _: Settings) -> list[dict[str, Any]]:
        rows = await db.fetch(
            "select id, tenant, name, scopes, made_at from store.api_key where revoked_at is null "
            "and ($1::text is null or tenant = $1) order by made_at",
            tenant,
        )
        return [dict(row) for row in rows]

    listed(reading(job, start=True), ("id", "tenant", "name", "scopes", "made_at"), json_)


@app.command("remove")
def remove(id_: Annotated[str, typer.Argument(metavar="ID", help="From hoso key list.")], actor: Actor = "") -> None:
    """Revoke a key, at once.

    Example: hoso key remove 4f1c0a9b2d3e
    """

    async def job(own: House) -> None:
        await own.set_up.remove_key(id_, actor)

    working(job)
    say(text("key.removed", id=id_))

"""`hoso profile`: what dossiers are signed with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.opening import Actor, password, read_bytes, reading, working, world_now
from app.commands.showing import NOTHING, Json, as_json, listed, say
from app.words import text

if TYPE_CHECKING:
    from app.house import House
    from hoso.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Signing profiles: what dossiers are signed with.")
Tenant = Annotated[str, typer.Argument(metavar="TENANT", help="Whose profile it is.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="What sheets call it (column Chữ ký số).")]


@app.command("add")
def add(
    tenant: Tenant,
    name: Name,
    pkcs12: Annotated[
        Path, typer.Option("--pkcs12", metavar="FILE", help="The key with its certificate (.p12, .pfx).")
    ],
    password_file: Annotated[
        Path | None,
        typer.Option("--password-file", metavar="FILE", help="Its first line is the password. Default: asked for."),
    ] = None,
    actor: Actor = "",
) -> None:
    """Keep a key from a PKCS#12 file, sealed; its password is forgotten. The same name again replaces it.

    Example: hoso profile add acme main --pkcs12 acme.p12
    """
    data, secret = read_bytes(pkcs12), password(password_file)

    async def job(own: House) -> Any:
        from app.demo_keys import refuse_demo_key

        refuse_demo_key(data, secret, own.settings.environment)
        return await own.set_up.add_pkcs12(tenant, name, data, secret, actor), await world_now(own.db.pool)

    known, now = working(job)
    say(
        text("profile.added", name=name, tax_codes=", ".join(known.tax_codes) or "-", days=(known.not_after - now).days)
    )


@app.command("list")
def list_(
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only this tenant's.")] = None,
    json_: Json = False,
) -> None:
    """Signing profiles and how long their certificates last. Exit 1 when there is none.

    Example: hoso profile list
    """

    async def job(db: Any, _: Settings) -> list[dict[str, Any]]:
        now = await world_now(db)
        rows = await db.fetch(
            "select id, tenant, name, backend, tax_codes, serial, subject, issuer, not_before, not_after "
            "from store.profile "
            "where not removed and ($1::text is null or tenant = $1) order by tenant, name",
            tenant,
        )
        return [{**row, "days_left": (row["not_after"] - now).days} for row in rows]

    listed(
        reading(job, start=True), ("tenant", "name", "backend", "tax_codes", "serial", "not_after", "days_left"), json_
    )


@app.command("test")
def try_out(tenant: Tenant, name: Name, json_: Json = False) -> None:
    """Sign a sample and verify it; shows the tax codes and the days left. Exit 1 when it cannot sign.

    Example: hoso profile test acme main
    """

    async def job(own: House) -> tuple[bool, str, dict[str, Any]]:
        from app.probing import probe_profile
        from hoso.runtime.failures import HosoError

        found = next((p for p in await own.set_up.profiles(tenant) if p.name == name), None)
        opened = await own.set_up.profile_with_key(tenant, found.id) if found is not None else None
        if opened is None:
            raise HosoError(text("profile.none", tenant=tenant, name=name))
        return await probe_profile(opened, await world_now(own.db.pool))

    good, line, facts = working(job)
    if json_:
        as_json({"tenant": tenant, "name": name, "ok": good, **facts})
    else:
        say(line)
    if not good:
        raise typer.Exit(NOTHING)


@app.command("remove")
def remove(tenant: Tenant, name: Name, actor: Actor = "") -> None:
    """Remove a profile and destroy its key. Enrolments that need it wait for a person.

    Example: hoso profile remove acme main
    """

    async def job(own: House) -> None:
        await own.set_up.remove_profile(tenant, name, actor)

    working(job)
    say(text("profile.removed", name=name))

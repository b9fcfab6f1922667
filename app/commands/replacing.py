"""`hoso profile replace`: a new certificate for a profile, and what its enrolled units have to file for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.opening import Actor, password, read_bytes, working
from app.commands.profiles import Name, Tenant
from app.commands.showing import Json, as_json, say
from app.words import text

if TYPE_CHECKING:
    from app.house import House


def register(app: typer.Typer) -> None:
    """Put the command of this file on `hoso profile`."""
    app.command("replace")(replace)


def replace(
    tenant: Tenant,
    name: Name,
    pkcs12: Annotated[
        Path | None,
        typer.Option(
            "--pkcs12",
            metavar="FILE",
            help="The new key with its certificate. Left out: it was set anew otherwise, only tell the units.",
        ),
    ] = None,
    password_file: Annotated[
        Path | None,
        typer.Option("--password-file", metavar="FILE", help="Its first line is the password. Default: asked for."),
    ] = None,
    actor: Actor = "",
    json_: Json = False,
) -> None:
    """Sign with a new certificate from now on: every enrolled unit of the profile files a change dossier (05/SĐ-IVAN).

    A certificate of another employer is refused. Again is harmless: only units that last signed with another one are told.

    Example: hoso profile replace acme main --pkcs12 acme-2027.p12
    """
    data = read_bytes(pkcs12) if pkcs12 is not None else None
    secret = password(password_file) if data is not None else ""

    async def job(own: House) -> int:
        from app.edge import Edge
        from app.world import world_clock
        from hoso.runtime.failures import HosoError
        from services.ops.certificates import tell_replaced

        found = next((one for one in await own.set_up.profiles(tenant) if one.name == name), None)
        if found is None:
            raise HosoError(text("profile.none", tenant=tenant, name=name))
        if data is not None:
            await _put(own, found, data, secret, actor)
        clock = await world_clock(own.db.pool)
        edge = Edge(own.db.pool, own.settings.environment, clock)
        told = await tell_replaced(own.db.pool, edge, tenant, found.id, actor, clock.now())
        await edge.announce()
        return told

    told = working(job)
    if json_:
        as_json({"tenant": tenant, "name": name, "told": told})
    else:
        say(text("profile.replaced", name=name, told=told))


async def _put(own: House, found: Any, data: bytes, secret: str, actor: str) -> None:
    """Keep the new key in place of the old one. Raises HosoError for a certificate of another employer."""
    from app.demo_keys import refuse_demo_key
    from hoso.domain.certificates import facts, open_pkcs12
    from hoso.runtime.failures import HosoError

    refuse_demo_key(data, secret, own.settings.environment)
    codes = set(facts(open_pkcs12(data, secret).certificate_der).tax_codes)
    if found.tax_codes and not codes & set(found.tax_codes):
        raise HosoError(
            text(
                "profile.other-employer", name=found.name, old=", ".join(found.tax_codes), new=", ".join(sorted(codes))
            )
        )
    await own.set_up.add_pkcs12(found.tenant, found.name, data, secret, actor)

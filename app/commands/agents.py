"""`hoso agent-code`: which workstations may sign with their USB tokens. `hoso agent`: the program of the workstation itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.opening import Actor, audit, reading, working
from app.commands.profiles import app as profiles
from app.commands.showing import Json, as_json, listed, say, warn
from app.words import text

if TYPE_CHECKING:
    from app.house import House
    from hoso.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Workstations that sign with USB tokens, and their one-time codes.")


@app.command("new")
def new(
    tenant: Annotated[str, typer.Argument(metavar="TENANT", help="Whose token it is.")],
    profile: Annotated[
        str, typer.Argument(metavar="PROFILE", help="The signing profile that the workstation will sign for.")
    ],
    minutes: Annotated[int, typer.Option("--minutes", min=1, max=1440, help="How long the code is valid.")] = 30,
    actor: Actor = "",
    json_: Json = False,
) -> None:
    """Make a one-time code with which a workstation enrols (hoso-agent enrol). It is printed this once.

    The code alone goes to stdout. Once used, the profile signs with the certificate of that workstation's token; an
    earlier workstation of the profile is out of force.

    Example: hoso agent-code new acme main
    """

    async def job(own: House) -> tuple[str, str]:
        from datetime import timedelta

        from hoso.setup.failures import NotSetUp, no_tenant
        from services.signer.desk_agents import new_code

        if not profile.strip():
            raise NotSetUp("Tên chữ ký số không được để trống.", "the signing profile needs a name")

        async with own.db.pool.acquire() as tx, tx.transaction():
            if not await tx.fetchval("select 1 from store.tenant where name = $1 and not removed", tenant):
                raise no_tenant(tenant)
            made = await new_code(tx, tenant, profile.strip(), actor, timedelta(minutes=minutes))
            await audit(tx, actor, tenant, "agent-code.new", id=made[0], profile=profile)
            return made

    id_, code = working(job)
    if json_:
        as_json({"tenant": tenant, "profile": profile, "id": id_, "code": code, "minutes": minutes})
    else:
        warn(text("agent.code", profile=profile, minutes=minutes))
        say(code)


@app.command("list")
def list_(
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only this tenant's.")] = None,
    json_: Json = False,
) -> None:
    """Codes that may still be used, and the workstations in force with how they are. Exit 1 when there is none.

    Example: hoso agent-code list
    """

    async def job(db: Any, _: Settings) -> list[dict[str, Any]]:
        from services.signer.desk_agents import listed as all_of

        return await all_of(db, tenant)

    listed(reading(job, start=True), ("id", "tenant", "profile", "what", "host", "status", "moment"), json_)


@app.command("revoke")
def revoke(
    id_: Annotated[str, typer.Argument(metavar="ID", help="From hoso agent-code list.")], actor: Actor = ""
) -> None:
    """Revoke a code or a workstation, at once. Dossiers that need it wait for another workstation.

    Example: hoso agent-code revoke 4f1c0a9b
    """

    async def job(own: House) -> None:
        from hoso.runtime.failures import HosoError
        from services.signer.desk_agents import revoke as take_back

        async with own.db.pool.acquire() as tx, tx.transaction():
            tenant = await take_back(tx, id_)
            if tenant is None:
                raise HosoError(text("agent.none", id=id_))
            await audit(tx, actor, tenant, "agent-code.revoke", id=id_)

    working(job)
    say(text("agent.revoked", id=id_))


@profiles.command("add-token")
def add_token(
    tenant: Annotated[str, typer.Argument(metavar="TENANT", help="Whose token it is.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="What sheets call it (column Chữ ký số).")],
    module: Annotated[str, typer.Option("--module", metavar="FILE", help="The token's PKCS#11 library.")],
    pin_file: Annotated[
        Path,
        typer.Option(
            "--pin-file", metavar="FILE", help="Its first line is the PIN; only the signer's user may read it."
        ),
    ],
    certificate: Annotated[
        str,
        typer.Option(
            "--certificate", metavar="ID", help="Serial number or beginning of the SHA-256, when there are several."
        ),
    ] = "",
    actor: Actor = "",
) -> None:
    """Sign with a token or HSM that is plugged into this server. The PIN stays in its file and is not tried now.

    Example: hoso profile add-token acme hsm --module /usr/lib/softhsm/libsofthsm2.so --pin-file /etc/hoso/pin
    """

    async def job(own: House) -> None:
        from app.server_tokens import certificate_on
        from services.signer.keys.pkcs11 import TokenPlace

        place = TokenPlace(module, str(pin_file.resolve()))
        found = await certificate_on(module, certificate)
        await own.set_up.put_profile(tenant, name, "pkcs11", found, place.to_bytes(), actor)

    working(job)
    say(text("agent.token", name=name))


def agent(context: typer.Context) -> None:
    """Sign with a USB token at this workstation: hoso agent --help. The same as hoso-agent, which is smaller to install.

    Example: hoso agent run
    """
    from agent.main import main

    main(context.args)


def register(root: typer.Typer) -> None:
    """`hoso agent`: everything after it is for the workstation's own program."""
    passed_on = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
    root.command("agent", context_settings=passed_on)(agent)

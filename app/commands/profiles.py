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


@app.command("add-esign")
def add_esign(
    tenant: Tenant,
    name: Name,
    user: Annotated[str, typer.Option("--user", help="The account's user name.")],
    client_id: Annotated[str, typer.Option("--client-id", metavar="ID", help="The partner's x-clientid.")],
    client_key_file: Annotated[
        Path | None,
        typer.Option(
            "--client-key-file",
            metavar="FILE",
            help="Its first line is the partner's x-clientkey. Default: asked for.",
        ),
    ] = None,
    password_file: Annotated[
        Path | None,
        typer.Option("--password-file", metavar="FILE", help="Its first line is the password. Default: asked for."),
    ] = None,
    serial: Annotated[
        str, typer.Option("--serial", help="Which certificate: its serial number or SHA-256, hexadecimal.")
    ] = "",
    host: Annotated[str, typer.Option("--host", help="The service's address.")] = "https://esignapp.misa.vn",
    prompt_minutes: Annotated[
        int,
        typer.Option(
            "--prompt-minutes",
            min=1,
            max=1440,
            help="Minutes after which a prompt on a phone can no longer be approved.",
        ),
    ] = 15,
    otp_stdin: Annotated[bool, typer.Option("--otp-stdin", help="Read the one-time code from standard input.")] = False,
    actor: Actor = "",
) -> None:
    """Declare an account of MISA eSign remote signing; all its secrets are sealed. The same name again replaces it.

    Logs in at once to find the certificate. An account with several certificates needs --serial.

    Example: hoso profile add-esign acme main --user giamdoc@acme.example --client-id acme
    """
    client_key = (
        password(client_key_file)
        if client_key_file is not None
        else str(typer.prompt(text("prompt.client_key"), hide_input=True))
    )
    secret = password(password_file)

    async def job(own: House) -> Any:
        from app.remote_signing import CodeWanted, Wish, remote
        from services.signer.keys.misa_account import Account, checked_host

        account = Account(checked_host(host), client_id, client_key, user, secret, prompt_minutes)
        wish, now = Wish(name, account, serial), await world_now(own.db.pool)
        async with remote(own.set_up, own.db.pool, own.vault, lambda: now) as found:
            try:
                return await found.declare(tenant, wish, "", actor), now
            except CodeWanted:
                return await found.declare(tenant, wish, _one_time_code(otp_stdin), actor), now

    known, now = working(job)
    say(
        text("profile.added", name=name, tax_codes=", ".join(known.tax_codes) or "-", days=(known.not_after - now).days)
    )


@app.command("login")
def log_in(
    tenant: Tenant,
    name: Name,
    otp_stdin: Annotated[bool, typer.Option("--otp-stdin", help="Read the one-time code from standard input.")] = False,
    resend: Annotated[bool, typer.Option("--resend", help="Have a new one-time code sent.")] = False,
    anew: Annotated[bool, typer.Option("--anew", help="Try the log-in again although it was refused.")] = False,
    actor: Actor = "",
) -> None:
    """Give the one-time code that MISA eSign has sent. The dossiers that wait for it go on by themselves.

    With --anew: log in again, after the account was mended at MISA eSign. Exit 1 when a code is still wanted.

    Example: hoso profile login acme main
    """
    code = "" if resend or anew else _one_time_code(otp_stdin)

    async def job(own: House) -> bool:
        from app.commands.opening import audit
        from app.remote_signing import remote

        now = await world_now(own.db.pool)
        async with remote(own.set_up, own.db.pool, own.vault, lambda: now) as found:
            done = await found.log_in(tenant, name, code, resend)
        async with own.db.pool.acquire() as tx:
            await audit(tx, actor, tenant, "profile.login", name=name, resend=resend, anew=anew)
        return done

    if working(job):
        say(text("esign.in", name=name))
    else:
        say(text("esign.code_sent", tenant=tenant, name=name))
        if not resend:
            raise typer.Exit(NOTHING)


def _one_time_code(stdin: bool) -> str:
    """The code, asked for or read; never from the command line. Raises HosoError."""
    import sys

    from hoso.runtime.failures import HosoError

    code = sys.stdin.readline() if stdin else str(typer.prompt(text("prompt.otp"), hide_input=True))
    if not code.strip():
        raise HosoError(text("esign.no_code"))
    return code.strip()


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
        from app.remote_signing import remote

        now = await world_now(own.db.pool)
        async with remote(own.set_up, own.db.pool, own.vault, lambda: now) as signing:
            return await probe_profile(opened, now, signing.check)

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

"""`hoso mailbox`: the mailboxes the agency's mails arrive in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.opening import Actor, password, reading, working
from app.commands.showing import NOTHING, Json, as_json, listed, say
from app.words import text

if TYPE_CHECKING:
    from app.house import House
    from hoso.settings import Settings

app = typer.Typer(no_args_is_help=True, help="The mailboxes the agency's mails arrive in.")
Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="The mail address, as the forms declare it.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option("--password-file", metavar="FILE", help="Its first line is the password. Default: asked for."),
]


@app.command("add")
def add(
    tenant: Annotated[str, typer.Argument(metavar="TENANT", help="Whose mailbox it is.")],
    address: Address,
    host: Annotated[str, typer.Option("--host", help="The IMAP server.")],
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Its port.")] = 993,
    user: Annotated[str, typer.Option("--user", help="The name to log in with. Default: the address.")] = "",
    tls: Annotated[str, typer.Option("--tls", help="implicit, starttls, or none (loopback only).")] = "implicit",
    policy: Annotated[
        str, typer.Option("--policy", help="How a mail is trusted: dkim, auth-results or sender-only.")
    ] = "dkim",
    authserv_id: Annotated[
        str, typer.Option("--authserv-id", help="Whose Authentication-Results count, with --policy auth-results.")
    ] = "",
    client: Annotated[str, typer.Option("--client", help="aioimaplib or imapclient.")] = "aioimaplib",
    folder: Annotated[str, typer.Option("--folder", help="The folder that is read.")] = "INBOX",
    contact: Annotated[
        str, typer.Option("--contact", help="shared, or own: every enrolment gets its own plus-address.")
    ] = "shared",
    password_file: PasswordFile = None,
    actor: Actor = "",
) -> None:
    """Declare a mailbox; the same address again replaces its settings. In force without a restart.

    The password is asked for, or read from a file; it is kept sealed.

    Example: hoso mailbox add acme bhxh@acme.vn --host imap.acme.vn --password-file mailbox.pw
    """
    secret = password(password_file)

    async def job(own: House) -> None:
        from hoso.setup.registry import MailboxSettings

        _among("--tls", tls, ("implicit", "starttls", "none"))
        _among("--policy", policy, ("dkim", "auth-results", "sender-only"))
        _among("--client", client, ("aioimaplib", "imapclient"))
        wanted = MailboxSettings(host, port, user or address, tls, policy, authserv_id, client, folder)
        await own.set_up.add_mailbox(tenant, address, contact, wanted, secret, actor)

    working(job)
    say(text("mailbox.added", address=address))


def _among(option: str, given: str, allowed: tuple[str, ...]) -> None:
    from hoso.runtime.failures import SettingsError

    if given not in allowed:
        raise SettingsError(text("option.bad", option=option, given=given, allowed=", ".join(allowed)))


@app.command("list")
def list_(
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only this tenant's.")] = None,
    json_: Json = False,
) -> None:
    """Mailboxes that are read. Exit 1 when there is none.

    Example: hoso mailbox list --json
    """

    async def job(db: Any, _: Settings) -> list[dict[str, Any]]:
        import json

        rows = await db.fetch(
            "select id, tenant, address, contact_mode as mode, settings, made_at from store.mailbox where not removed "
            "and ($1::text is null or tenant = $1) order by tenant, address",
            tenant,
        )
        return [{**{k: v for k, v in row.items() if k != "settings"}, **json.loads(row["settings"])} for row in rows]

    listed(reading(job, start=True), ("tenant", "address", "host", "mode", "policy", "made_at"), json_)


@app.command("test")
def try_out(address: Address, json_: Json = False) -> None:
    """Connect to a declared mailbox as the mail watcher does. Changes and marks nothing. Exit 1 when it fails.

    Example: hoso mailbox test bhxh@acme.vn
    """

    async def job(own: House) -> tuple[bool, str]:
        from app.probing import probe_mailbox
        from hoso.runtime.failures import HosoError

        found = next((m for m in await own.set_up.mailboxes() if m.address.lower() == address.lower()), None)
        opened = await own.set_up.mailbox_with_password(found.id) if found is not None else None
        if opened is None:
            raise HosoError(text("mailbox.none", address=address))
        return await probe_mailbox(opened, own.settings)

    good, line = working(job)
    if json_:
        as_json({"address": address, "ok": good, "message": line})
    else:
        say(line)
    if not good:
        raise typer.Exit(NOTHING)


@app.command("remove")
def remove(address: Address, actor: Actor = "") -> None:
    """Stop reading a mailbox. Its mails stay where they are.

    Example: hoso mailbox remove bhxh@acme.vn
    """

    async def job(own: House) -> None:
        await own.set_up.remove_mailbox(address, actor)

    working(job)
    say(text("mailbox.removed", address=address))

"""`hoso mailbox`: the mailboxes the agency's mails arrive in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.opening import Actor, password, read_bytes, reading, working
from app.commands.showing import NOTHING, Json, as_json, listed, say, warn
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
        str,
        typer.Option(
            "--policy",
            help="How a mail is trusted. dkim: the agency's signature, verified here; what is not signed waits for a person. "
            "auth-results: the word of your mail server; safe only if it removes foreign headers with its own name. "
            "sender-only: the From line, which anybody can forge.",
        ),
    ] = "dkim",
    authserv_id: Annotated[
        str, typer.Option("--authserv-id", help="Whose Authentication-Results count, with --policy auth-results.")
    ] = "",
    client: Annotated[
        str,
        typer.Option(
            "--client", help="aioimaplib (GPL) or imapclient (also STARTTLS); either package may be left out."
        ),
    ] = "aioimaplib",
    folder: Annotated[str, typer.Option("--folder", help="The folder that is read at once.")] = "INBOX",
    also: Annotated[
        str,
        typer.Option(
            "--also",
            help="Folders read once a scan: auto (the junk folder), none, or names and special uses such as "
            r"\Junk,\All, separated by commas.",
        ),
    ] = "auto",
    contact: Annotated[
        str,
        typer.Option(
            "--contact",
            help="shared; own: every enrolment gets its own plus-address; catch-all: an address of its own in this domain.",
        ),
    ] = "shared",
    delivery: Annotated[
        str,
        typer.Option(
            "--delivery",
            help="The headers that say to which address a mail came, separated by commas: only those your server writes "
            "itself cannot be forged. Default: delivered-to, x-original-to, x-delivered-to, envelope-to, x-envelope-to, to.",
        ),
    ] = "",
    ca_file: Annotated[
        Path | None,
        typer.Option("--ca-file", metavar="FILE", help="Certificates to trust instead of the system's (PEM)."),
    ] = None,
    oauth_file: Annotated[
        Path | None,
        typer.Option(
            "--oauth-file",
            metavar="FILE",
            help="XOAUTH2 instead of a password (Microsoft 365, Google): JSON with token_url, client_id, client_secret, "
            "refresh_token, scope. It is sealed; delete the file.",
        ),
    ] = None,
    password_file: PasswordFile = None,
    actor: Actor = "",
) -> None:
    """Declare a mailbox; the same address again replaces its settings. In force without a restart.

    The password is asked for, or read from a file; it is kept sealed. Whom a mailbox believes decides what a forged
    mail can do: docs/mailboxes.md weighs the three policies. hoso mailbox test tries it out.

    Example: hoso mailbox add acme bhxh@acme.vn --host imap.acme.vn --password-file mailbox.pw
    """
    sealed = password(password_file) if oauth_file is None else read_bytes(oauth_file).decode("utf-8", "replace")

    async def job(own: House) -> None:
        from app.mailboxes import consent_to_seal
        from hoso.runtime.failures import SettingsError
        from hoso.setup.declarations import MailboxSettings
        from services.mail_watcher.parser import DELIVERY_HEADERS

        _among("--tls", tls, ("implicit", "starttls", "none"))
        _among("--policy", policy, ("dkim", "auth-results", "sender-only"))
        _among("--client", client, ("aioimaplib", "imapclient"))
        headers = [name.strip().lower() for name in delivery.split(",") if name.strip()]
        for name in headers:
            _among("--delivery", name, DELIVERY_HEADERS)
        if policy == "auth-results" and not authserv_id:
            raise SettingsError(text("mailbox.no-authserv"))
        if ca_file is not None and not ca_file.is_file():
            raise SettingsError(text("mailbox.no-ca-file", file=ca_file))
        wanted = MailboxSettings(
            host, port, user or address, tls, policy, authserv_id, client, folder,
            "xoauth2" if oauth_file is not None else "password", also.strip() or "auto", ",".join(headers),
            str(ca_file.resolve()) if ca_file is not None else "",
        )  # fmt: skip
        secret = consent_to_seal(sealed) if oauth_file is not None else sealed
        await own.set_up.add_mailbox(tenant, address, contact, wanted, secret, actor)

    working(job)
    say(text("mailbox.added", address=address))
    if policy == "sender-only":
        warn(text("mailbox.sender-only", address=address))


def _among(option: str, given: str, allowed: tuple[str, ...]) -> None:
    from hoso.runtime.failures import SettingsError

    if given not in allowed:
        raise SettingsError(text("option.bad", option=option, given=given, allowed=", ".join(allowed)))


@app.command("list")
def list_(
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only this tenant's.")] = None,
    json_: Json = False,
) -> None:
    """Mailboxes that are read, and how each stands: reading, down, refused, needs-consent. Exit 1 when there is none.

    Example: hoso mailbox list --json
    """

    async def job(db: Any, _: Settings) -> list[dict[str, Any]]:
        import json

        rows = await db.fetch(
            "select b.id, b.tenant, b.address, b.contact_mode as mode, b.settings, b.made_at, c.standing as state, c.error, "
            "c.scanned_at from store.mailbox b left join mail_watcher.mailbox_cursor c on c.mailbox = b.id "
            "where not b.removed and ($1::text is null or b.tenant = $1) order by b.tenant, b.address",
            tenant,
        )
        return [{**{k: v for k, v in row.items() if k != "settings"}, **json.loads(row["settings"])} for row in rows]

    listed(
        reading(job, start=True), ("tenant", "address", "host", "mode", "policy", "state", "error", "made_at"), json_
    )


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
        return await probe_mailbox(opened, own.settings, own)

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

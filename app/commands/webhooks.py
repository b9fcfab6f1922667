"""`hoso webhook` and `hoso notify`: whom hoso tells of what happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.opening import Actor, read_uuid, working
from app.commands.showing import NOTHING, Json, as_json, listed, say, warn
from app.words import language, text

if TYPE_CHECKING:
    from app.house import House
    from services.notifier.endpoints import Endpoints

webhook = typer.Typer(no_args_is_help=True, help="Webhooks: public events of a tenant to its own systems, signed.")
notify = typer.Typer(no_args_is_help=True, help="Mails to people at each milestone and each task, gathered.")
Tenant = Annotated[str, typer.Argument(metavar="TENANT", help="Whose systems or people they are.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="From hoso webhook list.")]


def endpoints_of(own: House) -> Endpoints:
    """What people set up for outgoing messages, in this house."""
    from hoso.runtime.ids import uuid7
    from services.notifier.endpoints import Endpoints

    return Endpoints(own.db.pool, own.vault, uuid7)


@webhook.command("add")
def add(
    tenant: Tenant,
    url: Annotated[str, typer.Argument(metavar="URL", help="https://… of the receiver.")],
    actor: Actor = "",
    json_: Json = False,
) -> None:
    """Tell a system of everything public that happens from now on. Its secret is printed this once.

    Signed after Standard Webhooks: webhook-id, webhook-timestamp, webhook-signature.

    Example: hoso webhook add acme https://hr.acme.vn/hooks/hoso
    """

    async def job(own: House) -> tuple[Any, str]:
        from hoso.runtime.failures import HosoError
        from services.notifier.receivers import BadUrl, read_url

        try:
            read = read_url(url, loopback=own.settings.webhook_loopback)
        except BadUrl as error:
            raise HosoError(error.vi if language() == "vi" else str(error)) from error
        return await endpoints_of(own).add(tenant, read, actor)

    id_, secret = working(job)
    if json_:
        as_json({"webhook": id_, "tenant": tenant, "url": url, "secret": secret})
        return
    warn(text("webhook.added", id=id_))
    say(secret)


@webhook.command("list")
def list_(
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only this tenant's.")] = None,
    json_: Json = False,
) -> None:
    """Webhooks: how far each is, and how it does. Exit 1 when there is none.

    Example: hoso webhook list
    """

    async def job(own: House) -> list[dict[str, Any]]:
        return await endpoints_of(own).webhooks(tenant)

    columns = ("endpoint", "tenant", "url", "cursor", "behind", "refused", "failing_since", "error", "disabled_at")
    listed(working(job), columns, json_)


@webhook.command("remove")
def remove(id_: Id, actor: Actor = "") -> None:
    """Tell a webhook no more; its secret is destroyed.

    Example: hoso webhook remove 0192f0c1-7c1e-7000-8000-000000000004
    """
    one = read_uuid(id_)

    async def job(own: House) -> None:
        await endpoints_of(own).remove(one, actor)

    working(job)
    say(text("webhook.removed", id=one))


@webhook.command("test")
def try_out(id_: Id, json_: Json = False) -> None:
    """Send a signed test event now and show what came back. Exit 1 when it was not taken.

    Example: hoso webhook test 0192f0c1-7c1e-7000-8000-000000000004
    """
    one = read_uuid(id_)

    async def job(own: House) -> Any:
        import json
        from datetime import UTC, datetime

        from hoso.runtime.ids import uuid7
        from services.notifier.receivers import Receivers
        from services.notifier.signing import signed

        url, secret = await endpoints_of(own).with_secret(one)
        # The receiver compares the stamp with its own clock: real time, in `test` too.
        event, now = str(uuid7()), datetime.now(UTC)
        body = json.dumps({"id": event, "type": "vn.hoso.webhook.test.v1", "timestamp": now.isoformat(), "data": {}})
        receivers = Receivers(loopback=own.settings.webhook_loopback)
        try:
            return await receivers.post(url, signed(secret, event, now, body.encode()), body.encode())
        finally:
            await receivers.close()

    answer = working(job)
    if json_:
        as_json({"webhook": one, "taken": answer.taken, "status": answer.status, "error": answer.error})
    else:
        say(text("webhook.tried", status=answer.status or "-", error=answer.error))
    if not answer.taken:
        raise typer.Exit(NOTHING)


@webhook.command("replay")
def replay(
    id_: Id,
    after: Annotated[
        int | None,
        typer.Option(
            "--after", min=0, help="Everything after this cursor. Default: from the first that was not taken."
        ),
    ] = None,
    actor: Actor = "",
) -> None:
    """Tell a webhook again, and switch it on again. Events keep their webhook-id; those of the last 30 days are there.

    Example: hoso webhook replay 0192f0c1-7c1e-7000-8000-000000000004 --after 0
    """
    one = read_uuid(id_)

    async def job(own: House) -> int:
        return await endpoints_of(own).replay(one, after, actor)

    say(text("webhook.replayed", id=one, after=working(job)))


@notify.command("set")
def set_(
    tenant: Tenant,
    to: Annotated[list[str], typer.Option("--to", metavar="ADDRESS", help="Who is told; may be given several times.")],
    to_unit: Annotated[
        bool, typer.Option("--to-unit", help="Also the address in each unit's own row; often the mailbox hoso reads.")
    ] = False,
    lang: Annotated[str, typer.Option("--lang", help="vi or en.")] = "vi",
    gather: Annotated[
        str, typer.Option("--gather", metavar="DURATION", help="What happens within it goes into one mail, e.g. 5m.")
    ] = "5m",
    actor: Actor = "",
) -> None:
    """Who gets mails about a tenant's milestones and tasks. Setting again replaces; --to "" stops them.

    Example: hoso notify set acme --to lan@acme.vn --to nhan-su@acme.vn --gather 15m
    """

    async def job(own: House) -> None:
        from hoso.runtime.clock import parse_duration
        from hoso.runtime.failures import HosoError, SettingsError

        if lang not in ("vi", "en"):
            raise SettingsError(text("option.bad", option="--lang", given=lang, allowed="vi, en"))
        try:
            window = parse_duration(gather)
        except ValueError as error:
            raise HosoError(str(error)) from error
        addresses = [one for one in to if one.strip()]
        language: Any = lang
        await endpoints_of(own).tell(tenant, addresses, to_unit=to_unit, language=language, gather=window, actor=actor)
        if not own.settings.smtp:
            warn(text("notify.off"))

    working(job)
    say(text("notify.set", tenant=tenant))


@notify.command("list")
def show(
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only this tenant's.")] = None,
    json_: Json = False,
) -> None:
    """Who is told, and how many mails wait or were refused. Exit 1 when nobody is.

    Example: hoso notify list
    """

    async def job(own: House) -> list[dict[str, Any]]:
        if not own.settings.smtp:
            warn(text("notify.off"))
        return await endpoints_of(own).told(tenant)

    listed(working(job), ("tenant", "addresses", "to_unit", "language", "gather", "waiting", "refused"), json_)

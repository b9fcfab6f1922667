"""`hoso mail`: mails the mail watcher has read, and giving one that could not be matched to its enrolment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.opening import Actor, audit, read_uuid, reading, working
from app.commands.showing import Json, listed, say
from app.words import text

if TYPE_CHECKING:
    from app.house import House
    from hoso.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Mails of the agency: what became of each, and whose an undecided one is.")
_MAILS = """
select m.id as mail, m.tenant, b.address as mailbox, m.folder, m.what as kind, m.unit_code, m.number, m.state, m.verdict,
  m.why, m.subject, m.arrived_at, m.enrolment
from mail_watcher.mail m left join store.mailbox b on b.id = m.mailbox
where ($1::text is null or m.tenant = $1) and (not $2 or m.state in ('undecided', 'parked'))
order by m.arrived_at desc limit $3
"""
_ATTEMPT = """
select e.dossier, e.attempt, e.unit, e.tenant, e.enrolment, e.kind from mail_watcher.expectation e
where e.enrolment = $1 and e.tenant = $2 and (cardinality($3::text[]) = 0 or e.kind = any($3)) order by e.since desc, e.attempt desc limit 1
"""


@app.command("list")
def list_(
    undecided: Annotated[bool, typer.Option("--undecided", help="Only those that wait: undecided or parked.")] = False,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only this tenant's.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 200,
    json_: Json = False,
) -> None:
    """Mails, the newest first, each with its folder; never their bodies or codes. Exit 1 when there is none.

    Example: hoso mail list --undecided
    """

    async def job(db: Any, _: Settings) -> list[dict[str, Any]]:
        return [dict(row) for row in await db.fetch(_MAILS, tenant, undecided, limit)]

    listed(reading(job), ("mail", "tenant", "mailbox", "kind", "unit_code", "state", "why", "arrived_at"), json_)


@app.command("aside")
def aside(
    mail: Annotated[str, typer.Argument(metavar="MAIL", help="The mail's id, from hoso mail list.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, for the record.")] = "",
    actor: Actor = "",
) -> None:
    """Set a mail aside that waits for a person: nothing of it is used, and nobody is asked about it any more.

    Example: hoso mail aside 0192f0c1-7c1e-7000-8000-000000000002 --reason "a copy"
    """
    mail_id = read_uuid(mail)

    async def job(own: House) -> None:
        from app.edge import Edge

        edge = await Edge.open(own.db.pool, own.settings.environment)
        async with own.db.pool.acquire() as tx, tx.transaction():
            ring = await _set_aside(tx, edge, mail_id, reason, actor)
        ring()
        await edge.announce()

    working(job)
    say(text("mail.aside", mail=mail_id))


async def _set_aside(tx: Any, edge: Any, mail: Any, reason: str, actor: str) -> Any:
    """The mail's row is locked first: the matcher passes over it meanwhile, and finds it decided after."""
    from hoso.runtime.failures import HosoError
    from hoso.runtime.outgoing import Cause
    from hoso.runtime.steps import Tell
    from schemas.events import MailSettled

    row = await tx.fetchrow(
        "select tenant, state, enrolment, told from mail_watcher.mail where id = $1 for update", mail
    )
    if row is None:
        raise HosoError(text("mail.none", mail=mail))
    if row["state"] == "matched":
        raise HosoError(text("mail.matched", mail=mail, enrolment=row["enrolment"]))
    if row["state"] not in ("undecided", "parked", "quarantined", "aside"):
        raise HosoError(text("mail.not-waiting", mail=mail, state=row["state"]))
    await tx.execute("update mail_watcher.mail set state = 'aside', look = false, told = '' where id = $1", mail)
    await audit(tx, actor, row["tenant"], "mail.aside", mail=mail, reason=reason)
    told = [(Cause(mail, row["tenant"], mail, None), Tell(MailSettled(mail=mail, how="set-aside")))]
    return await edge.admit_many(tx, told if row["told"] else [])


@app.command("assign")
def assign(
    mail: Annotated[str, typer.Argument(metavar="MAIL", help="The mail's id, from hoso mail list.")],
    enrolment: Annotated[str, typer.Argument(metavar="ENROLMENT", help="Whose it is: the enrolment's id.")],
    actor: Actor = "",
) -> None:
    """Give a mail to the enrolment it belongs to. The mail watcher carries it out.

    Example: hoso mail assign 0192f0c1-7c1e-7000-8000-000000000002 0192f0c1-7c1e-7000-8000-000000000001
    """
    mail_id, enrolment_id = read_uuid(mail), read_uuid(enrolment)

    async def job(own: House) -> None:
        from app.edge import Edge

        edge = await Edge.open(own.db.pool, own.settings.environment)
        async with own.db.pool.acquire() as tx, tx.transaction():
            await _assign(tx, edge, mail_id, enrolment_id, actor)
        await edge.announce()

    working(job)
    say(text("mail.assigned", mail=mail_id, enrolment=enrolment_id))


async def _assign(tx: Any, edge: Any, mail: Any, enrolment: Any, actor: str) -> None:
    from hoso.runtime.failures import HosoError
    from hoso.runtime.outgoing import Cause
    from hoso.runtime.steps import Tell
    from schemas.events import MailAssigned

    row = await tx.fetchrow("select tenant, kind, kinds, state, enrolment from mail_watcher.mail where id = $1", mail)
    if row is None:
        raise HosoError(text("mail.none", mail=mail))
    if row["state"] == "matched":
        raise HosoError(text("mail.matched", mail=mail, enrolment=row["enrolment"]))
    if row["state"] not in ("undecided", "parked"):
        raise HosoError(text("mail.closed", mail=mail, state=row["state"]))
    kinds = list(row["kinds"]) or ([row["kind"]] if row["kind"] else [])
    attempt = await tx.fetchrow(_ATTEMPT, enrolment, row["tenant"], kinds)
    if attempt is None:
        raise HosoError(text("mail.nobody", enrolment=enrolment))
    fact = MailAssigned(
        mail=mail, enrolment=enrolment, dossier=attempt["dossier"], attempt=attempt["attempt"], actor=actor
    )
    await audit(tx, actor, row["tenant"], "mail.assign", mail=mail, enrolment=enrolment)
    ring = await edge.admit_many(tx, [(Cause(attempt["unit"], row["tenant"], enrolment, None), Tell(fact))])
    ring()

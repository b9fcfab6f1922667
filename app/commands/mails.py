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
select m.id as mail, m.tenant, b.address as mailbox, m.kind, m.unit_code, m.number, m.state, m.verdict, m.why,
  m.arrived_at, m.enrolment
from mail_watcher.mail m left join store.mailbox b on b.id = m.mailbox
where ($1::text is null or m.tenant = $1) and (not $2 or m.state in ('undecided', 'parked'))
order by m.arrived_at desc limit $3
"""
_ATTEMPT = """
select e.dossier, e.attempt, e.unit, e.tenant, e.enrolment, e.kind from mail_watcher.expectation e
where e.enrolment = $1 and e.tenant = $2 and e.kind = coalesce($3, e.kind) order by e.since desc, e.attempt desc limit 1
"""


@app.command("list")
def list_(
    undecided: Annotated[bool, typer.Option("--undecided", help="Only those that wait: undecided or parked.")] = False,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only this tenant's.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 200,
    json_: Json = False,
) -> None:
    """Mails, the newest first; never their bodies or codes. Exit 1 when there is none.

    Example: hoso mail list --undecided
    """

    async def job(db: Any, _: Settings) -> list[dict[str, Any]]:
        return [dict(row) for row in await db.fetch(_MAILS, tenant, undecided, limit)]

    listed(reading(job), ("mail", "tenant", "mailbox", "kind", "unit_code", "state", "why", "arrived_at"), json_)


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

    row = await tx.fetchrow("select tenant, kind, state, enrolment from mail_watcher.mail where id = $1", mail)
    if row is None:
        raise HosoError(text("mail.none", mail=mail))
    if row["state"] == "matched":
        raise HosoError(text("mail.matched", mail=mail, enrolment=row["enrolment"]))
    if row["state"] not in ("undecided", "parked"):
        raise HosoError(text("mail.closed", mail=mail, state=row["state"]))
    attempt = await tx.fetchrow(_ATTEMPT, enrolment, row["tenant"], row["kind"])
    if attempt is None:
        raise HosoError(text("mail.nobody", enrolment=enrolment))
    fact = MailAssigned(
        mail=mail, enrolment=enrolment, dossier=attempt["dossier"], attempt=attempt["attempt"], actor=actor
    )
    await audit(tx, actor, row["tenant"], "mail.assign", mail=mail, enrolment=enrolment)
    ring = await edge.admit_many(tx, [(Cause(attempt["unit"], row["tenant"], enrolment, None), Tell(fact))])
    ring()

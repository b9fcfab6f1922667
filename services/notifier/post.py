"""The mails: notices gathered into one, written down, sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID, uuid5

from hoso.points import point
from hoso.runtime.outgoing import Cause
from hoso.runtime.steps import Call, Step, Tried, Try
from services.notifier.asks import SendMail
from services.notifier.letters import Line, letter
from services.notifier.ports import Log, Pool

LANE = "notifier.mail"
GATHER = timedelta(minutes=5)
AT_ONCE = 2_000
"""Notices in one mail at most."""
_SPACE = UUID("8c0b9c86-1a0e-5a0f-9a53-2c0e6d0f4b11")

_RIPE = """
select n.tenant, n.recipient, s.language from notifier.notice n join notifier.setting s on s.tenant = n.tenant
where n.mail is null group by n.tenant, n.recipient, s.language, s.gather having min(n.at) + s.gather <= $1
order by min(n.at) limit 50
"""
_TAKE = """
select n.n, n.event, n.what, n.word, n.at, n.enrolment, n.until, e.unit_code, e.name
from notifier.notice n left join notifier.enrolment e on e.enrolment = n.enrolment
where n.tenant = $1 and n.recipient = $2 and n.mail is null order by n.n limit $3 for update of n
"""


class Sender(Protocol):
    """A relay."""

    async def send(self, recipient: str, message: bytes) -> None:
        """Hand one mail over. Raises Transient or Invalid."""
        ...


async def gather(pool: Pool, log: Log, sender: str, new_id: Callable[[], UUID], now: datetime) -> int:
    """Make a mail of what every ripe recipient is to be told, and ask for it to be sent; how many mails. One transaction."""
    async with pool.acquire() as tx, tx.transaction():
        if not await tx.fetchval("select pg_try_advisory_xact_lock(hashtext('hoso.notifier.gather'))"):
            return 0
        steps: list[tuple[Cause, Step]] = []
        for ripe in await tx.fetch(_RIPE, now):
            tenant, recipient = ripe["tenant"], ripe["recipient"]
            rows = await tx.fetch(_TAKE, tenant, recipient, AT_ONCE)
            lines = [
                Line(
                    row["event"],
                    row["what"],
                    row["word"],
                    row["at"],
                    row["enrolment"],
                    row["unit_code"],
                    row["name"] or "",
                    row["until"],
                )
                for row in rows
            ]
            made, mail = letter(lines, recipient, sender, ripe["language"], now), new_id()
            await tx.execute(
                "insert into notifier.mail(mail, tenant, recipient, message_id, body, at) values ($1, $2, $3, $4, $5, $6)",
                mail,
                tenant,
                recipient,
                made.message_id,
                made.body,
                now,
            )
            await tx.execute("update notifier.notice set mail = $2 where n = any($1)", [row["n"] for row in rows], mail)
            subject = uuid5(_SPACE, recipient)
            steps.append((Cause(subject, tenant, mail, None), Call(LANE, subject, f"mail:{mail}", SendMail(mail=mail))))
        ring = await log.admit_many(tx, steps)
        await point("notifier.before-commit")
    ring()
    return len(steps)


class SendLetter:
    """Sends one mail as it was written down: the same bytes and Message-ID at every try."""

    def __init__(self, pool: Pool, relay: Sender) -> None:
        self._pool = pool
        self._relay = relay

    async def perform(self, ask: SendMail, this: Try) -> Sequence[Step]:
        async with self._pool.acquire() as db:
            row = await db.fetchrow("select recipient, body, state from notifier.mail where mail = $1", ask.mail)
        if row is not None and row["state"] == "waiting":
            await self._relay.send(row["recipient"], row["body"])
        return []

    async def reconcile(self, ask: SendMail, this: Try) -> Sequence[Step] | None:
        """A relay cannot be asked what it has: sending again is the only way, and the Message-ID says it is the same."""
        return None

    def give_up(self, ask: SendMail, this: Try, reached: bool, error: str) -> Sequence[Step]:
        return []


async def record(tx: Any, tried: Sequence[Tried]) -> None:
    """What became of the mails whose calls have ended."""
    ended = [(t.ask.mail, "sent" if t.outcome == "ended" else "refused", t.error, t.this.now) for t in tried
             if isinstance(t.ask, SendMail) and t.outcome in ("ended", "gave-up")]  # fmt: skip
    if ended:
        await tx.execute(
            "update notifier.mail m set state = t.state, error = t.error, ended_at = t.at "
            "from unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[]) as t(mail, state, error, at) where m.mail = t.mail",
            *[list(column) for column in zip(*ended, strict=True)],
        )


async def forget(pool: Pool, before: datetime) -> None:
    """Drop notices and mails that were sent long ago: what happened is in the timeline."""
    async with pool.acquire() as db:
        await db.execute("delete from notifier.notice where mail is not null and at < $1", before)
        await db.execute("delete from notifier.mail where state <> 'waiting' and at < $1", before)

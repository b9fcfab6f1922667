"""Takes recorded mails to the attempts they answer.

Twice: first to see whose code has to be sealed for whom, then, with the mail locked and everything the consumer has
read since, to write verdict and event in one transaction. A mail is looked at only once the consumer has read past the
heads noted with it, and again whenever an expectation came that might be its.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import asyncpg

from hoso.points import point
from hoso.runtime.failures import HosoError
from hoso.runtime.steps import Tell, Tx
from hoso.store.vault import Erased
from schemas.events import ActivationCodeArrived, StopResultArrived
from services.mail_watcher.candidates import KnownMail, decide, known_mail
from services.mail_watcher.matching import Expectation, Foreign, Match, Matched, Several
from services.mail_watcher.ports import Admission, Admit, Vault
from services.mail_watcher.reading import StopResultMail
from services.mail_watcher.settings import MailboxSettings
from services.mail_watcher.store import GROUP, TOPIC

log = logging.getLogger(__name__)

AT_ONCE = 100
POLL_S = 0.5
SWEEP_S = 60.0

_DUE = """
select m.* from mail_watcher.mail m where m.look and m.mailbox = any($1) and not exists (
  select 1 from jsonb_each_text(m.heads) h(part, next) where h.next::bigint > coalesce(
    (select p.off from log.position p where p.grp = $2 and p.topic = $3 and p.part = h.part::smallint), 0))
order by m.arrived_at, m.id limit $4"""
_SWEEP = """
update mail_watcher.mail set look = true where id in (
  select id from mail_watcher.mail where state = 'parked' and not look and mailbox = any($1)
    and seen_at > now() - interval '3 days'
  order by id for update skip locked)"""


_TOLD_BEFORE = """
select true from mail_watcher.expectation e join mail_watcher.mail m using (dossier, attempt)
where e.unit = $1 and e.enrolment = $2 and m.code = $3 and m.id <> $4 and m.state = 'matched' limit 1"""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was sealed before the transaction."""

    expectation: Expectation
    code: UUID | None
    """None: a stop, or a code that was destroyed or told before."""
    trouble: str = ""
    """Why the code cannot be had at all: a person has to look."""


class Matcher:
    """Matches the mails of some mailboxes until it is cancelled. Any number of processes may do so at once."""

    def __init__(
        self, mailboxes: Callable[[], dict[UUID, MailboxSettings]], pool: asyncpg.Pool, vault: Vault, admit: Admit
    ) -> None:
        self._mailboxes = mailboxes
        self._pool = pool
        self._vault = vault
        self._admit = admit
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """There may be something to do: mails were recorded, or the consumer went on."""
        self._woken.set()

    async def run(self) -> None:
        """For ever: rounds while there is something to do, then waits to be woken or a moment."""
        loop = asyncio.get_running_loop()
        sweep_at = loop.time() + SWEEP_S
        while True:
            self._woken.clear()
            if loop.time() >= sweep_at:
                await self.sweep()
                sweep_at = loop.time() + SWEEP_S
            if await self.round():
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), POLL_S)

    async def sweep(self) -> None:
        """Look at parked mails again: one may have been parked while its expectation was being written down."""
        await self._pool.execute(_SWEEP, list(self._mailboxes()))

    async def round(self) -> int:
        """One batch of mails. Returns how many got a verdict."""
        mailboxes = self._mailboxes()
        async with self._pool.acquire() as tx, tx.transaction(readonly=True):
            mails = [known_mail(row) for row in await tx.fetch(_DUE, list(mailboxes), GROUP, TOPIC, AT_ONCE)]
            first = {mail.id: await decide(tx, mail, mailboxes[mail.mailbox].own_contacts) for mail in mails}
            fitting = [(mail, found.expectation) for mail in mails if isinstance(found := first[mail.id], Matched)]
            known = {mail.id for mail, expectation in fitting if await _told_before(tx, mail, expectation)}
        if not mails:
            return 0
        sealed = await asyncio.gather(
            *(self._prepare(mail, expectation, mail.id in known) for mail, expectation in fitting)
        )
        prepared = {mail.id: ready for (mail, _), ready in zip(fitting, sealed, strict=True)}
        admissions: list[Admission] = []
        told: set[UUID] = set()
        done = 0
        async with self._pool.acquire() as tx, tx.transaction():
            free = {
                row["id"]
                for row in await tx.fetch(
                    "select id from mail_watcher.mail where id = any($1) and look order by id for update skip locked",
                    list(first),
                )
            }
            for mail in mails:
                if mail.id not in free:
                    continue
                settings = mailboxes[mail.mailbox]
                verdict = await decide(tx, mail, settings.own_contacts)
                ready = prepared.get(mail.id)
                if isinstance(verdict, Matched) and (
                    ready is None or _attempt(ready.expectation) != _attempt(verdict.expectation)
                ):
                    continue  # the picture changed in between: seal for the right one first
                done += 1
                if ready is None or not isinstance(verdict, Matched):
                    await _write(tx, mail, verdict)
                elif ready.trouble:
                    await _write(tx, mail, Several((), ready.trouble))
                else:
                    told.add(mail.id)
                    if await _told_before(tx, mail, verdict.expectation):
                        await _write(tx, mail, verdict, "its code had come before")
                        continue
                    await _write(tx, mail, verdict)
                    admissions += _admission(mail, ready, settings.code_valid)
            wake = await self._admit(tx, admissions) if admissions else None
            await point("mail.before-match-commit")
        if wake is not None:
            wake()
        used = [mail.code for mail in mails if mail.code is not None and mail.id in told]
        await asyncio.gather(*(self._vault.destroy(code) for code in used))  # the copies under the mailbox
        return done

    async def _prepare(self, mail: KnownMail, expectation: Expectation, told: bool) -> Prepared:
        """Seal the code for the enrolment. A code that it was told already, or that the vault destroyed as too old, is
        not brought back; one damaged item is one mail's trouble."""
        if mail.code is None or told:
            return Prepared(expectation, None)
        try:
            code = await self._vault.get(mail.code)
            return Prepared(expectation, await self._vault.put(mail.tenant, expectation.enrolment, "code", code))
        except Erased:
            return Prepared(expectation, None)
        except HosoError as error:
            log.error("the code of a mail cannot be had: %s", error, extra={"mail": str(mail.id)})
            return Prepared(expectation, None, f"its code cannot be had: {error}")


async def _told_before(tx: Tx, mail: KnownMail, expectation: Expectation) -> bool:
    """Whether another mail brought this enrolment the same code: sealed under one mailbox, it has one reference."""
    return mail.code is not None and bool(
        await tx.fetchval(_TOLD_BEFORE, expectation.unit, expectation.enrolment, mail.code, mail.id)
    )


def _attempt(expectation: Expectation) -> tuple[UUID, int]:
    return expectation.dossier, expectation.attempt


async def _write(tx: Tx, mail: KnownMail, verdict: Match, note: str = "") -> None:
    if mail.state == "matched":  # somebody assigned it after it had been matched: what was told stays told
        await tx.execute("update mail_watcher.mail set look = false where id = $1", mail.id)
        return
    state, why = "parked", "nobody waits for it yet"
    chosen: Expectation | None = None
    match verdict:
        case Matched(expectation):
            state, why, chosen = "matched", note, expectation
        case Several(_, reason):
            state, why = "undecided", reason
        case Foreign():
            state, why = (mail.state if mail.state in ("undecided", "quarantined") else "other"), ""
    await tx.execute(
        "update mail_watcher.mail set state = $2, why = case when $3 = '' then why else $3 end, look = false, "
        "enrolment = $4, dossier = $5, attempt = $6 where id = $1",
        mail.id,
        state,
        why,
        chosen.enrolment if chosen else None,
        chosen.dossier if chosen else None,
        chosen.attempt if chosen else None,
    )
    log.info(
        "a mail got its verdict",
        extra={"mail": str(mail.id), "state": state, "enrolment": str(chosen.enrolment) if chosen else None},
    )


def _admission(mail: KnownMail, ready: Prepared, code_valid: timedelta) -> list[Admission]:
    if mail.state == "matched":
        return []
    to = ready.expectation
    fact: ActivationCodeArrived | StopResultArrived
    if isinstance(mail.reading, StopResultMail):
        fact = StopResultArrived(
            enrolment=to.enrolment,
            dossier=to.dossier,
            attempt=to.attempt,
            mail=mail.id,
            accepted=mail.reading.accepted,
            text=mail.reading.text,
        )
    elif ready.code is not None:
        fact = ActivationCodeArrived(
            enrolment=to.enrolment, dossier=to.dossier, attempt=to.attempt, mail=mail.id, code=ready.code,
            arrived_at=mail.arrived_at, expires_at=mail.arrived_at + code_valid,
        )  # fmt: skip
    else:
        return []
    return [Admission(to.tenant, to.unit, to.enrolment, Tell(fact))]

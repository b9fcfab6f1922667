"""Takes recorded mails to the attempts they answer.

A batch of mails in one transaction: locked, decided by everything the consumer has written, written down and told. Codes
are sealed for their enrolments before that commits; the vault commits by itself, so a code may be sealed that nobody
refers to, never the other way round. A mail is looked at only once the consumer has read past the heads noted with it, and
again whenever an expectation came that might be its.

Mails that are left to a person are told on mail.undecided, those that nobody waits for after a grace; what comes of them
is told too, each in the transaction that decides it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from hoso.points import point
from hoso.runtime.failures import HosoError
from hoso.runtime.steps import Tell, Tx
from hoso.store.vault import Erased, Sealing
from schemas.envelope import Fact
from schemas.events import ActivationCodeArrived, ChangeResultArrived, StopResultArrived, UnitCodeResultArrived
from services.mail_watcher.candidates import Decided, KnownMail, decide, known_mail
from services.mail_watcher.matching import Expectation, Matched, Several
from services.mail_watcher.ports import Admission, Admit, Clock, Vault
from services.mail_watcher.readings import (
    FIRST_TIME,
    ActivationMail,
    ChangeResultMail,
    StopResultMail,
    UnitCodeResultMail,
)
from services.mail_watcher.secret import Secret
from services.mail_watcher.settings import MailboxSettings
from services.mail_watcher.store import GROUP, TOPIC
from services.mail_watcher.telling import GRACE, Outcome, outcome_of

log = logging.getLogger(__name__)

AT_ONCE = 100
POLL_S = 0.5
HASTE_S = 0.02
"""How soon a mail is looked at again that was woken for and whose consumer is not that far yet; doubles up to POLL_S."""
MOST_FRESH = 1_000
SWEEP_S = 60.0

_HISTORY = """
exists (select 1 from log.recovery) and exists (
  select 1 from mail_watcher.expectation x where x.mailbox = m.mailbox and x.unit_code = m.unit_code and x.unit_code <> '' and (
    exists (select 1 from log.call c where c.subject = x.unit and (c.lane like 'signer.%' or c.lane like 'agency.%'))
    or exists (select 1 from log.timer t where t.subject = x.unit and t.due <= $6)
    or exists (select 1 from log.position p join log.event e on e.topic = p.topic and e.part = p.part and e.off >= p.off and e.at >= p.at
      where e.subject = x.unit)
    or exists (select 1 from mail_watcher.mail o where o.mailbox = m.mailbox and o.look
      and (o.unit_code = m.unit_code or o.unit_code is null or o.unit_code = $7)
      and (o.arrived_at, o.uid, o.id) < (m.arrived_at, m.uid, m.id))))"""
"""After a restore (docs/backup.md) mails are read again whose attempts are forgotten: a unit's mails wait, one after the other,
until it is at rest, so that each finds the attempt it found the first time. A mail without a unit's code may be the unit's too."""
_DUE = f"""
select m.* from mail_watcher.mail m where m.mailbox = any($1) and ((m.look and not ({_HISTORY}) and not exists (
  select 1 from jsonb_each_text(m.heads) h(part, next) where h.next::bigint > coalesce(
    (select p.off from log.position p where p.grp = $2 and p.topic = $3 and p.part = h.part::smallint), 0)))
  or (m.state = 'parked' and m.told = '' and m.parked_at <= $5))
order by m.arrived_at, m.uid, m.id limit $4 for update of m skip locked"""
_SWEEP = """
update mail_watcher.mail set look = true where id in (
  select id from mail_watcher.mail where state = 'parked' and not look and mailbox = any($1)
    and seen_at > now() - interval '3 days'
  order by id for update skip locked)"""
_TOLD_BEFORE = """
select q.id from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[]) as q(id, unit, enrolment, code)
where exists (select 1 from mail_watcher.expectation e join mail_watcher.mail m using (dossier, attempt)
  where e.unit = q.unit and e.enrolment = q.enrolment and m.code = q.code and m.id <> q.id and m.state = 'matched')"""
_WRITE = """
update mail_watcher.mail m set state = q.state, why = q.why, look = false, told = q.told, enrolment = q.enrolment,
  dossier = q.dossier, attempt = q.attempt,
  parked_at = case when q.state = 'parked' then coalesce(m.parked_at, $2) else m.parked_at end
from json_to_recordset($1::json) as q(id uuid, state text, why text, told text, enrolment uuid, dossier uuid, attempt int)
where m.id = q.id"""


@dataclass(frozen=True, slots=True)
class Sealed:
    """What became of a mail's code."""

    code: UUID | None
    """None: there is none, or it was destroyed or told before."""
    trouble: str = ""
    """Why the code cannot be had at all: a person has to look."""


class Matcher:
    """Matches the mails of some mailboxes until it is cancelled. Any number of processes may do so at once."""

    def __init__(
        self,
        mailboxes: Callable[[], dict[UUID, MailboxSettings]],
        pool: asyncpg.Pool,
        vault: Vault,
        admit: Admit,
        clock: Clock,
    ) -> None:
        self._mailboxes = mailboxes
        self._pool = pool
        self._vault = vault
        self._admit = admit
        self._clock = clock
        self._woken = asyncio.Event()
        self._fresh: OrderedDict[UUID, Secret] = OrderedDict()

    def wake(self) -> None:
        """There may be something to do: mails were recorded, or the consumer went on."""
        self._woken.set()

    def remember(self, ref: UUID, code: Secret) -> None:
        """A code that was sealed just now, so that it need not be opened again for its first look."""
        self._fresh[ref] = code
        while len(self._fresh) > MOST_FRESH:
            self._fresh.popitem(last=False)

    async def run(self) -> None:
        """For ever: rounds while there is something to do, then waits to be woken or a moment."""
        loop = asyncio.get_running_loop()
        sweep_at = loop.time() + SWEEP_S
        pause = POLL_S
        while True:
            if self._woken.is_set():
                self._woken.clear()
                pause = HASTE_S
            if loop.time() >= sweep_at:
                await self.sweep()
                sweep_at = loop.time() + SWEEP_S
            if await self.round():
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), pause)
            pause = min(pause * 2, POLL_S)

    async def sweep(self) -> None:
        """Look at parked mails again: one may have been parked while its expectation was being written down."""
        await self._pool.execute(_SWEEP, list(self._mailboxes()))

    async def round(self) -> int:
        """One batch of mails. Returns how many got a verdict."""
        mailboxes, now = self._mailboxes(), self._clock.now()
        used: set[UUID] = set()
        async with self._pool.acquire() as tx, tx.transaction():
            due = await tx.fetch(_DUE, list(mailboxes), GROUP, TOPIC, AT_ONCE, now - GRACE, now, FIRST_TIME)
            mails = [known_mail(row) for row in due]
            if not mails:
                return 0
            verdicts = await decide(tx, mails, {id_: known.own_contacts for id_, known in mailboxes.items()})
            told_before = await self._told_before(tx, mails, verdicts)
            sealed = await self._seal(mails, verdicts, told_before)
            outcomes: list[tuple[KnownMail, Outcome]] = []
            admissions: list[Admission] = []
            for mail in mails:
                settings = mailboxes[mail.mailbox]
                decided = verdicts[mail.id]
                ready = sealed.get(mail.id, Sealed(None))
                if ready.trouble:
                    decided = Decided(Several((), ready.trouble), decided.assigned)
                note = "its code had come before" if mail.id in told_before else ""
                outcome = outcome_of(mail, decided, now, settings.code_valid, note)
                if outcome.chosen is not None and mail.code is not None:
                    used.add(mail.code)
                if mail.state != "matched":  # else somebody assigned it after: what was told stays told
                    outcomes.append((mail, outcome))
                    admissions += _admissions(mail, outcome, ready, settings)
            await self._write(tx, mails, outcomes, now)
            wake = await self._admit(tx, admissions) if admissions else None
            await point("mail.before-match-commit")
        if wake is not None:
            wake()
        if used:
            await self._vault.destroy(*used)  # the copies under the mailbox
        return len(mails)

    async def _told_before(self, tx: Tx, mails: Sequence[KnownMail], verdicts: dict[UUID, Decided]) -> set[UUID]:
        """Mails whose code another mail brought to the same enrolment: sealed under one mailbox, it has one reference."""
        asked, known, seen = [], set(), set()
        for mail in mails:
            verdict = verdicts[mail.id].verdict
            if mail.code is not None and isinstance(verdict, Matched):
                to = verdict.expectation
                asked.append((mail.id, to.unit, to.enrolment, mail.code))
                if (to.enrolment, mail.code) in seen and mail.state != "matched":
                    known.add(mail.id)
                seen.add((to.enrolment, mail.code))
        if asked:
            known |= {row["id"] for row in await tx.fetch(_TOLD_BEFORE, *([r[n] for r in asked] for n in range(4)))}
        return known

    async def _seal(
        self, mails: Sequence[KnownMail], verdicts: dict[UUID, Decided], told_before: set[UUID]
    ) -> dict[UUID, Sealed]:
        """Seal each code for its enrolment. A code that it was told already, or that the vault destroyed as too old, is
        not brought back; one damaged item is one mail's trouble."""
        found: dict[UUID, Sealed] = {}
        ready: list[tuple[UUID, Sealing]] = []
        for mail in mails:
            verdict = verdicts[mail.id].verdict
            if not isinstance(verdict, Matched) or mail.id in told_before:
                continue
            if mail.code is None:
                if mail.state == "undecided" and isinstance(mail.reading, ActivationMail):
                    found[mail.id] = Sealed(None, mail.why)  # it could not be sealed when it came
                continue
            try:
                fresh = self._fresh.pop(mail.code, None)
                code = fresh.reveal().encode() if fresh is not None else await self._vault.get(mail.code)
            except Erased:
                continue
            except HosoError as error:
                found[mail.id] = _trouble(mail, error)
                continue
            ready.append((mail.id, Sealing(mail.tenant, verdict.expectation.enrolment, "code", code)))
        if not ready:
            return found
        try:
            refs = await self._vault.put_many([sealing for _, sealing in ready])
            return found | {id_: Sealed(ref) for (id_, _), ref in zip(ready, refs, strict=True)}
        except HosoError:
            by_id = {mail.id: mail for mail in mails}
            return found | {id_: await self._seal_alone(by_id[id_], sealing) for id_, sealing in ready}

    async def _seal_alone(self, mail: KnownMail, sealing: Sealing) -> Sealed:
        try:
            return Sealed(await self._vault.put(sealing.tenant, sealing.scope, sealing.purpose, sealing.data))
        except Erased:
            return Sealed(None)
        except HosoError as error:
            return _trouble(mail, error)

    async def _write(
        self, tx: Tx, mails: Sequence[KnownMail], outcomes: Sequence[tuple[KnownMail, Outcome]], now: datetime
    ) -> None:
        rows: list[dict[str, Any]] = []
        for mail, outcome in outcomes:
            to = outcome.chosen
            rows.append(
                {
                    "id": str(mail.id), "state": outcome.state, "why": outcome.why, "told": outcome.told,
                    "enrolment": str(to.enrolment) if to else None, "dossier": str(to.dossier) if to else None,
                    "attempt": to.attempt if to else None,
                }
            )  # fmt: skip
            log.info(
                "a mail got its verdict",
                extra={"mail": str(mail.id), "state": outcome.state, "enrolment": str(to.enrolment) if to else None},
            )
        if rows:
            await tx.execute(_WRITE, json.dumps(rows), now)
        kept = [mail.id for mail in mails if mail.state == "matched"]
        if kept:
            await tx.execute("update mail_watcher.mail set look = false where id = any($1)", kept)


def _trouble(mail: KnownMail, error: HosoError) -> Sealed:
    log.error("the code of a mail cannot be had: %s", error, extra={"mail": str(mail.id)})
    return Sealed(None, f"its code cannot be had: {error}")


def _admissions(mail: KnownMail, outcome: Outcome, ready: Sealed, settings: MailboxSettings) -> list[Admission]:
    """What is told: to the enrolment that got the mail, and of a mail that waits or waits no more."""
    told: list[Admission] = []
    to = outcome.chosen
    if to is not None and (fact := _brought(mail, to, ready, settings)) is not None:
        told.append(Admission(to.tenant, to.unit, to.enrolment, Tell(fact)))
    if outcome.fact is not None:
        told.append(Admission(mail.tenant, mail.id, to.enrolment if to else mail.id, Tell(outcome.fact)))
    return told


def _brought(mail: KnownMail, to: Expectation, ready: Sealed, settings: MailboxSettings) -> Fact | None:
    whose: dict[str, Any] = {"enrolment": to.enrolment, "dossier": to.dossier, "attempt": to.attempt, "mail": mail.id}
    match mail.reading:
        case StopResultMail() as said:
            return StopResultArrived(**whose, accepted=said.accepted, text=said.text)
        case ChangeResultMail() as said:
            return ChangeResultArrived(**whose, accepted=said.accepted, text=said.text)
        case UnitCodeResultMail() as said:
            return UnitCodeResultArrived(**whose, granted=said.granted, unit_code=said.unit_code, text=said.text)
        case ActivationMail() if ready.code is not None:
            ends = mail.arrived_at + settings.code_valid
            return ActivationCodeArrived(**whose, code=ready.code, arrived_at=mail.arrived_at, expires_at=ends)
        case _:
            return None

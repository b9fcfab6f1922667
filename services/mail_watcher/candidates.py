"""Which expectations mails could belong to, by index, never all of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from hoso.runtime.steps import Tx
from services.mail_watcher.matching import Expectation, Foreign, Match, Matched, Several, match
from services.mail_watcher.readings import (
    FIRST_TIME,
    About,
    ActivationMail,
    ChangeResultMail,
    Keys,
    OtherMail,
    Reading,
    StopResultMail,
    UnclearMail,
    UnitCodeResultMail,
    about,
    keys_of,
    kinds_of,
)
from services.mail_watcher.secret import Secret
from services.mail_watcher.store import ENOUGH, FORGET_SETTLED, expectation_of, tax_key
from services.mail_watcher.text import name_key


@dataclass(frozen=True, slots=True)
class KnownMail:
    """A recorded mail that waits for the matcher. Its reading holds no code: that is in the vault."""

    id: UUID
    mailbox: UUID
    tenant: str
    state: str
    why: str
    arrived_at: datetime
    arrived_by: datetime
    reading: Reading
    code: UUID | None
    delivered_to: tuple[str, ...]
    subject: str
    told: str
    """Digest of what was last told of it as undecided; empty when nothing stands."""
    parked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Decided:
    """Where a mail belongs, as far as the transaction sees."""

    verdict: Match
    assigned: bool = False
    """True: a person said so."""


def known_mail(row: Any) -> KnownMail:
    """A row of mail_watcher.mail."""
    return KnownMail(
        row["id"], row["mailbox"], row["tenant"], row["state"], row["why"], row["arrived_at"], row["arrived_by"],
        _reading(json.loads(row["reading"])), row["code"], tuple(row["delivered_to"]), row["subject"], row["told"],
        row["parked_at"],
    )  # fmt: skip


def _reading(said: Mapping[str, Any]) -> Reading:
    keys = Keys(*(said.get(key) for key in ("unit_code", "unit_name", "tax_code", "number")))
    match said.get("what", ""):
        case "ActivationMail":
            return ActivationMail(keys, Secret(""))
        case "StopResultMail":
            return StopResultMail(keys, said["accepted"], said["text"])
        case "ChangeResultMail":
            return ChangeResultMail(keys, said["accepted"], said["text"])
        case "UnitCodeResultMail":
            return UnitCodeResultMail(keys, said["granted"], said["given"], said["text"])
        case "UnclearMail":
            kind: About = said.get("about", "unknown")
            return UnclearMail(said.get("why", ""), keys, kind)
        case _:
            return OtherMail()


_ASSIGNED = """
select a.mail, e.* from mail_watcher.assignment a join mail_watcher.mail m on m.id = a.mail
left join mail_watcher.expectation e on e.dossier = a.dossier and e.attempt = a.attempt and e.tenant = m.tenant
where a.mail = any($1)"""
_BROUGHT_BEFORE = """
select distinct q.id as mail, e.* from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[]) as q(id, mailbox, code, granted)
join mail_watcher.mail m on m.mailbox = q.mailbox and m.id <> q.id and m.state = 'matched'
  and (m.code = q.code or m.granted = q.granted)
join mail_watcher.expectation e on e.dossier = m.dossier and e.attempt = m.attempt"""
_FITTING = f"""
select q.id as mail, e.*, (
    select min(m.arrived_at) from mail_watcher.mail m
    where m.dossier = e.dossier and m.attempt = e.attempt and m.what = q.what and m.state = 'matched') as answered_at,
  e.own_address or (q.own and not exists (select 1 from mail_watcher.expectation o
    where o.mailbox = e.mailbox and o.contact = e.contact and o.enrolment <> e.enrolment)) as own_contact
from json_to_recordset($1::json) as q(id uuid, mailbox uuid, tenant text, what text, kinds text[], unit_code text,
  number text, contacts text[], own bool, name_key text, tax_key text, weak bool, first bool, horizon timestamptz)
cross join lateral (
  select dossier, attempt from mail_watcher.expectation
    where mailbox = q.mailbox and kind = any(q.kinds) and unit_code = q.unit_code
  union select dossier, attempt from mail_watcher.expectation
    where mailbox = q.mailbox and kind = any(q.kinds) and number = q.number
  union (select dossier, attempt from mail_watcher.expectation
    where mailbox = q.mailbox and contact = any(q.contacts) and own_address and kind = any(q.kinds) limit {ENOUGH})
  union (select dossier, attempt from mail_watcher.expectation
    where q.own and mailbox = q.mailbox and contact = any(q.contacts) and kind = any(q.kinds) limit {ENOUGH})
  union (select dossier, attempt from mail_watcher.expectation
    where mailbox = q.mailbox and kind = any(q.kinds) and name_key = q.name_key
    and (q.tax_key is null or tax_key = q.tax_key) limit {ENOUGH})
  union (select dossier, attempt from mail_watcher.expectation x
    where q.weak and x.mailbox = q.mailbox and x.kind = any(q.kinds)
    and (q.name_key is null or x.name_key = q.name_key) and (q.tax_key is null or x.tax_key = q.tax_key)
    and (cardinality(q.contacts) = 0 or x.contact = any(q.contacts))
    and (not q.first or x.unit_code in ('', '{FIRST_TIME}'))
    and not exists (select 1 from mail_watcher.mail m
      where m.dossier = x.dossier and m.attempt = x.attempt and m.arrived_at < q.horizon)
    order by x.since desc limit {ENOUGH})) as fitting
cross join lateral (select * from mail_watcher.expectation x
  where x.dossier = fitting.dossier and x.attempt = fitting.attempt and x.tenant = q.tenant offset 0) e"""
"""By index whatever the planner expects (`offset 0`), and never all attempts that share an address."""


async def decide(tx: Tx, mails: Sequence[KnownMail], own_contacts: Mapping[UUID, bool]) -> dict[UUID, Decided]:
    """Where each of `mails` belongs, in three statements. `own_contacts`: mailbox → whether every enrolment has an address
    of its own there."""
    found = await _assigned(tx, mails)
    open_ = [mail for mail in mails if mail.id not in found and mail.state not in ("undecided", "quarantined")]
    brought = await _brought_before(tx, open_)
    asked = [mail for mail in open_ if kinds_of(mail.reading)]
    candidates: dict[UUID, list[Expectation]] = {}
    if asked:
        wanted = json.dumps([_question(mail, own_contacts.get(mail.mailbox, False)) for mail in asked])
        for row in await tx.fetch(_FITTING, wanted):
            candidates.setdefault(row["mail"], []).append(expectation_of(row, row["own_contact"], row["answered_at"]))
    for mail in open_:
        verdict = match(mail.reading, mail.delivered_to, mail.arrived_by, candidates.get(mail.id, ()))
        earlier = brought.get(mail.id, ())
        if keys_of(mail.reading).unit_code == FIRST_TIME and earlier:
            enrolments = {e.enrolment for e in earlier}
            verdict = (
                Matched(max(earlier, key=lambda e: (e.since, e.attempt)))
                if len(enrolments) == 1
                else Several(tuple(earlier), "what it brings was given to several enrolments before")
            )
        found[mail.id] = Decided(verdict)
    return {mail.id: found.get(mail.id, Decided(Foreign())) for mail in mails}


def _question(mail: KnownMail, own: bool) -> dict[str, Any]:
    keys = keys_of(mail.reading)
    first = keys.unit_code == FIRST_TIME
    strong = not first and (keys.number is not None or keys.unit_code is not None)
    return {
        "id": str(mail.id), "mailbox": str(mail.mailbox), "tenant": mail.tenant, "what": about(mail.reading),
        "kinds": list(kinds_of(mail.reading)), "unit_code": keys.unit_code if keys.unit_code != FIRST_TIME else None,
        "number": keys.number, "contacts": list(mail.delivered_to), "own": own,
        "name_key": name_key(keys.unit_name) if keys.unit_name else None, "tax_key": tax_key(keys.tax_code),
        "weak": not strong, "first": first,
        "horizon": (mail.arrived_at - FORGET_SETTLED).isoformat(),
    }  # fmt: skip


async def _brought_before(tx: Tx, mails: Sequence[KnownMail]) -> dict[UUID, list[Expectation]]:
    """The attempts to which an earlier mail brought the same code: what names no unit is then the same mail again."""
    first = [mail for mail in mails if keys_of(mail.reading).unit_code == FIRST_TIME]
    found: dict[UUID, list[Expectation]] = {}
    if first:
        rows = await tx.fetch(
            _BROUGHT_BEFORE, [m.id for m in first], [m.mailbox for m in first], [m.code for m in first],
            [given(m.reading) for m in first],
        )  # fmt: skip
        for row in rows:
            found.setdefault(row["mail"], []).append(expectation_of(row))
    return found


def given(reading: Reading) -> str | None:
    """The unit code that a mail gives to somebody."""
    return reading.unit_code if isinstance(reading, UnitCodeResultMail) else None


async def _assigned(tx: Tx, mails: Sequence[KnownMail]) -> dict[UUID, Decided]:
    by_id = {mail.id: mail for mail in mails}
    found: dict[UUID, Decided] = {}
    for row in await tx.fetch(_ASSIGNED, list(by_id)):
        if row["dossier"] is None:
            found[row["mail"]] = Decided(Several((), "it was given to an attempt that waits for no mail"), True)
            continue
        chosen = expectation_of(row)
        if chosen.kind not in kinds_of(by_id[row["mail"]].reading):
            why = "it was given to an attempt, but what that waits for cannot be read in it"
            found[row["mail"]] = Decided(Several((chosen,), why), True)
        else:
            found[row["mail"]] = Decided(Matched(chosen), True)
    return found

"""Which expectations a mail could belong to, by index, never all of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from hoso.runtime.steps import Tx
from services.mail_watcher.matching import Expectation, Foreign, Match, Matched, Several, kind_of, match
from services.mail_watcher.reading import FIRST_TIME, ActivationMail, Keys, OtherMail, Reading, StopResultMail
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
    arrived_at: datetime
    arrived_by: datetime
    reading: Reading
    code: UUID | None
    delivered_to: tuple[str, ...]


def known_mail(row: Any) -> KnownMail:
    """A row of mail_watcher.mail."""
    said = json.loads(row["reading"])
    keys = Keys(said["unit_code"], said["unit_name"], said["tax_code"], said["number"])
    reading: Reading = OtherMail()
    if said["what"] == "ActivationMail":
        reading = ActivationMail(keys, Secret(""))
    elif said["what"] == "StopResultMail":
        reading = StopResultMail(keys, said["accepted"], said["text"])
    return KnownMail(
        row["id"], row["mailbox"], row["tenant"], row["state"], row["arrived_at"], row["arrived_by"], reading,
        row["code"], tuple(row["delivered_to"]),
    )  # fmt: skip


_SELECT = f"""
with fitting as (
  select dossier, attempt from mail_watcher.expectation where mailbox = $1 and kind = $2 and unit_code = $3
  union select dossier, attempt from mail_watcher.expectation where mailbox = $1 and kind = $2 and number = $4
  union (select dossier, attempt from mail_watcher.expectation where $6 and mailbox = $1 and kind = $2
    and contact = any($5) limit {ENOUGH})
  union (select dossier, attempt from mail_watcher.expectation where mailbox = $1 and kind = $2 and name_key = $7
    and ($8::text is null or tax_key = $8) limit {ENOUGH})
  union (select dossier, attempt from mail_watcher.expectation e where $9 and mailbox = $1 and kind = $2
    and ($7::text is null or name_key = $7) and ($8::text is null or tax_key = $8)
    and (cardinality($5::text[]) = 0 or contact = any($5))
    and (not $12 or unit_code in ('', '{FIRST_TIME}'))
    and not exists (select 1 from mail_watcher.mail m
      where m.dossier = e.dossier and m.attempt = e.attempt and m.arrived_at < $10)
    limit {ENOUGH}))
select e.*, exists (select 1 from mail_watcher.mail m where m.dossier = e.dossier and m.attempt = e.attempt) as settled,
  $6 and not exists (select 1 from mail_watcher.expectation o
    where o.mailbox = e.mailbox and o.contact = e.contact and o.enrolment <> e.enrolment) as own_contact
from fitting join mail_watcher.expectation e using (dossier, attempt) where e.tenant = $11"""


async def decide(tx: Tx, mail: KnownMail, own_contacts: bool) -> Match:
    """Where `mail` belongs, as far as the transaction sees."""
    assigned = await tx.fetchrow("select dossier, attempt from mail_watcher.assignment where mail = $1", mail.id)
    if assigned is not None:
        return await _assigned(tx, mail, assigned)
    if not isinstance(mail.reading, ActivationMail | StopResultMail):
        return Foreign()
    keys = mail.reading.keys
    strong = keys.number is not None or keys.unit_code not in (None, FIRST_TIME)
    rows = await tx.fetch(
        _SELECT,
        mail.mailbox,
        kind_of(mail.reading),
        keys.unit_code if keys.unit_code != FIRST_TIME else None,
        keys.number,
        list(mail.delivered_to),
        own_contacts,
        name_key(keys.unit_name) if keys.unit_name else None,
        tax_key(keys.tax_code),
        not strong,
        mail.arrived_at - FORGET_SETTLED,
        mail.tenant,
        keys.unit_code == FIRST_TIME,
    )
    found = [expectation_of(row, row["own_contact"], row["settled"]) for row in rows]
    return match(mail.reading, mail.delivered_to, mail.arrived_by, found)


async def _assigned(tx: Tx, mail: KnownMail, assigned: Any) -> Match:
    row = await tx.fetchrow(
        "select * from mail_watcher.expectation where dossier = $1 and attempt = $2 and tenant = $3",
        assigned["dossier"],
        assigned["attempt"],
        mail.tenant,
    )
    given: tuple[Expectation, ...] = (expectation_of(row),) if row is not None else ()
    if not given:
        return Several((), "it was given to an attempt that waits for no mail")
    if kind_of(mail.reading) != given[0].kind:
        return Several(given, "it was given to an attempt, but what that waits for cannot be read in it")
    return Matched(given[0])

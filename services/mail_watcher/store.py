"""The watcher's tables, one function a statement or two, each on a transaction that the caller began.

Locks: the consumer takes expectations, then mails in the order of their ids; the matcher takes mails with `skip locked`
and never writes expectations. So neither waits for the other in a circle, and the log's heads come last.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hoso.points import holds
from hoso.runtime.steps import Tx
from services.mail_watcher.handlers import Awaited
from services.mail_watcher.matching import Expectation, kind_of
from services.mail_watcher.reading import ActivationMail, Keys, Reading, StopResultMail, UnclearMail
from services.mail_watcher.text import name_key

GROUP = "hoso.mail-watcher"
TOPIC = "mail.expected"
LEASE = timedelta(seconds=8)
FORGET_SETTLED = timedelta(days=60)
ENOUGH = 200
"""Rows that settle that more than one unit fits."""


class FenceLost(Exception):
    """Another process has taken this mailbox over; nothing of this one's work was written."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a mailbox has been read, and the fence."""

    uidvalidity: int
    uid: int
    epoch: int


@dataclass(frozen=True, slots=True)
class MailRow:
    """One mail as it is written down."""

    id: UUID
    mailbox: UUID
    tenant: str
    uid: int
    sha256: bytes
    arrived_at: datetime
    arrived_by: datetime
    size: int
    raw: UUID | None
    verdict: str
    state: str
    why: str
    reading: Reading = field(repr=False)
    code: UUID | None
    delivered_to: tuple[str, ...]


async def take(tx: Tx, mailbox: UUID, owner: str) -> Cursor | None:
    """Become the reader of `mailbox`; None while another process holds it and is alive."""
    await tx.execute("insert into mail_watcher.mailbox_cursor(mailbox) values ($1) on conflict do nothing", mailbox)
    row = await tx.fetchrow(
        "update mail_watcher.mailbox_cursor set epoch = epoch + 1, owner = $2, seen_at = now() "
        "where mailbox = $1 and (owner is null or owner = $2 or seen_at < now() - $3::interval) "
        "returning uidvalidity, uid, epoch",
        mailbox,
        owner,
        LEASE,
    )
    return Cursor(row["uidvalidity"], row["uid"], row["epoch"]) if row else None


async def keep(tx: Tx, owner: str) -> None:
    """Say that `owner` is alive, for all its mailboxes."""
    await tx.execute("update mail_watcher.mailbox_cursor set seen_at = now() where owner = $1", owner)


async def release(tx: Tx, owner: str) -> None:
    """Let others have the mailboxes of `owner` at once."""
    await tx.execute("update mail_watcher.mailbox_cursor set owner = null where owner = $1", owner)


async def note(tx: Tx, mailbox: UUID, error: str | None) -> None:
    """What stands between us and the mailbox, for people; None = it was read just now."""
    await tx.execute(
        "update mail_watcher.mailbox_cursor set error = $2, "
        "scanned_at = case when $2::text is null then now() else scanned_at end where mailbox = $1",
        mailbox,
        error,
    )


async def record(tx: Tx, mailbox: UUID, cursor: Cursor, mails: Sequence[MailRow]) -> None:
    """Write down a scan's mails and move the cursor, together; a mail known by its content is passed over.

    Each new mail keeps the heads of mail.expected: it is not matched before the consumer has read up to there.
    Raises FenceLost when another process has taken the mailbox.
    """
    heads = await tx.fetchval(
        "select coalesce(json_object_agg(part::text, next), '{}')::text from log.head where topic = $1", TOPIC
    )
    await tx.executemany(_INSERT, [_record_of(mail, cursor, heads) for mail in sorted(mails, key=lambda m: m.id)])
    moved = await tx.fetchval(
        "update mail_watcher.mailbox_cursor set uidvalidity = $3, uid = $4, seen_at = now() "
        "where mailbox = $1 and (epoch = $2 or $5) returning 1",
        mailbox,
        cursor.epoch,
        cursor.uidvalidity,
        cursor.uid,
        not holds("mailbox"),
    )
    if moved is None:
        raise FenceLost


async def known(db: Any, mailbox: UUID, digests: Sequence[bytes]) -> set[bytes]:
    """Which of these contents are recorded already."""
    rows = await db.fetch(
        "select sha256 from mail_watcher.mail where mailbox = $1 and sha256 = any($2)", mailbox, list(digests)
    )
    return {row["sha256"] for row in rows}


_INSERT = """
insert into mail_watcher.mail(id, mailbox, tenant, uidvalidity, uid, sha256, arrived_at, arrived_by, size, raw,
  verdict, state, why, heads, reading, code, kind, unit_code, number, name_key, tax_key, delivered_to, look)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)
on conflict (mailbox, sha256) do nothing"""


def _record_of(mail: MailRow, cursor: Cursor, heads: str) -> tuple[Any, ...]:
    keys = _keys_of(mail.reading)
    return (
        mail.id, mail.mailbox, mail.tenant, cursor.uidvalidity, mail.uid, mail.sha256, mail.arrived_at, mail.arrived_by,
        mail.size, mail.raw, mail.verdict, mail.state, mail.why, heads, json.dumps(_dumped(mail.reading)), mail.code,
        kind_of(mail.reading), keys.unit_code, keys.number, name_key(keys.unit_name) if keys.unit_name else None,
        tax_key(keys.tax_code), list(mail.delivered_to), mail.state == "fetched",
    )  # fmt: skip


def tax_key(tax_code: str | None) -> str | None:
    """The ten digits that a branch shares with its parent."""
    return tax_code.replace("-", "")[:10] if tax_code else None


def _keys_of(reading: Reading) -> Keys:
    return reading.keys if isinstance(reading, ActivationMail | StopResultMail | UnclearMail) else Keys()


def _dumped(reading: Reading) -> dict[str, Any]:
    """The reading for the table: never the code."""
    keys = _keys_of(reading)
    said: dict[str, Any] = {
        "unit_code": keys.unit_code,
        "unit_name": keys.unit_name,
        "tax_code": keys.tax_code,
        "number": keys.number,
    }
    if isinstance(reading, StopResultMail):
        said |= {"accepted": reading.accepted, "text": reading.text}
    return said | {"what": type(reading).__name__}


class ExpectationStates:
    """States of the consumer, in bulk, in the given transaction."""

    async def load(self, tx: Tx, subjects: Sequence[UUID]) -> dict[UUID, Awaited]:
        rows = await tx.fetch(
            "select * from mail_watcher.expectation where unit = any($1) order by since, attempt", list(subjects)
        )
        found: dict[UUID, list[Expectation]] = {}
        for row in rows:
            found.setdefault(row["unit"], []).append(expectation_of(row))
        return {unit: Awaited(tuple(found.get(unit, ()))) for unit in subjects}

    async def save(self, tx: Tx, states: dict[UUID, Awaited]) -> None:
        rows = sorted((e for s in states.values() for e in s.expectations), key=lambda e: (e.dossier, e.attempt))
        changed = await tx.fetch(_UPSERT, json.dumps([_row_of(e) for e in rows])) if rows else []
        assigned = sorted((a for s in states.values() for a in s.assigned), key=lambda a: a.mail)
        for fact in assigned:
            await tx.execute(
                "insert into mail_watcher.assignment(mail, enrolment, dossier, attempt, actor) "
                "values ($1, $2, $3, $4, $5) on conflict (mail) do update set enrolment = excluded.enrolment, "
                "dossier = excluded.dossier, attempt = excluded.attempt, actor = excluded.actor",
                fact.mail, fact.enrolment, fact.dossier, fact.attempt, fact.actor,
            )  # fmt: skip
        if changed or assigned:
            keys = [[row["dossier"], row["attempt"]] for row in changed]
            await tx.execute(_LOOK_AGAIN, [k[0] for k in keys], [k[1] for k in keys], [fact.mail for fact in assigned])


_COLUMNS = (
    "dossier uuid, attempt int, unit uuid, tenant text, enrolment uuid, kind text, mailbox uuid, contact text, "
    "unit_code text, unit_name text, name_key text, tax_code text, tax_key text, number text, since timestamptz"
)
_UPSERT = f"""
insert into mail_watcher.expectation as known
select * from json_to_recordset($1::json) as given({_COLUMNS})
on conflict (dossier, attempt) do update set number = excluded.number
where known.number is distinct from excluded.number
returning dossier, attempt"""
_LOOK_AGAIN = """
update mail_watcher.mail set look = true where id in (
  select m.id from mail_watcher.mail m where m.id = any($3) or (m.state in ('fetched', 'parked') and exists (
    select 1 from unnest($1::uuid[], $2::int[]) as new(dossier, attempt)
    join mail_watcher.expectation e using (dossier, attempt)
    where e.mailbox = m.mailbox and e.kind = m.kind and (e.unit_code = m.unit_code or e.number = m.number
      or e.name_key = m.name_key or e.tax_key = m.tax_key or e.contact = any(m.delivered_to))))
  order by m.id for update)"""


def _row_of(e: Expectation) -> dict[str, Any]:
    return {
        "dossier": str(e.dossier), "attempt": e.attempt, "unit": str(e.unit), "tenant": e.tenant,
        "enrolment": str(e.enrolment), "kind": e.kind, "mailbox": str(e.mailbox), "contact": e.contact,
        "unit_code": e.unit_code, "unit_name": e.unit_name, "name_key": name_key(e.unit_name), "tax_code": e.tax_code,
        "tax_key": tax_key(e.tax_code) or "", "number": e.number, "since": e.since.isoformat(),
    }  # fmt: skip


def expectation_of(row: Any, own_contact: bool = False, settled: bool = False) -> Expectation:
    """A row of the table."""
    return Expectation(
        tenant=row["tenant"], unit=row["unit"], enrolment=row["enrolment"], dossier=row["dossier"],
        attempt=row["attempt"], kind=row["kind"], mailbox=row["mailbox"], contact=row["contact"],
        own_contact=own_contact,
        unit_code=row["unit_code"], unit_name=row["unit_name"], tax_code=row["tax_code"],
        number=row["number"], since=row["since"], settled=settled,
    )  # fmt: skip

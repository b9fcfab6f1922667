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
from services.mail_watcher.matching import Expectation
from services.mail_watcher.readings import (
    ChangeResultMail,
    Reading,
    StopResultMail,
    UnclearMail,
    UnitCodeResultMail,
    about,
    keys_of,
    kinds_of,
)
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
    """How far a folder of a mailbox has been read, and the mailbox's fence."""

    uidvalidity: int
    uid: int
    epoch: int
    folder: str = "INBOX"


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
    subject: str = ""
    """Codes masked."""
    claims: bool = True
    """False: it does not even say that it is the agency's, so nobody has to hear of it."""


async def take(tx: Tx, mailbox: UUID, owner: str, folder: str = "INBOX") -> Cursor | None:
    """Become the reader of `mailbox`, at its cursor in `folder`; None while another process holds it and is alive."""
    await tx.execute("insert into mail_watcher.mailbox_cursor(mailbox) values ($1) on conflict do nothing", mailbox)
    row = await tx.fetchrow(
        "update mail_watcher.mailbox_cursor set epoch = epoch + 1, owner = $2, seen_at = now() "
        "where mailbox = $1 and (owner is null or owner = $2 or seen_at < now() - $3::interval) "
        "returning uidvalidity, uid, epoch, folder",
        mailbox,
        owner,
        LEASE,
    )
    if row is None:
        return None
    if row["folder"] != folder:
        return Cursor(0, 0, row["epoch"], folder)
    return Cursor(row["uidvalidity"], row["uid"], row["epoch"], folder)


async def beside(db: Any, mailbox: UUID, epoch: int, folder: str) -> Cursor | None:
    """The cursor in a folder beside the main one; None when it was never read."""
    row = await db.fetchrow(
        "select uidvalidity, uid from mail_watcher.folder_cursor where mailbox = $1 and folder = $2", mailbox, folder
    )
    return Cursor(row["uidvalidity"], row["uid"], epoch, folder) if row else None


async def keep(tx: Tx, owner: str) -> None:
    """Say that `owner` is alive, for all its mailboxes."""
    await tx.execute("update mail_watcher.mailbox_cursor set seen_at = now() where owner = $1", owner)


async def release(tx: Tx, owner: str) -> None:
    """Let others have the mailboxes of `owner` at once."""
    await tx.execute("update mail_watcher.mailbox_cursor set owner = null where owner = $1", owner)


async def note(db: Any, mailbox: UUID, standing: str, error: str | None = None) -> None:
    """How the mailbox stands, for people: `reading` (it was read just now), `down`, `refused` or `needs-consent`, and why."""
    await db.execute(
        "update mail_watcher.mailbox_cursor set standing = $2, error = $3, "
        "scanned_at = case when $2 = 'reading' then now() else scanned_at end where mailbox = $1",
        mailbox,
        standing,
        error,
    )


async def record(tx: Tx, mailbox: UUID, cursor: Cursor, mails: Sequence[MailRow], main: bool = True) -> None:
    """Write down a scan's mails and move the cursor, together; a mail known by its content is passed over.

    Each new mail keeps the heads of mail.expected: it is not matched before the consumer has read up to there.
    `main`: the cursor is the mailbox's own, else one of a folder beside it. Raises FenceLost when another process has
    taken the mailbox.
    """
    heads = await tx.fetchval(
        "select coalesce(json_object_agg(part::text, next), '{}')::text from log.head where topic = $1", TOPIC
    )
    await tx.executemany(_INSERT, [_record_of(mail, cursor, heads) for mail in sorted(mails, key=lambda m: m.id)])
    moved = await tx.fetchval(
        "update mail_watcher.mailbox_cursor set seen_at = now(), uidvalidity = case when $6 then $3 else uidvalidity end, "
        "uid = case when $6 then $4 else uid end, folder = case when $6 then $7 else folder end "
        "where mailbox = $1 and (epoch = $2 or $5) returning 1",
        mailbox,
        cursor.epoch,
        cursor.uidvalidity,
        cursor.uid,
        not holds("mailbox"),
        main,
        cursor.folder,
    )
    if moved is None:
        raise FenceLost
    if not main:
        await tx.execute(
            "insert into mail_watcher.folder_cursor(mailbox, folder, uidvalidity, uid) values ($1, $2, $3, $4) "
            "on conflict (mailbox, folder) do update set uidvalidity = excluded.uidvalidity, uid = excluded.uid, "
            "scanned_at = now()",
            mailbox,
            cursor.folder,
            cursor.uidvalidity,
            cursor.uid,
        )


async def known(db: Any, mailbox: UUID, digests: Sequence[bytes]) -> set[bytes]:
    """Which of these contents are recorded already."""
    rows = await db.fetch(
        "select sha256 from mail_watcher.mail where mailbox = $1 and sha256 = any($2)", mailbox, list(digests)
    )
    return {row["sha256"] for row in rows}


_INSERT = """
insert into mail_watcher.mail(id, mailbox, tenant, uidvalidity, uid, sha256, arrived_at, arrived_by, size, raw,
  verdict, state, why, heads, reading, code, kind, unit_code, number, name_key, tax_key, delivered_to, look, what, kinds,
  granted, folder, subject)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25,
  $26, $27, $28)
on conflict (mailbox, sha256) do nothing"""


def _record_of(mail: MailRow, cursor: Cursor, heads: str) -> tuple[Any, ...]:
    keys, kinds = keys_of(mail.reading), list(kinds_of(mail.reading))
    look = mail.state in ("fetched", "undecided") or (mail.state == "quarantined" and mail.claims)
    return (
        mail.id, mail.mailbox, mail.tenant, cursor.uidvalidity, mail.uid, mail.sha256, mail.arrived_at, mail.arrived_by,
        mail.size, mail.raw, mail.verdict, mail.state, mail.why, heads, json.dumps(_dumped(mail.reading)), mail.code,
        kinds[0] if kinds else None, keys.unit_code, keys.number, name_key(keys.unit_name) if keys.unit_name else None,
        tax_key(keys.tax_code), list(mail.delivered_to), look, about(mail.reading), kinds,
        mail.reading.unit_code if isinstance(mail.reading, UnitCodeResultMail) else None, cursor.folder, mail.subject,
    )  # fmt: skip


def tax_key(tax_code: str | None) -> str | None:
    """The ten digits that a branch shares with its parent."""
    return tax_code.replace("-", "")[:10] if tax_code else None


def _dumped(reading: Reading) -> dict[str, Any]:
    """The reading for the table: never the activation code."""
    keys = keys_of(reading)
    said: dict[str, Any] = {
        "what": type(reading).__name__,
        "unit_code": keys.unit_code,
        "unit_name": keys.unit_name,
        "tax_code": keys.tax_code,
        "number": keys.number,
    }
    match reading:
        case StopResultMail() | ChangeResultMail():
            return said | {"accepted": reading.accepted, "text": reading.text}
        case UnitCodeResultMail():
            return said | {"granted": reading.granted, "given": reading.unit_code, "text": reading.text}
        case UnclearMail():
            return said | {"about": reading.about, "why": reading.why}
        case _:
            return said


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
    "unit_code text, unit_name text, name_key text, tax_code text, tax_key text, number text, since timestamptz, "
    "own_address bool"
)
_UPSERT = f"""
insert into mail_watcher.expectation as known
select * from json_to_recordset($1::json) as given({_COLUMNS})
on conflict (dossier, attempt) do update set number = excluded.number, since = excluded.since
where (known.number, known.since) is distinct from (excluded.number, excluded.since)
returning dossier, attempt"""
_LOOK_AGAIN = """
with new as materialized (
  select e.* from unnest($1::uuid[], $2::int[]) as given(dossier, attempt)
  join mail_watcher.expectation e using (dossier, attempt)),
locked as materialized (
  select m.id, m.look from mail_watcher.mail m
  where m.id = any($3) or (m.state in ('fetched', 'parked') and exists (
    select 1 from new e where e.mailbox = m.mailbox and e.kind = any(m.kinds) and (e.unit_code = m.unit_code
      or e.number = m.number or e.name_key = m.name_key or e.tax_key = m.tax_key or e.contact = any(m.delivered_to))))
  order by m.id for update)
update mail_watcher.mail m set look = true from locked where m.id = locked.id and not locked.look"""
"""Locked first, in order: what the matcher has in hand is waited for, and what it made of `look` is what is seen then."""


def _row_of(e: Expectation) -> dict[str, Any]:
    return {
        "dossier": str(e.dossier), "attempt": e.attempt, "unit": str(e.unit), "tenant": e.tenant,
        "enrolment": str(e.enrolment), "kind": e.kind, "mailbox": str(e.mailbox), "contact": e.contact,
        "unit_code": e.unit_code, "unit_name": e.unit_name, "name_key": name_key(e.unit_name), "tax_code": e.tax_code,
        "tax_key": tax_key(e.tax_code) or "", "number": e.number, "since": e.since.isoformat(), "own_address": e.own_contact,
    }  # fmt: skip


def expectation_of(row: Any, own_contact: bool | None = None, answered_at: datetime | None = None) -> Expectation:
    """A row of the table."""
    return Expectation(
        tenant=row["tenant"], unit=row["unit"], enrolment=row["enrolment"], dossier=row["dossier"],
        attempt=row["attempt"], kind=row["kind"], mailbox=row["mailbox"], contact=row["contact"],
        own_contact=row["own_address"] if own_contact is None else own_contact,
        unit_code=row["unit_code"], unit_name=row["unit_name"], tax_code=row["tax_code"],
        number=row["number"], since=row["since"], answered_at=answered_at,
    )  # fmt: skip

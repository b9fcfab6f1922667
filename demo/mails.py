"""Mails and secrets: every mail of the agency is somewhere, and no secret is anywhere it may not be."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

SCHEMAS = ("log", "ops", "intake", "enrolment", "signer", "submitter", "mail_watcher", "notifier")
_MESSAGE_ID = re.compile(rb"^message-id:\s*(<[^>\r\n]+>)", re.IGNORECASE | re.MULTILINE)
Open = Callable[[UUID], Awaitable[bytes]]


async def unplaced_mails(agency: sqlite3.Connection, db: Any, opened: Open) -> list[str]:
    """Every genuine mail that left the agency is recorded, every recorded one has its verdict, no cursor was set back."""
    found = [
        f"mail {r['id']} is still only {r['state']}{' and waits to be looked at' if r['look'] else ''}"
        for r in await db.fetch("select id, state, look from mail_watcher.mail where state = 'fetched' or look")
    ]
    here = set()
    for row in await db.fetch("select raw from mail_watcher.mail where raw is not null"):
        raw = await opened(row["raw"])
        told = _MESSAGE_ID.search(raw[: raw.find(b"\r\n\r\n")])
        here.add(told[1].decode() if told else "")
    found += [
        f"{r['unit_code']}: the {r['kind']} mail {r['message_id']} was never seen"
        for r in agency.execute("select unit_code, kind, message_id from mails where genuine and state = 'sent'")
        if r["message_id"] not in here
    ]
    found += [
        f"mail {r['id']} was matched and told {r['n']} times"
        for r in await db.fetch(
            "select data->>'mail' as id, count(*) as n from ops.timeline where type in "
            "('vn.hoso.mail.activation-code-arrived.v1', 'vn.hoso.mail.stop-result-arrived.v1', "
            "'vn.hoso.mail.change-result-arrived.v1', 'vn.hoso.mail.unit-code-result-arrived.v1') group by 1 having count(*) > 1"
        )
    ]
    found += [
        f"mailbox {r['mailbox']}: its cursor stands at {r['uid']}, behind mail {r['most']} that was recorded"
        for r in await db.fetch(
            "select c.mailbox, c.uid, max(m.uid) as most from mail_watcher.mailbox_cursor c "
            "join mail_watcher.mail m on m.mailbox = c.mailbox and m.uidvalidity = c.uidvalidity and m.folder = c.folder "
            "group by 1, 2 having max(m.uid) > c.uid"
        )
    ]
    return found


async def dump(db: Any, schemas: Sequence[str] = SCHEMAS) -> AsyncIterator[tuple[str, bytes]]:
    """Every table of these schemas as bytes, with what JSON columns and byte columns hold."""
    for row in await db.fetch(
        "select table_schema as s, table_name as t from information_schema.tables where table_schema = any($1) and table_type = 'BASE TABLE' "
        "order by 1, 2",
        list(schemas),
    ):
        name = f"{row['s']}.{row['t']}"
        lines = [
            b"\t".join(_bytes(value) for value in line.values())
            for line in await db.fetch(f'select * from "{row["s"]}"."{row["t"]}"')
        ]
        yield name, b"\n".join(lines)


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def log_files(folder: Path) -> Iterable[tuple[str, bytes]]:
    """Everything hoso and its database have written as text below a world's folder; not what the agency and the mail host wrote."""
    files = [
        *(folder / "hoso" / "log").glob("*"),
        *folder.glob("hoso*.out"),
        *folder.glob("extra*/log/*"),
        *folder.glob("extra*.out"),
        folder / "hoso" / "pg" / "postgres.log",
    ]
    for file in files:
        if file.is_file():
            yield str(file.relative_to(folder)), file.read_bytes()


async def leaks(agency: sqlite3.Connection, db: Any, folder: Path, secrets: Sequence[str] = ()) -> list[str]:
    """Activation codes and other secrets that stand in a log line, an event or any table but the vault's."""
    words = [r["code"].encode() for r in agency.execute("select code from codes")] + [s.encode() for s in secrets]
    if not words:
        return []
    any_of = re.compile(b"|".join(re.escape(word) for word in words))
    found = [
        f"{name} holds a secret ({len(set(any_of.findall(text)))} of them)"
        for name, text in log_files(folder)
        if any_of.search(text)
    ]
    async for name, text in dump(db):
        if any_of.search(text):
            found.append(f"table {name} holds a secret ({len(set(any_of.findall(text)))} of them)")
    return found

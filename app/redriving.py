"""Putting dead letters back onto the log: each as an event with a new id, so that nobody drops it as seen. Or settling them.

A letter that went back and failed again is another row with the same history: it is known by what stays the same about it
(`app.stopped.likeness`, kept in log.redrive), so it counts on, and after MOST_REDRIVES times it is refused.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from app.commands.opening import audit
from app.edge import announce
from app.stopped import MOST_REDRIVES, dead_letter, json_object, likeness
from app.world import world_clock
from hoso.log.partitions import partition_of
from hoso.log.port import Entry
from hoso.log.postgres import append
from hoso.runtime.ids import uuid7
from schemas.envelope import MAX_EVENT_BYTES
from schemas.events import EnrolUnit
from schemas.topics import tenant_of


@dataclass(frozen=True, slots=True)
class Redriven:
    """What came of one letter: the new event, or why not (a sentence `dead.<why>`)."""

    letter: UUID
    topic: str
    event: UUID | None
    redrives: int
    why: str = ""


class _Refused(Exception):
    """Not this one: dead.{0}."""


async def redrive(pool: Any, letters: Sequence[UUID], actor: str, *, per_second: float, again: bool) -> list[Redriven]:
    """Put letters back, in the given order, at most so many a second; each in a transaction of its own.

    `again`: also one that was put back before, as long as it was not too often.
    """
    loop = asyncio.get_running_loop()
    began, told = loop.time(), []
    for n, letter in enumerate(letters):
        await asyncio.sleep(max(0.0, began + n / per_second - loop.time()))
        async with pool.acquire() as tx, tx.transaction():
            found = await _redrive(tx, letter, actor, again)
        if found is None:
            continue
        told.append(found)
        if found.event is not None:
            await announce(pool, {found.topic})
    return told


async def _redrive(tx: Any, id_: UUID, actor: str, again: bool) -> Redriven | None:
    if not await tx.fetchval("select 1 from log.dead where id = $1 for update", id_):
        return None
    letter = await dead_letter(tx, id_)
    assert letter is not None
    likes = likeness(letter["topic"], letter["body"])
    await tx.execute("select pg_advisory_xact_lock(hashtext($1))", f"hoso.redrive:{likes.hex()}")
    times = await tx.fetchval("select count(*) from log.redrive where likeness = $1", likes)
    try:
        if letter["redriven_at"] is not None and not again:
            raise _Refused("gone")
        if times >= MOST_REDRIVES:
            raise _Refused("worn")
        partitions = await tx.fetchval("select count(*) from log.head where topic = $1", letter["topic"])
        if not partitions:
            raise _Refused("no-topic")
        entry = entry_of(id_, letter["topic"], letter["body"], partitions)
    except _Refused as error:
        return Redriven(id_, letter["topic"], None, times, str(error))
    await tx.execute(
        "insert into log.redrive(event, letter, likeness, actor) values ($1, $2, $3, $4)",
        entry.id,
        id_,
        likes,
        actor,
    )
    # The same record may be a letter of every group that reads the topic, and all of them read what goes back. Offsets of a topic
    # that was made anew repeat; another record has other bytes.
    await tx.execute(
        "update log.dead set redriven_at = now() where (topic, part, off, body) = ($1, $2, $3, $4)",
        letter["topic"],
        letter["partition"],
        letter["offset"],
        letter["body"],
    )
    await audit(
        tx,
        actor,
        entry.tenant or None,
        "dead-letters.redrive",
        letter=id_,
        event=entry.id,
        topic=letter["topic"],
        group=letter["group"],
        reason=letter["reason"],
        redrives=times + 1,
    )
    await append(tx, [entry], (await world_clock(tx)).now())
    return Redriven(id_, letter["topic"], entry.id, times + 1)


async def settle(pool: Any, letters: Sequence[UUID], actor: str, why: str) -> list[UUID]:
    """Nobody has to look at these any more; they stay. Returns those that nobody had settled or redriven."""
    async with pool.acquire() as tx, tx.transaction():
        rows = await tx.fetch(
            "update log.dead set settled_at = now() where id = any($1) and coalesce(redriven_at, settled_at) is null "
            'returning id, topic, grp as "group", reason',
            list(letters),
        )
        for row in rows:
            told = {
                "letter": row["id"],
                "topic": row["topic"],
                "group": row["group"],
                "reason": row["reason"],
                "why": why,
            }
            await audit(tx, actor, tenant_of(row["topic"]) or None, "dead-letters.settle", **told)
    return [row["id"] for row in rows]


def entry_of(letter: UUID, topic: str, body: bytes, partitions: int) -> Entry:
    """The event that a letter's bytes become. What is JSON gets the new id; the rest of it stays. Raises _Refused."""
    id_, told = uuid7(), json_object(body)
    if told is not None:
        body = _bytes({**told, "id": str(id_)})
    told = told or {}
    if len(body) > MAX_EVENT_BYTES:
        raise _Refused("large")
    tenant = tenant_of(topic)
    subject, kind = _uuid(told.get("subject")), told.get("type")
    if tenant:  # a stranger's: intake answers it, whatever it is
        subject = subject or uuid5(uuid5(NAMESPACE_URL, f"hoso:tenant:{tenant}"), str(letter))
        kind = kind if isinstance(kind, str) and kind else EnrolUnit.TYPE
    if subject is None:
        raise _Refused("no-unit")
    if not isinstance(kind, str) or not kind:
        raise _Refused("no-type")
    said = told.get("tenant")
    return Entry(
        topic,
        partition_of(subject, partitions),
        id_,
        kind,
        subject,
        tenant or (said if isinstance(said, str) else ""),
        body,
    )


def _bytes(told: dict[str, Any]) -> bytes:
    try:
        return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can spell and UTF-8 cannot
        return json.dumps(told, separators=(",", ":")).encode()


def _uuid(value: Any) -> UUID | None:
    try:
        return UUID(value)
    except (ValueError, TypeError, AttributeError):
        return None

"""Between Kafka and PostgreSQL: positions as whoever reads next understands them, in the migration's transaction.

Topics of our own need nothing on the way to Kafka: marks drop what was read. Where strangers write there are none, because their
headers could say anything; so both logs' positions are kept: `off`, and Kafka's offset as the mark of a source named kafka.
"""

from __future__ import annotations

from typing import Any

from app.words import text
from hoso.runtime.failures import HosoError
from schemas.topics import REQUESTS

RELAY = "hoso.relay"
KAFKA = "kafka"
_STRANGERS = REQUESTS.name.replace("<tenant>", "%")

_KEEP = """
insert into log.mark(grp, source, topic, part, epoch, off) select grp, $2, topic, part, 0, kafka from log.position
where kafka is not null and topic like $1 on conflict (grp, source, topic, part) do update set off = excluded.off
"""
_READ_ON = """
update log.position p set off = r.off, at = r.at from log.position r
where p.kafka is not null and p.topic like $2 and r.grp = $1 and (r.topic, r.part) = (p.topic, p.part)
"""
"""What came from this database's log lies in Kafka up to the relay's position, and was read with the rest."""
_BACK = """
update log.position p set kafka = m.off from log.mark m
where p.kafka is null and p.topic like $1 and m.source = $2 and (m.grp, m.topic, m.part) = (p.grp, p.topic, p.part)
"""
_SENT = """
insert into log.position(grp, topic, part, off, at) select $1, h.topic, h.part, greatest(min(p.off), h.first), min(p.at)
from log.position p join log.head h using (topic, part) where p.topic like $2 and p.grp = any($3) group by h.topic, h.part, h.first
on conflict do nothing
"""
"""What was read here where strangers write is not sent: in Kafka it would be read once more."""


async def check_kind(db: Any, on_kafka: bool) -> None:
    """Raises HosoError when the positions are for the other log. A database that was never asked is for either."""
    kind = await db.fetchval("select kafka from log.kind")
    if kind is not None and kind != on_kafka:
        raise HosoError(text("log.kind-kafka" if kind else "log.kind-postgres"))


async def switch(tx: Any, on_kafka: bool) -> bool:
    """Make the positions ready for a log; whether they were for the other one. Raises HosoError while a relay runs."""
    await (onto_kafka(tx) if on_kafka else back_to_postgres(tx))
    before = await tx.fetchval("select kafka from log.kind")
    await tx.execute(
        "insert into log.kind(kafka) values ($1) on conflict (one) do update set kafka = excluded.kafka", on_kafka
    )
    return before is not None and before != on_kafka


async def back_to_postgres(tx: Any) -> None:
    """Who read Kafka goes on at `off` in this log. Changes nothing where nobody did. Raises HosoError while a relay runs."""
    if not await tx.fetchval("select exists (select 1 from log.position where kafka is not null or grp = $1)", RELAY):
        return
    if not await tx.fetchval("select pg_try_advisory_xact_lock(hashtext($1))", RELAY):
        raise HosoError(text("log.relay-runs"))
    await tx.execute(_KEEP, _STRANGERS, KAFKA)
    await tx.execute(_READ_ON, RELAY, _STRANGERS)
    await tx.execute("update log.position set kafka = null where kafka is not null")
    # Nobody moves a relay's position any more, and what it has not read is never trimmed. A later one begins at the oldest
    # that is kept, and marks drop what was read.
    await tx.execute("delete from log.position where grp = $1", RELAY)


async def onto_kafka(tx: Any) -> None:
    """Who read requests here goes on behind them, in Kafka where he was there before. Changes nothing when nobody comes from PostgreSQL."""
    await tx.execute(_BACK, _STRANGERS, KAFKA)
    await tx.execute("delete from log.mark where source = $1", KAFKA)
    await tx.execute(_SENT, RELAY, _STRANGERS, list(REQUESTS.consumers))

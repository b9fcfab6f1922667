"""From Kafka back to PostgreSQL: positions as a reader of log.event understands them, in the migration's transaction."""

from __future__ import annotations

from typing import Any

from schemas.topics import REQUESTS

RELAY = "hoso.relay"

_REQUESTS = """
update log.position p set off = r.off, at = r.at from log.position r
where p.kafka is not null and p.topic like $2 and r.grp = $1 and (r.topic, r.part) = (p.topic, p.part)
"""
"""Where strangers write, Kafka's offsets alone say what was read. What came from this database's log lies in Kafka up to the
relay's position, and was read with the rest."""


async def back_to_postgres(tx: Any) -> None:
    """Who read Kafka goes on at `off` in this log. Changes nothing where nobody did."""
    await tx.execute(_REQUESTS, RELAY, REQUESTS.name.replace("<tenant>", "%"))
    await tx.execute("update log.position set kafka = null where kafka is not null")
    # Nobody moves a relay's position any more, and what it has not read is never trimmed. A later one begins at the oldest
    # that is kept, and marks drop what was read.
    await tx.execute("delete from log.position where grp = $1", RELAY)

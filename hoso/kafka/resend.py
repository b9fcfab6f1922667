"""Fills a topic of Kafka again from the outbox: after it was deleted, emptied, or lost with its disks.

The relay's position goes back; it finds that out when it moves it, reads anew and sends from there. Consumers drop by their
marks what they have seen. A topic made anew counts from 0, so all groups read it from its beginning: whoever calls this rings
"topics" afterwards, and they look where they are anew.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from hoso.runtime.failures import HosoError

RELAY = "hoso.relay"


class Resent(NamedTuple):
    """One partition: from where the relay sends again, and how many events that are."""

    part: int
    off: int
    events: int


class Lost(NamedTuple):
    """Events that a group has not seen and that the outbox no longer holds: `off` up to `first`."""

    grp: str
    part: int
    off: int
    first: int


async def resend(tx: Any, topic: str, start: int = 0) -> list[Resent]:
    """Put the relay back to offset `start` of each partition, or to the oldest that is kept. In the caller's transaction.

    Never puts it forward. Raises HosoError when the relay has never carried this topic.
    """
    await tx.execute("select 1 from log.position where topic = $1 order by grp, part for update", topic)
    rows = await tx.fetch(
        "update log.position p set off = least(p.off, greatest(h.first, $2)), at = '-infinity', moved_at = clock_timestamp() "
        "from log.head h where p.grp = $3 and p.topic = $1 and (h.topic, h.part) = (p.topic, p.part) "
        "returning p.part, p.off, h.next - p.off as events",
        topic,
        start,
        RELAY,
    )
    if not rows:
        raise HosoError(
            f"the relay has carried nothing of topic '{topic}': see `hoso topics list`, and start it with `hoso run relay`"
        )
    await tx.execute(
        "update log.position set kafka = null where topic = $1 and kafka is not null and grp <> $2", topic, RELAY
    )
    return sorted(Resent(*row) for row in rows)


async def lost(tx: Any, topic: str) -> list[Lost]:
    """What no resending can bring back to a group. Only for events of this database."""
    rows = await tx.fetch(
        "select m.grp, m.part, m.off + 1, h.first from log.mark m join log.head h using (topic, part) "
        "where m.topic = $1 and m.source = (select id::text from log.source) and m.off + 1 < h.first order by 1, 2",
        topic,
    )
    return [Lost(*row) for row in rows]

"""What the relay writes beside an event: where it comes from, so that a reader can tell a repetition and a gap.

hoso-source  the database the event was appended in       hoso-epoch  how often that database was restored
hoso-off     its number in the partition, without gaps    hoso-at     the world's time at append, microseconds
hoso-type    the event's type                             hoso-tenant whose it is
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from hoso.log.port import Record
from hoso.writable import writable

CLOUDEVENTS = "application/cloudevents+json; charset=utf-8"
_ZERO = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO = timedelta(microseconds=1)
_LAST_MS = (datetime(9999, 1, 1, tzinfo=UTC) - _ZERO) // timedelta(milliseconds=1)
Headers = Sequence[tuple[str, bytes]]


class Origin(NamedTuple):
    """Which event of which database a Kafka record is."""

    source: str
    epoch: int
    off: int


@lru_cache(maxsize=1_000)
def _told(name: str, text: str) -> tuple[str, bytes]:
    return name, text.encode()


def written(source: str, epoch: int, record: Record) -> list[tuple[str, bytes]]:
    """The headers of one event."""
    return [
        _told("content-type", CLOUDEVENTS),
        _told("hoso-source", source),
        ("hoso-epoch", b"%d" % epoch),
        ("hoso-off", b"%d" % record.off),
        ("hoso-at", b"%d" % ((record.at - _ZERO) // _MICRO)),
        _told("hoso-type", record.type),
        _told("hoso-tenant", record.tenant),
    ]


def read(
    topic: str, part: int, off: int, key: bytes | None, value: bytes | None, headers: Headers
) -> tuple[Record, Origin] | None:
    """The event and its origin; None when the relay did not write it."""
    told = dict(headers)
    try:
        origin = Origin(told["hoso-source"].decode(), int(told["hoso-epoch"]), int(told["hoso-off"]))
        at = _ZERO + int(told["hoso-at"]) * _MICRO
        subject = UUID(key.decode()) if key else None
        type_, tenant = told["hoso-type"].decode(), told["hoso-tenant"].decode()
        if not (0 <= origin.off < 2**62 and 0 <= origin.epoch < 2**31 and len(origin.source) <= 64):
            return None
        if "\0" in origin.source + type_ + tenant:  # which no database has written
            return None
    except (KeyError, ValueError, OverflowError, AttributeError, TypeError):  # a header may have no value at all
        return None
    return Record(topic, part, off, at, type_, subject, tenant, value or b""), origin


def unmarked(topic: str, part: int, off: int, key: bytes | None, value: bytes | None, timestamp: int) -> Record:
    """A record of an internal topic that no relay wrote: what can be told of it. Without a unit it becomes a dead letter."""
    at = _ZERO + min(max(timestamp, 0), _LAST_MS) * 1000 * _MICRO
    try:
        told = json.loads(value or b"")
        subject = UUID(str(told["subject"]))
        type_, tenant = (writable(str(told[name])) for name in ("type", "tenant"))
    except (ValueError, KeyError, TypeError, RecursionError):
        return Record(topic, part, off, at, "", None, "", value or b"")
    return Record(topic, part, off, at, type_, subject, tenant, value or b"")

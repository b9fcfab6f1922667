"""What of Kafka's records is new, without Kafka."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

from aiokafka import ConsumerRecord

from hoso.kafka import headers
from hoso.kafka.marks import Known, Place, Sieve, placed
from hoso.log.port import Record

AT = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
OURS, STRANGE = ("agency.replied", 0), ("enrolment.requests.acme", 0)
SIEVE = Sieve("hoso.intake", "us", ("enrolment.requests.",), "test", lambda: AT)


def lying(key: tuple[str, int], offset: int, off: int, source: str = "us") -> ConsumerRecord[bytes, bytes]:
    """A record that says that it is event `off` of a database."""
    told = headers.written(source, 0, Record(*key, off, AT, "t", None, "acme", b""))
    return ConsumerRecord(*key, offset, 0, 0, str(uuid4()).encode(), b"{}", None, 0, 2, tuple(told))


def test_nothing_is_noted_of_what_a_stranger_says_of_our_log() -> None:
    taken = SIEVE.sift(STRANGE, Place(0, 0, 0), [lying(STRANGE, 0, 2**61)])
    assert len(taken.records) == 1
    assert taken.origins == {}


def test_what_the_relay_wrote_is_noted() -> None:
    place = placed(OURS, Known(None, 0, {}, ()), 0, 9, SIEVE)
    taken = SIEVE.sift(OURS, place, [lying(OURS, 4, 0), lying(OURS, 5, 0), lying(OURS, 6, 1)])
    assert {offset: origin.off for offset, origin in taken.origins.items()} == {4: 0, 6: 1}
    assert place.next == 7

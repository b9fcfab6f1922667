"""What of Kafka's records is new, without Kafka."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from aiokafka import ConsumerRecord

from hoso.kafka import headers
from hoso.kafka.marks import Known, Mark, Place, Sieve, placed
from hoso.log.port import GapFound, Record

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


def test_what_strangers_wrote_and_kafka_dropped_unread_is_passed_what_we_wrote_is_not() -> None:
    known = Known(5, 0, {}, ())
    assert placed(STRANGE, known, 7, 9, SIEVE).next == 7
    with pytest.raises(GapFound):
        placed(OURS, known, 7, 9, SIEVE)


def test_the_position_stays_where_a_source_went_on_too_far() -> None:
    place = placed(OURS, Known(3, 0, {"other": Mark(0, 4)}, ()), 0, 9, SIEVE)
    SIEVE.sift(OURS, place, [lying(OURS, 3, 6, "other"), lying(OURS, 4, 0)])
    assert (place.next, place.behind(place.next)) == (5, 3)
    SIEVE.sift(OURS, place, [lying(OURS, 5, 5, "other")])
    assert place.behind(place.next) == 6

"""Ids are ordered by time and never the same twice; one enrolment is one trace."""

from __future__ import annotations

import re
import time
from uuid import RFC_4122, UUID

from hoso.runtime.ids import trace_of, uuid7


def test_ids_are_uuid7_increasing_and_never_the_same() -> None:
    ids = [uuid7() for _ in range(20_000)]
    assert len(set(ids)) == len(ids)
    assert ids == sorted(ids)
    assert {(i.version, i.variant) for i in ids} == {(7, RFC_4122)}


def test_an_id_tells_when_it_was_made() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid7().int >> 80
    assert before <= made <= time.time_ns() // 1_000_000 + 10


def test_a_trace_is_the_enrolments_and_a_span_is_the_events() -> None:
    enrolment, one, two = uuid7(), uuid7(), uuid7()
    first, second = trace_of(enrolment, one), trace_of(enrolment, two)
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", first)
    assert UUID(first.split("-")[1]) == enrolment == UUID(second.split("-")[1])
    assert first != second

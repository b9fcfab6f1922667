"""Whatever lies on a tenant's request topic becomes a record that intake can handle: nothing raises, nothing stops a partition."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from hoso.kafka import strangers
from hoso.log.port import Record
from schemas.envelope import MAX_EVENT_BYTES, decode, envelope_of
from schemas.events import EnrolUnit, RequestRefused, RequestUnfit
from services.intake.handlers import News, handle

TOPIC = "enrolment.requests.acme"
AT = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
NAMES = st.sampled_from(
    ["content-type", "Content-Type", "ce_type", "ce_specversion", "ce_id", "ce_source", "ce_environment", "CE_TYPE"]
    + ["hoso-source", "hoso-epoch", "hoso-off", "hoso-at", "hoso-type", "hoso-tenant", "", "x" * 70_000, "\ud800"]
)
MEDIA = [
    strangers.STRUCTURED,
    strangers.BATCHED,
    strangers.PLAIN,
    "text/xml",
    "application/cloudevents+avro",
    "application/json; charset=x",
]
SAID = st.one_of(
    st.none(),
    st.binary(max_size=20),
    st.sampled_from([b"1.0", b"test", b"production", EnrolUnit.TYPE.encode(), b"vn.hoso.enrolment.progressed.v1", b"9" * 5_000]),
    st.sampled_from([media.encode() for media in MEDIA]),
)  # fmt: skip
HEADERS = st.lists(st.tuples(NAMES, SAID), max_size=8)
WORDS = st.sampled_from(
    ["specversion", "type", "data", "request", "fields", "actor", "tenant", "subject", "environment", "id", "data_base64", "unit_code"]
    + ["1.0", "test", EnrolUnit.TYPE, "erp-1", "", "\0", "\ud800", "x" * 201, "ệ" * 501]
)  # fmt: skip
TEXT = st.one_of(WORDS, st.text(max_size=30))
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=6)),
    max_leaves=20,
)
FIELDS = st.dictionaries(TEXT, st.one_of(TEXT, TEXT, JSON), max_size=5)
DATA = st.fixed_dictionaries(
    {"request": st.one_of(TEXT, TEXT, JSON), "fields": st.one_of(FIELDS, FIELDS, JSON)},
    optional={"actor": JSON, "errors": JSON},
)
ALMOST = st.fixed_dictionaries({"specversion": st.just("1.0"), "type": st.just(EnrolUnit.TYPE), "data": DATA})
"""A request but for what is in it; most of what is made at random is none."""
REQUESTS = st.one_of(
    ALMOST,
    DATA,
    st.fixed_dictionaries(
        {},
        optional={
            "specversion": st.one_of(st.just("1.0"), JSON),
            "type": st.one_of(st.just(EnrolUnit.TYPE), JSON),
            "environment": JSON,
            "tenant": st.just("other"),
            "subject": st.just("018f0000-0000-7000-8000-0000000000a1"),
            "data": st.one_of(DATA, JSON),
        },
    ),
)


def spelt(value: Any) -> bytes:
    return json.dumps(value).encode()


VALUES = st.one_of(st.none(), st.binary(max_size=200), REQUESTS.map(spelt), JSON.map(spelt))


def taken(value: bytes | None, headers: Any) -> Record:
    """Without the net that catches what nobody foresaw: it must not be needed."""
    return strangers._read(TOPIC, 3, 17, value, headers, AT, "test", 5)


@settings(max_examples=600, deadline=None)
@given(VALUES, HEADERS)
@example(b'{"a":' * 100_000, [("content-type", b"application/json")])
@example(b"[" * 400_000, [])
@example(b'{"specversion":' + b"9" * 6_000 + b"}", [])
@example(
    spelt({"specversion": "1.0", "type": EnrolUnit.TYPE, "data": {"request": "x", "fields": {"a": "\0" * 60_000}}}), []
)
@example(spelt({"specversion": "1.0", "type": EnrolUnit.TYPE, "data": {"request": "x" * 900_000, "fields": {}}}), [])
@example(
    spelt(
        {"specversion": "1.0", "type": EnrolUnit.TYPE, "data": {"request": "a\ud800", "fields": {"\udfff": "\ud800"}}}
    ),
    [],
)
@example(b"\xef\xbb\xbf{}", [])
@example(b"\xff\xfe{\0}\0", [])
@example(b"NaN", [("ce_type", None), ("ce_type", b"\xff")])
@example(b"{}", [("content-type", b"text/pl\0ain")])
@example(b"{}", [("hoso-unreadable", b"a\0b")])
def test_anything_becomes_a_record_that_intake_handles(value: bytes | None, headers: Any) -> None:
    record = taken(value, headers)
    assert record == taken(value, headers)
    assert (record.topic, record.part, record.off, record.at, record.tenant) == (TOPIC, 3, 17, AT, "acme")
    if record.subject is None:
        assert record.type
        assert "\0" not in record.type, "PostgreSQL does not take it"
        assert record.body == (value or b"")
        return
    assert record.type in (EnrolUnit.TYPE, RequestUnfit.TYPE)
    assert len(record.body) <= MAX_EVENT_BYTES
    event = decode(record.type, record.body)
    assert (event.tenant, event.environment, event.subject, event.time) == ("acme", "test", record.subject, AT)
    _, steps = handle(News(), event, event.time)
    assert len(steps) == 1
    for step in steps:
        refused = getattr(step, "fact", None)
        if isinstance(refused, RequestRefused):
            assert refused.errors
            assert all(refused.errors)


@settings(max_examples=100, deadline=None)
@given(st.text(min_size=1, max_size=200), st.dictionaries(st.text(max_size=60), st.text(max_size=400), max_size=20))
def test_what_a_producing_system_asks_comes_through_unchanged(key: str, fields: dict[str, str]) -> None:
    data = {"request": key, "fields": fields, "actor": "erp"}
    whole = {"specversion": "1.0", "id": "1", "source": "erp", "type": EnrolUnit.TYPE, "data": data}
    structured = taken(spelt(whole), [("content-type", b"application/cloudevents+json; charset=UTF-8")])
    attributes = [(f"ce_{name}", value.encode()) for name, value in whole.items() if isinstance(value, str)]
    binary = taken(spelt(data), [("content-type", b"application/json"), *attributes])
    assert structured == binary
    ask = decode(structured.type, structured.body).data
    told = EnrolUnit(
        request=key.replace("\0", "\ufffd"),
        fields={name.replace("\0", "\ufffd"): text.replace("\0", "\ufffd") for name, text in fields.items()},
        actor="erp",
    )
    assert ask == told
    assert envelope_of(EnrolUnit).model_validate_json(structured.body).data == told

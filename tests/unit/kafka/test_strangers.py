"""Records that others wrote onto a tenant's request topic: what is taken, what is answered, what is a dead letter."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from hoso.kafka import headers as ours
from hoso.kafka.strangers import PLAIN, STRUCTURED, read, subject_of
from hoso.log.port import Record
from schemas.envelope import decode
from schemas.events import EnrolmentProgressed, EnrolUnit, RequestUnfit
from services.intake.handlers import News, handle

TOPIC = "enrolment.requests.acme"
AT = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
DATA = {"request": "erp-1", "fields": {"unit_code": "tz0001z", "name": "Chi nhánh Huế"}}
WHOLE = {"specversion": "1.0", "id": "7", "source": "erp", "type": EnrolUnit.TYPE, "data": DATA}
MODE = [("content-type", STRUCTURED.encode())]
BINARY = [("ce_specversion", b"1.0"), ("ce_type", EnrolUnit.TYPE.encode()), ("ce_id", b"7"), ("ce_source", b"erp")]


def sent(value: Any, headers: Any = MODE, off: int = 0, stamp: int = 0) -> Record:
    body = value if isinstance(value, bytes | None) else json.dumps(value).encode()
    return read(TOPIC, 0, off, body, headers, at=AT, environment="test", stamp=stamp)


def refused(record: Record) -> tuple[str, str]:
    """The key and the first sentence of the answer on enrolment.progressed."""
    assert record.type == RequestUnfit.TYPE
    event = decode(record.type, record.body)
    _, (step,) = handle(News(), event, event.time)
    return step.fact.request, step.fact.errors[0]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (WHOLE, MODE),
        (WHOLE, []),
        (WHOLE, [("Content-Type", b"Application/CloudEvents+JSON; charset=utf-8")]),
        (DATA, BINARY),
        (DATA, [*BINARY, ("content-type", PLAIN.encode())]),
        (DATA, [*BINARY, ("ce_type", EnrolUnit.TYPE.encode())]),
        (b"\xef\xbb\xbf" + json.dumps(WHOLE).encode(), MODE),
    ],
)
def test_a_request_in_either_mode_is_taken(value: Any, headers: Any) -> None:
    record = sent(value, headers)
    event = decode(record.type, record.body)
    assert (event.data.request, event.data.fields) == (DATA["request"], DATA["fields"])
    assert (event.tenant, event.time, event.environment) == ("acme", AT, "test")
    assert record.subject == subject_of("acme", event.data) == subject_of("acme", EnrolUnit(**DATA))


def test_nothing_of_the_envelope_is_believed() -> None:
    other = uuid4()
    lie = WHOLE | {
        "tenant": "globex",
        "subject": str(other),
        "time": "1999-01-01T00:00:00Z",
        "correlationid": str(other),
    }
    record = sent(lie | {"causationid": str(other), "traceparent": "x"})
    assert record == sent(WHOLE)
    assert str(other) not in record.body.decode()


def test_headers_of_ours_mean_nothing_here() -> None:
    event = Record("x", 0, 10**12, AT, EnrolmentProgressed.TYPE, uuid4(), "globex", b"")
    faked = ours.written(str(uuid4()), 9, event)
    assert sent(WHOLE, faked) == sent(WHOLE)
    lie = json.dumps(WHOLE | {"type": EnrolmentProgressed.TYPE}).encode()
    assert refused(sent(lie, faked))[0] == "erp-1"


def test_each_record_has_an_id_of_its_own_and_keeps_it() -> None:
    ids = [decode(r.type, r.body).id for r in (sent(WHOLE), sent(WHOLE), sent(WHOLE, off=1), sent(WHOLE, stamp=1))]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


def test_the_unit_decides_the_subject_whoever_asks_in_which_spelling() -> None:
    other = {"request": "erp-2", "fields": {"unit_code": " TZ 0001Z"}}
    assert sent(WHOLE).subject == sent(WHOLE | {"data": other}).subject
    assert sent(WHOLE).subject != sent(WHOLE | {"data": {"request": "erp-1", "fields": {}}}).subject


@pytest.mark.parametrize(
    ("value", "headers", "key", "told"),
    [
        (WHOLE | {"specversion": "0.3"}, MODE, "erp-1", "specversion"),
        (WHOLE | {"type": "vn.hoso.enrolment.requested.v1"}, MODE, "erp-1", "type"),
        (WHOLE | {"type": ["x"]}, MODE, "erp-1", "type"),
        (WHOLE | {"environment": "production"}, MODE, "erp-1", "environment"),
        (WHOLE | {"data": "text"}, MODE, "", "data"),
        (WHOLE | {"data": {**DATA, "remarks": "x" * 70_000}}, MODE, "erp-1", "byte"),
        ({k: v for k, v in WHOLE.items() if k != "data"} | {"data_base64": "e30="}, MODE, "", "data"),
        (DATA, [], "erp-1", "content-type"),
        (DATA, [("content-type", PLAIN.encode())], "erp-1", "content-type"),
        (DATA, [*BINARY, ("ce_type", b"other")], "erp-1", "ce_type"),
        (DATA, [("ce_type", EnrolUnit.TYPE.encode())], "erp-1", "ce_specversion"),
        (DATA, [("ce_specversion", b"1.0"), ("ce_type", b"\xff")], "erp-1", "ce_type"),
        (DATA, [("ce_specversion", b"1.0"), ("ce_type", None)], "erp-1", "ce_type"),
        (WHOLE | {"data": {"request": "x" * 60_000, "fields": {"a": "\x01" * 1_200}}}, MODE, "x" * 200, "byte"),
    ],
)
def test_json_that_is_no_request_is_answered(value: Any, headers: Any, key: str, told: str) -> None:
    found, error = refused(sent(value, headers))
    assert found == key
    assert told in error


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"fields": {}}, "request:"),
        ({"request": 7, "fields": {}}, "request:"),
        ({"request": "r"}, "fields:"),
        ({"request": "r", "fields": []}, "fields:"),
        ({"request": "r", "fields": {"name": {"deep": [1]}}}, "fields.name:"),
        ({"request": "r", "fields": {"name": None}}, "fields.name:"),
        ({"request": "r", "fields": {}, "actor": []}, "actor:"),
    ],
)
def test_a_request_of_the_wrong_shape_is_answered_by_name(data: Any, told: str) -> None:
    record = sent(WHOLE | {"data": data})
    event = decode(record.type, record.body)
    _, (step,) = handle(News(), event, event.time)
    assert step.fact.errors[0].startswith(told)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("value", "headers", "why"),
    [
        (None, MODE, "no value"),
        (b"", [], "no value"),
        (b"{", MODE, "not JSON"),
        (b'{"a": NaN}', MODE, "not JSON"),
        (b"[]", MODE, "no object"),
        (b'"text"', BINARY, "no object"),
        (b"\xff\xfe", MODE, "not UTF-8"),
        (b"[" * 200_000, MODE, "nested"),
        (
            json.dumps([WHOLE]).encode(),
            [("content-type", b"application/cloudevents-batch+json")],
            "one request a record",
        ),
        (b"<xml/>", [("content-type", b"text/xml")], "text/xml"),
        (b"\x00\x01", [("content-type", b"application/cloudevents+avro")], "avro"),
    ],
)
def test_what_is_not_json_is_a_dead_letter_with_its_reason(value: Any, headers: Any, why: str) -> None:
    record = sent(value, headers)
    assert record.subject is None
    assert why in record.type
    assert record.body == (value or b"")


def test_what_nobody_foresaw_is_a_dead_letter_too() -> None:
    class Broken:
        def __iter__(self) -> Any:
            raise OSError("nobody foresaw this")

    record = sent(WHOLE, Broken())
    assert (record.subject, record.type) == (None, "unforeseen OSError")


def test_a_header_without_a_value_is_not_ours_and_raises_nothing() -> None:
    event = Record("x", 0, 1, AT, "t", uuid4(), "acme", b"")
    for missing, _ in ours.written("s", 0, event):
        faked = [(name, None if name == missing else value) for name, value in ours.written("s", 0, event)]
        told = ours.read("x", 0, 1, None, b"", faked)  # type: ignore[arg-type]
        assert (told is None) == missing.startswith("hoso-")

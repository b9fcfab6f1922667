"""Events on the wire: one golden example a type, kept for ever; what older and newer writers may send."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from schemas.envelope import MAX_EVENT_BYTES, BrokenEvent, Fact, UnknownType, decode, encode, fact_types
from schemas.events import DossierPrepared, DossierSigned, EnrolmentRequested
from schemas.topics import REQUESTS, TOPIC_OF, TOPICS, topic_named, topics_read_by
from schemas.units import RegisterPayload, StopPayload

EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples"
TRAVELLING: list[type[Fact]] = [fact for topic in (*TOPICS, REQUESTS) for fact in topic.facts]


def example(type_: str) -> bytes:
    return (EXAMPLES / f"{type_}.json").read_bytes()


def changed(type_: str, **data: Any) -> bytes:
    """The example with other fields among its data."""
    event = json.loads(example(type_))
    event["data"] |= data
    return json.dumps(event).encode()


# --- golden examples --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fact", TRAVELLING, ids=lambda fact: fact.TYPE)
def test_every_type_has_an_example_that_is_read_and_written_unchanged(fact: type[Fact]) -> None:
    body = example(fact.TYPE)
    event = decode(fact.TYPE, body)
    assert type(event.data) is fact
    assert event.type == fact.TYPE
    assert json.loads(encode(event)) == json.loads(body)
    assert decode(fact.TYPE, encode(event)) == event
    assert len(encode(event)) < MAX_EVENT_BYTES


@pytest.mark.parametrize("fact", TRAVELLING, ids=lambda fact: fact.TYPE)
def test_an_example_shows_every_field(fact: type[Fact]) -> None:
    assert set(json.loads(example(fact.TYPE))["data"]) == set(fact.model_fields)


def test_there_is_no_example_of_anything_else() -> None:
    assert {path.stem for path in EXAMPLES.iterdir()} == {fact.TYPE for fact in TRAVELLING}


def test_an_example_means_what_it_says() -> None:
    signed = decode(DossierSigned.TYPE, example(DossierSigned.TYPE))
    assert signed.time == datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
    assert (signed.tenant, signed.environment, signed.source) == ("hoasen", "test", "hoso.signer")
    assert (signed.data.kind, signed.data.attempt, signed.data.method) == ("register", 1, "pkcs12")
    asked = decode(EnrolmentRequested.TYPE, example(EnrolmentRequested.TYPE)).data
    assert asked.form.row_key == "TZ0001Z"
    assert asked.form.name == "Chi nhánh Huế – Công ty TNHH Hoa Sen Thử Nghiệm"


# --- the table --------------------------------------------------------------------------------------------------


def test_every_type_travels_on_exactly_one_topic_under_a_name_of_its_own() -> None:
    assert max(Counter(TRAVELLING).values()) == 1
    assert max(Counter(fact.TYPE for fact in TRAVELLING).values()) == 1
    assert max(Counter(topic.name for topic in TOPICS).values()) == 1
    for topic in TOPICS:
        for fact in topic.facts:
            assert TOPIC_OF[fact] is topic
            assert fact_types()[fact.TYPE] is fact


def test_names_on_the_wire_follow_one_pattern() -> None:
    for fact in TRAVELLING:
        words = fact.TYPE.split(".")
        assert words[:2] == ["vn", "hoso"]
        assert words[-1] == "v1"
        assert fact.TYPE.lower() == fact.TYPE
        assert "_" not in fact.TYPE
    for topic in TOPICS:
        assert "_" not in topic.name


def test_a_tenants_request_topic_is_known_by_its_pattern() -> None:
    assert topic_named("enrolment.requests.hoasen").facts == REQUESTS.facts
    assert topic_named("agency.replied") in topics_read_by("hoso.enrolment")
    for unknown in ("enrolment.requests.", "agency.unknown", ""):
        with pytest.raises(KeyError):
            topic_named(unknown)


def test_nobody_reads_what_nobody_writes() -> None:
    written = {producer for topic in TOPICS for producer in topic.producers}
    assert written == {
        "hoso.ops-cli",
        "hoso.ops",
        "hoso.intake",
        "hoso.enrolment",
        "hoso.signer",
        "hoso.submitter",
        "hoso.mail-watcher",
    }
    for topic in TOPICS:
        assert topic.consumers


# --- other versions ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fact", TRAVELLING, ids=lambda fact: fact.TYPE)
def test_fields_that_a_newer_version_added_are_ignored(fact: type[Fact]) -> None:
    event = json.loads(example(fact.TYPE)) | {"newextension": "x"}
    event["data"]["added_later"] = {"deep": [1, 2]}
    assert decode(fact.TYPE, json.dumps(event).encode()) == decode(fact.TYPE, example(fact.TYPE))


def test_fields_that_a_newer_version_added_to_a_form_are_ignored() -> None:
    event = json.loads(example(EnrolmentRequested.TYPE))
    event["data"]["form"]["region"] = "Trung"
    known = decode(EnrolmentRequested.TYPE, example(EnrolmentRequested.TYPE))
    assert decode(EnrolmentRequested.TYPE, json.dumps(event).encode()) == known


@pytest.mark.parametrize("fact", TRAVELLING, ids=lambda fact: fact.TYPE)
def test_what_an_older_version_did_not_say_has_a_default(fact: type[Fact]) -> None:
    event = json.loads(example(fact.TYPE))
    required = {name for name, field in fact.model_fields.items() if field.is_required()}
    event["data"] = {name: value for name, value in event["data"].items() if name in required}
    del event["causationid"]
    assert type(decode(fact.TYPE, json.dumps(event).encode()).data) is fact


def test_a_type_nobody_knows_is_not_a_broken_event() -> None:
    for unknown in ("vn.hoso.dossier.signed.v2", "vn.hoso.dossier.burnt.v1", ""):
        with pytest.raises(UnknownType):
            decode(unknown, example(DossierSigned.TYPE))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b"{}",
        b"\xff\xfe",
        example(DossierSigned.TYPE)[:-20],
        changed(DossierSigned.TYPE, attempt="first"),
        changed(DossierSigned.TYPE, kind="transfer"),
        changed(DossierSigned.TYPE, document=None),
        example(DossierSigned.TYPE).replace(b'"1.0"', b'"0.3"'),
        example(DossierSigned.TYPE).replace(b'"test"', b'"staging"'),
    ],
    ids=lambda body: body[:12].decode("latin-1"),
)
def test_bytes_that_are_no_such_event_are_broken(body: bytes) -> None:
    with pytest.raises(BrokenEvent) as told:
        decode(DossierSigned.TYPE, body)
    assert DossierSigned.TYPE in str(told.value)


def test_a_broken_event_is_described_without_its_contents() -> None:
    with pytest.raises(BrokenEvent) as told:
        decode(DossierSigned.TYPE, changed(DossierSigned.TYPE, attempt="a secret"))
    assert "a secret" not in str(told.value)


# --- payloads ---------------------------------------------------------------------------------------------------


def test_the_payload_is_told_apart_by_its_kind() -> None:
    register = decode(DossierPrepared.TYPE, example(DossierPrepared.TYPE)).data
    assert isinstance(register.payload, RegisterPayload)
    fields = json.loads(example(DossierPrepared.TYPE))["data"]["payload"]
    del fields["procedure"], fields["email"], fields["phone"]
    other = {"kind": "stop", "stop_date": "02/03/2026", "reason": "KHAC", "reason_text": "Sáp nhập"}
    stop = decode(DossierPrepared.TYPE, changed(DossierPrepared.TYPE, payload={**fields, **other})).data
    assert isinstance(stop.payload, StopPayload)
    assert stop.kind == "stop"
    with pytest.raises(BrokenEvent):
        decode(DossierPrepared.TYPE, changed(DossierPrepared.TYPE, payload={**fields, "kind": "change"}))


def test_no_event_carries_a_character_that_no_column_takes() -> None:
    event = decode(EnrolmentRequested.TYPE, changed(EnrolmentRequested.TYPE, actor="a\0b", request="c:\\u0000"))
    written = encode(event)
    assert b"\\u0000" in written  # the backslash and five characters that somebody typed
    again = decode(EnrolmentRequested.TYPE, written)
    assert (again.data.actor, again.data.request) == ("a\ufffdb", "c:\\u0000")
    assert again == event.model_copy(update={"data": event.data.model_copy(update={"actor": "a\ufffdb"})})

"""Records that others wrote: anything at all on `enrolment.requests.<tenant>` becomes a record that intake can answer.

structured   content-type: application/cloudevents+json, the whole event is the value
binary       headers ce_specversion, ce_type, …, the value is the data alone (application/json)

Nothing a stranger says is taken over but the request itself (`request`, `fields`, `actor`): the tenant is the topic's, and id,
subject, time and source are made here. Headers of ours (`hoso-…`) mean nothing on such a topic: whoever may write to it may write them.

a request                                  → `EnrolUnit`, in an envelope of our own of at most 64 KiB
JSON, but no request we can take           → `RequestUnfit`: intake answers it on `enrolment.progressed`
not even JSON (or nothing at all)          → a record without subject, whose `type` is the reason: the consumer's dead letter
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import NAMESPACE_URL, UUID, uuid5

from hoso.log.port import Record
from hoso.runtime.ids import trace_of
from hoso.writable import writable
from schemas.envelope import MAX_EVENT_BYTES, Fact, encode, envelope_of
from schemas.events import EnrolUnit, RequestUnfit
from schemas.topics import tenant_of

Environment = Literal["test", "production"]
Headers = Iterable[tuple[str, bytes | None]]
STRUCTURED, BATCHED, PLAIN = "application/cloudevents+json", "application/cloudevents-batch+json", "application/json"
UNREADABLE = "hoso-unreadable"
"""The header of a record that even Kafka's client could not read: why (hoso/kafka/unreadable.py)."""
MOST_FIELDS = 200
"""As many as intake looks at."""


class _Unreadable(Exception):
    """No request can be found: {0}."""


class _Unfit(Exception):
    """JSON that is no request we can take: {0}, in Vietnamese."""

    def __init__(self, error: str, data: Any = None) -> None:
        super().__init__(error)
        self.data = data


def read(
    topic: str,
    part: int,
    off: int,
    value: bytes | None,
    headers: Headers,
    *,
    at: datetime,
    environment: Environment,
    stamp: int = 0,
) -> Record:
    """The record of a stranger as intake can handle it. Never raises; the same arguments give the same record.

    `at`: the world's time, the caller's. `stamp`: the record's own time in Kafka, so that a topic made anew, whose offsets
    begin again, does not give ids a second time. The key is not looked at: it only chose the partition.
    """
    try:
        return _read(topic, part, off, value, headers, at, environment, stamp)
    except Exception as error:  # whatever nobody foresaw: one record is lost to a dead letter, never a partition
        return _dead(topic, part, off, at, value, f"unforeseen {type(error).__name__}")


def subject_of(tenant: str, ask: EnrolUnit) -> UUID:
    """The key of a request: the same unit of a tenant has the same, so that its requests stay in order."""
    fields = ask.fields if isinstance(ask.fields, dict) else {}
    code = "".join(_text(fields.get("unit_code")).split()).upper()
    key = code or " ".join(_text(fields.get("branch_id")).split()) or _text(ask.request)
    return uuid5(uuid5(NAMESPACE_URL, f"hoso:tenant:{tenant}"), key)


def _read(
    topic: str,
    part: int,
    off: int,
    value: bytes | None,
    headers: Headers,
    at: datetime,
    environment: Environment,
    stamp: int,
) -> Record:
    tenant = tenant_of(topic)
    place = f"{topic}/{part}@{off}"
    id_ = uuid5(NAMESPACE_URL, f"kafka:{place}#{stamp}")
    try:
        ask: EnrolUnit | RequestUnfit = _request(value, headers, environment)
    except _Unreadable as error:
        return _dead(topic, part, off, at, value, str(error))
    except _Unfit as error:
        ask = _unfit(error.data, str(error))
    body = _body(ask, tenant, id_, at, environment, place)
    if len(body) > MAX_EVENT_BYTES:
        ask = _unfit({"request": ask.request}, _too_large(len(body)))
        body = _body(ask, tenant, id_, at, environment, place)
    return Record(topic, part, off, at, ask.TYPE, _subject(tenant, ask, place), tenant, body)


def _subject(tenant: str, ask: EnrolUnit | RequestUnfit, place: str) -> UUID:
    known = ask if isinstance(ask, EnrolUnit) else EnrolUnit(request=ask.request)
    if not known.request and not known.fields:
        known = EnrolUnit(request=place)
    return subject_of(tenant, known)


def _body(
    ask: EnrolUnit | RequestUnfit, tenant: str, id_: UUID, at: datetime, environment: Environment, place: str
) -> bytes:
    correlation = uuid5(id_, "correlation")
    kind: type[Fact] = type(ask)
    return encode(
        envelope_of(kind)(
            id=id_,
            source=f"kafka/{place}",
            type=ask.TYPE,
            subject=_subject(tenant, ask, place),
            time=at,
            correlationid=correlation,
            traceparent=trace_of(correlation, id_),
            tenant=tenant,
            environment=environment,
            data=ask,
        )
    )


def _dead(topic: str, part: int, off: int, at: datetime, value: bytes | None, why: str) -> Record:
    return Record(topic, part, off, at, writable(why), None, tenant_of(topic), value or b"")


# --- what was sent ----------------------------------------------------------------------------------------------


def _request(value: bytes | None, headers: Headers, environment: Environment) -> EnrolUnit:
    """Raises _Unreadable and _Unfit."""
    told, twice = _told(headers)
    media = (told.get("content-type") or "").partition(";")[0].strip().lower()
    attributes = {name[3:]: text for name, text in told.items() if name.startswith("ce_")}
    found = _json(value, media)
    if not isinstance(found, dict):
        raise _Unreadable("the value is JSON, but no object")
    structured = media == STRUCTURED or (not attributes and "specversion" in found)
    if structured:
        attributes, data = found, found.get("data")
    elif attributes:
        data = found
    else:
        raise _Unfit(
            "CloudEvents: thiếu đầu mục content-type: application/cloudevents+json hoặc các đầu mục ce_….", found
        )
    if twice and not structured:
        raise _Unfit(f"{twice}: đầu mục có hai giá trị khác nhau. Gửi mỗi đầu mục một lần.", data)
    _check(attributes, structured, environment, data)
    if not isinstance(data, dict):
        raise _Unfit('data: phải là đối tượng JSON {"request": khoá, "fields": {cột: nội dung}}.')
    if value is not None and len(value) > MAX_EVENT_BYTES:
        raise _Unfit(_too_large(len(value)), data)
    return _ask(data)


def _told(headers: Headers) -> tuple[dict[str, str], str]:
    """The headers that say what the value is, and the name of one that says two things. Raises _Unreadable."""
    told: dict[str, str] = {}
    twice = ""
    for name, raw in headers:
        known = name.lower() if isinstance(name, str) else ""
        if known == UNREADABLE:
            raise _Unreadable(bytes(raw or b"")[:300].decode("utf-8", "replace"))
        if known != "content-type" and not known.startswith("ce_"):
            continue
        text = bytes(raw or b"")[:1000].decode("utf-8", "replace").strip()
        if told.setdefault(known[:100], text) != text:
            twice = twice or known[:100]
    return told, twice


def _json(value: bytes | None, media: str) -> Any:
    if not value:
        raise _Unreadable("the record has no value")
    if media == BATCHED:
        raise _Unreadable("a batch of CloudEvents: one request a record")
    if media not in ("", STRUCTURED, PLAIN):
        raise _Unreadable(f"content-type {media[:100]}: only {STRUCTURED} and {PLAIN} are read")
    try:
        return json.loads(value.decode("utf-8-sig"), parse_constant=_no_number)
    except UnicodeDecodeError:
        raise _Unreadable("the value is not UTF-8") from None
    except RecursionError:
        raise _Unreadable("the value is nested too deeply") from None
    except ValueError as error:
        raise _Unreadable(f"the value is not JSON: {str(error)[:100]}") from None


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no JSON number")


def _check(attributes: dict[str, Any], structured: bool, environment: Environment, data: Any) -> None:
    place = "" if structured else "ce_"
    if attributes.get("specversion") != "1.0":
        raise _Unfit(f"{place}specversion: phải là 1.0.", data)
    if attributes.get("type") != EnrolUnit.TYPE:
        raise _Unfit(f"{place}type: chủ đề này chỉ nhận {EnrolUnit.TYPE}.", data)
    if attributes.get("environment", environment) != environment:
        raise _Unfit(f"{place}environment: hệ thống này là môi trường {environment}. Gửi tới đúng hệ thống.", data)


def _ask(data: dict[str, Any]) -> EnrolUnit:
    """The request, of text only: what is no text becomes a number, which intake refuses by name."""
    fields: Any = None
    if isinstance(data.get("fields"), dict):
        kept: Sequence[tuple[str, Any]] = list(data["fields"].items())[:MOST_FIELDS]
        fields = {_text(name): _text(one) if isinstance(one, str) else 0 for name, one in kept}
    actor = data.get("actor", "topic")
    return EnrolUnit(
        request=_text(data["request"]) if isinstance(data.get("request"), str) else None,
        fields=fields,
        actor=_text(actor) if isinstance(actor, str) else 0,
    )


def _unfit(data: Any, error: str) -> RequestUnfit:
    key = data.get("request") if isinstance(data, dict) else None
    return RequestUnfit(request=_text(key)[:200], errors=(error,))


def _text(value: Any) -> str:
    """Text that can be written as UTF-8: half of a surrogate pair, which JSON can spell, becomes U+FFFD."""
    return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace") if isinstance(value, str) else ""


def _too_large(size: int) -> str:
    return (
        f"yêu cầu có {size} byte, nhiều nhất là {MAX_EVENT_BYTES}. Gửi tệp đính kèm qua HTTP, không gửi trong yêu cầu."
    )

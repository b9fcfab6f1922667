"""The envelope every event travels in: CloudEvents 1.0, structured JSON.

A `Fact` is what happened, an `Event` is a fact with its envelope: who said it, about which unit, when, in answer to what.
The type on the wire is `vn.hoso.<what>.v<N>`; an additive change keeps the type, a breaking one is a new class with a new `vN`.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, ClassVar, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError

MAX_EVENT_BYTES = 65_536


class UnknownType(Exception):
    """No such event type is known here: {0}. A newer version of hoso may have written it."""


class BrokenEvent(Exception):
    """The bytes are not an event: {0}."""


class Fact(BaseModel):
    """Something that happened, or was asked. Frozen; unknown fields of a newer minor version are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    TYPE: ClassVar[str] = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__dict__.get("TYPE"):
            _TYPES[cls.TYPE] = cls


F = TypeVar("F", bound=Fact)
_TYPES: dict[str, type[Fact]] = {}


class Event(BaseModel, Generic[F]):
    """A fact in its CloudEvents envelope.

    `subject` is the unit (or the mailbox) and the partition key: its events stay in order.
    `time` is the world's clock at append, never the machine's; a handler's `now` is this.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: Literal["1.0"] = "1.0"
    id: UUID
    source: str
    type: str
    subject: UUID
    time: datetime
    datacontenttype: Literal["application/json"] = "application/json"
    correlationid: UUID
    causationid: UUID | None = None
    traceparent: str | None = None
    tenant: str
    environment: Literal["test", "production"]
    data: F


def fact_types() -> dict[str, type[Fact]]:
    """Every known event type, by its name on the wire."""
    return dict(_TYPES)


_ENVELOPES: dict[type[Fact], type[Event[Any]]] = {}


def envelope_of(fact: type[F]) -> type[Event[F]]:
    """The envelope class for one kind of fact; made once, because making a generic class is slow."""
    found = _ENVELOPES.get(fact)
    if found is None:
        found = _ENVELOPES[fact] = Event[fact]  # type: ignore[valid-type]
    return found


def encode(event: Event[Any]) -> bytes:
    """The event as structured CloudEvents JSON in UTF-8. U+0000, which no jsonb column takes, becomes U+FFFD."""
    body = event.__pydantic_serializer__.to_json(event, exclude_none=True)
    return _without_nul(body) if b"\\u0000" in body else body


def _without_nul(body: bytes) -> bytes:
    """Read and written again, because `\\\\u0000` may also be a backslash and five characters."""

    def clean(value: Any) -> Any:
        if isinstance(value, str):
            return value.replace("\0", "\ufffd")
        if isinstance(value, dict):
            return {clean(key): clean(one) for key, one in value.items()}
        return [clean(one) for one in value] if isinstance(value, list) else value

    return json.dumps(clean(json.loads(body)), ensure_ascii=False, separators=(",", ":")).encode()


def decode(type_: str, body: bytes) -> Event[Any]:
    """The event in `body`.

    Raises UnknownType when `type_` is not known here (hold the unit: a newer release wrote it) and BrokenEvent when the
    bytes are not such an event.
    """
    fact = _TYPES.get(type_)
    if fact is None:
        raise UnknownType(type_)
    try:
        return envelope_of(fact).__pydantic_validator__.validate_json(body)  # type: ignore[no-any-return]
    except ValidationError as error:
        raise BrokenEvent(f"{type_}: {error.error_count()} fields, first {error.errors()[0]['loc']}") from error

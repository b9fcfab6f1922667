"""docs/schemas/<type>.json and docs/asyncapi.yaml: what travels, for those who do not read Python. `make docs` writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from hoso.kafka.topics import DAY_MS
from schemas.envelope import Fact, envelope_of
from schemas.events import EnrolUnit
from schemas.topics import REQUESTS, TOPICS, Topic

ROOT = Path(__file__).parents[1]
SCHEMAS = ROOT / "docs" / "schemas"
ASYNCAPI = ROOT / "docs" / "asyncapi.yaml"
EXAMPLES = ROOT / "schemas" / "examples"
ALL: tuple[Topic, ...] = (*TOPICS, REQUESTS)
FACTS: tuple[type[Fact], ...] = tuple(fact for topic in ALL for fact in topic.facts)

ASKED_OF_STRANGERS = ["specversion", "id", "source", "type", "data"]
"""What CloudEvents asks for; everything else of our envelope is made by hoso when it reads a request."""

DUPLICATES = """\
Delivery is at least once: after the relay was restarted a reader sees some records again. A first occurrence never comes out of
order and none is left out. Readers drop what they have seen, either by the event's `id`, or exactly and with one number a partition:
keep, for each `hoso-source`, topic and partition, the highest (`hoso-epoch`, `hoso-off`) that was handled, in the same transaction as
what came of it; a record at or below it was seen before. `hoso-epoch` grows when hoso's database was restored from a backup."""

HEADERS: dict[str, tuple[str, str]] = {
    "content-type": ("string", "`application/cloudevents+json; charset=utf-8`: the value is the whole event (structured mode)."),
    "hoso-source": ("string", "The database the event was appended in (UUID)."),
    "hoso-epoch": ("string", "How often that database was restored, in digits."),
    "hoso-off": ("string", "The event's number in its partition of that database, in digits, without gaps."),
    "hoso-at": ("string", "When it was appended, in microseconds since 1970 of hoso's clock, in digits."),
    "hoso-type": ("string", "The event's type."),
    "hoso-tenant": ("string", "Whose event it is."),
}  # fmt: skip


def schema_of(fact: type[Fact]) -> dict[str, Any]:
    """JSON Schema of one kind of event, envelope and data."""
    made = envelope_of(fact).model_json_schema()
    made["properties"]["type"] = {"const": fact.TYPE, "title": "Type", "type": "string"}
    made["title"] = fact.TYPE
    made["description"] = " ".join((fact.__doc__ or "").split())
    if fact is EnrolUnit:
        made["required"] = ASKED_OF_STRANGERS
        for name in ("subject", "time", "correlationid", "causationid", "traceparent", "tenant"):
            del made["properties"][name]
        made["properties"]["id"] = {"type": "string", "minLength": 1, "title": "Id"}
        for name in ("request", "fields"):
            del made["$defs"][fact.__name__]["properties"][name]["default"]
    else:
        made["required"] = sorted({*made["required"], "specversion", "datacontenttype"})
    return {"$schema": "http://json-schema.org/draft-07/schema#", **_plain(made)}


def _plain(value: Any) -> Any:
    """Without `discriminator`, a word of OpenAPI: the choices tell themselves apart by their constants."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if not (k == "discriminator" and "mapping" in v)}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def schema_text(fact: type[Fact]) -> str:
    """docs/schemas/<type>.json."""
    return json.dumps(schema_of(fact), ensure_ascii=False, indent=1) + "\n"


# --- AsyncAPI ---------------------------------------------------------------------------------------------------


def asyncapi() -> str:
    """docs/asyncapi.yaml."""
    document = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "hoso",
            "version": "1.0.0",
            "license": {"name": "Apache-2.0"},
            "description": "Enrols an employer's units with the electronic social-insurance service. Events are CloudEvents 1.0 in JSON, "
            "the key is the unit, so that one unit's events stay in order. A breaking change is a new type with a new version "
            f"at its end; fields and words may be added at any time, and readers ignore those they do not know.\n\n{DUPLICATES}",
            "tags": [
                {"name": "public", "description": "for everybody"},
                {"name": "internal", "description": "hoso's own"},
            ],
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": {_channel(topic): _of_channel(topic) for topic in ALL},
        "operations": _operations(),
        "components": {
            "messages": {fact.TYPE: _message(fact, topic) for topic in ALL for fact in topic.facts},
            "messageTraits": {"relayed": {"headers": _headers(HEADERS, list(HEADERS))}},
        },
    }
    made = yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=140)
    return f"# Made by `make docs` from schemas/; do not edit.\n{made}"


def _channel(topic: Topic) -> str:
    return topic.name.replace("<tenant>", "tenant")


def _of_channel(topic: Topic) -> dict[str, Any]:
    cleanup = {"cleanup.policy": [topic.cleanup], "retention.ms": topic.retention_days * DAY_MS}
    made: dict[str, Any] = {
        "address": topic.name.replace("<tenant>", "{tenant}"),
        "description": topic.about,
        "tags": [{"name": "public" if topic.public else "internal"}],
        "messages": {fact.TYPE: {"$ref": f"#/components/messages/{fact.TYPE}"} for fact in topic.facts},
        "bindings": {
            "kafka": {
                "topic": topic.name.replace("<tenant>", "{tenant}"),
                "partitions": topic.partitions,
                "topicConfiguration": cleanup,
                "bindingVersion": "0.5.0",
            }
        },
    }
    if "<tenant>" in topic.name:
        made["parameters"] = {
            "tenant": {"description": "The tenant's name. Who may write here is this tenant, whatever the event says."}
        }
    return made


def _operations() -> dict[str, Any]:
    """What hoso does: it sends what its services write, and receives what they read."""
    made: dict[str, Any] = {}
    for topic in ALL:
        channel = {"$ref": f"#/channels/{_channel(topic)}"}
        messages = [{"$ref": f"#/channels/{_channel(topic)}/messages/{fact.TYPE}"} for fact in topic.facts]
        if not topic.strangers:
            made[f"send-{_channel(topic)}"] = {
                "action": "send",
                "channel": channel,
                "summary": f"Written by {', '.join(topic.producers)}.",
                "messages": messages,
                "bindings": {"kafka": {"bindingVersion": "0.5.0"}},
            }
        made[f"receive-{_channel(topic)}"] = {
            "action": "receive",
            "channel": channel,
            "summary": f"Read by {', '.join(topic.consumers)}."
            + (" Answered on enrolment.progressed." if topic.strangers else ""),
            "messages": messages,
            "bindings": {"kafka": {"groupId": _groups(topic), "bindingVersion": "0.5.0"}},
        }
    return made


def _groups(topic: Topic) -> dict[str, Any]:
    return {"type": "string", "enum": list(topic.consumers)}


def _message(fact: type[Fact], topic: Topic) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": fact.TYPE,
        "title": fact.__name__,
        "summary": " ".join((fact.__doc__ or "").split("\n\n")[0].split()),
        "contentType": "application/cloudevents+json",
    }
    if topic.strangers:
        made["description"] = (
            "Structured mode (content-type: application/cloudevents+json, the event is the value) or binary mode (headers ce_specversion, "
            "ce_type, ce_id, ce_source; the value is `data`). At most 64 KiB. The same request key again is the same request. The key of the "
            "record should be the unit, so that its requests stay in order."
        )
        told = {"content-type": ("string", "`application/cloudevents+json`; in binary mode `application/json`.")}
        made["headers"] = _headers(told, ["content-type"])
        made["bindings"] = {"kafka": {"key": {"type": "string"}, "bindingVersion": "0.5.0"}}
    else:
        made["traits"] = [{"$ref": "#/components/messageTraits/relayed"}]
        made["bindings"] = {"kafka": {"key": {"type": "string", "format": "uuid"}, "bindingVersion": "0.5.0"}}
    made["payload"] = {"$ref": f"./schemas/{fact.TYPE}.json"}
    made["examples"] = [{"payload": json.loads((EXAMPLES / f"{fact.TYPE}.json").read_text("utf-8"))}]
    return made


def _headers(told: dict[str, tuple[str, str]], required: list[str]) -> dict[str, Any]:
    properties = {name: {"type": kind, "description": about} for name, (kind, about) in told.items()}
    return {"type": "object", "required": required, "properties": properties}


def write() -> None:
    """Write all of them, and take away the schemas of types that are no more."""
    SCHEMAS.mkdir(exist_ok=True)
    for file in SCHEMAS.glob("*.json"):
        if file.stem not in {fact.TYPE for fact in FACTS}:
            file.unlink()
    for fact in FACTS:
        (SCHEMAS / f"{fact.TYPE}.json").write_text(schema_text(fact), "utf-8")
    ASYNCAPI.write_text(asyncapi(), "utf-8")

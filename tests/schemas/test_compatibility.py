"""A released event is never broken: today's schemas beside those in schemas/released/, and each kind of break turned red."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from schemas.events import DossierSigned, EnrolmentProgressed, EnrolUnit
from scripts.compatibility import RELEASED, Comparing, breaks, released, today

INTERNAL, PUBLIC, ASKED = DossierSigned.TYPE, EnrolmentProgressed.TYPE, EnrolUnit.TYPE


def test_no_released_event_or_topic_is_broken() -> None:
    assert breaks(released(), today()) == [], "make a new type with a new version instead (docs/producing.md)"


def test_what_is_released_is_todays_state() -> None:
    assert released() == today(), "run `make docs`"
    assert {file.name for file in RELEASED.iterdir()} == {"events.json", "topics.json"}


# --- every kind of break ----------------------------------------------------------------------------------------


def data(state: Any, type_: str) -> Any:
    """The schema of an event's data."""
    schema = state[0][type_]
    return schema["$defs"][schema["properties"]["data"]["$ref"].rpartition("/")[2]]


def gone(state: Any) -> None:
    del data(state, INTERNAL)["properties"]["method"]
    data(state, INTERNAL)["required"] = [n for n in data(state, INTERNAL)["required"] if n != "method"]


def renamed(state: Any) -> None:
    fields = data(state, INTERNAL)["properties"]
    fields["signed_with"] = fields.pop("method")


def deep(state: Any) -> None:
    del state[0][INTERNAL]["properties"]["tenant"]


def narrower(state: Any) -> None:
    data(state, INTERNAL)["properties"]["attempt"] = {"type": "string"}


def shorter(state: Any) -> None:
    data(state, ASKED)["properties"]["request"]["maxLength"] = 100


def other_format(state: Any) -> None:
    data(state, INTERNAL)["properties"]["kind"]["format"] = "uuid"


def not_null(state: Any) -> None:
    data(state, PUBLIC)["properties"]["cause"] = {"type": "string"}


def required(state: Any) -> None:
    data(state, INTERNAL)["properties"]["place"] = {"type": "string"}
    data(state, INTERNAL)["required"].append("place")


def required_later(state: Any) -> None:
    data(state, PUBLIC)["required"].append("cause")


def a_word_gone(state: Any) -> None:
    state[0][PUBLIC]["$defs"]["Stage"]["enum"].remove("enrolled")


def words_only(state: Any) -> None:
    data(state, INTERNAL)["properties"]["method"] = {"type": "string", "enum": ["pkcs12"]}


def event_gone(state: Any) -> None:
    del state[0][INTERNAL]


def moved(state: Any) -> None:
    state[1]["dossier.signed"]["types"].remove(INTERNAL)


def partitions(state: Any) -> None:
    state[1]["dossier.signed"]["partitions"] = 12


def topic_gone(state: Any) -> None:
    del state[1]["dossier.signed"]


def private(state: Any) -> None:
    state[1]["enrolment.progressed"]["public"] = False


def left_out(state: Any) -> None:
    data(state, PUBLIC)["required"].remove("enrolment")


def wider_for_others(state: Any) -> None:
    data(state, PUBLIC)["properties"]["progress"] = {"type": "number"}


def null_for_others(state: Any) -> None:
    data(state, PUBLIC)["properties"]["message"] = {"anyOf": [{"type": "string"}, {"type": "null"}]}


def nothing_beside(state: Any) -> None:
    data(state, INTERNAL)["additionalProperties"] = False


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (gone, f"{INTERNAL}/data/method: the field is gone"),
        (renamed, f"{INTERNAL}/data/method: the field is gone"),
        (deep, f"{INTERNAL}/tenant: the field is gone"),
        (narrower, "/data/attempt: integer is no longer possible, only string"),
        (shorter, "/data/request: maxLength is 100 now, was 200"),
        (other_format, "/data/kind: format is uuid now, was none"),
        (not_null, "/data/cause: null is no longer possible"),
        (required, "/data/place: the field is required now"),
        (required_later, "/data/cause: the field is required now"),
        (a_word_gone, '/data/stage: the value "enrolled" is gone'),
        (words_only, '/data/method: was any value and is only "pkcs12" now'),
        (event_gone, f"{INTERNAL}: the event is gone"),
        (moved, f"topic dossier.signed: {INTERNAL} no longer travels on it"),
        (partitions, "topic dossier.signed: 12 partitions, was 8"),
        (topic_gone, "topic dossier.signed: it is gone"),
        (private, "topic enrolment.progressed: it is no longer public"),
        (left_out, "/data/enrolment: the field was always there and need not be any more"),
        (wider_for_others, "/data/progress: number was not possible before"),
        (null_for_others, "/data/message: null was not possible before"),
        (nothing_beside, "/data: additionalProperties are no longer possible"),
    ],
    ids=lambda one: one.__name__ if callable(one) else "",
)
def test_a_break_is_told(change: Any, told: str) -> None:
    state = copy.deepcopy(today())
    change(state)
    found = breaks(today(), state)
    assert found
    assert all(told in line for line in found), found


# --- what may be added ------------------------------------------------------------------------------------------


def field_added(state: Any) -> None:
    for type_ in (INTERNAL, PUBLIC):
        data(state, type_)["properties"]["remark"] = {"type": "string", "default": ""}


def word_added(state: Any) -> None:
    state[0][PUBLIC]["$defs"]["Stage"]["enum"].append("on-the-moon")


def event_added(state: Any) -> None:
    state[0]["vn.hoso.dossier.signed.v2"] = state[0][INTERNAL]
    state[1]["dossier.signed"]["types"].append("vn.hoso.dossier.signed.v2")


def topic_added(state: Any) -> None:
    state[1]["dossier.printed"] = {"partitions": 8, "public": False, "types": []}


def wider(state: Any) -> None:
    data(state, INTERNAL)["properties"]["attempt"] = {"anyOf": [{"type": "number"}, {"type": "null"}]}


def longer(state: Any) -> None:
    data(state, ASKED)["properties"]["request"]["maxLength"] = 300


def optional(state: Any) -> None:
    data(state, INTERNAL)["required"].remove("method")


def told_otherwise(state: Any) -> None:
    data(state, PUBLIC)["description"] = "other words"
    data(state, PUBLIC)["properties"]["message"]["title"] = "Other"


def moved_definition(state: Any) -> None:
    definitions = state[0][PUBLIC]["$defs"]
    definitions["Where"] = definitions.pop("Stage")
    data(state, PUBLIC)["properties"]["stage"] = {"$ref": "#/$defs/Where"}


@pytest.mark.parametrize(
    "change",
    [field_added, word_added, event_added, topic_added, wider, longer, optional, told_otherwise, moved_definition],
    ids=lambda one: one.__name__,
)
def test_an_addition_passes(change: Any) -> None:
    state = copy.deepcopy(today())
    change(state)
    assert json.dumps(state) != json.dumps(today())
    assert breaks(today(), state) == []


def test_a_schema_that_holds_itself_is_compared_to_an_end() -> None:
    tree = {
        "$ref": "#/$defs/Tree",
        "$defs": {"Tree": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Tree"}}}},
    }
    assert Comparing(tree, tree).breaks() == []

"""Whether today's events can stand beside those that were released. `make docs` asks it, and refuses to go on when they cannot.

python -m scripts.compatibility            what breaks; exit 1 when anything does
python -m scripts.compatibility --release  the same; and when nothing does, today's becomes the released state

schemas/released/ is that state: the JSON Schema of every event, and the topics. A test says that it is today's, so every
addition is kept from the day it is merged. Two directions:

every event    what was written before must still be readable: no field, type, value or event may go, nothing may become
               required or narrower
public topics  others read what we write: there nothing may become wider, and nothing that was always there may be left out
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from scripts.published import ALL, FACTS, ROOT, schema_of

RELEASED = ROOT / "schemas" / "released"
Schema = Mapping[str, Any]
_LOWER = ("minLength", "minItems", "minProperties", "minimum", "exclusiveMinimum")
_UPPER = ("maxLength", "maxItems", "maxProperties", "maximum", "exclusiveMaximum")
_EXACT = ("pattern", "format", "multipleOf", "uniqueItems", "propertyNames")


class Comparing:
    """Two schemas, each with its own definitions. `wider`: whether readers may meet more than before."""

    def __init__(self, old: Schema, new: Schema, *, wider: bool = True) -> None:
        self._old, self._new, self._wider = old, new, wider
        self._seen: set[tuple[str, str]] = set()

    def breaks(self) -> list[str]:
        """Everything that breaks, each as `path: what`."""
        return list(self._compare(self._old, self._new, ""))

    def _compare(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        pair = (str(old.get("$ref", "")), str(new.get("$ref", "")))
        if all(pair):
            if pair in self._seen:
                return
            self._seen.add(pair)
        old, new = _resolved(old, self._old), _resolved(new, self._new)
        before, after = _choices(old), _choices(new)
        if len(before) == len(after) == 1:
            yield from self._one(_resolved(before[0], self._old), _resolved(after[0], self._new), path)
            return
        for choice in before:
            if not any(not self._tried(choice, other, path) for other in after):
                yield self._closest(choice, after, path)
        if not self._wider:
            for choice in after:
                if not any(not self._tried(other, choice, path) for other in before):
                    yield f"{path}: {_named(choice)} was not possible before"

    def _closest(self, choice: Schema, after: list[Schema], path: str) -> str:
        same = [one for one in after if _named(one) == _named(choice)]
        found = self._tried(choice, same[0], path) if same else []
        return found[0] if found else f"{path}: {_named(choice)} is no longer possible"

    def _tried(self, old: Schema, new: Schema, path: str) -> list[str]:
        """What breaks between two choices, without remembering that they were compared."""
        kept = set(self._seen)
        found = list(self._compare(old, new, path))
        self._seen = kept
        return found

    def _one(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        yield from self._types(old, new, path)
        yield from self._values(old, new, path)
        yield from _bounds(old, new, path)
        was, is_ = old.get("properties", {}), new.get("properties", {})
        for name, schema in was.items():
            if name not in is_:
                yield f"{path}/{name}: the field is gone"
            else:
                yield from self._compare(schema, is_[name], f"{path}/{name}")
        must, now = set(old.get("required", ())), set(new.get("required", ()))
        for name in sorted(now - must):
            yield f"{path}/{name}: the field is required now"
        if not self._wider:
            for name in sorted((must - now) & set(is_)):
                yield f"{path}/{name}: the field was always there and need not be any more"
        for place in ("items", "additionalProperties"):
            one, other = old.get(place, True), new.get(place, True)
            if isinstance(one, Mapping) and isinstance(other, Mapping):
                yield from self._compare(one, other, f"{path}[]")
            elif other is False and one is not False:
                yield f"{path}: {place} are no longer possible"
            elif isinstance(other, Mapping) and other and one is True:
                yield f"{path}[]: was anything and is narrower now"

    def _types(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        before, after = _types(old), _types(new)
        if after and not before:
            yield f"{path}: was anything and is {_listed(after)} now"
        elif after and not before <= after:
            yield f"{path}: {_listed(before - after)} is no longer possible, only {_listed(after)}"
        if not self._wider and before and not (after and after <= before):
            yield f"{path}: {_listed(after - before) or 'anything'} was not possible before"

    def _values(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        before, after = _enumerated(old), _enumerated(new)
        if after is None:
            if before is not None and not self._wider:
                yield f"{path}: was one of some words and is any now"
        elif before is None:
            yield f"{path}: was any value and is only {_listed(after)} now"
        elif before - after:
            yield f"{path}: the value {_listed(before - after)} is gone"


def _resolved(schema: Schema, root: Schema) -> Schema:
    for _ in range(20):
        if "$ref" in schema:
            found: Any = root
            for word in str(schema["$ref"]).removeprefix("#/").split("/"):
                found = found[word]
            schema = {**found, **{k: v for k, v in schema.items() if k != "$ref"}}
        elif len(schema.get("allOf", ())) == 1:
            schema = {**schema["allOf"][0], **{k: v for k, v in schema.items() if k != "allOf"}}
        else:
            break
    return schema


def _choices(schema: Schema) -> list[Schema]:
    return list(schema.get("anyOf") or schema.get("oneOf") or [schema])


def _types(schema: Schema) -> set[str]:
    named = schema.get("type", ())
    found = {named} if isinstance(named, str) else set(named)
    return found | {"integer"} if "number" in found else found


def _enumerated(schema: Schema) -> set[str] | None:
    if "const" in schema:
        return {json.dumps(schema["const"])}
    return {json.dumps(value) for value in schema["enum"]} if "enum" in schema else None


def _bounds(old: Schema, new: Schema, path: str) -> Iterator[str]:
    for word in _LOWER:
        if word in new and (word not in old or new[word] > old[word]):
            yield f"{path}: {word} is {new[word]} now, was {old.get(word, 'none')}"
    for word in _UPPER:
        if word in new and (word not in old or new[word] < old[word]):
            yield f"{path}: {word} is {new[word]} now, was {old.get(word, 'none')}"
    for word in _EXACT:
        if word in new and new[word] != old.get(word):
            yield f"{path}: {word} is {new[word]} now, was {old.get(word, 'none')}"


def _named(schema: Schema) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2] or str(schema.get("type") or schema.get("const") or "any")


def _listed(words: set[str]) -> str:
    return ", ".join(sorted(words))


# --- all of it --------------------------------------------------------------------------------------------------


def today() -> tuple[dict[str, Any], dict[str, Any]]:
    """The events and the topics as they are."""
    topics = {
        topic.name: {"partitions": topic.partitions, "public": topic.public, "types": [fact.TYPE for fact in topic.facts]}
        for topic in ALL
    }  # fmt: skip
    return {fact.TYPE: schema_of(fact) for fact in FACTS}, topics


def released() -> tuple[dict[str, Any], dict[str, Any]]:
    """The same as they were released; nothing before the first release."""
    files = [RELEASED / "events.json", RELEASED / "topics.json"]
    events, topics = (json.loads(file.read_text("utf-8")) if file.exists() else {} for file in files)
    return events, topics


def breaks(was: tuple[Schema, Schema], is_: tuple[Schema, Schema]) -> list[str]:
    """Everything that breaks between two states, in words."""
    (events, topics), (new_events, new_topics) = was, is_
    found = []
    public = {type_ for topic in topics.values() if topic["public"] for type_ in topic["types"]}
    asked = {type_ for name, topic in topics.items() if "<" in name for type_ in topic["types"]}
    for type_, old in events.items():
        if type_ not in new_events:
            found.append(f"{type_}: the event is gone")
            continue
        wider = type_ not in public or type_ in asked
        found += [f"{type_}{line}" for line in Comparing(old, new_events[type_], wider=wider).breaks()]
    for name, topic in topics.items():
        now = new_topics.get(name)
        if now is None:
            found.append(f"topic {name}: it is gone")
            continue
        if now["partitions"] != topic["partitions"]:
            found.append(
                f"topic {name}: {now['partitions']} partitions, was {topic['partitions']}: the order of units would break"
            )
        if topic["public"] and not now["public"]:
            found.append(f"topic {name}: it is no longer public")
        found += [
            f"topic {name}: {type_} no longer travels on it" for type_ in topic["types"] if type_ not in now["types"]
        ]
    return found


def release() -> None:
    """Make today's state the released one. Raises SystemExit when something would break."""
    found = breaks(released(), today())
    if found:
        raise SystemExit(
            "\n".join(["events that are released would break; make a new type with a new version instead:", *found])
        )
    RELEASED.mkdir(exist_ok=True)
    for name, state in zip(("events", "topics"), today(), strict=True):
        (RELEASED / f"{name}.json").write_text(
            json.dumps(state, ensure_ascii=False, indent=1, sort_keys=True) + "\n", "utf-8"
        )


def main() -> None:
    """The command."""
    if "--release" in sys.argv[1:]:
        release()
        return
    found = breaks(released(), today())
    print("\n".join(found) or "nothing breaks")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()

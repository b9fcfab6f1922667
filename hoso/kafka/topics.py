"""What the topics of a cluster should be, by the table in schemas/topics.py, and how what is there differs. Pure.

missing      is made
harmless     is altered (longer retention, more replicas that have to answer, …)
destructive  is altered only with `--yes`: events would go sooner, or one copy alone could take an event
impossible   is refused: the number of partitions (the partition of a unit would change) and of copies
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from hoso.runtime.failures import HosoError
from schemas.topics import Topic, topic_named

DAY_MS = 86_400_000
DEAD_LETTER_DAYS = 90
"""What lies there waits for people, not for services."""
COPIES, IN_SYNC = 3, 2
"""Where at least three brokers run, one may be lost without losing an event or standing still."""

Kind = Literal["missing", "harmless", "destructive", "impossible"]


@dataclass(frozen=True, slots=True)
class Copies:
    """How many brokers keep each event, and how many of them must have it before it counts as written."""

    all: int
    in_sync: int

    @classmethod
    def of(cls, brokers: int, copies: int | None = None, in_sync: int | None = None) -> Copies:
        """As asked for, else 3 and 2 with at least three brokers, else 1 and 1. Raises HosoError."""
        enough = brokers >= COPIES
        every = copies or (COPIES if enough else 1)
        some = in_sync or (min(IN_SYNC, every) if enough else 1)
        if every > brokers:
            raise HosoError(f"{every} copies need {every} brokers, and the cluster has {brokers}")
        if some > every:
            raise HosoError(f"{some} copies in sync are more than the {every} copies there are")
        return cls(every, some)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One topic as it should be."""

    name: str
    partitions: int
    copies: int
    settings: Mapping[str, str]
    """Kafka's names. Settings that are not here are left as somebody set them."""


@dataclass(frozen=True, slots=True)
class Found:
    """One topic as it is: `settings` are those in force, `own` those set on the topic itself."""

    name: str
    partitions: int
    copies: int
    """Of the partition that has the fewest."""
    settings: Mapping[str, str]
    own: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it should be."""

    topic: str
    kind: Kind
    what: str
    """`topic`, `partitions`, `copies`, or the name of a setting."""
    is_: str
    should: str


def wanted(topic: Topic, copies: Copies) -> Wanted:
    """How a row of the table looks on a cluster."""
    settings = {
        "cleanup.policy": topic.cleanup,
        "retention.ms": str(topic.retention_days * DAY_MS),
        "min.insync.replicas": str(copies.in_sync),
    }
    if topic.strangers:
        # Others choose how they compress; the broker unpacks it, so that no reader here needs their codec.
        settings["compression.type"] = "uncompressed"
        # And which time a record bears: one of long ago would be gone before it is read.
        settings["message.timestamp.type"] = "LogAppendTime"
    return Wanted(topic.name, topic.partitions, copies.all, settings)


def dlq_of(topic: str, group: str) -> str:
    """Where the dead letters of a group that reads `topic` lie."""
    return f"{topic}.{group}.dlq"


def every(names: Sequence[str], copies: Copies) -> list[Wanted]:
    """The topics of these names, and the topics of their readers' dead letters. Raises KeyError for a name that is not ours."""
    rows = [topic_named(name) for name in names]
    settings = {
        "cleanup.policy": "delete",
        "retention.ms": str(DEAD_LETTER_DAYS * DAY_MS),
        "min.insync.replicas": str(copies.in_sync),
    }
    dead = [Wanted(dlq_of(row.name, group), 1, copies.all, settings) for row in rows for group in row.consumers]
    return [wanted(row, copies) for row in rows] + dead


def differences(should: Sequence[Wanted], there: Mapping[str, Found]) -> list[Difference]:
    """Everything that is not as it should be, in the order of the table. Topics that are not ours are not looked at."""
    return [one for topic in should for one in _of_one(topic, there.get(topic.name))]


def _of_one(topic: Wanted, found: Found | None) -> Iterable[Difference]:
    if found is None:
        yield Difference(topic.name, "missing", "topic", "", f"{topic.partitions}×{topic.copies}")
        return
    if found.partitions != topic.partitions:
        yield Difference(topic.name, "impossible", "partitions", str(found.partitions), str(topic.partitions))
    if found.copies != topic.copies:
        yield Difference(topic.name, "impossible", "copies", str(found.copies), str(topic.copies))
    for name, value in topic.settings.items():
        now = found.settings.get(name, "")
        if now != value:
            yield Difference(topic.name, _kind(name, now, value), name, now, value)


def _kind(setting: str, now: str, then: str) -> Kind:
    if setting == "cleanup.policy":
        return "destructive"
    if setting == "retention.ms" and _endless(then) >= _endless(now):
        return "harmless"
    if setting == "min.insync.replicas" and now.isdigit() and int(then) >= int(now):
        return "harmless"
    return "harmless" if setting in ("compression.type", "message.timestamp.type") else "destructive"


def _endless(text: str) -> float:
    """A time in ms; -1 is for ever, and what cannot be read too, so that nothing is shortened unasked."""
    try:
        return float("inf") if int(text) < 0 else float(int(text))
    except ValueError:
        return float("inf")


def altered(topic: Wanted, found: Found, changes: Iterable[Difference]) -> dict[str, str]:
    """All settings to set on the topic itself, because Kafka replaces the whole set: those somebody set stay."""
    return {**found.own, **{one.what: one.should for one in changes if one.topic == topic.name}}

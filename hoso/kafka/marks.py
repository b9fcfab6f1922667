"""Which of Kafka's records are new to a group. Pure: no I/O.

Kafka may give a record again but never out of order; so per source partition one number, the mark, tells what was seen: at
or below it a record is dropped, the next one is taken, one beyond that is a gap. What is missing may come later, resent, and
everything behind it once more; a gap that is still open where Kafka ends stops the service.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from hoso.kafka import headers, strangers
from hoso.kafka.headers import Origin
from hoso.log.port import GapFound, Record
from hoso.points import holds
from hoso.runtime.outgoing import Environment

Partition = tuple[str, int]


class Mark(NamedTuple):
    """The last event of a source that a group has taken."""

    epoch: int
    off: int


@dataclass(frozen=True, slots=True)
class Known:
    """What the database says of one partition, all of one moment."""

    kafka: int | None
    """The Kafka offset to be read next; None: never read."""
    off: int
    """The same in the own database's log."""
    marks: dict[str, Mark]
    restores: Sequence[tuple[int, int]]
    """Of the own database: (epoch, its first offset)."""
    first: int = 0
    """The oldest event that the own database keeps."""
    moved: datetime | None = None
    """Real time of the database when the position moved last."""


class Gap(NamedTuple):
    """Events of a source that did not come."""

    at: int
    """The Kafka offset of the first that came instead."""
    words: str


@dataclass(slots=True, eq=False)
class Place:
    """Where a group stands in one partition: as the database said when the reading was put there, moved on by what was committed
    since. A partition that is given to us again gets a new one, so that what was read before is fenced by what was known then."""

    kafka: int | None
    off: int
    """Both as in Known, and the fence compares both."""
    next: int
    """The Kafka offset the reading goes on at: behind what was dropped too."""
    marks: dict[str, Mark] = field(default_factory=dict)
    restores: Sequence[tuple[int, int]] = ()
    first: int = 0
    gaps: dict[str, Gap] = field(default_factory=dict)
    """What is missing, by source."""
    moved: datetime | None = None
    """As in Known, and the fence compares it too: behind a gap only this tells that another member went on."""

    @property
    def expected(self) -> int:
        """The event of the own database that has to come next."""
        return max(self.off, self.first)

    def behind(self, next_: int) -> int:
        """Where the position may go when everything before `next_` is done: not behind what came after a gap, so that whoever
        reads on from there finds the gap again."""
        return min([next_, *(gap.at for gap in self.gaps.values())])


class Taken(NamedTuple):
    """New records of one partition, and which event of which database each is."""

    records: list[Record]
    origins: dict[int, Origin]


@dataclass(frozen=True, slots=True)
class Sieve:
    """Tells new records from seen ones, for one group that reads into one database."""

    group: str
    source: str
    """Of the own database."""
    patterns: Sequence[str]
    """How the names of topics begin that strangers write to."""
    environment: Environment
    now: Callable[[], datetime]

    def strange(self, topic: str) -> bool:
        """Whether strangers write to a topic."""
        return topic.startswith(tuple(self.patterns))

    def sift(self, key: Partition, place: Place, found: Sequence[Any]) -> Taken:
        """The new ones among `found`; puts `place.next` behind all of them, and notes gaps in `place.gaps`."""
        taken = Taken([], {})
        marks: dict[str, Mark] = {}
        foreign = self.strange(key[0])
        for one in found:
            if one.offset < place.next:
                continue
            told = headers.read(one.topic, one.partition, one.offset, one.key, one.value, one.headers)
            if foreign:  # a stranger's headers may say that they are ours: nothing of them is noted
                taken.records.append(self._of_stranger(one))
            elif told is None:
                taken.records.append(
                    headers.unmarked(one.topic, one.partition, one.offset, one.key, one.value, one.timestamp)
                )
            elif self._is_new(key, place, told[1], one.offset, marks):
                place.gaps.pop(told[1].source, None)
                marks[told[1].source] = Mark(told[1].epoch, told[1].off)
                taken.origins[one.offset] = told[1]
                taken.records.append(told[0])
            place.next = one.offset + 1
        return taken

    def _is_new(self, key: Partition, place: Place, origin: Origin, at: int, marks: Mapping[str, Mark]) -> bool:
        if not holds("mark"):
            return True
        mark = marks.get(origin.source) or place.marks.get(origin.source)
        if (
            place.restores
            and origin.source == self.source
            and any(e > origin.epoch and first <= origin.off for e, first in place.restores)
        ):
            return False  # the restore of this database took it back
        if mark is not None and (origin.epoch < mark.epoch or (origin.epoch == mark.epoch and origin.off <= mark.off)):
            return False
        # Where another's log begins nobody here knows: its relay may have begun behind what was trimmed.
        begin = place.first if origin.source == self.source else origin.off
        expected = mark.off + 1 if mark is not None else begin
        if origin.off > expected:
            place.gaps.setdefault(
                origin.source,
                Gap(
                    at,
                    f"{key[0]}/{key[1]}: {self.group} has to read {expected} of {origin.source}, Kafka goes on at {origin.off}; "
                    "`hoso topics resend` fills a topic from the outbox",
                ),
            )
            return False
        return True

    def _of_stranger(self, one: Any) -> Record:
        return strangers.read(
            one.topic,
            one.partition,
            one.offset,
            one.value,
            one.headers,
            at=self.now(),
            environment=self.environment,
            stamp=one.timestamp,
        )


def lost_tail(key: Partition, place: Place, sent: int, sieve: Sieve) -> Gap:
    """The gap at the end of a partition that has less than the relay brought there, up to `sent`."""
    words = (
        f"{key[0]}/{key[1]}: {sieve.group} has to read {place.expected} of {sieve.source}, Kafka ends before it although the relay "
        f"brought everything up to {sent}: the topic was made anew, has lost its end, or what was never read has expired; "
        "`hoso topics resend` fills it from the outbox"
    )
    return Gap(place.next, words)


def placed(key: Partition, known: Known, begin: int, end: int, sieve: Sieve) -> Place:
    """Where to read on, by what the database says and what Kafka has. Raises GapFound when Kafka has dropped what comes next; where
    strangers write that is lost, and read on is what there is.

    Where Kafka ends before what was read, the topic was made anew or lost its end: it is read from `begin`, and the marks tell what of
    it is new. Strangers' records have no marks: there `begin` is what was written since the position moved last.
    """
    at = known.kafka
    foreign = sieve.strange(key[0])
    if at is not None and at < begin and not foreign:
        raise GapFound(
            f"{key[0]}/{key[1]}: {sieve.group} has to read {at}, Kafka has dropped everything before {begin}"
        )
    place = Place(
        at,
        known.off,
        begin if at is None or at > end else max(at, begin),
        dict(known.marks),
        known.restores,
        known.first,
        moved=known.moved,
    )
    mark = place.marks.get(sieve.source)
    if known.off and (mark is None or mark.off < known.off - 1):  # read from the own database's log, not from Kafka
        epoch = max((e for e, first in known.restores if first < known.off), default=0)
        place.marks[sieve.source] = Mark(max(epoch, mark.epoch if mark else 0), known.off - 1)
    return place

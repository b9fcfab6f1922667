"""Which attempt a mail belongs to. Pure; what cannot be decided is never guessed.

Three rules, in this order (domain.md §6.2 rule 5):

1. Delivered to an address that one enrolment has for itself: that alone decides, and nothing else may contradict it.
2. A strong key (dossier number, unit code) that leads to exactly one unit, and nothing else contradicts: a number names
   its attempt; a unit code means the unit's newest attempt that had been filed when the mail arrived.
3. Only weak keys (name, tax code, a shared address): branches share them, so it counts only if exactly one unit ever
   fitted, among all attempts of that kind in that mailbox, also those that have got their mail.

A mail for a unit that has no code yet (DKTGLD) contradicts every attempt of a unit that has one. Units that register for
the first time have nothing but weak keys, and those of one name wait one after the other (`registry.asked`). So for them
rule 3 leaves aside: for an activation mail, whoever had got his before the newest was filed; for a unit code, whoever has
got his. A refusal names nothing that could be told twice, so it leaves nobody aside.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from schemas.units import Kind
from services.mail_watcher.readings import (
    FIRST_TIME,
    ActivationMail,
    Keys,
    Reading,
    UnitCodeResultMail,
    keys_of,
    kinds_of,
)
from services.mail_watcher.text import name_key

SKEW = timedelta(minutes=2)
"""How far a mail server's clock may be behind ours."""
GIVEN_UP = timedelta(days=30)
"""A first-time dossier that got no mail for so long waits for none."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """An attempt about which a mail may come."""

    tenant: str
    unit: UUID
    enrolment: UUID
    dossier: UUID
    attempt: int
    kind: Kind
    mailbox: UUID
    contact: str
    """Lower case."""
    own_contact: bool
    """True: no other enrolment ever had this address."""
    unit_code: str
    """Empty: a unit that has none yet."""
    unit_name: str
    tax_code: str
    number: str | None
    since: datetime
    """World time from which on a mail may come; before the filing left the house."""
    answered_at: datetime | None = None
    """When the first mail of the kind in question came that was matched to it."""


@dataclass(frozen=True, slots=True)
class Matched:
    expectation: Expectation


@dataclass(frozen=True, slots=True)
class NoCandidate:
    """Nobody waits for it (yet): parked, and looked at again."""


@dataclass(frozen=True, slots=True)
class Several:
    """It cannot be decided: a person has to."""

    expectations: tuple[Expectation, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Foreign:
    """Nothing that any attempt waits for."""


Match = Matched | NoCandidate | Several | Foreign


@dataclass(frozen=True, slots=True)
class _Question:
    """One mail, as far as matching looks at it."""

    reading: Reading
    keys: Keys
    delivered_to: Collection[str]
    arrived_at: datetime
    skew: timedelta


def match(
    reading: Reading,
    delivered_to: Collection[str],
    arrived_at: datetime,
    candidates: Sequence[Expectation],
    skew: timedelta = SKEW,
) -> Match:
    """Decides by the rules above.

    `candidates` are of one mailbox, at least: all with the mail's number or unit code, all whose own address it was
    delivered to, some whose name is exactly the mail's; without number and unit code all that agree in name, tax code
    and address (enough of them to see two units). `arrived_at` is the latest world time at which it can have arrived.
    """
    kinds = kinds_of(reading)
    if not kinds:
        return Foreign()
    asked = _Question(reading, keys_of(reading), delivered_to, arrived_at, skew)
    fitting = [c for c in candidates if c.kind in kinds]
    own = [c for c in fitting if c.own_contact and c.contact in delivered_to]
    if own:
        return _by_own_contact(own, asked)
    strong = [c for c in fitting if _strong(c, asked.keys)]
    if strong:
        return _by_strong_key(strong, fitting, asked)
    if asked.keys.number or _unit_code(asked.keys):
        if asked.keys.unit_code != FIRST_TIME:
            return NoCandidate()
        fitting = [c for c in fitting if c.number is None]  # whose number the agency has told nobody yet
    return _by_weak_keys(fitting, asked)


def _unit_code(keys: Keys) -> str | None:
    return keys.unit_code if keys.unit_code != FIRST_TIME else None


def _strong(candidate: Expectation, keys: Keys) -> bool:
    code = _unit_code(keys)
    return (code is not None and code == candidate.unit_code) or (
        keys.number is not None and keys.number == candidate.number
    )


def _same_tax(one: str, other: str) -> bool:
    """Branches are written with and without their suffix: the ten digits decide unless both have one."""
    left, right = one.replace("-", ""), other.replace("-", "")
    return left == right or (min(len(left), len(right)) == 10 and left[:10] == right[:10])


def _is_no_first_time(candidate: Expectation, keys: Keys) -> bool:
    """Whether the mail is for a unit without a code, and the candidate has one."""
    return keys.unit_code == FIRST_TIME and candidate.unit_code not in ("", FIRST_TIME)


def _contradicts(candidate: Expectation, keys: Keys) -> bool:
    """Whether the mail says something else than the candidate; a shortened name is no contradiction."""
    code = _unit_code(keys)
    if code is not None and candidate.unit_code and code != candidate.unit_code:
        return True
    if _is_no_first_time(candidate, keys):
        return True
    if keys.tax_code is not None and not _same_tax(keys.tax_code, candidate.tax_code):
        return True
    if keys.unit_name is None:
        return False
    said, known = name_key(keys.unit_name), name_key(candidate.unit_name)
    shorter, longer = sorted((said, known), key=len)
    return not (longer == shorter or longer.startswith(shorter + " "))


def _units(candidates: Sequence[Expectation]) -> set[UUID]:
    return {c.unit for c in candidates}


def _filed(candidates: Sequence[Expectation], asked: _Question) -> list[Expectation]:
    """Those that had been filed when the mail arrived; if there are none, those that a slow clock may hide."""
    at = asked.arrived_at
    return [c for c in candidates if c.since <= at] or [c for c in candidates if c.since <= at + asked.skew]


def _attempt(of_unit: Sequence[Expectation], asked: _Question) -> Match:
    """The attempt of one unit that the mail answers."""
    if asked.keys.number is not None:
        named = [c for c in of_unit if c.number == asked.keys.number]
        if len(named) == 1:
            return Matched(named[0])
        of_unit = [c for c in of_unit if c.number is None]
        if len(of_unit) != 1:
            return NoCandidate()  # its number is not known yet: looked at again when the agency has given it
    filed = _filed(of_unit, asked)
    return Matched(max(filed, key=lambda c: (c.since, c.attempt))) if filed else NoCandidate()


def _by_own_contact(own: Sequence[Expectation], asked: _Question) -> Match:
    if len(_units(own)) > 1:
        return Several(tuple(own), "it was delivered to addresses of several units")
    if any(_contradicts(c, asked.keys) for c in own):
        return Several(tuple(own), "it names another unit than the address it was delivered to")
    return _attempt(own, asked)


def _by_strong_key(strong: Sequence[Expectation], fitting: Sequence[Expectation], asked: _Question) -> Match:
    keys = asked.keys
    if len(_units(strong)) > 1:
        return Several(tuple(strong), "its unit code and its dossier number belong to different units")
    if any(_contradicts(c, keys) for c in strong):
        return Several(tuple(strong), "what it says of the unit contradicts itself")
    if keys.unit_name is not None:
        said = name_key(keys.unit_name)
        exact = _units([c for c in fitting if name_key(c.unit_name) == said])
        if exact and not exact & _units(strong):
            return Several(tuple(strong), "it names one unit by code and another by name")
    if asked.delivered_to:
        reached = [c for c in strong if c.contact in asked.delivered_to]
        if not reached:
            return Several(tuple(strong), "it was delivered to another address than the one declared for the unit")
        strong = reached
    return _attempt(strong, asked)


def _by_weak_keys(fitting: Sequence[Expectation], asked: _Question) -> Match:
    keys = asked.keys
    agreeing = [
        c
        for c in fitting
        if (keys.tax_code is None or _same_tax(keys.tax_code, c.tax_code))
        and (keys.unit_name is None or name_key(keys.unit_name) == name_key(c.unit_name))
        and (not asked.delivered_to or c.contact in asked.delivered_to)
        and not _is_no_first_time(c, keys)
    ]
    if not agreeing:
        return NoCandidate()
    if keys.unit_name is None and keys.tax_code is None:
        return Several(tuple(agreeing), "it names no unit")
    if keys.unit_code == FIRST_TIME and len(_units(agreeing)) > 1:
        agreeing = list(_still_waiting(agreeing, asked))
    if len(_units(agreeing)) > 1:
        return Several(tuple(agreeing), "several units fit what it says")
    return _attempt(agreeing, asked)


def _still_waiting(agreeing: Sequence[Expectation], asked: _Question) -> Sequence[Expectation]:
    """Of several first-time units, those that the mail can be for; see the head of this file."""
    filed = _filed(agreeing, asked)
    if not filed:
        return agreeing
    newest = max(filed, key=lambda c: (c.since, c.attempt))
    match asked.reading:
        case ActivationMail():
            return [
                c
                for c in filed
                if c.unit == newest.unit
                or (
                    (c.answered_at is None or c.answered_at > newest.since)
                    and newest.since - c.since < GIVEN_UP
                    and not _answered_later(c, filed, newest.since)
                )
            ]
        case UnitCodeResultMail(granted=True):
            answered = {c.unit for c in filed if c.answered_at is not None}
            return [c for c in filed if c.unit not in answered] or filed
        case _:
            return agreeing


def _answered_later(candidate: Expectation, filed: Sequence[Expectation], before: datetime) -> bool:
    """Whether a later attempt of the same unit had got its mail before the moment: then this one waits no more."""
    return any(
        c.unit == candidate.unit
        and c.since >= candidate.since
        and c.answered_at is not None
        and c.answered_at <= before
        for c in filed
    )

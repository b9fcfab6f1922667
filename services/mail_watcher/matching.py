"""Which attempt a mail belongs to. Pure; what cannot be decided is never guessed.

Three rules, in this order (domain.md §6.2 rule 5):

1. Delivered to an address that one enrolment has for itself: that alone decides, and nothing else may contradict it.
2. A strong key (dossier number, unit code) that leads to exactly one unit, and nothing else contradicts: a number names
   its attempt; a unit code means the unit's newest attempt that had been filed when the mail arrived.
3. Only weak keys (name, tax code, a shared address): branches share them, so it counts only if exactly one unit ever
   fitted, among all attempts of that kind in that mailbox, also those that have got their mail.

A mail for a unit that has no code yet (DKTGLD) contradicts every attempt of a unit that has one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from schemas.units import Kind
from services.mail_watcher.reading import FIRST_TIME, ActivationMail, Keys, Reading, StopResultMail
from services.mail_watcher.text import name_key

SKEW = timedelta(minutes=2)
"""How far a mail server's clock may be behind ours."""


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
    unit_name: str
    tax_code: str
    number: str | None
    since: datetime
    """World time from which on a mail may come; before the filing left the house."""
    settled: bool = False
    """True: a mail was matched to it."""


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


def kind_of(reading: Reading) -> Kind | None:
    """The kind of attempt that waits for such a mail."""
    match reading:
        case ActivationMail():
            return "register"
        case StopResultMail():
            return "stop"
        case _:
            return None


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
    kind = kind_of(reading)
    if not isinstance(reading, ActivationMail | StopResultMail) or kind is None:
        return Foreign()
    keys = reading.keys
    fitting = [c for c in candidates if c.kind == kind]
    own = [c for c in fitting if c.own_contact and c.contact in delivered_to]
    if own:
        return _by_own_contact(own, keys, arrived_at, skew)
    strong = [c for c in fitting if _strong(c, keys)]
    if strong:
        return _by_strong_key(strong, fitting, keys, delivered_to, arrived_at, skew)
    if keys.number or _unit_code(keys):
        return NoCandidate()
    return _by_weak_keys(fitting, keys, delivered_to, arrived_at, skew)


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


def _attempt(of_unit: Sequence[Expectation], keys: Keys, arrived_at: datetime, skew: timedelta) -> Match:
    """The attempt of one unit that the mail answers."""
    if keys.number is not None:
        named = [c for c in of_unit if c.number == keys.number]
        if len(named) == 1:
            return Matched(named[0])
        of_unit = [c for c in of_unit if c.number is None]
        if len(of_unit) != 1:
            return NoCandidate()  # its number is not known yet: looked at again when the agency has given it
    filed = [c for c in of_unit if c.since <= arrived_at] or [c for c in of_unit if c.since <= arrived_at + skew]
    return Matched(max(filed, key=lambda c: (c.since, c.attempt))) if filed else NoCandidate()


def _by_own_contact(own: Sequence[Expectation], keys: Keys, arrived_at: datetime, skew: timedelta) -> Match:
    if len(_units(own)) > 1:
        return Several(tuple(own), "it was delivered to addresses of several units")
    if any(_contradicts(c, keys) for c in own):
        return Several(tuple(own), "it names another unit than the address it was delivered to")
    return _attempt(own, keys, arrived_at, skew)


def _by_strong_key(
    strong: Sequence[Expectation],
    fitting: Sequence[Expectation],
    keys: Keys,
    delivered_to: Collection[str],
    arrived_at: datetime,
    skew: timedelta,
) -> Match:
    if len(_units(strong)) > 1:
        return Several(tuple(strong), "its unit code and its dossier number belong to different units")
    if any(_contradicts(c, keys) for c in strong):
        return Several(tuple(strong), "what it says of the unit contradicts itself")
    if keys.unit_name is not None:
        said = name_key(keys.unit_name)
        exact = _units([c for c in fitting if name_key(c.unit_name) == said])
        if exact and not exact & _units(strong):
            return Several(tuple(strong), "it names one unit by code and another by name")
    if delivered_to:
        reached = [c for c in strong if c.contact in delivered_to]
        if not reached:
            return Several(tuple(strong), "it was delivered to another address than the one declared for the unit")
        strong = reached
    return _attempt(strong, keys, arrived_at, skew)


def _by_weak_keys(
    fitting: Sequence[Expectation],
    keys: Keys,
    delivered_to: Collection[str],
    arrived_at: datetime,
    skew: timedelta,
) -> Match:
    agreeing = [
        c
        for c in fitting
        if (keys.tax_code is None or _same_tax(keys.tax_code, c.tax_code))
        and (keys.unit_name is None or name_key(keys.unit_name) == name_key(c.unit_name))
        and (not delivered_to or c.contact in delivered_to)
        and not _is_no_first_time(c, keys)
    ]
    if not agreeing:
        return NoCandidate()
    if keys.unit_name is None and keys.tax_code is None:
        return Several(tuple(agreeing), "it names no unit")
    if len(_units(agreeing)) > 1:
        return Several(tuple(agreeing), "several units fit what it says")
    return _attempt(agreeing, keys, arrived_at, skew)

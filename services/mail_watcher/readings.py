"""What a mail can be found to say; `reading.py` finds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from schemas.units import Kind
from services.mail_watcher.secret import Secret

FIRST_TIME = "DKTGLD"
"""The Số định danh of every unit that registers for the first time: no unit's own."""

About = Literal["activation", "stop-result", "change-result", "unit-code-result", "unknown"]


@dataclass(frozen=True, slots=True)
class Keys:
    """Which unit and dossier a mail names; None = it does not say."""

    unit_code: str | None = None
    unit_name: str | None = None
    tax_code: str | None = None
    number: str | None = None
    """Số hồ sơ."""


@dataclass(frozen=True, slots=True)
class ActivationMail:
    keys: Keys
    code: Secret


@dataclass(frozen=True, slots=True)
class StopResultMail:
    keys: Keys
    accepted: bool
    text: str
    """The sentences that say so, for people."""


@dataclass(frozen=True, slots=True)
class ChangeResultMail:
    keys: Keys
    accepted: bool
    text: str


@dataclass(frozen=True, slots=True)
class UnitCodeResultMail:
    """The officer's answer to a first-time dossier. Its keys never hold the code it grants, that unit has none yet."""

    keys: Keys
    granted: bool
    unit_code: str | None
    """The code given to the unit; None when it was refused."""
    text: str


@dataclass(frozen=True, slots=True)
class OtherMail:
    """Nothing that any dossier waits for."""


@dataclass(frozen=True, slots=True)
class UnclearMail:
    """It looks like one of ours and cannot be relied on: a person has to look."""

    why: str
    keys: Keys = Keys()
    about: About = "unknown"


Told = ActivationMail | StopResultMail | ChangeResultMail | UnitCodeResultMail
"""What an attempt can wait for."""
Reading = Told | OtherMail | UnclearMail


def about(reading: Reading) -> About:
    """What kind of mail it is."""
    match reading:
        case ActivationMail():
            return "activation"
        case StopResultMail():
            return "stop-result"
        case ChangeResultMail():
            return "change-result"
        case UnitCodeResultMail():
            return "unit-code-result"
        case UnclearMail():
            return reading.about
        case _:
            return "unknown"


_KINDS: dict[About, tuple[Kind, ...]] = {
    "activation": ("register", "first_code", "change"),
    "stop-result": ("stop",),
    "change-result": ("change",),
    "unit-code-result": ("first_code",),
}


def kinds_of(reading: Reading) -> tuple[Kind, ...]:
    """The kinds of attempts that may wait for such a mail; of a change an activation mail is accepted, never awaited
    (domain.md §6.3)."""
    return () if isinstance(reading, OtherMail | UnclearMail) else _KINDS[about(reading)]


def keys_of(reading: Reading) -> Keys:
    """Which unit and dossier it names."""
    return Keys() if isinstance(reading, OtherMail) else reading.keys

"""What only the registry of all units can answer: unit codes, and whose turn it is in a mailbox."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from schemas.envelope import Fact


class TurnAsked(Fact):
    """A first-time dossier wants to be the only one of its name that waits in its mailbox (all of them say DKTGLD)."""

    TYPE: ClassVar[str] = "vn.hoso.registry.turn-asked.v1"

    enrolment: UUID
    dossier: UUID
    mailbox: UUID
    contact: str
    unit_name: str


class TurnEnded(Fact):
    """It has its code, or waits no more: the next of that name may go."""

    TYPE: ClassVar[str] = "vn.hoso.registry.turn-ended.v1"

    enrolment: UUID
    dossier: UUID


class UnitCodeGranted(Fact):
    """The agency gave the unit a code: note it, if nobody else has it."""

    TYPE: ClassVar[str] = "vn.hoso.registry.unit-code-granted.v1"

    enrolment: UUID
    unit_code: str


class TurnGranted(Fact):
    """No other first-time dossier of that name waits in the mailbox, and none will before TurnEnded."""

    TYPE: ClassVar[str] = "vn.hoso.registry.turn-granted.v1"

    enrolment: UUID
    dossier: UUID


class UnitCodeNoted(Fact):
    """Whether the code is this unit's now; `foreign`: another unit holds it, which one is not said."""

    TYPE: ClassVar[str] = "vn.hoso.registry.unit-code-noted.v1"

    enrolment: UUID
    unit_code: str
    foreign: bool

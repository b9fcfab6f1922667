"""Attempts that wait for somebody: what was told last, carried in the name of the call that waits. Pure.

`sign:<dossier>:<attempt>` asks; `sign:<dossier>:<attempt>:await:<n>:<round>:<reason>` waits. A call that answers NotYet can
tell nothing, so whoever has something new to tell ends the call and goes on in the next one, whose name says what is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hoso.runtime.steps import Call, NotYet, Step, Tell, Try
from schemas.events import DossierPrepared, SignatureAwaited
from services.signer.keys.port import Waiting

AWAIT = "signer.await"
"""The lane of attempts whose key asks people; apart, so that their outages never hold up keys of our own."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the log knows of a wait."""

    number: int = 0
    """How often something was told."""
    round: int = 0
    """From 1; 0: nothing told yet."""
    reason: str = ""


def name_of(ask: DossierPrepared) -> str:
    """The attempt's name: what its questions are called after, in every round and after every restart."""
    return f"sign:{ask.dossier}:{ask.attempt}"


def is_first(ask: DossierPrepared, this: Try) -> bool:
    """Whether this is the call that asks, not one that waits."""
    return this.name == name_of(ask)


def told_by(ask: DossierPrepared, this: Try) -> Told:
    """What was told before this call."""
    words = this.name.removeprefix(f"{name_of(ask)}:await:").split(":")
    return Told(int(words[0]), int(words[1]), words[2]) if len(words) == 3 and not is_first(ask, this) else Told()


def wait(ask: DossierPrepared, this: Try, told: Told = Told()) -> Call:
    """The call that waits, knowing what was told."""
    name = f"{name_of(ask)}:await:{told.number}:{told.round}:{told.reason}"
    return Call(AWAIT, this.subject, name, ask)


def awaited(ask: DossierPrepared, this: Try, answer: Waiting, number: int, rounds: int) -> Sequence[Step] | NotYet:
    """NotYet while nothing changed; else SignatureAwaited and the call that waits on. `number`: the round, from 1."""
    last = told_by(ask, this)
    if (last.round, last.reason) == (number, answer.reason):
        return NotYet(answer.ask_again)
    fact = SignatureAwaited(
        enrolment=ask.enrolment,
        dossier=ask.dossier,
        attempt=ask.attempt,
        kind=ask.kind,
        reason=answer.reason,
        round=number,
        rounds=rounds,
        text=answer.text,
    )
    return Tell(fact), wait(ask, this, Told(last.number + 1, number, answer.reason))

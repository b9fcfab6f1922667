"""Events in, steps out: the domain's decisions in the kernel's words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from hoso.domain.decisions import Answer, Forget, Remind, Rules, decide
from hoso.domain.states import State
from hoso.runtime.steps import Handler, Step, Tell, Timer, Withdraw
from schemas.envelope import Event


def handler(rules: Callable[[], Rules]) -> Handler[State]:
    """The handler under the rules as they are when an event is handled."""
    return partial(_handle, rules)


def _handle(rules: Callable[[], Rules], state: State, event: Event[Any], now: datetime) -> tuple[State, Sequence[Step]]:
    following, answers = decide(rules(), state, event, now)
    return following, [_step(answer) for answer in answers]


def _step(answer: Answer) -> Step:
    match answer:
        case Remind(name, due, fact):
            return Timer(name, due, fact)
        case Forget(name):
            return Withdraw(name)
        case fact:
            return Tell(fact)

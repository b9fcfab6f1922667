"""The onboarding checklist of a unit (domain.md B5): five steps, each with a state, and how far the whole is. Pure.

organisation → declaration → signature → registration → employees. A step whose precondition is missing says which.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

StepName = Literal["organisation", "declaration", "signature", "registration", "employees"]
State = Literal["todo", "doing", "done", "waiting", "failed"]
STEPS: tuple[StepName, ...] = ("organisation", "declaration", "signature", "registration", "employees")

_DECLARATION = frozenset(("unit-code-held", "no-unit-code", "data", "first-code-refused", "change-refused"))
"""Causes that wait for the row to be mended."""
_SIGNATURE = frozenset(("no-profile", "signing", "certificate"))
_EMPLOYEES = frozenset(("roster-failed",))
_BEFORE_SIGNING = frozenset(("requested", "waiting-for-turn", "signing"))


@dataclass(frozen=True, slots=True)
class Unit:
    """What is known of a unit. `stage` None: it was never asked for."""

    in_organisation: bool
    stage: str | None = None
    cause: str | None = None
    purpose: str = "enrol"
    signed: bool = False
    """Something of it was signed."""
    signature_awaited: bool = False
    """A signature waits for somebody: an approval, a token, a log-in."""
    profile: bool = False
    """A signing profile was chosen, and it is there."""
    profile_until: datetime | None = None
    """When its certificate ends."""
    employees: int | None = None
    progress: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `cause`: why it waits or failed; `missing`: the steps that have to be done first."""

    name: StepName
    state: State
    cause: str | None = None
    missing: tuple[StepName, ...] = ()


@dataclass(frozen=True, slots=True)
class Checklist:
    """All five, and how far they are together, in per cent."""

    steps: tuple[Step, ...]
    percent: int


def checklist(unit: Unit, now: datetime) -> Checklist:
    """How a unit stands now. A unit that only stops its provider has no employees to fetch: that step is done with it."""
    states: dict[StepName, tuple[State, str | None]] = {
        "organisation": ("done" if unit.in_organisation else "todo", None),
        "declaration": _declaration(unit),
        "signature": _signature(unit, now),
        "registration": _registration(unit),
        "employees": _employees(unit),
    }
    steps: list[Step] = []
    for name in STEPS:
        state, cause = states[name]
        missing = tuple(step.name for step in steps if step.state != "done") if state == "todo" else ()
        steps.append(Step(name, state, cause, missing))
    return Checklist(tuple(steps), _percent(steps, unit))


def _declaration(unit: Unit) -> tuple[State, str | None]:
    if unit.stage is None:
        return "todo", None
    if unit.stage == "refused-request":
        return "failed", unit.cause
    if unit.stage == "waiting-for-person" and unit.cause in _DECLARATION:
        return "waiting", unit.cause
    return "done", None


def _signature(unit: Unit, now: datetime) -> tuple[State, str | None]:
    if unit.stage == "waiting-for-person" and unit.cause in _SIGNATURE:
        return "waiting", unit.cause
    if unit.signature_awaited:
        return "waiting", "signature"
    if unit.profile_until is not None and unit.profile_until <= now:
        return "failed", "certificate"
    if unit.signed or unit.profile:
        return "done", None
    return ("doing", None) if unit.stage == "signing" else ("todo", None)


def _registration(unit: Unit) -> tuple[State, str | None]:
    if unit.stage is None or unit.stage == "refused-request":
        return "todo", None
    if unit.stage in ("enrolled", "stopped", "fetching-employees", "changing"):
        return "done", None
    if unit.stage == "cancelled":
        return "failed", "cancelled"
    if unit.stage == "waiting-for-person":
        if unit.cause in _EMPLOYEES:
            return "done", None
        if unit.cause in _DECLARATION | _SIGNATURE:
            return ("doing" if unit.signed else "todo"), None
        return "waiting", unit.cause
    return ("doing" if unit.signed or unit.stage not in _BEFORE_SIGNING else "todo"), None


def _employees(unit: Unit) -> tuple[State, str | None]:
    if unit.stage in ("enrolled", "stopped") or unit.employees is not None:
        return "done", None
    if unit.stage == "fetching-employees":
        return "doing", None
    if unit.stage == "waiting-for-person" and unit.cause in _EMPLOYEES:
        return "waiting", unit.cause
    return "todo", None


def _percent(steps: Sequence[Step], unit: Unit) -> int:
    """Each step is a fifth; what is under way of the registration counts as far as the enrolment says it is."""
    whole = 0.0
    for step in steps:
        if step.state == "done":
            whole += 1
        elif step.name == "registration" and step.state in ("doing", "waiting"):
            whole += min(unit.progress, 90) / 100
        elif step.state == "doing":
            whole += 0.5
    return int(whole * 100 / len(steps))


def as_shown(made: Checklist) -> dict[str, Any]:
    """The same for programs."""
    steps = [
        {"step": step.name, "state": step.state, "cause": step.cause, "missing": list(step.missing)}
        for step in made.steps
    ]
    return {"percent": made.percent, "steps": steps}

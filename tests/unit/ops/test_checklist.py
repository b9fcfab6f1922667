"""The five steps of a unit, wherever its enrolment stands."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from hoso.domain.causes import CAUSES
from schemas.units import Stage
from services.ops.checklist import STEPS, Unit, checklist
from tests.unit.ops.heard import MONDAY


def states(**known: Any) -> str:
    """The five states by their first letters: t(odo), d(oing), D(one), w(aiting), f(ailed)."""
    made = checklist(Unit(**{"in_organisation": True, **known}), MONDAY)
    return "".join({"done": "D"}.get(step.state, step.state[0]) for step in made.steps)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"in_organisation": False}, "ttttt"),
        ({}, "Dtttt"),
        ({"stage": "requested"}, "DDttt"),
        ({"stage": "waiting-for-person", "cause": "no-unit-code"}, "Dwttt"),
        ({"stage": "waiting-for-person", "cause": "no-profile"}, "DDwtt"),
        ({"stage": "signing", "profile": True}, "DDDtt"),
        ({"stage": "signing", "profile": True, "signature_awaited": True}, "DDwtt"),
        ({"stage": "filed", "signed": True}, "DDDdt"),
        ({"stage": "waiting-for-person", "cause": "certificate", "signed": True}, "DDwdt"),
        ({"stage": "waiting-for-person", "cause": "code-expired", "signed": True}, "DDDwt"),
        ({"stage": "fetching-employees", "signed": True}, "DDDDd"),
        ({"stage": "waiting-for-person", "cause": "roster-failed", "signed": True}, "DDDDw"),
        ({"stage": "enrolled", "signed": True, "employees": 0}, "DDDDD"),
        ({"stage": "stopped", "signed": True, "purpose": "stop"}, "DDDDD"),
        ({"stage": "cancelled", "signed": True}, "DDDft"),
        ({"stage": "refused-request", "cause": "already-open"}, "Dfttt"),
        ({"stage": "filed", "signed": True, "profile_until": MONDAY}, "DDfdt"),
        ({"stage": "filed", "signed": True, "profile_until": MONDAY + timedelta(days=1)}, "DDDdt"),
    ],
)
def test_each_step(known: dict[str, Any], expected: str) -> None:
    assert states(**known) == expected


def test_what_has_to_be_done_first_is_said() -> None:
    made = checklist(Unit(True, "waiting-for-person", "no-profile"), MONDAY)
    assert made.steps[3].missing == ("signature",)
    assert made.steps[4].missing == ("signature", "registration")


def test_the_whole_never_goes_back_on_the_straight_way() -> None:
    way = [
        {"stage": None},
        {"stage": "requested"},
        {"stage": "signing", "profile": True, "progress": 10},
        {"stage": "filed", "signed": True, "progress": 30},
        {"stage": "awaiting-code", "signed": True, "progress": 50},
        {"stage": "activating", "signed": True, "progress": 70},
        {"stage": "fetching-employees", "signed": True, "progress": 90},
        {"stage": "enrolled", "signed": True, "progress": 100},
    ]
    percents = [checklist(Unit(in_organisation=True, **known), MONDAY).percent for known in way]  # type: ignore[arg-type]
    assert percents == sorted(percents)
    assert (percents[0], percents[-1]) == (20, 100)


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("cause", [None, *CAUSES])
def test_every_standing_has_a_checklist(stage: Stage, cause: str | None) -> None:
    made = checklist(Unit(True, stage.value, cause, signed=True), MONDAY)
    assert [step.name for step in made.steps] == list(STEPS)
    assert 20 <= made.percent <= 100

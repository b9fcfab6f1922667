"""Some scenarios with a kill or a stop in the middle; all of them: `python -m tests.chaos --scenarios`."""

from __future__ import annotations

from tests.chaos.faults import BYWAYS, POINTS
from tests.chaos.scenarios import plays, rehearse

SEED = 4


async def test_some_scenarios_hold_with_a_process_killed_or_stopped_in_the_middle() -> None:
    outcome = await rehearse(SEED, 4)
    assert outcome.faults == []
    assert len(outcome.suffered) == 4, outcome.never
    assert {one.fault.target for one in outcome.suffered} <= {*POINTS, *BYWAYS}


def test_every_scenario_that_needs_only_the_scene_can_be_hurt() -> None:
    names = [play.name for play in plays()]
    assert len(names) == len(set(names)) > 40
    assert "test_stop_mail_never_comes_so_the_stop_is_filed_again" in names

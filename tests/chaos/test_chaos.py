"""The short chaos run, and that no named point of the code is forgotten. The long run is `make chaos`."""

from __future__ import annotations

import re
from pathlib import Path

from tests.chaos.faults import BYWAYS, GROUPS, LANES, POINTS, RELAY_POINTS, SELDOM, WRITES
from tests.chaos.run import Plan, chaos

ROOT = Path(__file__).parents[2]
CALLED = re.compile(r"await point\(f?\"([^\"]+)\"\)")


def test_every_named_point_of_the_code_is_killed_and_stopped() -> None:
    found = {
        name
        for folder in ("hoso", "services", "app")
        for file in (ROOT / folder).rglob("*.py")
        for name in CALLED.findall(file.read_text())
    }
    shorts = {"hoso/runtime/lanes.py": (*LANES, *SELDOM), "hoso/runtime/consumer.py": GROUPS}
    wanted = {name for name in found if "{" not in name}
    for file, names in shorts.items():
        for point in CALLED.findall((ROOT / file).read_text()):
            wanted |= {point.replace("{self._short}", name) for name in names}
    wanted |= {point.replace("{name}", name) for point in found if "{name}" in point for name in WRITES}
    assert wanted == {*POINTS, *BYWAYS, *RELAY_POINTS}


def test_every_lane_and_group_of_the_services_is_known_here() -> None:
    texts = [file.read_text() for file in (ROOT / "services").rglob("*.py")]
    named = r'(?:\b(?:LANE|REGISTRY_LANE|AWAIT) = |^        )"([a-z]+\.[a-z]+)"(?:: (?:asked|done)\(|$)'
    lanes = {name.replace(".", "-") for text in texts for name in re.findall(named, text, re.MULTILINE)}
    groups = {name.removeprefix("hoso.") for text in texts for name in re.findall(r'GROUP = "(hoso\.[a-z-]+)"', text)}
    assert lanes == {*LANES, *SELDOM}
    assert groups == {*GROUPS, "trends"}, "trends only count; nothing that must not be lost runs on them"


async def test_a_short_run_loses_nothing_files_nothing_twice_and_is_back_within_ten_seconds() -> None:
    result = await chaos(Plan(seed=1))
    assert result.findings.everything == []
    assert result.everything == []
    assert result.findings.accepted >= 60
    assert result.findings.open == 0
    assert len(result.suffered) >= 16

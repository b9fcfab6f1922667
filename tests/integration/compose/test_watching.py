"""Alerts and dashboard: they hold what they say, name only metrics that there are, and each alert has its page."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from app.main import commands
from compose.dashboard import FILE, ROWS, text
from hoso.process.gauges import Gauges
from hoso.runtime.metrics import Metrics
from services.submitter.metrics import SubmitterMetrics
from tests.support.needs import absent

ROOT = Path(__file__).parents[3]
PROMETHEUS, ALERTMANAGER = ROOT / "compose" / "prometheus", ROOT / "compose" / "alertmanager"
SCRAPED = {"job", "instance", "service"}
"""Labels that Prometheus adds."""


def tool(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        absent(f"{name} is not here: apt-get install {package}")
    return found


def ran(*words: str) -> tuple[int, str]:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((PROMETHEUS / "rules.yml").read_text("utf-8"))["groups"]
    return list(group["rules"])


# --- promtool, amtool -------------------------------------------------------------------------------------------


def test_the_rules_fire_when_they_should_and_not_before() -> None:
    promtool = tool("promtool", "prometheus")
    assert ran(promtool, "check", "rules", str(PROMETHEUS / "rules.yml"))[0] == 0
    status, said = ran(promtool, "test", "rules", str(PROMETHEUS / "rules.test.yml"))
    assert status == 0, said


def test_the_tests_of_the_rules_can_fail(tmp_path: Path) -> None:
    spoilt = (PROMETHEUS / "rules.yml").read_text("utf-8").replace("> 60", "> 600")
    (tmp_path / "rules.yml").write_text(spoilt)
    shutil.copy(PROMETHEUS / "rules.test.yml", tmp_path)
    status, said = ran(tool("promtool", "prometheus"), "test", "rules", str(tmp_path / "rules.test.yml"))
    assert (status, "HosoLagOld" in said) == (1, True)


def test_every_rule_has_a_test() -> None:
    cases = yaml.safe_load((PROMETHEUS / "rules.test.yml").read_text("utf-8"))["tests"]
    fired = {one["alertname"] for case in cases for one in case["alert_rule_test"] if one["exp_alerts"]}
    assert fired == {rule["alert"] for rule in rules()}


def test_the_configurations_are_read() -> None:
    status, said = ran(
        tool("promtool", "prometheus"), "check", "config", "--syntax-only", str(PROMETHEUS / "prometheus.yml")
    )
    assert status == 0, said
    status, said = ran(
        tool("amtool", "prometheus-alertmanager"), "check-config", str(ALERTMANAGER / "alertmanager.yml")
    )
    assert status == 0, said


# --- names ------------------------------------------------------------------------------------------------------


def exported() -> dict[str, set[str]]:
    """Every series that some process of hoso gives, and its labels."""
    registry = Metrics().registry
    for more in (Gauges, SubmitterMetrics):
        more(registry)
    return series_of(registry)


def series_of(registry: CollectorRegistry) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for collector in list(registry._collector_to_names):
        labels = set(collector._labelnames)  # type: ignore[attr-defined]
        for name in registry._collector_to_names[collector]:
            found[name] = labels | ({"le"} if name.endswith("_bucket") else set())
    return found


def wrong_names(expression: str, known: dict[str, set[str]]) -> list[str]:
    """Metrics and labels of an expression that nobody gives."""
    named = set(re.findall(r"\bhoso_\w+", expression))
    wrong = sorted(named - set(known))
    labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", expression))
    labels |= {one.strip() for inside in re.findall(r"\bby \(([^)]*)\)", expression) for one in inside.split(",")}
    there = SCRAPED.union(*(known[name] for name in named & set(known)))
    return wrong + sorted(labels - there)


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_names_metrics_that_there_are_and_its_page(rule: dict[str, Any]) -> None:
    assert wrong_names(rule["expr"], exported()) == []
    page = ROOT / rule["annotations"]["runbook"]
    assert page.is_file(), page
    assert rule["alert"] in page.read_text("utf-8")
    told = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
    kept = re.search(r"by \(([^)]*)\)", rule["expr"])
    assert told <= (set(kept.group(1).split(", ")) if kept else SCRAPED)


@pytest.mark.parametrize("panel", [panel for _, row in ROWS for panel in row], ids=lambda panel: panel.title)
def test_a_panel_names_metrics_that_there_are(panel: Any) -> None:
    assert wrong_names(panel.expression, exported()) == []
    told = set(re.findall(r"\{\{(\w+)\}\}", panel.legend))
    assert told <= {one for inside in re.findall(r"by \(([^)]*)\)", panel.expression) for one in inside.split(", ")}


def test_promtool_reads_the_expressions_of_the_dashboard(tmp_path: Path) -> None:
    file = tmp_path / "rules.yml"
    each = [
        {"record": f"hoso:panel:{n}", "expr": p.expression} for n, p in enumerate(p for _, row in ROWS for p in row)
    ]
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": each}]}))
    status, said = ran(tool("promtool", "prometheus"), "check", "rules", str(file))
    assert status == 0, said


def test_what_nobody_gives_is_noticed() -> None:
    known = exported()
    assert wrong_names("max(hoso_lag_second)", known) == ["hoso_lag_second"]
    assert wrong_names('max by (grp) (hoso_lag_seconds{lane="x"})', known) == ["grp", "lane"]


def test_the_dashboard_is_what_its_table_says() -> None:
    assert FILE.read_text("utf-8") == text(), "run `python -m compose.dashboard`"
    panels = json.loads(text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


# --- pages ------------------------------------------------------------------------------------------------------

PAGES = sorted((ROOT / "docs" / "runbook").glob("*.md"))


def test_every_page_has_an_alert() -> None:
    assert {f"docs/runbook/{page.name}" for page in PAGES} == {rule["annotations"]["runbook"] for rule in rules()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_is_short_and_its_commands_are_there(page: Path) -> None:
    told = page.read_text("utf-8")
    assert len(told.splitlines()) <= 40
    said = re.findall(r"`hoso ([^`]+)`", told)
    assert said
    for line in said:
        command: Any = commands("en")
        for word in line.split():
            below = getattr(command, "commands", {})
            if word not in below:
                break
            command = below[word]
        assert not getattr(command, "commands", None), f"hoso {line}"
        options = {name for one in command.params for name in getattr(one, "opts", ())}
        assert {word for word in line.split() if word.startswith("--")} <= options, line

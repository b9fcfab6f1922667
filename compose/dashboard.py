"""The Grafana dashboard, from this table: `python -m compose.dashboard` writes compose/grafana/dashboards/hoso.json.

The same number comes from several processes (each measures its own group, ops measures all of them), so gauges are taken by
`max`; counters are counted by one process each and summed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "grafana" / "dashboards" / "hoso.json"
SOURCE = {"type": "prometheus", "uid": "hoso-prometheus"}
WIDE, HIGH, SMALL = 24, 8, 4


@dataclass(frozen=True, slots=True)
class Panel:
    """A picture of one expression. `bad`: from there on it is red; a panel that has it and no legend is one number."""

    title: str
    expression: str
    legend: str = ""
    unit: str = "short"
    bad: float | None = None
    about: str = ""


ROWS: tuple[tuple[str, tuple[Panel, ...]], ...] = (
    (
        "Now",
        (
            Panel("Services that do not answer", 'count(up{job="hoso"} == 0) or vector(0)', bad=1),
            Panel("Oldest not handled", 'max(hoso_lag_seconds{group!="hoso.relay"})', unit="s", bad=60),
            Panel("Oldest not in Kafka", 'max(hoso_lag_seconds{group="hoso.relay"})', unit="s", bad=30),
            Panel("Held units", "sum(max by (group) (hoso_held_units))", bad=1),
            Panel("Dead letters", "sum(max by (group) (hoso_dead_letters_waiting))", bad=1),
            Panel("Calls of unknown outcome", "sum(max by (lane) (hoso_calls_unsure))", bad=1),
        ),
    ),
    (
        "Lag",
        (
            Panel(
                "Age of the oldest record not handled",
                'max by (group, topic) (hoso_lag_seconds{group!="hoso.relay"})',
                "{{group}} {{topic}}",
                "s",
                60,
                "Alert on this, never on a count.",
            ),
            Panel(
                "Records not handled",
                'sum by (group) (max by (group, topic, partition) (hoso_lag_records{group!="hoso.relay"}))',
                "{{group}}",
            ),
            Panel(
                "The relay's half: records not in Kafka",
                'sum by (topic) (max by (topic, partition) (hoso_lag_records{group="hoso.relay"}))',
                "{{topic}}",
                about="Without it a dead relay looks like an idle system.",
            ),
            Panel(
                "Standing still with something to read",
                "max by (group, topic, partition) (hoso_lag_commit_age_seconds) "
                "and max by (group, topic, partition) (hoso_lag_records) > 0",
                "{{group}} {{topic}}/{{partition}}",
                "s",
                120,
            ),
            Panel(
                "Never read, truncated, missing",
                "max by (group, topic) (hoso_lag_never_read) + max by (group, topic) (hoso_lag_truncated) "
                "+ max by (group, topic) (hoso_lag_topic_missing) > 0",
                "{{group}} {{topic}}",
                bad=1,
            ),
            Panel("Kafka answers", "min by (service) (hoso_kafka_answers)", "{{service}}"),
        ),
    ),
    (
        "Work",
        (
            Panel("Events handled a second", "sum by (group) (rate(hoso_events_handled_total[1m]))", "{{group}}"),
            Panel(
                "Time of a batch, 95 of 100",
                "histogram_quantile(0.95, sum by (group, le) (rate(hoso_batch_seconds_bucket[5m])))",
                "{{group}}",
                "s",
            ),
            Panel("Timers rung a second", "sum by (group) (rate(hoso_timers_rung_total[1m]))", "{{group}}"),
            Panel(
                "Batches given up because the position had moved",
                "sum by (group) (rate(hoso_fenced_total[5m]))",
                "{{group}}",
                about="Some while copies start and stop; for ever when two think they own the same.",
            ),
        ),
    ),
    (
        "The world",
        (
            Panel(
                "Age of the oldest call that is due",
                "max by (lane) (hoso_calls_waiting_seconds)",
                "{{lane}}",
                "s",
                300,
            ),
            Panel("Calls in flight", "sum by (lane) (hoso_calls_in_flight)", "{{lane}}"),
            Panel(
                "Tries a second by outcome",
                "sum by (lane, outcome) (rate(hoso_call_tries_total[1m]))",
                "{{lane}} {{outcome}}",
            ),
            Panel(
                "Time of a try, 95 of 100",
                "histogram_quantile(0.95, sum by (lane, le) (rate(hoso_call_try_seconds_bucket[5m])))",
                "{{lane}}",
                "s",
            ),
            Panel("Circuit open", "max by (lane) (hoso_lane_circuit_open)", "{{lane}}", bad=1),
            Panel(
                "Replies whose signature was not believed",
                "sum(increase(hoso_submitter_disbelieved_total[1h]))",
                "an hour",
                bad=1,
            ),
        ),
    ),
    (
        "What stopped",
        (
            Panel("Units held", "max by (group) (hoso_held_units)", "{{group}}", bad=1),
            Panel(
                "Units held a minute by reason", "sum by (reason) (increase(hoso_units_held_total[1m]))", "{{reason}}"
            ),
            Panel("Dead letters that wait", "max by (group) (hoso_dead_letters_waiting)", "{{group}}", bad=1),
            Panel("Dead letters not in Kafka", "max by (group) (hoso_dead_letters_unpublished)", "{{group}}", bad=1),
            Panel(
                "Oldest snapshot of the database",
                "max(hoso_database_oldest_snapshot_seconds)",
                "seconds",
                "s",
                30,
            ),
        ),
    ),
)


def dashboard() -> dict[str, Any]:
    """What Grafana reads."""
    panels: list[dict[str, Any]] = []
    y = 0
    for row, shown in ROWS:
        panels.append({"type": "row", "title": row, "collapsed": False, "panels": [], "gridPos": _place(0, y, WIDE, 1)})
        y += 1
        across = 6 if not shown[0].legend else 3 if len(shown) % 3 == 0 else 2
        high = SMALL if across == 6 else HIGH
        for n, panel in enumerate(shown):
            width = WIDE // across
            panels.append(_drawn(panel, _place(n % across * width, y + n // across * high, width, high)))
        y += -(-len(shown) // across) * high
    for number, one in enumerate(panels, start=1):
        one["id"] = number
    return {
        "uid": "hoso",
        "title": "hoso",
        "tags": ["hoso"],
        "schemaVersion": 41,
        "editable": False,
        "refresh": "15s",
        "time": {"from": "now-1h", "to": "now"},
        "panels": panels,
    }


def _place(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": width, "h": height}


def _drawn(panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.bad is not None:
        steps.append({"color": "red", "value": panel.bad})
    target = {"refId": "A", "datasource": SOURCE, "expr": panel.expression, "legendFormat": panel.legend}
    return {
        "type": "timeseries" if panel.legend else "stat",
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0, "thresholds": {"mode": "absolute", "steps": steps}}},
        "targets": [target],
    }


def text() -> str:
    """The file."""
    return json.dumps(dashboard(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")

"""Fixtures every test may use."""

from __future__ import annotations

import re
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.support.kafka import broker, kafka, kafka_cluster
from tests.support.postgres import db, server, url

__all__ = ["broker", "db", "kafka", "kafka_cluster", "server", "url"]

BROKERS = {"broker", "kafka", "kafka_cluster"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What asks for a broker is marked `kafka`: `make test` leaves it out, `make test-kafka` runs it."""
    for item in items:
        params = getattr(getattr(item, "callspec", None), "params", {})
        if BROKERS & set(getattr(item, "fixturenames", ())) or params.get("stage") == "kafka":
            item.add_marker("kafka")


JUDGED = re.compile(r"^>.*(judge\(\)|findings\.everything)", re.MULTILINE)
"""The line that failed asked a judge: what he found is never run again (scripts/tests.sh)."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Leave a sign where a judge found something."""
    report = yield
    if report.failed and JUDGED.search(report.longreprtext):
        red = Path(__file__).parents[1] / "var" / "judge-red"
        red.parent.mkdir(exist_ok=True)
        with red.open("a") as said:
            said.write(f"{report.nodeid}\n")
    return report

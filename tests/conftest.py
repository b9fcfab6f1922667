"""Fixtures every test may use."""

from __future__ import annotations

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

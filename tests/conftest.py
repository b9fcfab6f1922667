"""Fixtures every test may use."""

from tests.support.kafka import broker, kafka, kafka_cluster
from tests.support.postgres import db, server, url

__all__ = ["broker", "db", "kafka", "kafka_cluster", "server", "url"]

"""What every process measures when it is asked for /metrics: lag, waiting calls, held units, dead letters.

A process measures its own group and the relay's half; ops measures all groups of its database, so that a service which
does not run is seen as well. The same number then comes from several processes: take the maximum over them.
"""

from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry, Gauge

from hoso.process.lag import (
    MISSING,
    NEVER_READ,
    RELAY,
    TRUNCATED,
    Ends,
    lag_by_partition,
    lanes,
    oldest_snapshot,
    stopped,
)
from hoso.runtime.kernel import Kernel

LOOKS_ON = "hoso.ops"
"""The group that measures all others."""


class Gauges:
    """One process's; made beside its /metrics, in the kernel's registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        where = ["group", "topic", "partition"]
        self.records = Gauge("hoso_lag_records", "Records not yet handled", where, registry=registry)
        self.seconds = Gauge("hoso_lag_seconds", "Age of the oldest record not yet handled", where, registry=registry)
        self.commit_age = Gauge(
            "hoso_lag_commit_age_seconds", "Time since the position last moved", where, registry=registry
        )
        self.never_read = Gauge(
            "hoso_lag_never_read", "Partitions with records that the group has never read", where[:2], registry=registry
        )
        self.truncated = Gauge(
            "hoso_lag_truncated",
            "Partitions that lost records before the group read them",
            where[:2],
            registry=registry,
        )
        self.missing = Gauge(
            "hoso_lag_topic_missing", "Partitions of topics that Kafka does not have", where[:2], registry=registry
        )
        self.waiting = Gauge(
            "hoso_calls_waiting_seconds", "Age of the oldest call that is due", ["lane"], registry=registry
        )
        self.calls = Gauge("hoso_calls_waiting", "Calls that are due", ["lane"], registry=registry)
        self.unsure = Gauge("hoso_calls_unsure", "Calls whose outcome is unknown", ["lane"], registry=registry)
        self.held = Gauge("hoso_held_units", "Units held now", ["group"], registry=registry)
        self.dead = Gauge(
            "hoso_dead_letters_waiting",
            "Dead letters that nobody has redriven or settled",
            ["group"],
            registry=registry,
        )
        self.unpublished = Gauge(
            "hoso_dead_letters_unpublished", "Dead letters that Kafka does not have yet", ["group"], registry=registry
        )
        self.kafka = Gauge("hoso_kafka_answers", "1 while Kafka answers what lag is", registry=registry)
        self.snapshot = Gauge(
            "hoso_database_oldest_snapshot_seconds",
            "Age of the oldest transaction that keeps old rows",
            registry=registry,
        )
        self._looking = asyncio.Lock()

    async def measure(self, kernel: Kernel, ends: Ends | None) -> None:
        """Bring them up to date. Raises the database's connection errors."""
        groups = None if kernel.group == LOOKS_ON else [kernel.group, RELAY]
        async with self._looking:
            async with kernel.db.quick.acquire() as db:
                lag = await lag_by_partition(db, kernel.clock.now(), groups, ends)
                calls = await lanes(db, groups)
                rest = await stopped(db, groups)
                self.snapshot.set(await oldest_snapshot(db))
            for gauge in (self.records, self.seconds, self.commit_age, self.never_read, self.truncated, self.missing,
                          self.waiting, self.calls, self.unsure, self.held, self.dead, self.unpublished):  # fmt: skip
                gauge.clear()
            for row in lag:
                where = (row["group"], row["topic"], str(row["partition"]))
                self.records.labels(*where).set(row["records"])
                self.seconds.labels(*where).set(row["seconds"])
                if row["commit_age"] is not None:
                    self.commit_age.labels(*where).set(row["commit_age"])
                for gauge, state in (
                    (self.never_read, NEVER_READ),
                    (self.truncated, TRUNCATED),
                    (self.missing, MISSING),
                ):
                    counts = row["state"] == state and (row["records"] > 0 or state != NEVER_READ)
                    gauge.labels(*where[:2]).inc(1 if counts else 0)
            for row in calls:
                self.waiting.labels(row["lane"]).set(row["oldest"])
                self.calls.labels(row["lane"]).set(row["calls"])
                self.unsure.labels(row["lane"]).set(row["unsure"])
            for row in rest:
                self.held.labels(row["group"]).set(row["held"])
                self.dead.labels(row["group"]).set(row["dead"])
                if ends is not None:
                    self.unpublished.labels(row["group"]).set(row["unpublished"])
            if ends is not None:
                self.kafka.set(int(ends.answers))

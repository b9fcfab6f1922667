"""Every metric of hoso, in one place, named after Prometheus' rules."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Metrics:
    """One process's metrics; made by the composition root, never at import."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self.handled = Counter("hoso_events_handled", "Events handled and committed", ["group", "topic"], registry=r)
        self.batch_seconds = Histogram("hoso_batch_seconds", "Time of one consumer transaction", ["group"], registry=r)
        self.held = Counter(
            "hoso_units_held", "Units held because an event could not be handled", ["group", "reason"], registry=r
        )
        self.dead = Counter("hoso_dead_letters", "Records in which no unit can be found", ["group"], registry=r)
        self.fenced = Counter("hoso_fenced", "Batches given up because the position had moved", ["group"], registry=r)
        self.tries = Counter("hoso_call_tries", "Tries of calls by outcome", ["lane", "outcome"], registry=r)
        self.in_flight = Gauge("hoso_calls_in_flight", "Calls being performed now", ["lane"], registry=r)
        self.try_seconds = Histogram("hoso_call_try_seconds", "Time of one try", ["lane"], registry=r)
        self.circuit_open = Gauge("hoso_lane_circuit_open", "1 while a lane's circuit is open", ["lane"], registry=r)
        self.timers = Counter("hoso_timers_rung", "Timers that came back as events", ["group"], registry=r)

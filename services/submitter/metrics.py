"""What the submitter counts beyond its calls."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter


class SubmitterMetrics:
    """One process's; made by the composition root in the kernel's registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.disbelieved = Counter(
            "hoso_submitter_disbelieved", "Replies of the agency whose signature was not believed", registry=registry
        )

"""How ops is wired: it reads every topic, decides nothing, and keeps the timeline."""

from __future__ import annotations

from hoso.runtime.steps import Service
from schemas.topics import topics_read_by
from services.ops.handlers import Seen, handle
from services.ops.projection import Projection

GROUP = "hoso.ops"
LINGER_S = 0.03
"""It reads every topic, and a batch of one event costs as much as one of six. No longer: who has seen over HTTP where an enrolment
stands (intake's view) asks ops next, for a paper or a task."""


def service() -> Service[Seen]:
    """Ready to be run."""
    return Service(GROUP, topics_read_by(GROUP), Projection(), handle, {}, linger=LINGER_S)

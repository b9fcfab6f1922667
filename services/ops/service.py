"""How ops is wired: it reads every topic, decides nothing, and keeps the timeline."""

from __future__ import annotations

from hoso.runtime.steps import Service
from schemas.topics import topics_read_by
from services.ops.handlers import Seen, handle
from services.ops.projection import Projection

GROUP = "hoso.ops"


def service() -> Service[Seen]:
    """Ready to be run."""
    return Service(GROUP, topics_read_by(GROUP), Projection(), handle, {})

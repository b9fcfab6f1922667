"""Events in, rows of the timeline out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from hoso.runtime.steps import Step
from schemas.envelope import Event

Seen = tuple[Event[Any], ...]
"""The events of a unit that have to be written into the projection now."""


def handle(seen: Seen, event: Event[Any], now: datetime) -> tuple[Seen, Sequence[Step]]:
    return (*seen, event), []

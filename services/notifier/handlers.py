"""Events in, notices and public events out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from hoso.runtime.steps import Step
from schemas.envelope import Event
from services.notifier.notices import matters

Heard = tuple[Event[Any], ...]
"""The events of a unit that have to be written down now."""


def handle(heard: Heard, event: Event[Any], now: datetime) -> tuple[Heard, Sequence[Step]]:
    return ((*heard, event) if matters(event) else heard), []

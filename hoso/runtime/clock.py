"""One clock for the whole world, so that days pass in seconds in tests and nobody sleeps.

Rules use the world's time; leases, time-outs and back-off use real time. In `production` both are the same.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """The world's time, aware, in UTC."""

    def now(self) -> datetime:
        """The world's time now."""
        ...

    def world(self, real: datetime) -> datetime:
        """The world's time at a real instant, e.g. when a mail server stamped a mail."""
        ...


@dataclass(frozen=True, slots=True)
class Setting:
    """From the real instant `anchor` on, the world's time is base + elapsed * rate."""

    anchor: datetime
    base: datetime
    rate: float

    def at(self, real: datetime) -> datetime:
        return self.base + (real - self.anchor) * self.rate


class WorldClock:
    """A clock that follows a history of settings; without any, it is the real clock."""

    def __init__(self, history: list[Setting] | None = None) -> None:
        self.set(history or [])

    def set(self, history: list[Setting]) -> None:
        """Replace the history, oldest anchor first."""
        self._history = history
        self._anchors = [s.anchor for s in history]

    def now(self) -> datetime:
        return self.world(datetime.now(UTC))

    def world(self, real: datetime) -> datetime:
        found = bisect_right(self._anchors, real)
        return self._history[found - 1].at(real) if found else real


def boottime() -> float:
    """Seconds since boot, counted also while this process or the machine stood still."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def seconds_left(deadline: float) -> float:
    """Seconds until a deadline of `boottime()`; negative when it has passed."""
    return deadline - boottime()


def parse_duration(text: str) -> timedelta:
    """'2d', '25h', '90m', '30s' or a sum such as '1d12h'. Raises ValueError."""
    units = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
    total, number = 0.0, ""
    for char in text.strip():
        if char.isdigit() or char == ".":
            number += char
        elif char in units and number:
            total, number = total + float(number) * units[char], ""
        else:
            raise ValueError(f"{text!r} is no duration: write 2d, 25h, 90m or 30s")
    if number or not total:
        raise ValueError(f"{text!r} is no duration: write 2d, 25h, 90m or 30s")
    return timedelta(seconds=total)

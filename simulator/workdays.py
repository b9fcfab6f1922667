"""The officer's days: Monday to Friday without Vietnam's public holidays, in Vietnam's time."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import lru_cache

from holidays import country_holidays

from simulator.clock import VIETNAM

DAY = 86_400.0


@lru_cache(maxsize=64)
def _holidays(year: int) -> frozenset[date]:
    return frozenset(country_holidays("VN", years=year))


def works(day: date) -> bool:
    """Whether the officer is there."""
    return day.weekday() < 5 and day not in _holidays(day.year)


def later(start: float, days: float) -> float:
    """The moment `days` working days after `start`; days off do not count, parts of a day do."""
    at, left = start, days * DAY
    while left > 0 or not works(datetime.fromtimestamp(at, VIETNAM).date()):
        today = datetime.fromtimestamp(at, VIETNAM)
        midnight = datetime.combine(today.date() + timedelta(days=1), datetime.min.time(), VIETNAM).timestamp()
        if not works(today.date()):
            at = midnight
        elif left < midnight - at:
            return at + left
        else:
            left -= midnight - at
            at = midnight
    return at

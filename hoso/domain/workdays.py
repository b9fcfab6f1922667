"""Vietnamese working days: Monday to Friday without the public holidays, in Vietnam's time. Pure.

The holidays come from the `holidays` library (fixed and lunar ones); a deployment adds days off and working days that the
government decrees each year (compensation days).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache

VIETNAM = timezone(timedelta(hours=7))


@dataclass(frozen=True, slots=True)
class Workdays:
    """Which days count. `off` and `on` are the deployment's own, and win over the library."""

    off: frozenset[date] = frozenset()
    on: frozenset[date] = frozenset()

    def is_workday(self, day: date) -> bool:
        """Whether the agency works that day."""
        if day in self.on:
            return True
        return day not in self.off and day.weekday() < 5 and day not in _holidays(day.year)

    def after(self, moment: datetime, days: int) -> datetime:
        """The same time of day, `days` working days later. What begins on a day off begins on the next working day."""
        local = moment.astimezone(VIETNAM)
        if not self.is_workday(local.date()):
            local = datetime.combine(local.date(), datetime.min.time(), VIETNAM)
            while not self.is_workday(local.date()):
                local += timedelta(days=1)
        while days > 0:
            local += timedelta(days=1)
            days -= self.is_workday(local.date())
        return local.astimezone(moment.tzinfo)


def workdays(off: Iterable[str] = (), on: Iterable[str] = ()) -> Workdays:
    """From days written yyyy-mm-dd. Raises ValueError for what is no day."""
    return Workdays(frozenset(map(date.fromisoformat, off)), frozenset(map(date.fromisoformat, on)))


@lru_cache(maxsize=64)
def _holidays(year: int) -> frozenset[date]:
    from holidays import country_holidays

    return frozenset(country_holidays("VN", years=year))

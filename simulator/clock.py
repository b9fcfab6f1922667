"""The world's clock as the agency reads it: a row that says where it stands and how fast it runs."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from simulator.store import Store

VIETNAM = timezone(timedelta(hours=7))


def moment(text: str) -> float:
    """Seconds since 1970 of an ISO time. A time without a zone is UTC. Raises ValueError."""
    when = datetime.fromisoformat(text)
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def iso(seconds: float | None, zone: tzinfo = VIETNAM) -> str | None:
    """ISO text of seconds since 1970, in Vietnam's zone; None stays None."""
    return None if seconds is None else datetime.fromtimestamp(seconds, zone).isoformat()


class WorldClock:
    """world time = base + (real time - anchor) * rate. Durable; real time until somebody sets it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        row = store.row("select base_world, anchor_real, rate from clock")
        self._base, self._anchor, self._rate = 0.0, 0.0, 1.0
        if row is not None:
            self._base, self._anchor, self._rate = float(row[0]), float(row[1]), float(row[2])

    def now(self) -> float:
        """World time, seconds since 1970."""
        return self._base + (time.time() - self._anchor) * self._rate

    def real_until(self, world: float) -> float:
        """Real seconds until the world reaches a time; 0 when it has."""
        left = world - self.now()
        return 0.0 if left <= 0 else left / self._rate if self._rate > 0 else float("inf")

    def put(self, base: float, anchor: float, rate: float) -> None:
        """Set the clock. Rate 0 stops it."""
        if not 0 <= rate <= 1e6:
            raise ValueError("rate must be between 0 and 1000000")
        self._base, self._anchor, self._rate = base, anchor, rate
        self._store.write(
            "insert into clock (id, base_world, anchor_real, rate) values (1, ?, ?, ?) on conflict (id) do update set "
            "base_world = excluded.base_world, anchor_real = excluded.anchor_real, rate = excluded.rate",
            (base, anchor, rate),
        )

    def shown(self) -> dict[str, object]:
        """The clock as JSON shows it."""
        return {
            "base": iso(self._base, UTC),
            "anchor": iso(self._anchor, UTC),
            "rate": self._rate,
            "now": iso(self.now()),
        }

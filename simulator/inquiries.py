"""What can be asked of the agency beside dossiers: what it can do, its unit directory, the employees of a unit."""

from __future__ import annotations

import time
from typing import Any

from simulator import roster, rules, units
from simulator.clock import WorldClock
from simulator.faults import Faults
from simulator.reading import REGISTER
from simulator.settings import ABILITIES, Settings
from simulator.store import Store

MINUTE = 60.0


class Inquiries:
    """Answers questions that have no effects but their row in the books."""

    def __init__(self, store: Store, clock: WorldClock, faults: Faults, settings: Settings) -> None:
        self._store, self._clock, self._faults, self._settings = store, clock, faults, settings
        self._looked_up: list[float] = []

    def capabilities(self) -> dict[str, bool]:
        """What this gateway can do (docs/gateway.md)."""
        able = {word: word not in self._settings.without for word in ABILITIES}
        return {**able, "signed_replies": self._settings.sign_replies}

    def too_many(self) -> int:
        """Seconds until the directory may be asked again; 0 = now, and this counts as asked."""
        now = time.monotonic()
        self._looked_up = [at for at in self._looked_up if at > now - MINUTE]
        if len(self._looked_up) >= self._settings.lookups:
            return max(1, round(self._looked_up[0] + MINUTE - now))
        self._looked_up.append(now)
        return 0

    def directory(self, tax_code: str, name: str) -> dict[str, Any] | None:
        """Units of a tax code; None when it is none."""
        return {"units": units.directory(self._store, tax_code, name)} if rules.tax_code_valid(tax_code) else None

    def employees(self, unit_code: str, page: int, size: int, quirks: list[str]) -> dict[str, Any] | None:
        """One page of a unit's employees; None for a unit that is not activated."""
        row = self._store.row("select active_transaction from units where unit_code = ?", (unit_code,))
        active = row is not None and row[0] is not None
        fetched = self._store.row(
            "select count(*) from roster_fetches where unit_code = ? and page = 1 and status = 200", (unit_code,)
        )
        self._store.write(
            "insert into roster_fetches (at_real, at_world, unit_code, page, status) values (?, ?, ?, ?, ?)",
            (time.time(), self._clock.now(), unit_code, page, 200 if active else 403),
        )
        if not active:
            return None
        fetches = fetched[0] if fetched is not None else 0
        empty = self._granted_here(unit_code)
        everybody = [] if empty else roster.employees(unit_code, quirks, fetches if page == 1 else fetches - 1)
        return roster.page(everybody, page, size, quirks)

    def _granted_here(self, unit_code: str) -> bool:
        """A unit whose code the agency has just granted employs nobody yet (domain.md §3.4)."""
        grant = units.granted(self._store, unit_code)
        return grant is not None and grant["how"] == "dossier"

    def roster_faults(self, unit_code: str) -> tuple[str, list[str]]:
        """The fault of transport of a roster call, and what is odd about its contents."""
        fired = self._faults.fire(unit_code, REGISTER, "roster")
        return next((fault for fault in fired if fault not in roster.ODDITIES), ""), fired

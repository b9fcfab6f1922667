"""What judges and tests may ask beside the contract: the ledger, the world's clock, fault scripts and outages."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from simulator.clock import WorldClock, iso, moment
from simulator.counter import mail
from simulator.faults import BadRule, Faults
from simulator.store import Store
from simulator.transport import reply_json

TABLES = {
    "arrivals": "select * from ledger",
    "non_arrivals": "select * from non_arrivals order by id",
    "filings": "select f.*, c.serial from filings f left join certificates c on c.sha256 = f.certificate "
    "order by f.rowid",
    "first_time": "select t.*, coalesce(t.granted_code, '') as unit_code from first_time t order by t.rowid",
    "changes": "select * from changes order by rowid",
    "stops": "select * from stops order by decided_world",
    "granted": "select * from granted order by granted_world",
    "registered": "select * from registered order by unit_code",
    "units": "select * from units order by unit_code",
    "codes": "select * from codes order by rowid",
    "activations": "select * from activations order by id",
    "mails": "select * from mails order by id",
    "status_asks": "select s.*, coalesce(t.granted_code, '') as unit_code from status_asks s "
    "left join first_time t using (transaction_id)",
    "roster_fetches": "select * from roster_fetches order by id",
}
SECRET = ("codes", "activations")
"""Tables whose column `code` is shown only to those who ask for it."""
MODES = ("refuse", "503", "hang")


class Admin:
    """Answers /ledger, /clock, /script and /health."""

    def __init__(
        self,
        store: Store,
        clock: WorldClock,
        faults: Faults,
        clock_set: Callable[[], None],
        outage_set: Callable[[], None],
    ) -> None:
        self._store, self._clock, self._faults = store, clock, faults
        self._clock_set, self._outage_set = clock_set, outage_set
        self.routes: dict[tuple[str, str], Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]] = {
            ("GET", "/ledger"): self.ledger,
            ("GET", "/clock"): self.get_clock,
            ("PUT", "/clock"): self.put_clock,
            ("GET", "/script"): self.get_script,
            ("POST", "/script"): self.post_script,
            ("DELETE", "/script"): self.delete_script,
            ("GET", "/health"): self.health,
        }

    async def ledger(self, request: web.BaseRequest) -> web.StreamResponse:
        """GET /ledger: every table, one object each row, in order; times also as ISO text where they end in `_iso`.
        Activation codes only with `?codes=yes`."""
        unit_code = request.query.get("unit_code")
        shown: dict[str, Any] = {"world": iso(self._clock.now())}
        for name, sql in TABLES.items():
            if unit_code is None:
                rows = self._store.rows(sql)
            else:
                rows = self._store.rows(f"select * from ({sql}) where unit_code = ?", (unit_code,))
            shown[name] = [dict(row) for row in rows]
        for row in shown["arrivals"]:
            row["at_real_iso"], row["at_world_iso"] = iso(row["at_real"]), iso(row["at_world"])
        for row in shown["filings"]:
            row["steps"] = json.loads(row["steps"])
        shown["mails"] = [mail(row) for row in shown["mails"]]
        if request.query.get("codes") != "yes":
            for row in (row for table in SECRET for row in shown[table]):
                row["code"] = ""
        await self._store.settled()
        return reply_json(shown)

    async def get_clock(self, request: web.BaseRequest) -> web.StreamResponse:
        """GET /clock."""
        return reply_json(self._clock.shown())

    async def put_clock(self, request: web.BaseRequest) -> web.StreamResponse:
        """PUT /clock."""
        try:
            asked = json.loads(await request.read())
            base, anchor = moment(asked["base"]), moment(asked["anchor"]) if "anchor" in asked else time.time()
            self._clock.put(base, anchor, float(asked.get("rate", 1)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return reply_json(
                {
                    "error": f"base (ISO time), anchor (real ISO time, default now) and rate (default 1) are "
                    f"needed: {error}"
                },
                400,
            )
        await self._store.settled()
        self._clock_set()
        return reply_json(self._clock.shown())

    async def get_script(self, request: web.BaseRequest) -> web.StreamResponse:
        """GET /script."""
        return reply_json({"rules": self._faults.shown(), "outage": outage(self._store)})

    async def post_script(self, request: web.BaseRequest) -> web.StreamResponse:
        """POST /script: rules, an outage, or both."""
        try:
            asked = json.loads(await request.read())
            rules = asked if isinstance(asked, list) else asked.get("rules", [])
            seconds = (
                None if isinstance(asked, list) or "outage_seconds" not in asked else float(asked["outage_seconds"])
            )
            mode = "refuse" if isinstance(asked, list) else str(asked.get("mode", "refuse"))
            if mode not in MODES:
                raise BadRule(f"mode must be one of {', '.join(MODES)}")
            self._faults.add(rules)
        except (ValueError, TypeError, AttributeError) as error:
            return reply_json({"error": str(error)}, 400)
        if seconds is not None:
            self._store.write(
                "insert into outage (id, until_real, mode) values (1, ?, ?) on conflict (id) do update set "
                "until_real = excluded.until_real, "
                "mode = excluded.mode",
                (time.time() + seconds, mode),
            )
        await self._store.settled()
        if seconds is not None:
            self._outage_set()
        return reply_json({"rules": self._faults.shown(), "outage": outage(self._store)})

    async def delete_script(self, request: web.BaseRequest) -> web.StreamResponse:
        """DELETE /script: no rules, no outage."""
        self._faults.clear()
        self._store.write("delete from outage")
        await self._store.settled()
        self._outage_set()
        return reply_json({"rules": [], "outage": None})

    async def health(self, request: web.BaseRequest) -> web.StreamResponse:
        """GET /health."""
        queued = self._store.row(
            "select (select count(*) from tasks), (select count(*) from mails where state = 'queued')"
        )
        assert queued is not None
        return reply_json({"ready": True, "tasks": queued[0], "mails_queued": queued[1]})


def outage(store: Store) -> dict[str, Any] | None:
    """The outage that is on, if any: mode and seconds left."""
    row = store.row("select until_real, mode from outage where until_real > ?", (time.time(),))
    return None if row is None else {"mode": row["mode"], "seconds_left": row["until_real"] - time.time()}

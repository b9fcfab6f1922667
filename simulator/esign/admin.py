"""What tests and demonstrations may ask beside the service: people, phones, faults, the clock, the ledger."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from simulator.esign.ledger import OPEN, Ledger
from simulator.esign.people import People, Wanted
from simulator.esign.phones import ANSWERS, Habit, Phones
from simulator.esign.service import CALLS, FAULTS, MESSAGE_FAULTS


class Admin:
    """Answers /admin/... and /ledger, /clock, /health. Whoever reaches it may do everything: loopback only."""

    def __init__(self, ledger: Ledger, people: People, phones: Phones) -> None:
        self._ledger, self._people, self._phones = ledger, people, phones

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/health", self._ok),
            web.get("/ledger", self._shown),
            web.put("/clock", self._reading(self._clock)),
            web.post("/admin/people", self._reading(self._person)),
            web.post("/admin/expire", self._reading(self._expire)),
            web.post("/admin/certificates", self._reading(self._status)),
            web.put("/admin/habit", self._reading(self._habit)),
            web.put("/admin/webhook", self._reading(self._webhook)),
            web.post("/admin/prompts", self._reading(self._answer)),
            web.post("/admin/faults", self._reading(self._faults)),
        ]

    def _reading(
        self, handler: Callable[[dict[str, Any]], web.Response]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            try:
                return handler(json.loads(await request.read()))
            except (ValueError, KeyError, TypeError) as error:
                return web.json_response({"error": repr(error)}, status=400)

        return answer

    async def _ok(self, request: web.Request) -> web.Response:
        return web.json_response({"ready": True})

    async def _shown(self, request: web.Request) -> web.Response:
        self._phones.look()
        return web.json_response(self._ledger.shown())

    def _clock(self, body: dict[str, Any]) -> web.Response:
        """base (ISO time), anchor (real, default now), rate (default 1): the world's clock."""
        anchor = datetime.fromisoformat(body["anchor"]).timestamp() if "anchor" in body else time.time()
        self._ledger.set_clock(datetime.fromisoformat(body["base"]).timestamp(), anchor, float(body.get("rate", 1)))
        self._phones.look()
        return web.json_response({"now": datetime.fromtimestamp(self._ledger.now(), UTC).isoformat()})

    def _person(self, body: dict[str, Any]) -> web.Response:
        """name, password, two_factor, certificates [{tax_code, name, status, auto, days}]."""
        wanted = [Wanted(**one) for one in body.get("certificates", [])]
        made = self._people.add(str(body["name"]), str(body["password"]), bool(body.get("two_factor")), wanted)
        return web.json_response({"certificates": made})

    def _expire(self, body: dict[str, Any]) -> web.Response:
        """name, refresh: the access tokens end; with refresh also those, and the remembered second factor."""
        self._people.expire(str(body["name"]), bool(body.get("refresh")))
        return web.json_response({})

    def _status(self, body: dict[str, Any]) -> web.Response:
        """alias, status: ACTIVE, or anything else."""
        changed = self._ledger.write(
            "update certificate set status = ? where alias = ?", str(body["status"]), str(body["alias"])
        )
        return web.json_response({"changed": changed})

    def _habit(self, body: dict[str, Any]) -> web.Response:
        """answer (approve, decline, fail, expire or empty), after_polls, after_seconds, lifetime: what people do by themselves."""
        answer = str(body.get("answer", ""))
        if answer and answer not in ANSWERS:
            raise ValueError(f"answer is one of {', '.join(ANSWERS)}, or empty")
        self._phones.habit = Habit(answer, int(body.get("after_polls", 0)), float(body.get("after_seconds", 0)))
        self._phones.lifetime = float(body.get("lifetime", self._phones.lifetime))
        return web.json_response({})

    def _webhook(self, body: dict[str, Any]) -> web.Response:
        self._phones.webhook = str(body["url"])
        return web.json_response({})

    def _answer(self, body: dict[str, Any]) -> web.Response:
        """answer, number (absent: all that are open): what somebody does on a phone. How many prompts changed."""
        open_ = self._ledger.rows("select number from prompt where state = ? order by opened", OPEN)
        numbers = [str(body["number"])] if "number" in body else [row["number"] for row in open_]
        return web.json_response(
            {"changed": sum(self._phones.answer(number, str(body["answer"])) for number in numbers)}
        )

    def _faults(self, body: dict[str, Any]) -> web.Response:
        """call, fault, times (absent: always); or {"clear": true}."""
        if body.get("clear"):
            self._ledger.write("delete from fault")
            return web.json_response({})
        call, fault = str(body["call"]), str(body["fault"])
        if call not in CALLS or fault not in (MESSAGE_FAULTS if call == "webhook" else FAULTS):
            raise ValueError(f"{fault!r} of {call!r}: calls are {', '.join(CALLS)}; faults are {', '.join(FAULTS)}")
        self._ledger.write("insert into fault(call, fault, times) values (?, ?, ?)", call, fault, body.get("times"))
        return web.json_response({})

"""The agency's gateway over HTTP: the contract of docs/gateway.md, disturbed where a unit or a script asks for it."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from simulator import gate, replies, roster
from simulator.clock import WorldClock
from simulator.faults import ANSWERED_BEFORE, Faults
from simulator.gate import Given
from simulator.officer import Officer
from simulator.reading import REGISTER, STOP
from simulator.refusals import Refusal
from simulator.settings import Settings
from simulator.store import Store
from simulator.transport import SHOWN, gone, reply_json, reply_xml, reset, spoil, unprocessed

WRONG_TRIES = 5
MAX_TRANSACTIONS = 200
HELD_BACK = frozenset({"A3P", "A4"})


class Gateway:
    """Answers the calls of the contract. Each call's writes happen without an await between them, and are committed
    before it answers."""

    def __init__(self, store: Store, clock: WorldClock, faults: Faults, officer: Officer, settings: Settings) -> None:
        self._store, self._clock, self._faults, self._officer, self._settings = store, clock, faults, officer, settings
        officer.process = self._process_later
        self.routes: dict[tuple[str, str], Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]] = {
            ("POST", "/v1/dossiers"): self.submit,
            ("GET", "/v1/dossiers"): self.find,
            ("GET", "/v1/replies"): self.list_replies,
            ("POST", "/v1/activations"): self.activate,
            ("GET", "/v1/activations"): self.activated,
            ("GET", "/v1/roster"): self.list_employees,
        }

    # filings

    async def submit(self, request: web.BaseRequest) -> web.StreamResponse:
        """POST /v1/dossiers."""
        head = request.headers
        unit_code, procedure, key = (
            head.get("X-Unit-Code", ""),
            head.get("X-Procedure", ""),
            head.get("Idempotency-Key"),
        )
        fault = next(iter(self._faults.fire(unit_code, procedure, "submit")), "")
        if fault in ANSWERED_BEFORE:
            return await self._not_processed(request, "submit", unit_code, procedure, fault)
        try:
            body = await request.read()
        except ConnectionError:
            self.non_arrival("submit", unit_code, procedure, "no-body", key)
            raise
        given = Given(
            procedure=procedure,
            unit_code=unit_code,
            tax_code=head.get("X-Tax-Code", ""),
            agency=head.get("X-Agency", ""),
            sender=head.get("X-Sender", ""),
            key=key,
            contact=head.get("X-Contact"),
            body=body,
        )
        if (
            self._settings.honour_keys
            and key
            and (known := self._store.row("select * from filings where idempotency_key = ?", (key,)))
        ):
            self.non_arrival("submit", unit_code, procedure, "key-honoured", key)
            return await self._answer(
                request, reply_xml(replies.receipt(replies.note(known, self._clock.now(), with_steps=False))), fault
            )
        if fault in HELD_BACK:
            return await self._hold_back(request, given, fault)
        arrival = self._arrived(given)
        status, note = self._process(arrival, given)
        if fault:
            self._store.write("update arrivals set answered = ? where id = ?", (SHOWN.get(fault, fault), arrival))
        return await self._answer(request, reply_xml(replies.receipt(note) if note else b"", status), fault)

    async def _hold_back(self, request: web.BaseRequest, given: Given, fault: str) -> web.StreamResponse:
        """A3P and A4: the arrival is durable, its processing comes later and the caller is told nothing."""
        arrival = self._arrived(given)
        headers = {slot: getattr(given, slot) for slot in Given.__slots__ if slot != "body"}
        hang = fault == "A3P"
        self._officer.put_off(
            arrival, headers, given.body, self._settings.hang_seconds if hang else self._settings.late_seconds
        )
        self._store.write("update arrivals set answered = ? where id = ?", (SHOWN.get(fault, fault), arrival))
        await self._store.settled()
        if hang:
            await gone(request, self._settings.hang_seconds)
            self._officer.process_now(arrival)
        return reset(request)

    def _process_later(self, task: sqlite3.Row) -> None:
        given = Given(**json.loads(task["data"]), body=task["body"])
        self._process(task["arrival_id"], given)

    def _arrived(self, given: Given) -> int:
        row = self._store.write(
            "insert into arrivals (at_real, at_world, procedure, unit_code, tax_code, sender, sha256, size, "
            "idempotency_key, outcome) "
            "values (?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending')",
            (
                time.time(),
                self._clock.now(),
                given.procedure,
                given.unit_code,
                given.tax_code,
                given.sender,
                given.sha256,
                len(given.body),
                given.key,
            ),
        )
        assert row.lastrowid is not None
        return row.lastrowid

    def _process(self, arrival: int, given: Given) -> tuple[int, str]:
        """Take a filing in, refuse it, or call it a duplicate. Answers with status and note (empty: no body)."""
        now = self._clock.now()
        earlier = gate.duplicate_of(self._store, given.sha256)
        if earlier is not None:
            self._close(arrival, earlier["transaction_id"], "duplicate", "SIM010")
            told = next(iter(self._faults.fire(given.unit_code, given.procedure, "duplicate")), "")
            if told:
                self._store.write("update arrivals set answered = ? where id = ?", (told, arrival))
                return int(told), replies.note(earlier, now, with_steps=False) if told == "208" else ""
            return 200, replies.refused(Refusal("SIM010", f"hồ sơ {earlier['transaction_id']}"), dict(earlier), now)
        form = signer = None
        try:
            form, signer = gate.examine(given, now)
            gate.admit(self._store, given, form, signer, self._faults.fire(given.unit_code, given.procedure, "gate"))
        except Refusal as refusal:
            transaction = self._officer.note(given, form, signer, refusal)
            self._close(arrival, transaction, "refused", refusal.code)
        else:
            transaction = self._officer.take_in(given, form, signer)
            self._close(arrival, transaction, "received", None)
        filing = dict(self._filing(transaction) or {})
        if filing["state"] == "CHAP_NHAN" or filing["taken_in"]:
            filing |= {
                "state": "TIEP_NHAN",
                "code": "",
                "reason": "",
                "number": "",
            }  # the first answer knows no more than that it is here
        return 200, replies.note(filing, now, with_steps=False)

    def _close(self, arrival: int, transaction: str, outcome: str, code: str | None) -> None:
        self._store.write(
            "update arrivals set transaction_id = ?, outcome = ?, code = ? where id = ?",
            (transaction, outcome, code, arrival),
        )

    def _filing(self, transaction: str) -> sqlite3.Row | None:
        return self._store.row("select * from filings where transaction_id = ?", (transaction,))

    async def find(self, request: web.BaseRequest) -> web.StreamResponse:
        """GET /v1/dossiers."""
        query = request.query
        unit_code, procedure, sha256, key = (
            query.get(name, "") for name in ("unit_code", "procedure", "sha256", "key")
        )
        if not unit_code or not procedure or not (sha256 or key):
            return await self._answer(
                request, reply_json({"error": "unit_code, procedure and sha256 or key are needed"}, 400)
            )
        column, value = ("sha256", sha256.lower()) if sha256 else ("idempotency_key", key)
        rows = self._store.rows(
            f"select * from filings where unit_code = ? and procedure = ? and {column} = ? order by rowid",
            (unit_code, procedure, value),
        )
        now = self._clock.now()
        body = replies.listing(replies.note(row, now, with_steps=False) for row in rows)
        return await self._answer(request, reply_xml(body), *self._faults.fire(unit_code, procedure, "find")[:1])

    async def list_replies(self, request: web.BaseRequest) -> web.StreamResponse:
        """GET /v1/replies."""
        wanted = list(dict.fromkeys(request.query.getall("transaction", [])))
        if not wanted or len(wanted) > MAX_TRANSACTIONS:
            return await self._answer(
                request, reply_json({"error": f"1 to {MAX_TRANSACTIONS} transactions are needed"}, 400)
            )
        marks = ",".join("?" * len(wanted))
        rows = self._store.rows(f"select * from filings where transaction_id in ({marks}) order by rowid", wanted)
        now, notes, spoiled = self._clock.now(), [], ""
        for row in rows:
            quirks = self._faults.fire(row["unit_code"], row["procedure"], "replies")
            spoiled = next((fault for fault in quirks if not fault.startswith("A9")), spoiled)
            notes += [replies.note(row, now, quirks)] * (2 if "A9-TWICE" in quirks else 1)
        return await self._answer(request, reply_xml(replies.listing(notes)), spoiled)

    # activation and employees

    async def activate(self, request: web.BaseRequest) -> web.StreamResponse:
        """POST /v1/activations."""
        try:
            asked = json.loads(await request.read())
            transaction, unit_code, code = (str(asked[name]) for name in ("transaction", "unit_code", "code"))
        except (ValueError, KeyError, TypeError):
            return await self._answer(request, reply_json({"error": "transaction, unit_code and code are needed"}, 400))
        quirks = self._faults.fire(unit_code, REGISTER, "activate")
        fault = next((quirk for quirk in quirks if quirk != "EXPIRE"), "")
        if fault in ANSWERED_BEFORE:
            return await self._not_processed(request, "activate", unit_code, REGISTER, fault)
        now = self._clock.now()
        if "EXPIRE" in quirks:
            self._store.write("update codes set expires_world = ? where transaction_id = ?", (now - 1, transaction))
        filing = self._filing(transaction)
        known = replies.blank(transaction, unit_code, now) if filing is None else dict(filing)
        try:
            self._use_code(filing, unit_code, transaction, code, now)
        except Refusal as refusal:
            outcome, note = refusal.code, replies.refused(refusal, known, now)
        else:
            outcome, note = "00", replies.note({**known, "state": "CHAP_NHAN"}, now, with_steps=False)
        self._store.write(
            "insert into activations (at_real, at_world, transaction_id, unit_code, code, outcome) "
            "values (?, ?, ?, ?, ?, ?)",
            (time.time(), now, transaction, unit_code, code, outcome),
        )
        return await self._answer(request, reply_xml(replies.receipt(note)), fault)

    def _use_code(self, filing: sqlite3.Row | None, unit_code: str, transaction: str, code: str, now: float) -> None:
        """Activate the unit, or refuse."""
        held = self._store.row("select * from codes where transaction_id = ?", (transaction,))
        if filing is None or filing["unit_code"] != unit_code:
            raise Refusal("SIM041", transaction)
        if held is None:
            raise Refusal("SIM013")
        if held["used_world"] is not None or gate.unit(self._store, unit_code)["active_transaction"]:
            raise Refusal("SIM016")
        if held["wrong_tries"] >= WRONG_TRIES:
            raise Refusal("SIM015", "nhập sai mã kích hoạt quá nhiều lần")
        if code != held["code"]:
            self._store.write("update codes set wrong_tries = wrong_tries + 1 where transaction_id = ?", (transaction,))
            raise Refusal("SIM013")
        if held["expires_world"] is not None and now > held["expires_world"]:
            raise Refusal("SIM014")
        self._store.write("update codes set used_world = ? where transaction_id = ?", (now, transaction))
        self._store.write(
            "update units set active_transaction = ?, provider_code = ?, provider_name = '' where unit_code = ?",
            (transaction, filing["sender"], unit_code),
        )

    async def activated(self, request: web.BaseRequest) -> web.StreamResponse:
        """GET /v1/activations."""
        unit_code, transaction = request.query.get("unit_code", ""), request.query.get("transaction", "")
        now = self._clock.now()
        yes = self._store.row(
            "select 1 from codes where transaction_id = ? and unit_code = ? and used_world is not null",
            (transaction, unit_code),
        )
        filing = self._filing(transaction)
        known = replies.blank(transaction, unit_code, now) if filing is None else dict(filing)
        state = {"state": "CHAP_NHAN", "code": ""} if yes else {"state": "TIEP_NHAN", "code": "01"}
        note = replies.note({**known, **state, "reason": ""}, now, with_steps=False).replace(
            "<MA_LOI>01</MA_LOI>", "<MA_LOI></MA_LOI>"
        )
        return await self._answer(request, reply_xml(replies.receipt(note)))

    async def list_employees(self, request: web.BaseRequest) -> web.StreamResponse:
        """GET /v1/roster."""
        query = request.query
        unit_code = query.get("unit_code", "")
        try:
            page, size = int(query.get("page", "1")), int(query.get("size", "200"))
        except ValueError:
            page = size = 0
        if page < 1 or not 1 <= size <= 1000:
            return await self._answer(request, reply_json({"error": "page from 1, size from 1 to 1000"}, 400))
        fault = next(iter(self._faults.fire(unit_code, REGISTER, "roster")), "")
        if fault in ANSWERED_BEFORE:
            return await self._not_processed(request, "roster", unit_code, REGISTER, fault)
        row = self._store.row("select active_transaction from units where unit_code = ?", (unit_code,))
        active = row is not None and row[0] is not None
        self._store.write(
            "insert into roster_fetches (at_real, at_world, unit_code, page, status) values (?, ?, ?, ?, ?)",
            (time.time(), self._clock.now(), unit_code, page, 200 if active else 403),
        )
        if not active:
            return await self._answer(request, reply_json({"error": "the unit is not activated"}, 403))
        everybody = roster.employees(unit_code)
        shown = {"TotalRecords": len(everybody), "page": page, "employees": everybody[(page - 1) * size : page * size]}
        return await self._answer(request, reply_json(shown))

    # answering

    def non_arrival(self, call: str, unit_code: str, procedure: str, kind: str, key: str | None = None) -> None:
        """Note a request that was not processed."""
        self._store.write(
            "insert into non_arrivals (at_real, at_world, call, unit_code, procedure, idempotency_key, kind) "
            "values (?, ?, ?, ?, ?, ?, ?)",
            (time.time(), self._clock.now(), call, unit_code, procedure, key, kind),
        )

    async def _not_processed(
        self, request: web.BaseRequest, call: str, unit_code: str, procedure: str, fault: str
    ) -> web.StreamResponse:
        self.non_arrival(call, unit_code, procedure, fault, request.headers.get("Idempotency-Key"))
        if fault == "A1":
            await self._store.settled()
            return reset(request)
        await request.read()
        now = self._clock.now()
        sample: dict[str, Any] = replies.blank(
            "GD00000000000000000000", unit_code, now, procedure if procedure == STOP else REGISTER
        )
        sample["unit_name"] = "Đơn vị sử dụng lao động"
        reply = (
            reply_json({"TotalRecords": 0, "page": 1, "employees": []})
            if call == "roster"
            else reply_xml(replies.receipt(replies.note(sample, now)))
        )
        return await self._answer(request, unprocessed(fault, reply), "A3" if fault == "A3" else "")

    async def _answer(self, request: web.BaseRequest, reply: web.Response, fault: str = "") -> web.StreamResponse:
        """Give the answer after all is committed, spoiled if a fault says so."""
        await self._store.settled()
        if not fault:
            return reply
        if fault == "A3":
            await gone(request, self._settings.hang_seconds)
            return reset(request)
        if fault in ("A1", "A2"):
            return reset(request)
        return spoil(fault, reply)


async def not_found(request: web.BaseRequest) -> web.StreamResponse:
    """No such call."""
    await asyncio.sleep(0)
    return reply_json({"error": f"no such call: {request.method} {request.path}"}, 404)

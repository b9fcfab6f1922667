"""The agency's gateway over HTTP: the contract of docs/gateway.md, disturbed where a unit or a script asks for it."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from aiohttp import web

from simulator import admission, envelope, gate, replies, rules, units
from simulator.activation import Activation
from simulator.admission import Case
from simulator.clock import WorldClock
from simulator.faults import ANSWERED_BEFORE, DISBELIEVED, Faults
from simulator.gate import Given
from simulator.inquiries import Inquiries
from simulator.officer import Officer
from simulator.reading import FIRST, REGISTER
from simulator.refusals import Refusal
from simulator.replies import Notes
from simulator.settings import Settings
from simulator.store import Store
from simulator.transport import SHOWN, gone, reply_json, reply_xml, reset, spoil, unprocessed

MAX_TRANSACTIONS = 200
TOLD_APART = "N09"
"""The magic family whose first-time dossiers are told apart by licence number too."""
HELD_BACK = frozenset({"A3P", "A4"})


class Gateway:
    """Answers the calls of the contract. Each call's writes happen without an await between them, and are committed
    before it answers."""

    def __init__(
        self, store: Store, clock: WorldClock, faults: Faults, officer: Officer, settings: Settings, notes: Notes
    ) -> None:
        self._store, self._clock, self._faults, self._officer, self._settings = store, clock, faults, officer, settings
        self._notes = notes
        self._activation = Activation(store, clock, officer)
        self._inquiries = Inquiries(store, clock, faults, settings)
        officer.process = self._process_later
        able: dict[str, dict[tuple[str, str], Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]]] = {
            "": {
                ("POST", "/v1/dossiers"): self.submit,
                ("GET", "/v1/capabilities"): self.capabilities,
            },
            "find": {("GET", "/v1/dossiers"): self.find},
            "replies": {("GET", "/v1/replies"): self.list_replies},
            "activation": {("POST", "/v1/activations"): self.activate, ("GET", "/v1/activations"): self.activated},
            "roster": {("GET", "/v1/roster"): self.list_employees},
            "lookup": {("GET", "/v1/units"): self.look_up},
        }
        self.routes = {
            call: unable if word in settings.without else answer
            for word, calls in able.items()
            for call, answer in calls.items()
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
        if procedure == FIRST:  # only its contents say whose it is
            try:
                body = await request.read()
            except ConnectionError:
                self.non_arrival("submit", unit_code, procedure, "no-body", key)
                raise
            who = self._employer(head.get("X-Tax-Code", ""), body)
        else:
            body, who = b"", unit_code
        fault = next(iter(self._faults.fire(who, procedure, "submit")), "")
        if fault in ANSWERED_BEFORE:
            return await self._not_processed(request, "submit", unit_code, procedure, fault)
        try:
            body = body or await request.read()
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
                request, reply_xml(replies.receipt(self._notes.note(known, self._clock.now(), with_steps=False))), fault
            )
        if fault in HELD_BACK:
            return await self._hold_back(request, given, fault)
        arrival = self._arrived(given)
        status, note = self._process(arrival, given, fault.removeprefix("A12-") if fault in DISBELIEVED else "")
        if fault:
            self._store.write("update arrivals set answered = ? where id = ?", (SHOWN.get(fault, fault), arrival))
        spoiled = "" if fault in DISBELIEVED else fault
        return await self._answer(request, reply_xml(replies.receipt(note) if note else b"", status), spoiled)

    def _employer(self, tax_code: str, body: bytes) -> str:
        """Who files a first-time dossier. The magic families that its name or licence number asks for are noted."""
        name, licence = envelope.glance(body)
        who = rules.who(tax_code, name)
        families = units.families_in(name, licence)
        if TOLD_APART in families:
            who = f"{who} {rules.folded(licence)}"
        if families != self._faults.families(who):
            self._faults.name(who, families)
        return who

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

    def _process(self, arrival: int, given: Given, a12: str = "") -> tuple[int, str]:
        """Take a filing in, refuse it, or call it a duplicate. Answers with status and note (empty: no body)."""
        now = self._clock.now()
        who = self._employer(given.tax_code, given.body) if given.procedure == FIRST else given.unit_code
        earlier = admission.duplicate_of(self._store, given.sha256)
        if earlier is not None:
            self._close(arrival, earlier["transaction_id"], "duplicate", "SIM010")
            told = next(iter(self._faults.fire(who, given.procedure, "duplicate")), "")
            if told:
                self._store.write("update arrivals set answered = ? where id = ?", (told, arrival))
                known = self._notes.note(self._shown(earlier), now, with_steps=False)
                return int(told), known if told == "208" else ""
            refusal = Refusal("SIM010", f"hồ sơ {earlier['transaction_id']}")
            return 200, self._notes.refused(refusal, dict(earlier), now)
        form = signer = None
        try:
            form, signer = gate.examine(given, now)
            case = Case(given, form, signer, who, self._faults.fire(who, given.procedure, "gate"), now)
            admission.admit(self._store, case, self._settings.electronic)
        except Refusal as refusal:
            transaction = self._officer.note(given, form, signer, refusal)
            self._close(arrival, transaction, "refused", refusal.code)
        else:
            transaction = self._officer.take_in(case)
            self._close(arrival, transaction, "received", None)
        filing = dict(self._filing(transaction) or {})
        if filing["taken_in"]:  # the first answer knows no more than that it is here
            filing |= {"state": "TIEP_NHAN", "code": "", "reason": "", "number": "", "decided_world": None}
        return 200, self._notes.note(filing, now, with_steps=False, a12=a12)

    def _close(self, arrival: int, transaction: str, outcome: str, code: str | None) -> None:
        self._store.write(
            "update arrivals set transaction_id = ?, outcome = ?, code = ? where id = ?",
            (transaction, outcome, code, arrival),
        )

    def _filing(self, transaction: str) -> sqlite3.Row | None:
        return self._store.row("select * from filings where transaction_id = ?", (transaction,))

    def _shown(self, filing: sqlite3.Row, quirks: Collection[str] = ()) -> dict[str, Any]:
        """A filing as replies show it: a first-time dossier with the unit code granted; nothing of the outcome where
        the gateway is silent."""
        shown = dict(filing)
        if "SILENT" in quirks and shown["taken_in"]:
            return shown | {"state": "TIEP_NHAN", "code": "", "reason": "", "steps": "[]", "decided_world": None}
        if shown["procedure"] == FIRST and shown["state"] == "CHAP_NHAN":
            row = self._store.row(
                "select granted_code from first_time where transaction_id = ?", (shown["transaction_id"],)
            )
            shown["unit_code"] = row[0] if row is not None else ""
        return shown

    async def find(self, request: web.BaseRequest) -> web.StreamResponse:
        """GET /v1/dossiers."""
        query = request.query
        unit_code, procedure, sha256, key, tax_code = (
            query.get(name, "") for name in ("unit_code", "procedure", "sha256", "key", "tax_code")
        )
        owner = tax_code if procedure == FIRST else unit_code
        if not owner or not procedure:
            needed = "unit_code (of procedure 604 tax_code instead) and procedure are needed"
            return await self._answer(request, reply_json({"error": needed}, 400))
        column, value = ("sha256", sha256.lower()) if sha256 else ("idempotency_key", key)
        which = f"and {column} = ?" if value else ""  # without either: all of them
        rows = self._store.rows(
            f"select * from filings where {'tax_code' if procedure == FIRST else 'unit_code'} = ? and procedure = ? "
            f"{which} order by rowid",
            (owner, procedure, *([value] if value else ())),
        )
        now = self._clock.now()
        body = replies.listing(self._notes.note(self._shown(row), now, with_steps=False) for row in rows)
        who = self._officer.who(rows[-1]) if rows else owner
        return await self._answer(request, reply_xml(body), *self._faults.fire(who, procedure, "find")[:1])

    async def list_replies(self, request: web.BaseRequest) -> web.StreamResponse:
        """GET /v1/replies."""
        wanted = list(dict.fromkeys(request.query.getall("transaction", [])))
        if not wanted or len(wanted) > MAX_TRANSACTIONS:
            return await self._answer(
                request, reply_json({"error": f"1 to {MAX_TRANSACTIONS} transactions are needed"}, 400)
            )
        marks = ",".join("?" * len(wanted))
        rows = self._store.rows(f"select * from filings where transaction_id in ({marks}) order by rowid", wanted)
        notes, spoiled = [], ""
        for row in rows:
            who, procedure = self._officer.who(row), row["procedure"]
            if procedure == FIRST and row["taken_in"]:
                self._officer.asked(row["transaction_id"])
            quirks = self._faults.fire(who, procedure, "replies")
            spoiled = next((fault for fault in quirks if not fault.startswith("A9") and fault != "SILENT"), spoiled)
            notes += [self._reply(row, who, quirks)] * (2 if "A9-TWICE" in quirks else 1)
        return await self._answer(request, reply_xml(replies.listing(notes)), spoiled)

    def _reply(self, row: sqlite3.Row, who: str, quirks: Collection[str]) -> str:
        shown = self._shown(row, quirks)
        decided = shown["state"] != "TIEP_NHAN"
        a12 = next(iter(self._faults.fire(who, row["procedure"], "sign")), "") if decided else ""
        return self._notes.note(shown, self._clock.now(), quirks, a12=a12.removeprefix("A12-"))

    # activation and employees

    async def activate(self, request: web.BaseRequest) -> web.StreamResponse:
        """POST /v1/activations."""
        try:
            asked = json.loads(await request.read())
            transaction, unit_code, code = (str(asked[name]) for name in ("transaction", "unit_code", "code"))
        except (ValueError, KeyError, TypeError):
            return await self._answer(request, reply_json({"error": "transaction, unit_code and code are needed"}, 400))
        who = self._activation.who(transaction, unit_code)
        quirks = self._faults.fire(who, self._activation.procedure(transaction) or REGISTER, "activate")
        fault = next((quirk for quirk in quirks if quirk != "EXPIRE"), "")
        if fault in ANSWERED_BEFORE:
            return await self._not_processed(request, "activate", unit_code, REGISTER, fault)
        if "EXPIRE" in quirks:
            self._activation.expire(transaction)
        _, note = self._activation.use(transaction, unit_code, code)
        return await self._answer(request, reply_xml(replies.receipt(note)), fault)

    async def activated(self, request: web.BaseRequest) -> web.StreamResponse:
        """GET /v1/activations."""
        note = self._activation.done(request.query.get("transaction", ""), request.query.get("unit_code", ""))
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
        fault, quirks = self._inquiries.roster_faults(unit_code)
        if fault in ANSWERED_BEFORE:
            return await self._not_processed(request, "roster", unit_code, REGISTER, fault)
        shown = self._inquiries.employees(unit_code, page, size, quirks)
        if shown is None:
            return await self._answer(request, reply_json({"error": "the unit is not activated"}, 403))
        return await self._answer(request, reply_json(shown))

    async def look_up(self, request: web.BaseRequest) -> web.StreamResponse:
        """GET /v1/units."""
        tax_code = request.query.get("tax_code", "")
        fault = next(iter(self._faults.fire(tax_code, "", "lookup")), "")
        if fault in ANSWERED_BEFORE:
            return await self._not_processed(request, "lookup", "", "", fault)
        wait = self._inquiries.too_many()
        if wait:
            return web.Response(status=429, headers={"Retry-After": str(wait)})
        shown = self._inquiries.directory(tax_code, request.query.get("name", ""))
        if shown is None:
            return await self._answer(request, reply_json({"error": "tax_code is needed: 10 or 13 digits"}, 400))
        return await self._answer(request, reply_json(shown))

    async def capabilities(self, request: web.BaseRequest) -> web.StreamResponse:
        """GET /v1/capabilities."""
        return await self._answer(request, reply_json(self._inquiries.capabilities()))

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
            "GD00000000000000000000", unit_code, now, procedure if procedure in replies.TITLES else REGISTER
        )
        sample["unit_name"] = "Đơn vị sử dụng lao động"
        empty: dict[str, Any] = {"TotalRecords": 0, "page": 1, "employees": []} if call == "roster" else {"units": []}
        reply = (
            reply_json(empty)
            if call in ("roster", "lookup")
            else reply_xml(replies.receipt(replies.unsigned(sample, now)))
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


async def unable(request: web.BaseRequest) -> web.StreamResponse:
    """A call that this gateway does not have."""
    await request.read()
    return reply_json({"error": f"{request.method} {request.path} is not offered here: use the portal"}, 501)


async def not_found(request: web.BaseRequest) -> web.StreamResponse:
    """No such call."""
    await asyncio.sleep(0)
    return reply_json({"error": f"no such call: {request.method} {request.path}"}, 404)

"""What only people do at the real agency: paper over the counter, the portal's pages, an officer's mind made up.

For judges and tests, like `admin`. What cannot be understood is answered 400 with `error`.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import fields
from typing import Any

from aiohttp import web

from simulator import outcomes, replies, rules, units
from simulator.activation import Activation
from simulator.clock import WorldClock
from simulator.faults import Faults
from simulator.letters import Letter, Letters
from simulator.looks import Look
from simulator.officer import Officer
from simulator.reading import FIRST
from simulator.refusals import Refusal
from simulator.store import Store
from simulator.transport import reply_json, reply_xml
from simulator.wordings import worded

SENDABLE = ("activation", "stop-result", "change-result", "unit-code-result")
Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class NotUnderstood(ValueError):
    """A request of the counter cannot be carried out. The message is for people."""


class Counter:
    """Answers /paper, /units, /officer, /portal/…, /mails, /codes and /certificate."""

    def __init__(
        self, store: Store, clock: WorldClock, faults: Faults, officer: Officer, letters: Letters, certificate: bytes
    ) -> None:
        self._store, self._clock, self._faults, self._officer, self._letters = store, clock, faults, officer, letters
        self._activation = Activation(store, clock, officer)
        self._certificate = certificate
        self.routes: dict[tuple[str, str], Answer] = {
            ("POST", "/paper"): self._told(self.paper),
            ("POST", "/units"): self._told(self.know_units),
            ("POST", "/officer"): self._told(self.decide),
            ("POST", "/portal/activations"): self.activate_by_hand,
            ("POST", "/portal/stops"): self._told(self.stop_by_hand),
            ("POST", "/mails"): self._told(self.send),
            ("POST", "/mails/deliver"): self._told(self.deliver),
            ("GET", "/mails"): self.mails,
            ("GET", "/codes"): self.codes,
            ("GET", "/certificate"): self.certificate,
        }

    def _told(self, act: Callable[[Any], Any]) -> Answer:
        """A call whose JSON body is given to `act`, and whose answer is what that answers."""

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            try:
                done = act(json.loads(await request.read()))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                said = str(error) if isinstance(error, NotUnderstood) else f"not understood: {error!r}"
                return reply_json({"error": said}, 400)
            await self._store.settled()
            return reply_json(done)

        return answer

    def paper(self, asked: dict[str, Any]) -> dict[str, str]:
        """POST /paper: the officer receives a TK3-TS on paper and grants a code at once. The unit is known from then on;
        magic families in its name or licence number are those of the code."""
        name, tax_code, agency = str(asked["name"]), str(asked["tax_code"]), str(asked.get("agency", "00101"))
        if not rules.tax_code_valid(tax_code):
            raise NotUnderstood(f"tax_code {tax_code!r} has a wrong shape or check digit")
        if not name.strip() or not rules.agency_known(agency):
            raise NotUnderstood("name must not be empty, agency must be one of a province's offices")
        code = units.fresh_code(self._store)
        units.grant(self._store, code, tax_code, name, transaction=None, now=self._clock.now())
        units.know(self._store, code, tax_code, name, str(asked.get("email", "")))
        units.place(self._store, code, agency, str(asked.get("address", "")), str(asked.get("phone", "")))
        self._faults.name(code, units.families_in(name, str(asked.get("licence", ""))))
        return {"unit_code": code, "agency": agency}

    def know_units(self, asked: list[dict[str, Any]]) -> dict[str, int]:
        """POST /units: units the agency has known for long: for look-ups, and with a provider for stops."""
        for one in asked:
            code = str(one["unit_code"])
            if rules.UNIT_CODE.fullmatch(code) is None or not rules.tax_code_valid(str(one["tax_code"])):
                raise NotUnderstood(f"{one}: unit_code or tax_code has a wrong shape")
            units.know(self._store, code, str(one["tax_code"]), str(one["name"]), str(one.get("email", "")))
            units.place(self._store, code, str(one.get("agency", "00101")), str(one.get("address", "")))
            if "provider" in one:
                provider = str(one["provider"])
                self._store.write(
                    "update units set provider_code = ?, provider_name = ? where unit_code = ?",
                    (provider, rules.PROVIDERS.get(provider, ""), code),
                )
        return {"units": len(asked)}

    def decide(self, asked: dict[str, Any]) -> dict[str, str]:
        """POST /officer: decide a first-time dossier now: granted, or refused with `refuse` (a code) and `reason`. One
        that was not released is decided too: officers do that."""
        filing = self._store.row("select * from filings where transaction_id = ?", (str(asked["transaction"]),))
        if filing is None or filing["procedure"] != FIRST or filing["state"] != "TIEP_NHAN":
            raise NotUnderstood("no such first-time dossier is open")
        refusal = Refusal(str(asked["refuse"]), str(asked.get("reason", ""))) if "refuse" in asked else None
        return {"unit_code": self._officer.review_now(filing, refusal)}

    async def activate_by_hand(self, request: web.BaseRequest) -> web.StreamResponse:
        """POST /portal/activations: the portal's page; the code alone is enough."""
        try:
            asked = json.loads(await request.read())
            code = str(asked["code"])
        except (ValueError, KeyError, TypeError) as error:
            return reply_json({"error": f"code is needed: {error!r}"}, 400)
        found = self._store.row(
            "select transaction_id from codes where code = ? union select transaction_id from superseded_codes "
            "where code = ?",
            (code, code),
        )
        transaction = str(asked.get("transaction") or (found[0] if found is not None else ""))
        filing = self._store.row("select unit_code from filings where transaction_id = ?", (transaction,))
        unit_code = asked.get("unit_code", filing[0] if filing is not None else "")
        _, note = self._activation.use(transaction, str(unit_code), code)
        await self._store.settled()
        return reply_xml(replies.receipt(note))

    def stop_by_hand(self, asked: dict[str, Any]) -> dict[str, str]:
        """POST /portal/stops: somebody ended the unit's provider on the portal."""
        unit_code = str(asked["unit_code"])
        units.unit(self._store, unit_code)
        outcomes.stopped(self._store, unit_code)
        return {"unit_code": unit_code}

    def send(self, asked: dict[str, Any]) -> dict[str, str]:
        """POST /mails: any mail, as the agency (or a forger) would write it, `at` once or at a world time."""
        recipient, kind = str(asked["recipient"]), str(asked["kind"])
        if kind not in SENDABLE or not rules.email_valid(recipient):
            raise NotUnderstood(f"kind must be one of {', '.join(SENDABLE)}, recipient one address")
        known = {slot.name for slot in fields(Look)}
        given = {name: value for name, value in asked.items() if name not in ("recipient", "transaction")}
        if set(given) - known:
            raise NotUnderstood(
                f"unknown: {', '.join(sorted(set(given) - known))}; a mail has {', '.join(sorted(known))}"
            )
        look = Look(**{"name": "", "unit_code": "", **given})
        letter = Letter(look, str(asked.get("transaction", "")), recipient, ())
        return {"message_id": self._letters.put(letter, self._clock.now())}

    def deliver(self, asked: dict[str, Any]) -> dict[str, int]:
        """POST /mails/deliver: hand over now what waits or was held back, by `id`, `message_id` or `transaction`."""
        column = next((name for name in ("id", "message_id", "transaction") if name in asked), None)
        if column is None:
            raise NotUnderstood("id, message_id or transaction is needed")
        name = "transaction_id" if column == "transaction" else column
        rows = self._store.rows(f"select id from mails where {name} = ? order by id", (asked[column],))
        done = sum(self._letters.deliver_now(row[0]) for row in rows)
        if not done:
            raise NotUnderstood("no such mail waits")
        return {"delivered": done}

    async def mails(self, request: web.BaseRequest) -> web.StreamResponse:
        """GET /mails: what was written and what became of it; never a code."""
        wanted = {
            name: request.query[name] for name in ("recipient", "unit_code", "kind", "state") if name in request.query
        }
        clauses = "".join(f" and {name} = ?" for name in wanted)
        rows = self._store.rows(f"select * from mails where true{clauses} order by id", wanted.values())
        shown = [mail(dict(row)) for row in rows]
        await self._store.settled()
        return reply_json({"mails": shown})

    async def codes(self, request: web.BaseRequest) -> web.StreamResponse:
        """GET /codes?transaction= or ?unit_code=: activation codes, for those who must have them."""
        column = "transaction_id" if "transaction" in request.query else "unit_code"
        value = request.query.get("transaction") or request.query.get("unit_code", "")
        rows = self._store.rows(f"select * from codes where {column} = ? order by rowid", (value,))
        await self._store.settled()
        return reply_json({"codes": [dict(row) for row in rows]})

    async def certificate(self, request: web.BaseRequest) -> web.StreamResponse:
        """GET /certificate: who signs decisions, PEM."""
        return web.Response(body=self._certificate, headers={"Content-Type": "application/x-pem-file"})


def mail(row: dict[str, Any]) -> dict[str, Any]:
    """A mail as lists show it: its subject instead of its contents."""
    look = Look(**json.loads(row.pop("look")))
    return row | {"subject": worded(look, "").subject, "unit_name": look.name, "genuine": bool(row["genuine"])}

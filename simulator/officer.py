"""The officer: takes filings in, numbers and decides them on the world's clock, and has the results mailed.

All that is still to be done is rows (`tasks`, queued `mails`), so it goes on after kill -9 where it stood.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import sqlite3
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from simulator import outcomes, rules, units, workdays
from simulator.admission import Case
from simulator.clock import VIETNAM, WorldClock
from simulator.faults import Faults
from simulator.gate import Given
from simulator.letters import Letters
from simulator.reading import CHANGE, FIRST, REGISTER, STOP, Form
from simulator.refusals import Refusal
from simulator.replies import step
from simulator.settings import Settings
from simulator.signature import Certificate
from simulator.store import Store

NUMBER_LATE = 3.0
VISIBLE_APART = 2.0
"""World seconds by which the faults that turn an order round keep the two apart."""
OFFICER_DAYS = 3.0
"""Working days the law gives the officer (domain.md §3.4); only then does one that waits to be asked answer."""


class Officer:
    """Owns filings and what becomes of them. Every method that writes is called within one event-loop step."""

    def __init__(self, store: Store, clock: WorldClock, faults: Faults, settings: Settings, letters: Letters) -> None:
        self._store, self._clock, self._faults, self._settings = store, clock, faults, settings
        self._letters = letters
        self._poked = asyncio.Event()
        self.process: Callable[[sqlite3.Row], None] = lambda task: None
        """What is done with a filing whose processing was put off (A3P, A4); the gateway sets it."""

    def poke(self) -> None:
        """Look at the tasks again: a new one, or the clock was set."""
        self._poked.set()

    def take_in(self, case: Case) -> str:
        """Note an admitted filing, plan its number and decision; answers with its transaction."""
        given = case.given
        transaction = self.note(given, case.form, case.signer, None)
        self._beside(transaction, case)
        quirks = self._faults.fire(case.who, given.procedure, "officer")
        number, decision = self._settings.number_delay, max(self._settings.decision_delay, self._settings.number_delay)
        if "NUMBER-LATE" in quirks:
            number = max(number, NUMBER_LATE)
            decision = number + self._settings.decision_delay
        if "NUMBER-LAST" in quirks:
            number = decision + VISIBLE_APART
        if "MAIL-EARLY" in quirks and not self._elsewhere(given.unit_code, given.procedure, given.sender):
            decision += VISIBLE_APART
            self._letters.first(self._filing(transaction), case.who)
        self._plan("number", transaction, number)
        self._plan("decide", transaction, decision)
        return transaction

    def _beside(self, transaction: str, case: Case) -> None:
        """Write down what only some procedures have."""
        given, form = case.given, case.form
        for change in form.changes:
            self._store.write(
                "insert into changes (transaction_id, unit_code, field, old, new) values (?, ?, ?, ?, ?)",
                (transaction, given.unit_code, change.field, change.old, change.new),
            )
        if given.procedure == REGISTER:
            units.place(self._store, given.unit_code, form.agency or given.agency, form.address, form.phone)
        if form.first is not None:
            self._store.write(
                "insert into first_time (transaction_id, who, licence, province, address, phone, files) "
                "values (?, ?, ?, ?, ?, ?, ?)",
                (
                    transaction,
                    case.who,
                    form.first.licence,
                    form.first.province,
                    form.address,
                    form.phone,
                    json.dumps(form.first.files, ensure_ascii=False),
                ),
            )

    def note(self, given: Given, form: Form | None, signer: Certificate | None, refusal: Refusal | None) -> str:
        """Write down a filing: taken in, or refused at the gate."""
        transaction = f"GD{secrets.token_hex(10).upper()}"
        now = self._clock.now()
        self._store.write(
            "insert into filings (transaction_id, procedure, unit_code, tax_code, agency, sender, sha256, "
            "idempotency_key, unit_name, place, "
            "email, contact, certificate, taken_in, state, code, reason, received_world, decided_world) "
            "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                transaction,
                given.procedure,
                given.unit_code,
                given.tax_code,
                given.agency or (form.agency if form else ""),
                given.sender,
                given.sha256,
                given.key,
                form.unit_name if form else "",
                form.place if form else "",
                form.email or None if form else None,
                given.contact,
                signer.sha256 if signer else None,
                refusal is None,
                "TU_CHOI" if refusal else "TIEP_NHAN",
                refusal.code if refusal else "",
                refusal.reason if refusal else "",
                now,
                now if refusal else None,
            ),
        )
        if signer is not None:
            self._store.write(
                "insert or ignore into certificates values (?, ?, ?, ?)",
                (signer.sha256, f"{signer.serial:x}", signer.subject, signer.ends.isoformat()),
            )
        if form is not None and signer is not None and given.procedure == REGISTER:
            units.unit(self._store, given.unit_code)
            self._store.write("update units set email = ? where unit_code = ?", (form.email, given.unit_code))
        return transaction

    def put_off(self, arrival: int, headers: dict[str, Any], body: bytes, seconds: float) -> None:
        """Process an arrival after some real seconds."""
        self._store.write(
            "insert into tasks (clock, due, kind, arrival_id, data, body) values ('real', ?, 'process', ?, ?, ?)",
            (time.time() + seconds, arrival, json.dumps(headers), body),
        )
        self.poke()

    def process_now(self, arrival: int) -> None:
        """Do not wait any longer with an arrival that was put off."""
        self._store.write("update tasks set due = 0 where arrival_id = ?", (arrival,))
        self.poke()

    def _plan(self, kind: str, transaction: str, delay: float) -> None:
        if delay <= 0:
            self._do(kind, transaction)
            return
        self._store.write(
            "insert into tasks (clock, due, kind, transaction_id) values ('world', ?, ?, ?)",
            (self._clock.now() + delay, kind, transaction),
        )
        self.poke()

    async def run(self) -> None:
        """Do what is due, for ever."""
        while True:
            self._poked.clear()
            due = self._store.rows(
                "select * from tasks where (clock = 'world' and due <= ?) or (clock = 'real' and due <= ?) order "
                "by due, id limit 200",
                (self._clock.now(), time.time()),
            )
            for task in due:
                self._store.write("delete from tasks where id = ?", (task["id"],))
                if task["kind"] == "process":
                    self.process(task)
                else:
                    self._do(task["kind"], task["transaction_id"])
            if due:
                await asyncio.sleep(0)
                continue
            await self._rest()

    async def _rest(self) -> None:
        world = self._store.row("select min(due) from tasks where clock = 'world'")
        real = self._store.row("select min(due) from tasks where clock = 'real'")
        waits = [30.0]
        if world and world[0] is not None:
            waits.append(self._clock.real_until(world[0]))
        if real and real[0] is not None:
            waits.append(real[0] - time.time())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._poked.wait(), max(0.001, min(waits)))

    def _do(self, kind: str, transaction: str) -> None:
        filing = self._filing(transaction)
        if kind == "number":
            self._number(filing)
        elif kind == "review":
            self._review(filing)
        elif filing["procedure"] == FIRST:
            self._letters.first(filing, self.who(filing))  # it is decided after its code released it
        else:
            self._decide(filing)

    def _filing(self, transaction: str) -> sqlite3.Row:
        filing = self._store.row("select * from filings where transaction_id = ?", (transaction,))
        assert filing is not None
        return filing

    def who(self, filing: sqlite3.Row) -> str:
        """The employer of a filing: its unit code, or tax code and name of one without."""
        if filing["procedure"] != FIRST:
            return str(filing["unit_code"])
        row = self._store.row("select who from first_time where transaction_id = ?", (filing["transaction_id"],))
        return str(row[0]) if row is not None else rules.who(filing["tax_code"], filing["unit_name"])

    def _number(self, filing: sqlite3.Row) -> None:
        year = datetime.fromtimestamp(self._clock.now(), VIETNAM).year
        agency = filing["agency"] if len(filing["agency"]) == 5 else "00101"
        last = self._store.write(
            "insert into numbers (year, agency, last) values (?, ?, 1) on conflict do update set last = last + 1 "
            "returning last",
            (year, agency),
        ).fetchone()[0]
        self._store.write(
            "update filings set number = ? where transaction_id = ?",
            (f"{last:05}/{year}/{agency}", filing["transaction_id"]),
        )

    def _elsewhere(self, unit_code: str, procedure: str, sender: str) -> Refusal | None:
        if procedure != REGISTER:
            return None
        return units.other_provider(units.unit(self._store, unit_code), sender)

    def _decide(self, filing: sqlite3.Row) -> None:
        unit_code, procedure = filing["unit_code"], filing["procedure"]
        refusal = self._elsewhere(unit_code, procedure, filing["sender"])
        for fault in self._faults.fire(unit_code, procedure, "decision"):
            if fault == "MISNAMED":
                refusal = refusal and Refusal("CE007", rules.another_provider(unit_code))
            else:
                refusal = refusal or Refusal(fault.removeprefix("REFUSE:"))
        self._conclude(filing, refusal)
        if not refusal:
            outcomes.accepted(self._store, filing, self._clock.now())
        decided = self._filing(filing["transaction_id"])
        if procedure in (STOP, CHANGE) or not refusal:
            self._letters.first(decided, unit_code)
        if procedure == CHANGE and not refusal and self._faults.fire(unit_code, CHANGE, "after-change"):
            self._letters.activation(decided, unit_code, ())

    def _conclude(self, filing: sqlite3.Row, refusal: Refusal | None) -> None:
        """Write a decision down."""
        now = self._clock.now()
        steps = [step("Kiểm tra hồ sơ", "00", "Thành công", now), step("Kiểm tra chữ ký số", "00", "Thành công", now)]
        if refusal:
            steps.append(step("Phê duyệt", refusal.code, "Từ chối", now))
        else:
            steps.append(step("Phê duyệt", "00", "Thành công", now))
        self._store.write(
            "update filings set state = ?, code = ?, reason = ?, steps = ?, decided_world = ? where transaction_id = ?",
            (
                "TU_CHOI" if refusal else "CHAP_NHAN",
                refusal.code if refusal else "",
                refusal.reason if refusal else "",
                json.dumps(steps, ensure_ascii=False),
                now,
                filing["transaction_id"],
            ),
        )

    # first-time dossiers

    def release(self, filing: sqlite3.Row) -> None:
        """A first-time dossier's code was used: the officer has it now (domain.md B14)."""
        transaction, now = filing["transaction_id"], self._clock.now()
        quirks = self._faults.fire(self.who(filing), FIRST, "review")
        review = "silent" if "SILENT" in quirks else "until-asked" if "UNTIL-ASKED" in quirks else "planned"
        self._store.write(
            "update first_time set released_world = ?, review = ? where transaction_id = ?", (now, review, transaction)
        )
        if review == "planned":
            days = self._settings.review_days
            self._plan(
                "review", transaction, workdays.later(now, days) - now if days else self._settings.decision_delay
            )

    def asked(self, transaction: str) -> None:
        """Somebody wants to know where a first-time dossier stands."""
        now = self._clock.now()
        first = outcomes.first_time(self._store, transaction)
        if first["released_world"] is None:
            return
        self._store.write(
            "insert into status_asks values (?, 1, ?, ?) on conflict do update set times = times + 1, "
            "last_world = excluded.last_world",
            (transaction, now, now),
        )
        if first["review"] == "until-asked" and now >= workdays.later(first["released_world"], OFFICER_DAYS):
            self._store.write("update first_time set review = 'planned' where transaction_id = ?", (transaction,))
            self._plan("review", transaction, self._settings.decision_delay)

    def _review(self, filing: sqlite3.Row) -> None:
        if filing["state"] != "TIEP_NHAN":
            return
        faults = self._faults.fire(self.who(filing), FIRST, "decision")
        refusals = [Refusal(fault.removeprefix("REFUSE:")) for fault in faults if fault.startswith("REFUSE:")]
        self.review_now(filing, refusals[0] if refusals else None)

    def review_now(self, filing: sqlite3.Row, refusal: Refusal | None) -> str:
        """Grant or refuse a first-time dossier; answers with the unit code granted, empty when refused."""
        transaction = filing["transaction_id"]
        self._conclude(filing, refusal)
        self._store.write("update first_time set review = 'done' where transaction_id = ?", (transaction,))
        code = "" if refusal else outcomes.grant(self._store, self._faults, filing, self._clock.now())
        self._letters.grant_or_refusal(self._filing(transaction), self.who(filing), code)
        return code

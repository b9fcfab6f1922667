"""The officer: takes filings in, numbers and decides them on the world's clock, and has the results mailed.

All that is still to be done is rows (`tasks`, queued `mails`), so it goes on after kill -9 where it stood.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import sqlite3
import string
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from simulator import gate
from simulator.clock import VIETNAM, WorldClock
from simulator.faults import Faults
from simulator.gate import Given
from simulator.mails import Look
from simulator.reading import REGISTER, STOP, Form
from simulator.refusals import Refusal
from simulator.replies import step
from simulator.settings import Settings
from simulator.signature import Certificate
from simulator.store import Store

HOUR = 3600.0
CODE_LIFE = 24 * HOUR
LATE = 2 * HOUR
STALE = 25 * HOUR
NUMBER_LATE = 3.0
VISIBLE_APART = 2.0
"""World seconds by which the faults that turn an order round keep the two apart."""
LETTERS = string.ascii_uppercase + string.digits
FORGERIES = {"FORGED": "other", "FORGED-SIGNED": "signed", "FORGED-SPOOFED": "spoofed"}


def activation_code() -> str:
    """Ten upper-case letters and digits, some of each."""
    while True:
        number = secrets.randbelow(len(LETTERS) ** 10)
        code = "".join(LETTERS[number // len(LETTERS) ** place % len(LETTERS)] for place in range(10))
        if not code.isalpha() and not code.isdigit():
            return code


class Officer:
    """Owns filings, units, codes and the mails to be written. Every method that writes is called within one
    event-loop step."""

    def __init__(
        self, store: Store, clock: WorldClock, faults: Faults, settings: Settings, mail_waits: Callable[[], None]
    ) -> None:
        self._store, self._clock, self._faults, self._settings = store, clock, faults, settings
        self._mail_waits = mail_waits
        self._poked = asyncio.Event()
        self.process: Callable[[sqlite3.Row], None] = lambda task: None
        """What is done with a filing whose processing was put off (A3P, A4); the gateway sets it."""

    def poke(self) -> None:
        """Look at the tasks again: a new one, or the clock was set."""
        self._poked.set()

    def take_in(self, given: Given, form: Form, signer: Certificate) -> str:
        """Note an admitted filing, plan its number and decision; answers with its transaction."""
        now = self._clock.now()
        transaction = self.note(given, form, signer, None)
        quirks = self._faults.fire(given.unit_code, given.procedure, "officer")
        number, decision = self._settings.number_delay, max(self._settings.decision_delay, self._settings.number_delay)
        if "NUMBER-LATE" in quirks:
            number = max(number, NUMBER_LATE)
            decision = number + self._settings.decision_delay
        if "NUMBER-LAST" in quirks:
            number = decision + VISIBLE_APART
        if "MAIL-EARLY" in quirks and not self._elsewhere(given.unit_code, given.procedure, given.sender):
            decision += VISIBLE_APART
            self._mail(transaction, now)
        self._plan("number", transaction, number)
        self._plan("decide", transaction, decision)
        return transaction

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
        if form is not None and form.email and signer is not None:
            gate.unit(self._store, given.unit_code)
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
        else:
            self._decide(filing)

    def _filing(self, transaction: str) -> sqlite3.Row:
        filing = self._store.row("select * from filings where transaction_id = ?", (transaction,))
        assert filing is not None
        return filing

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
        return gate.other_provider(gate.unit(self._store, unit_code), sender) if procedure == REGISTER else None

    def _decide(self, filing: sqlite3.Row) -> None:
        now = self._clock.now()
        unit_code, procedure = filing["unit_code"], filing["procedure"]
        refusal = self._elsewhere(unit_code, procedure, filing["sender"])
        for fault in self._faults.fire(unit_code, procedure, "decision"):
            refusal = refusal or Refusal(fault.removeprefix("REFUSE:"))
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
        if not refusal:
            self._accepted(filing)
        if procedure == STOP or not refusal:
            self._mail(filing["transaction_id"], now)

    def _accepted(self, filing: sqlite3.Row) -> None:
        self._store.write(
            "update units set tax_code = ?, name = ? where unit_code = ?",
            (filing["tax_code"][:10], filing["unit_name"], filing["unit_code"]),
        )
        if filing["procedure"] == STOP:
            self._store.write(
                "update units set provider_code = '', provider_name = '', active_transaction = null where "
                "unit_code = ?",
                (filing["unit_code"],),
            )

    def _mail(self, transaction: str, now: float) -> None:
        """Write the result mail of a filing, once; when it goes out and how it looks is up to the faults of the point
        `mail`."""
        if self._store.row("select 1 from mails where transaction_id = ?", (transaction,)) is not None:
            return
        filing = self._filing(transaction)
        unit_code = filing["unit_code"]
        known = gate.unit(self._store, unit_code)
        register = filing["procedure"] == REGISTER
        recipient = filing["email"] if register else filing["contact"] or known["email"]
        quirks = set(self._faults.fire(unit_code, filing["procedure"], "mail"))
        code = activation_code() if register else ""
        look = Look(
            kind="activation" if register else "stop-result",
            name=filing["unit_name"],
            unit_code=unit_code,
            code=code,
            number=filing["number"],
            refused=filing["reason"],
            bare="BARE" in quirks,
            charset="windows-1258" if "CP1258" in quirks else "utf-8",
            quoted=unit_code[5] in "13579",
            nfd="NFD" in quirks,
            mislabelled="MISLABELLED" in quirks,
            multipart="MULTIPART" in quirks,
            unsigned="UNSIGNED" in quirks,
        )
        if register:
            expires = now + CODE_LIFE if "STALE" in quirks else None
            self._store.write(
                "insert into codes (transaction_id, unit_code, code, issued_world, expires_world) "
                "values (?, ?, ?, ?, ?)",
                (transaction, unit_code, code, now, expires),
            )
        state = "no-address" if not recipient else "withheld" if "NEVER" in quirks else "queued"
        delay = self._settings.mail_delay + (LATE if "LATE" in quirks else STALE if "STALE" in quirks else 0)
        for fault, forged in FORGERIES.items():
            if fault in quirks:
                false = Look(
                    look.kind, look.name, unit_code, activation_code(), look.number, quoted=look.quoted, forged=forged
                )
                self._queue(transaction, false, recipient, now, state)
        for _ in range(2 if "TWICE" in quirks else 1):
            self._queue(transaction, look, recipient, now + delay, state)
        self._mail_waits()

    def _queue(self, transaction: str, look: Look, recipient: str | None, due: float, state: str) -> None:
        message_id = f"<{secrets.token_hex(12)}@{self._settings.mail_from.rpartition('@')[2]}>"
        self._store.write(
            "insert into mails (transaction_id, kind, unit_code, recipient, message_id, look, genuine, due_world, "
            "state) "
            "values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                transaction,
                look.kind,
                look.unit_code,
                recipient or "",
                message_id,
                look.dumped(),
                not look.forged,
                due,
                state,
            ),
        )

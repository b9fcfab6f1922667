"""Activation codes used: over the wire, or by hand on the portal."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

from simulator import replies, units
from simulator.admission import WRONG_TRIES
from simulator.clock import WorldClock
from simulator.officer import Officer
from simulator.reading import CHANGE, FIRST
from simulator.refusals import Refusal
from simulator.store import Store
from simulator.wordings import FIRST_TIME


class Activation:
    """Uses codes. Each try is a row of `activations`, whatever came of it."""

    def __init__(self, store: Store, clock: WorldClock, officer: Officer) -> None:
        self._store, self._clock, self._officer = store, clock, officer

    def procedure(self, transaction: str) -> str:
        """The procedure of a filing; empty when there is none."""
        row = self._store.row("select procedure from filings where transaction_id = ?", (transaction,))
        return "" if row is None else str(row[0])

    def who(self, transaction: str, unit_code: str) -> str:
        """Whose faults apply."""
        filing = self._filing(transaction)
        return unit_code if filing is None or filing["procedure"] != FIRST else self._officer.who(filing)

    def expire(self, transaction: str) -> None:
        """Put a code out of force."""
        self._store.write(
            "update codes set expires_world = ? where transaction_id = ?", (self._clock.now() - 1, transaction)
        )

    def use(self, transaction: str, unit_code: str, code: str) -> tuple[str, str]:
        """Try a code. Answers with the outcome (00 or a refusal's code) and the note to show."""
        now = self._clock.now()
        filing = self._filing(transaction)
        known: dict[str, Any] = (
            replies.blank(transaction, unit_code, now) if filing is None else dict(filing) | {"code": "", "reason": ""}
        )
        try:
            self._use(filing, "" if unit_code == FIRST_TIME else unit_code, code, now)
        except Refusal as refusal:
            outcome, note = refusal.code, replies.answer(known, now, refusal)
        else:
            outcome, note = "00", replies.answer({**known, "state": "CHAP_NHAN"}, now)
        self._store.write(
            "insert into activations (at_real, at_world, transaction_id, unit_code, code, outcome) "
            "values (?, ?, ?, ?, ?, ?)",
            (time.time(), now, transaction, "" if filing is None else filing["unit_code"], code, outcome),
        )
        return outcome, note

    def _filing(self, transaction: str) -> sqlite3.Row | None:
        return self._store.row("select * from filings where transaction_id = ?", (transaction,))

    def _use(self, filing: sqlite3.Row | None, unit_code: str, code: str, now: float) -> None:
        """Activate the unit, or give a first-time dossier to the officer, or refuse."""
        if filing is None or filing["unit_code"] != unit_code:
            raise Refusal("SIM041", "" if filing is None else filing["transaction_id"])
        transaction = filing["transaction_id"]
        held = self._store.row("select * from codes where transaction_id = ?", (transaction,))
        if held is None:
            raise Refusal("SIM013")
        if held["used_world"] is not None or self._standing(filing):
            raise Refusal("SIM016")
        if held["wrong_tries"] >= WRONG_TRIES:
            raise Refusal("SIM015", "nhập sai mã kích hoạt quá nhiều lần")
        if code != held["code"]:
            if self._store.row(
                "select 1 from superseded_codes where transaction_id = ? and code = ?", (transaction, code)
            ):
                raise Refusal("SIM014", "đã có mã kích hoạt mới hơn")
            self._store.write("update codes set wrong_tries = wrong_tries + 1 where transaction_id = ?", (transaction,))
            raise Refusal("SIM013")
        if held["expires_world"] is not None and now > held["expires_world"]:
            raise Refusal("SIM014")
        self._store.write("update codes set used_world = ? where transaction_id = ?", (now, transaction))
        if filing["procedure"] == FIRST:
            self._officer.release(filing)
        elif filing["procedure"] != CHANGE:  # an accepted change is in force without it
            self._store.write(
                "update units set active_transaction = ?, provider_code = ?, provider_name = '' where unit_code = ?",
                (transaction, filing["sender"], unit_code),
            )

    def _standing(self, filing: sqlite3.Row) -> bool:
        """Whether there is nothing left to activate."""
        if filing["procedure"] == CHANGE:
            return False
        if filing["procedure"] == FIRST:
            other = self._store.row(
                "select 1 from first_time t join filings f using (transaction_id) where t.who = ? and f.state <> 'TU_CHOI' "
                "and t.released_world is not null",
                (self._officer.who(filing),),
            )
            return other is not None
        return units.unit(self._store, filing["unit_code"])["active_transaction"] is not None

    def done(self, transaction: str, unit_code: str) -> str:
        """The note that says whether the unit was activated with this dossier."""
        now = self._clock.now()
        yes = self._store.row(
            "select 1 from codes where transaction_id = ? and unit_code = ? and used_world is not null",
            (transaction, "" if unit_code == FIRST_TIME else unit_code),
        )
        filing = self._filing(transaction)
        known = replies.blank(transaction, unit_code, now) if filing is None else dict(filing)
        state = {"state": "CHAP_NHAN", "code": ""} if yes else {"state": "TIEP_NHAN", "code": "01"}
        return replies.answer({**known, **state, "reason": ""}, now).replace("<MA_LOI>01</MA_LOI>", "<MA_LOI></MA_LOI>")

"""Which mails are written, to whom, and when they go out. What is written is rows; `postman` hands them over."""

from __future__ import annotations

import secrets
import sqlite3
import string
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from zlib import crc32

from simulator import units
from simulator.clock import WorldClock
from simulator.faults import Faults
from simulator.looks import Look
from simulator.reading import ACTIVATING, CHANGE, FIRST, STOP
from simulator.settings import Settings
from simulator.store import Store

HOUR = 3600.0
CODE_LIFE = 24 * HOUR
DELAYS = {"LATE": 2 * HOUR, "STALE": 25 * HOUR, "LATE-25": 25 * HOUR, "LATE-30": 30 * HOUR}
NEWER_CODE = 5.0
"""World seconds between two mails with two codes."""
LETTERS = string.ascii_uppercase + string.digits
FORGERIES = {"FORGED": "other", "FORGED-SIGNED": "signed", "FORGED-SPOOFED": "spoofed"}
RESULT_KINDS = {STOP: "stop-result", CHANGE: "change-result", FIRST: "unit-code-result"}


def activation_code() -> str:
    """Ten upper-case letters and digits, some of each."""
    while True:
        number = secrets.randbelow(len(LETTERS) ** 10)
        code = "".join(LETTERS[number // len(LETTERS) ** place % len(LETTERS)] for place in range(10))
        if not code.isalpha() and not code.isdigit():
            return code


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail to be queued: how it looks, whose it is, where it goes, under which faults."""

    look: Look
    transaction: str
    recipient: str
    quirks: Collection[str]


class Letters:
    """Writes mails and their codes. Every method is called within one event-loop step."""

    def __init__(
        self, store: Store, clock: WorldClock, faults: Faults, settings: Settings, waits: Callable[[], None]
    ) -> None:
        self._store, self._clock, self._faults, self._settings = store, clock, faults, settings
        self._waits = waits

    def first(self, filing: sqlite3.Row, who: str) -> None:
        """The first mail of a filing, once: its activation code, or the result of a stop or a change."""
        transaction, procedure = filing["transaction_id"], filing["procedure"]
        if self._store.row("select 1 from mails where transaction_id = ?", (transaction,)) is not None:
            return
        quirks = set(self._faults.fire(who, procedure, "mail"))
        if procedure in ACTIVATING:
            self.activation(filing, who, quirks)
        else:
            self._result(filing, who, quirks)

    def activation(self, filing: sqlite3.Row, who: str, quirks: Collection[str]) -> None:
        """A code for a filing and the mail that carries it."""
        transaction, now = filing["transaction_id"], self._clock.now()
        code, old = activation_code(), activation_code()
        self._store.write(
            "insert into codes (transaction_id, unit_code, code, issued_world, expires_world) values (?, ?, ?, ?, ?)",
            (transaction, filing["unit_code"], code, now, now + CODE_LIFE if "STALE" in quirks else None),
        )
        look = replace(self._look(filing, who, quirks), kind="activation", code=code)
        letter = Letter(look, transaction, filing["email"] or "", quirks)
        if "TWO-CODES" in quirks:
            self._store.write("insert into superseded_codes values (?, ?)", (transaction, old))
            self._queue(replace(letter, look=replace(look, code=old)), now + self._settings.mail_delay)
            self._send(letter, now + NEWER_CODE)
        else:
            self._send(letter, now)

    def grant_or_refusal(self, filing: sqlite3.Row, who: str, granted: str) -> None:
        """The officer's mail about a first-time dossier."""
        self._result(filing, who, set(self._faults.fire(who, FIRST, "result-mail")), granted)

    def _result(self, filing: sqlite3.Row, who: str, quirks: Collection[str], granted: str = "") -> None:
        look = replace(self._look(filing, who, quirks), kind=RESULT_KINDS[filing["procedure"]], granted=granted)
        varied = crc32(who.encode())
        layout = 0 if "LAYOUT-1" in quirks else 1 if "LAYOUT-2" in quirks else varied & 1
        plain = "PLAIN" in quirks or (varied >> 1 & 3 == 3 and not {"HTML", "MULTIPART", "MISLABELLED"} & set(quirks))
        nfd = "NFD" in quirks or (varied >> 3 & 3 == 3 and not {"NFC", "CP1258"} & set(quirks))
        look = replace(look, layout=layout, plain=plain, nfd=nfd, refused=filing["reason"], number=filing["number"])
        self._send(Letter(look, filing["transaction_id"], self._recipient(filing), quirks), self._clock.now())

    def _recipient(self, filing: sqlite3.Row) -> str:
        """Where a result goes: of a first-time dossier to its own address, of a stop where it says, else to the address
        on file; of a change to the address on file by then, so a refused one does not go to the new address."""
        if filing["procedure"] == FIRST:
            return str(filing["email"] or "")
        on_file = str(units.unit(self._store, filing["unit_code"])["email"])
        return filing["contact"] or on_file if filing["procedure"] == STOP else on_file or filing["email"] or ""

    def _look(self, filing: sqlite3.Row, who: str, quirks: Collection[str]) -> Look:
        quoted = who[5] in "13579" if filing["unit_code"] else bool(crc32(who.encode()) >> 5 & 1)
        return Look(
            kind="",
            name=filing["unit_name"],
            unit_code=filing["unit_code"],
            tax_code=filing["tax_code"],
            bare="BARE" in quirks,
            charset="windows-1258" if "CP1258" in quirks else "utf-8",
            quoted="QUOTED" in quirks or (quoted and "BASE64" not in quirks),
            nfd="NFD" in quirks,
            mislabelled="MISLABELLED" in quirks,
            multipart="MULTIPART" in quirks,
            unsigned="UNSIGNED" in quirks,
            plain="PLAIN" in quirks,
            junk="JUNK" in quirks,
        )

    def _send(self, letter: Letter, now: float) -> None:
        """Queue a letter as its faults will have it, the forged ones first."""
        for fault, forged in FORGERIES.items():
            if fault in letter.quirks:
                self._queue(replace(letter, look=_false(letter.look, forged)), now)
        delay = self._settings.mail_delay + sum(DELAYS[quirk] for quirk in DELAYS if quirk in letter.quirks)
        for _ in range(2 if "TWICE" in letter.quirks else 1):
            self._queue(letter, now + delay)
        self._waits()

    def _queue(self, letter: Letter, due: float) -> None:
        never = "NEVER" in letter.quirks or ("NEVER-LATER" in letter.quirks and "LATE-30" not in letter.quirks)
        state = "no-address" if not letter.recipient else "withheld" if never else "queued"
        self.put(letter, due, state)

    def put(self, letter: Letter, due: float, state: str = "queued") -> str:
        """Write a mail down; answers with its Message-ID."""
        message_id = f"<{secrets.token_hex(12)}@{self._settings.mail_from.rpartition('@')[2]}>"
        self._store.write(
            "insert into mails (transaction_id, kind, unit_code, recipient, message_id, look, genuine, due_world, "
            "state) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                letter.transaction,
                letter.look.kind,
                letter.look.unit_code,
                letter.recipient,
                message_id,
                letter.look.dumped(),
                not letter.look.forged,
                due,
                state,
            ),
        )
        self._waits()
        return message_id

    def deliver_now(self, mail: int) -> bool:
        """Hand a mail over now that waits or was held back. False when it went already, or there is none."""
        done = self._store.write(
            "update mails set state = 'queued', due_world = min(due_world, ?), retry_real = 0 "
            "where id = ? and state in ('queued', 'withheld', 'refused')",
            (self._clock.now(), mail),
        )
        self._waits()
        return done.rowcount == 1


def _false(look: Look, forged: str) -> Look:
    """The same mail as a forger would write it: another code, or the opposite result."""
    if look.code:
        return replace(look, code=activation_code(), forged=forged)
    if look.granted:
        return replace(look, granted="ZZ0000Z", forged=forged)
    refused = "" if look.refused else "Hồ sơ không hợp lệ"
    granted = "ZZ0000Z" if look.kind == "unit-code-result" and not refused else ""
    return replace(look, refused=refused, granted=granted, forged=forged)

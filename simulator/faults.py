"""Which faults fire at a point of a filing's way: those of the script first, then those of the magic unit code.

Points (`call`): submit (transport of a filing), gate (checks at once), duplicate (the same bytes again), officer
(number), review (of a released first-time dossier), decision, replies, sign (a decision that is shown), find, activate, roster, lookup, mail (the first
mail of a filing), result-mail (of a first-time dossier), after-change. How often a rule has fired is durable.

Whom a rule is about is `who`: a unit code, or for a first-time dossier its tax code and folded name.
"""

from __future__ import annotations

import hashlib
import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from simulator.magic import MAGIC, magic_of
from simulator.store import Store


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


CALLS = _words(
    "submit gate duplicate officer review decision replies sign find activate roster mail result-mail after-change lookup"
)
TRANSPORT = _words(
    "A1 A2 A3 A3P A4 A6 A7 A8-502 A8-502P A8-TRUNC A8-TRUNCP A8-CHARSET A8-CHARSETP 503 503-BARE 503-BAREP"
)
ANSWERED_BEFORE = _words("A1 A3 A6 A7 A8-502 A8-TRUNC A8-CHARSET 503 503-BARE")
"""Transport faults of filings that were never processed: they leave a non-arrival."""
MAILS = _words(
    "TWICE LATE LATE-25 LATE-30 NEVER NEVER-LATER FORGED FORGED-SIGNED FORGED-SPOOFED STALE TWO-CODES JUNK "
    "NFD NFC CP1258 MISLABELLED MULTIPART PLAIN HTML LAYOUT-1 LAYOUT-2 QUOTED BASE64 UNSIGNED BARE"
)
DISBELIEVED = _words("A12-BROKEN A12-STRANGER A12-TAMPERED A12-UNSIGNED A12-FOREIGN")
POINTS: dict[str, frozenset[str]] = {
    "submit": TRANSPORT | {"A12-TAMPERED"},
    "gate": frozenset({"ALREADY-STOPPED", "PROVIDER", "FIRST-CERTIFICATE", "STOP-AGAIN"}),
    "duplicate": frozenset({"409", "208", "500"}),
    "officer": frozenset({"NUMBER-LAST", "NUMBER-LATE", "MAIL-EARLY"}),
    "review": frozenset({"SILENT", "UNTIL-ASKED"}),
    "decision": frozenset({"MISNAMED"}),
    "replies": frozenset(
        {"A9-TWICE", "A9-ORDER", "SILENT", "A1", "A3", "A7", "A8-502", "A8-TRUNC", "A8-CHARSET", "503", "503-BARE"}
    ),
    "find": frozenset({"A1", "A3", "A7", "A8-502", "A8-TRUNC", "A8-CHARSET", "503", "503-BARE"}),
    "activate": frozenset({"EXPIRE", "A2"}) | ANSWERED_BEFORE - {"A6"},
    "roster": frozenset({"A1", "A3", "A7", "A8-502", "A8-TRUNC", "503", "503-BARE"})
    | {"DOUBLES", "CHANGING", "EMPTY", "MANY", "GROWING"},
    "lookup": frozenset({"A1", "A3", "A7", "A8-502", "A8-TRUNC", "503", "503-BARE"}),
    "sign": DISBELIEVED,
    "mail": MAILS,
    "result-mail": MAILS - {"STALE", "TWO-CODES"},
    "after-change": frozenset({"ACTIVATION"}),
}


class BadRule(ValueError):
    """A script rule cannot be understood. The message is for people."""


def _known(call: str, fault: str) -> bool:
    return fault in POINTS[call] or (call in ("gate", "decision") and fault.startswith("REFUSE:") and len(fault) > 7)


class Faults:
    """The rules in force. Nothing is held in memory but whether there are script rules and named families at all."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._scripted = False
        self._named = store.row("select 1 from magic_names limit 1") is not None
        self._look()

    def _look(self) -> None:
        self._scripted = self._store.row("select 1 from script_rules where times is null or used < times") is not None

    def add(self, rules: list[Any], name: str | None = None) -> int:
        """Take in script rules. With a name, rules of the same name are not taken in twice. Raises BadRule."""
        for at, rule in enumerate(rules):
            match = rule.get("match", {}) if isinstance(rule, dict) else None
            if not isinstance(match, dict):
                raise BadRule(f"rule {at}: must be an object with match, fault and times")
            call, fault, times = match.get("call", "submit"), str(rule.get("fault", "")), rule.get("times")
            if call not in CALLS:
                raise BadRule(f"rule {at}: match.call must be one of {', '.join(sorted(CALLS))}")
            if not _known(call, fault):
                raise BadRule(
                    f"rule {at}: {fault!r} is no fault of {call}: {', '.join(sorted(POINTS[call])) or 'REFUSE:<code>'}"
                )
            if times is not None and (not isinstance(times, int) or times < 1):
                raise BadRule(f"rule {at}: times must be a number from 1, or absent for always")
            self._store.write(
                "insert or ignore into script_rules (name, unit_code, procedure, call, fault, times) "
                "values (?, ?, ?, ?, ?, ?)",
                (name and f"{name}:{at}", match.get("unit_code", "*"), match.get("procedure"), call, fault, times),
            )
        self._look()
        return len(rules)

    def load(self, file: Path) -> None:
        """Take in a script file; after a restart with the same file its rules go on where they were. Raises BadRule."""
        try:
            text = file.read_text("utf-8")
            rules = json.loads(text)
        except (OSError, ValueError) as error:
            raise BadRule(f"the script {file} cannot be read: {error}") from error
        if not isinstance(rules, list):
            raise BadRule(f"the script {file} must be a JSON list of rules")
        self.add(rules, hashlib.sha256(text.encode()).hexdigest()[:16])

    def clear(self) -> None:
        """Forget all script rules."""
        self._store.write("delete from script_rules")
        self._scripted = False

    def shown(self) -> list[dict[str, object]]:
        """The script rules as JSON shows them."""
        return [dict(row) for row in self._store.rows("select * from script_rules order by id")]

    def name(self, who: str, families: list[str]) -> None:
        """Give magic families to an employer without a magic unit code."""
        if families:
            self._named = True
            self._store.write("insert or replace into magic_names values (?, ?)", (who, " ".join(families)))

    def families(self, who: str) -> list[str]:
        """The magic families of an employer."""
        if magic_of(who) is not None:
            return [who[2:5]]
        row = self._store.row("select families from magic_names where who = ?", (who,)) if self._named else None
        return row[0].split() if row is not None else []

    def fire(self, who: str, procedure: str, call: str) -> list[str]:
        """The faults that fire now, script first; each is counted as used."""
        fired = self._fire_script(who, procedure, call) if self._scripted else []
        for family in self.families(who):
            for rule in MAGIC[family].rules:
                if rule.applies(call, procedure) and self._left(who, f"{rule.fault}@{call}", rule.times):
                    fired.append(rule.fault)
        return fired

    def _left(self, who: str, rule: str, times: int | None) -> bool:
        if times is None:
            return True
        row = self._store.row("select used from magic_uses where unit_code = ? and rule = ?", (who, rule))
        if row is not None and row[0] >= times:
            return False
        self._store.write(
            "insert into magic_uses (unit_code, rule, used) values (?, ?, 1) on conflict do update set used = used + 1",
            (who, rule),
        )
        return True

    def _fire_script(self, who: str, procedure: str, call: str) -> list[str]:
        rows = self._store.rows(
            "select * from script_rules where call = ? and (times is null or used < times) and (procedure is null "
            "or procedure = ?) order by id",
            (call, procedure),
        )
        fired = []
        for row in rows:
            if fnmatchcase(who, row["unit_code"]):
                self._store.write("update script_rules set used = used + 1 where id = ?", (row["id"],))
                fired.append(row["fault"])
        return fired

"""What may follow what: every enrolment's timeline is read against the legal orders, and every event against its cause.

Events are ordered by their ids, which carry the real time they were written at; a cause is always older than what it caused.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

TIMELINE = "select n, enrolment, at, type, event, cause, data from ops.timeline order by enrolment, event"
PREFIX = "vn.hoso."
RANG = "enrolment.reminded"
"""A timer comes back under the cause of the event that set it, once for each time it was set."""


@dataclass(slots=True)
class Seen:
    """What one enrolment's timeline has shown so far."""

    enrolment: str
    faults: list[str] = field(default_factory=list)
    times: Counter[tuple[Any, ...]] = field(default_factory=Counter)
    codes: set[str] = field(default_factory=set)
    kinds: dict[str, str] = field(default_factory=dict)
    """Dossier -> kind, of what was filed."""
    stop_stands: bool = False
    stop_done: bool = False
    released: bool = False
    """The first-time dossier is with the officer."""
    activated: bool = False
    """The unit is on the service: by an activated registration, or by the change that makes its new code effective."""
    ended: str = ""

    def fault(self, text: str) -> None:
        self.faults.append(f"enrolment {self.enrolment}: {text}")

    def once(self, word: str, data: dict[str, Any], *names: str) -> None:
        """Note it; a second time is a fault."""
        key = (word, *(data.get(name) for name in names))
        self.times[key] += 1
        if self.times[key] > 1:
            self.fault(f"{word} a second time for {_said(data, names)}")

    def after(self, before: str, word: str, data: dict[str, Any], *names: str) -> None:
        """A fault unless `before` was seen for the same names."""
        if not self.times[before, *(data.get(name) for name in names)]:
            self.fault(f"{word} without {before} for {_said(data, names)}")


def _said(data: dict[str, Any], names: Sequence[str]) -> str:
    return ", ".join(f"{name} {data.get(name)}" for name in names)


ATTEMPT = ("dossier", "attempt")


def _prepared(seen: Seen, data: dict[str, Any]) -> None:
    seen.once("DossierPrepared", data, *ATTEMPT)


def _signed(seen: Seen, data: dict[str, Any]) -> None:
    seen.after("DossierPrepared", "DossierSigned", data, *ATTEMPT)
    seen.once("DossierSigned", data, *ATTEMPT)


def _filing_asked(seen: Seen, data: dict[str, Any]) -> None:
    seen.after("DossierSigned", "FilingAsked", data, *ATTEMPT)
    seen.once("FilingAsked", data, *ATTEMPT)
    kind = seen.kinds[data["dossier"]] = data["kind"]
    if kind == "register" and seen.stop_stands:
        seen.fault(f"a registration was filed (dossier {data['dossier']}) while a stop stood unanswered")
    if kind == "first_code" and not data.get("own_address"):
        seen.after("TurnGranted", "FilingAsked of a first-time dossier", data, "dossier")
    if kind == "change" and not (seen.activated or seen.times["UnitCodeNoted",]):
        seen.fault(
            f"a change was filed (dossier {data['dossier']}) of a unit that is not on the service and has no new code"
        )
    seen.stop_stands = kind == "stop"
    if seen.ended and not (seen.ended == "enrolled" and kind == "change"):
        seen.fault(f"FilingAsked after it was {seen.ended}")


def _expected(seen: Seen, data: dict[str, Any]) -> None:
    seen.after("FilingAsked", "MailExpected", data, *ATTEMPT)
    seen.once("MailExpected again after a restore" if data.get("filed_at") else "MailExpected", data, *ATTEMPT)


def _received(seen: Seen, data: dict[str, Any]) -> None:
    seen.after("FilingAsked", "DossierReceived", data, *ATTEMPT)
    seen.once("DossierReceived", data, *ATTEMPT)


def _decided(seen: Seen, data: dict[str, Any]) -> None:
    seen.after("FilingAsked", "DossierDecided", data, *ATTEMPT)
    # who asks the agency where an attempt stands is told its decision, also one that was told before: the very same
    asked = seen.times["StatusAsked", *(data.get(name) for name in ATTEMPT)]
    again = seen.times["DossierDecided", *(data.get(name) for name in ATTEMPT), data["accepted"], data["code"]]
    if not (asked and again):
        seen.once("DossierDecided", data, *ATTEMPT)
    seen.times["DossierDecided", *(data.get(name) for name in ATTEMPT), data["accepted"], data["code"]] += 1
    if data["kind"] == "stop" and not data["accepted"]:
        seen.stop_stands = False  # already stopped, or a person says how to go on
        seen.stop_done = True
    if data["kind"] == "change" and data["accepted"]:
        seen.activated = True
    if data["kind"] == "first_code" and data["accepted"]:
        seen.released = True


def _status_asked(seen: Seen, data: dict[str, Any]) -> None:
    seen.after("FilingAsked", "StatusAsked", data, *ATTEMPT)
    seen.times["StatusAsked", *(data.get(name) for name in ATTEMPT)] += 1


def _uncertain(seen: Seen, data: dict[str, Any]) -> None:
    seen.after("FilingAsked", "FilingUncertain", data, *ATTEMPT)
    seen.once("FilingUncertain", data, *ATTEMPT)


def _stop_result(seen: Seen, data: dict[str, Any]) -> None:
    seen.after("FilingAsked", "StopResultArrived", data, *ATTEMPT)
    seen.stop_stands = False if data["accepted"] else seen.stop_stands
    seen.stop_done = seen.stop_done or data["accepted"]


def _change_result(seen: Seen, data: dict[str, Any]) -> None:
    seen.after("FilingAsked", "ChangeResultArrived", data, *ATTEMPT)
    seen.activated = seen.activated or data["accepted"]


def _unit_code_result(seen: Seen, data: dict[str, Any]) -> None:
    seen.after("FilingAsked", "UnitCodeResultArrived", data, *ATTEMPT)
    seen.released = seen.released or data["granted"]  # his mail may be faster than our word about the activation


def _turn(seen: Seen, data: dict[str, Any]) -> None:
    seen.once("TurnGranted", data, "dossier")


def _noted(seen: Seen, data: dict[str, Any]) -> None:
    seen.times["UnitCodeNoted",] += 1


def _code(seen: Seen, data: dict[str, Any]) -> None:
    seen.after("FilingAsked", "ActivationCodeArrived", data, *ATTEMPT)
    seen.codes.add(data["code"])


def _activation_asked(seen: Seen, data: dict[str, Any]) -> None:
    if data["code"] not in seen.codes:
        seen.fault("ActivationAsked with a code that never arrived for it")
    seen.once("ActivationAsked", data, "go")
    seen.once("ActivationAsked with one code", data, "code")


def _activation_answered(seen: Seen, data: dict[str, Any]) -> None:
    seen.after("ActivationAsked", "ActivationAnswered", data, "go")
    seen.once("ActivationAnswered", data, "go")
    if data["outcome"] == "activated":
        _let_in(seen, data["dossier"])


def _let_in(seen: Seen, dossier: str) -> None:
    """What an activation does: it enrols a registered unit, and only releases a first-time dossier (B14)."""
    if seen.kinds.get(dossier) == "first_code":
        seen.released = True
    else:
        seen.activated = True


def _roster_asked(seen: Seen, data: dict[str, Any]) -> None:
    seen.once("RosterAsked", data, "go")
    if not seen.activated:
        seen.fault("RosterAsked before it was activated")


def _roster(seen: Seen, data: dict[str, Any]) -> None:
    if not any(key[0] == "RosterAsked" for key in seen.times):
        seen.fault("a roster came that nobody asked for")


def _answered(seen: Seen, data: dict[str, Any]) -> None:
    if data.get("code"):
        seen.codes.add(data["code"])  # typed by a person
    if data["answer"] in ("continue", "activated", "accepted"):
        seen.activated = seen.released = seen.stop_done = True  # a person said so
    if data["answer"] == "unit-code":
        seen.times["UnitCodeNoted",] += 1
    seen.stop_stands = False


def _cancelled(seen: Seen, data: dict[str, Any]) -> None:
    seen.ended = "cancelled"


def _progressed(seen: Seen, data: dict[str, Any]) -> None:
    stage = data["stage"]
    if stage == "refused-request" or data.get("refreshed"):
        return
    if stage == "enrolled":
        if not seen.activated:
            seen.fault("called enrolled before its activation")
        if seen.ended == "enrolled":
            seen.fault("called enrolled twice")
        seen.ended = "enrolled"
    elif stage == "stopped":
        if not seen.stop_done:
            seen.fault("called stopped before its stop was confirmed")
        seen.ended = "stopped"
    elif stage == "agency-review" and not seen.released:
        seen.fault("called agency-review before its activation")
    elif stage == "requested" or stage == "signing":
        seen.ended = "" if seen.ended == "cancelled" else seen.ended
    elif stage == "changing":
        seen.ended = "" if seen.ended == "enrolled" else seen.ended
    if seen.ended == "enrolled" and stage != "enrolled":
        seen.fault(f"called {stage} after it was enrolled")


RULES: dict[str, Callable[[Seen, dict[str, Any]], None]] = {
    "dossier.prepared": _prepared,
    "dossier.signed": _signed,
    "agency.filing-asked": _filing_asked,
    "mail.expected": _expected,
    "agency.dossier-received": _received,
    "agency.dossier-decided": _decided,
    "agency.status-asked": _status_asked,
    "agency.filing-uncertain": _uncertain,
    "mail.stop-result-arrived": _stop_result,
    "mail.change-result-arrived": _change_result,
    "mail.unit-code-result-arrived": _unit_code_result,
    "mail.activation-code-arrived": _code,
    "registry.turn-granted": _turn,
    "registry.unit-code-noted": _noted,
    "agency.activation-asked": _activation_asked,
    "agency.activation-answered": _activation_answered,
    "agency.roster-asked": _roster_asked,
    "agency.roster-fetched": _roster,
    "agency.roster-failed": _roster,
    "enrolment.answered": _answered,
    "enrolment.cancelled": _cancelled,
    "enrolment.progressed": _progressed,
}


def word_of(type_: str) -> str:
    """vn.hoso.dossier.signed.v1 -> dossier.signed"""
    return type_.removeprefix(PREFIX).rpartition(".v")[0]


async def illegal_orders(db: Any) -> list[str]:
    """Every step of every enrolment stands where it may stand, and happened once."""
    faults: list[str] = []
    seen: Seen | None = None
    for row in await db.fetch(TIMELINE):
        if seen is None or seen.enrolment != str(row["enrolment"]):
            faults += seen.faults if seen else []
            seen = Seen(str(row["enrolment"]))
        rule = RULES.get(word_of(row["type"]))
        if rule is not None:
            rule(seen, json.loads(row["data"]))
    return faults + (seen.faults if seen else [])


async def taken_twice(db: Any) -> list[str]:
    """One event is taken once by each group, and one call has one outcome: all that follows from it was written together.

    What one transaction writes carries one time; two times for one cause and producer are two transactions.
    """
    times: dict[tuple[Any, str], set[Any]] = defaultdict(set)
    words: dict[tuple[Any, str], set[str]] = defaultdict(set)
    where: dict[Any, Any] = {}
    for row in await db.fetch("select cause, type, at, enrolment from ops.timeline where cause is not null"):
        word = word_of(row["type"])
        if word != RANG:
            key = (row["cause"], _producer(word))
            times[key].add(row["at"])
            words[key].add(word)
            where[row["cause"]] = row["enrolment"]
    known = {r["event"] for r in await db.fetch("select event from ops.timeline where event = any($1)", list(where))}
    return [
        f"enrolment {where[cause]}: {'an event was taken' if cause in known else 'a call had its outcome'} {len(at)} times by "
        f"{producer} ({cause}: {', '.join(sorted(words[cause, producer]))})"
        for (cause, producer), at in times.items() if len(at) > 1]  # fmt: skip


def _producer(word: str) -> str:
    from schemas.topics import TOPICS

    for topic in TOPICS:
        if any(word_of(fact.TYPE) == word for fact in topic.facts):
            return topic.producers[0]
    return "somebody"


async def books_of_the_log(db: Any) -> list[str]:
    """The log's own books: no gap, no unit held, every reader at the end, every event in the timeline, no call of a dead owner."""
    faults = [
        f"{r['topic']}/{r['part']}: offsets {r['least']}..{r['most']} hold {r['n']} events"
        for r in await db.fetch(
            "select topic, part, min(off) as least, max(off) as most, count(*) as n from log.event group by 1, 2 "
            "having max(off) - min(off) + 1 <> count(*)"
        )
    ]
    faults += [
        f"{r['grp']} is {r['behind']} events behind on {r['topic']}/{r['part']}"
        for r in await db.fetch(
            "select p.grp, p.topic, p.part, h.next - p.off as behind from log.position p join log.head h using (topic, part) where h.next <> p.off "
            "and (p.kafka is null or p.topic not like 'enrolment.requests.%')"
        )
    ]
    faults += [
        f"unit {r['subject']} is held by {r['grp']}: {r['reason']} {r['error']}"
        for r in await db.fetch("select * from log.held")
    ]
    faults += [f"a dead letter of {r['grp']}: {r['reason']}" for r in await db.fetch("select * from log.dead")]
    faults += [
        f"call {r['name']} belongs to an owner that is no member"
        for r in await db.fetch(
            "select name from log.call c where owner is not null and not exists (select 1 from log.member m where m.id = c.owner)"
        )
    ]
    missing = await db.fetch(
        "select e.type, count(*) as n from log.event e where e.topic = any($1) and not exists (select 1 from ops.timeline t where t.event = e.id) "
        "group by 1",
        await _read_by_ops(db),
    )
    return faults + [f"{r['n']} events {r['type']} are not in any timeline" for r in missing]


async def _read_by_ops(db: Any) -> list[str]:
    return [r["topic"] for r in await db.fetch("select distinct topic from log.position where grp = 'hoso.ops'")]

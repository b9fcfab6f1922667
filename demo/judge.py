"""The judge: reads only the agency's ledger and the databases, and says what was lost or filed twice.

It knows nothing of what was expected; it holds both sides' records against each other. Used by the demo and the chaos suite.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demo.mails import Open, leaks, unplaced_mails
from demo.orders import books_of_the_log, illegal_orders, taken_twice

OPEN_STAGES = frozenset(
    [
        "requested",
        "signing",
        "filed",
        "stopping",
        "awaiting-stop-mail",
        "waiting-for-turn",
        "awaiting-code",
        "activating",
        "agency-review",
        "changing",
        "fetching-employees",
    ]
)
DAY_S = 24 * 3600.0


@dataclass(slots=True)
class Findings:
    """What the judge found. `faults` empty: nothing is lost and nothing was filed twice."""

    rows: int = 0
    accepted: int = 0
    rejected_rows: int = 0
    enrolled: int = 0
    waiting_for_person: int = 0
    stopped: int = 0
    """Only their stop was asked for, and it is done."""
    cancelled: int = 0
    open: int = 0
    lost: list[str] = field(default_factory=list)
    filed_twice: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def everything(self) -> list[str]:
        """All that is wrong, in words."""
        return [*self.lost, *self.filed_twice, *self.faults]

    @property
    def clean(self) -> bool:
        """Whether nothing at all is wrong."""
        return not self.everything


CHANGE = "05_SD-IVAN"


def ledger(file: Path) -> sqlite3.Connection:
    """The agency's ledger, read only."""
    db = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)
    db.row_factory = sqlite3.Row
    return db


def filed_twice(agency: sqlite3.Connection) -> list[str]:
    """At most one arrival of one attempt's bytes; at most one accepted filing a unit and procedure, unless the earlier one had
    come to nothing by the world's clock (its code expired or was refused, its mail never came, its stop was superseded)."""
    found = []
    for row in agency.execute(
        "select unit_code, procedure, sha256, count(*) as n from arrivals group by 1, 2, 3 having count(*) > 1"
    ):
        found.append(f"{row['unit_code']} {row['procedure']}: the same bytes arrived {row['n']} times")
    for row in agency.execute(
        "select unit_code, idempotency_key as k, count(*) as n from arrivals where idempotency_key is not null group by 1, 2 having count(*) > 1"
    ):
        found.append(f"{row['unit_code']}: one attempt ({row['k']}) arrived {row['n']} times")
    accepted: dict[tuple[str, str], list[sqlite3.Row]] = defaultdict(list)
    for row in agency.execute(
        "select f.*, c.expires_world, c.used_world, (select count(*) from mails m where m.transaction_id = f.transaction_id "
        "and m.genuine and m.state = 'sent') as mailed, (select count(*) from activations a where a.transaction_id = f.transaction_id "
        "and a.outcome <> '00') as refused_codes from filings_of f left join codes c on c.transaction_id = f.transaction_id "
        "where f.taken_in and f.state <> 'TU_CHOI' order by f.received_world, f.arrived"
    ):
        accepted[row["who"], row["procedure"]].append(row)
    for (unit, procedure), filings in accepted.items():
        for earlier, later in zip(filings, filings[1:], strict=False):
            if not _came_to_nothing(earlier, later["received_world"]):
                found.append(
                    f"{unit} {procedure}: {later['transaction_id']} was filed while {earlier['transaction_id']} stood"
                )
    return found


def _came_to_nothing(filing: sqlite3.Row, at: float) -> bool:
    """By the world's time `at`, nobody had to wait for this filing any more."""
    if filing["procedure"] == CHANGE:  # a decided one is over, and the next changes something else
        return filing["decided_world"] is not None and filing["decided_world"] <= at
    if filing["used_world"] is not None:
        return False
    if filing["refused_codes"] or at - filing["received_world"] >= DAY_S:
        return True
    return filing["expires_world"] is not None and filing["expires_world"] <= at


def misused_codes(agency: sqlite3.Connection) -> list[str]:
    """Every code is used at most once and never after its 24 hours; no code went to another unit."""
    found = [
        f"{r['unit_code']}: code used {r['n']} times"
        for r in agency.execute(
            "select unit_code, transaction_id, count(*) as n from activations where outcome = '00' group by 1, 2 having count(*) > 1"
        )
    ]
    found += [
        f"{r['unit_code']}: code used after it expired"
        for r in agency.execute(
            "select unit_code from codes where used_world is not null and used_world > expires_world"
        )
    ]
    found += [
        f"{r['given']}: was given the code of {r['owner']}"
        for r in agency.execute(
            "select a.unit_code as given, c.unit_code as owner from activations a join codes c on c.code = a.code where a.unit_code <> c.unit_code"
        )
    ]
    return found


async def judge(agency: sqlite3.Connection, db: Any, *, batch: Any = None) -> Findings:
    """Hold the agency's ledger against hoso's databases. `batch` None: everything."""
    f = Findings()
    rows = await db.fetch(
        "select r.*, e.stage, e.unit from intake.batch_row r left join ops.enrolment e on e.enrolment = r.enrolment "
        "where $1::uuid is null or r.batch = $1",
        batch,
    )
    f.rows = await db.fetchval(
        "select coalesce(sum(rows), 0) from intake.batch where $1::uuid is null or batch = $1", batch
    )
    if len(rows) != f.rows:
        f.lost.append(f"{f.rows} rows were handed in, {len(rows)} have an outcome")
    accepted = {r["enrolment"]: r for r in rows if r["outcome"] in ("accepted", "amended")}
    f.accepted = len(accepted)
    refused = [r for r in rows if r["outcome"] not in ("accepted", "amended")]
    f.rejected_rows = len(refused)
    f.faults += [f"row {r['row']} was refused without saying why" for r in refused if not await _says_why(db, r)]
    await _stages(f, agency, db, accepted)
    f.filed_twice = filed_twice(agency)
    f.faults += misused_codes(agency)
    f.faults += await _books(agency, db)
    f.faults += await illegal_orders(db)
    f.faults += await taken_twice(db)
    return f


async def _says_why(db: Any, row: Any) -> bool:
    if row["errors"] not in ("[]", None):
        return True
    if row["outcome"] in ("already-open", "already-enrolled") and row["enrolment"] is not None:
        return True  # the outcome is the reason: it names the enrolment that the unit has
    return bool(
        await db.fetchval(
            "select message <> '' from intake.request where request = $1::uuid::text || ':' || $2::int::text",
            row["batch"],
            row["row"],
        )
    )


async def _stages(f: Findings, agency: sqlite3.Connection, db: Any, accepted: Mapping[Any, Any]) -> None:
    active = _active(agency)
    codes = {r["enrolment"]: r["unit_code"] for r in await db.fetch("select enrolment, unit_code from ops.enrolment")}
    stages: Counter[str] = Counter()
    for enrolment, row in accepted.items():
        stage = row["stage"]
        if stage is None:
            f.lost.append(f"enrolment {enrolment} was accepted and is nowhere")
            continue
        stages["open" if stage in OPEN_STAGES else stage] += 1
        if stage == "enrolled" and codes.get(enrolment) not in active:
            f.faults.append(
                f"{codes.get(enrolment)} is called enrolled ({enrolment}); the agency does not know it as active"
            )
    f.enrolled, f.waiting_for_person = stages["enrolled"], stages["waiting-for-person"]
    f.stopped, f.cancelled, f.open = stages["stopped"], stages["cancelled"], stages["open"]
    f.accepted -= stages["refused-request"]  # answered: the unit's own enrolment did not take them
    missing = f.accepted - f.enrolled - f.waiting_for_person - f.stopped - f.cancelled - f.open
    if missing:
        f.lost.append(f"{missing} accepted enrolments are in no stage")
    if await db.fetchval("select to_regclass('enrolment.state')") is not None:
        states = await db.fetchval("select count(*) from enrolment.state")
        units = await db.fetchval(
            "select count(distinct unit) from ops.enrolment where stage <> 'refused-request'"  # that opened nothing
        )
        if states < units:
            f.lost.append(f"{units} units have enrolments, {states} have a state")


def _active(agency: sqlite3.Connection) -> set[str]:
    """The units that the agency has on the service with us."""
    return {r["unit_code"] for r in agency.execute("select unit_code from units where active_transaction is not null")}


async def _members(agency: sqlite3.Connection, db: Any) -> list[str]:
    """Whoever is called enrolled is active at the agency, also those nobody sent in a sheet."""
    active = _active(agency)
    return [
        f"{r['unit_code']} is called enrolled ({r['enrolment']}); the agency does not know it as active"
        for r in await db.fetch("select enrolment, unit_code from ops.enrolment where stage = 'enrolled'")
        if r["unit_code"] not in active
    ]


async def _books(agency: sqlite3.Connection, db: Any) -> list[str]:
    """Every arrival is in our ledger, and was there first. One that was forgotten by a restore and found again is there by
    its bytes: whoever asked again may have asked under a new key."""
    filings = await db.fetch("select key, sha256, found_again from submitter.filing")
    ours = {(r["key"], r["sha256"]) for r in filings}
    again = {r["sha256"] for r in filings if r["found_again"]}
    strange = [
        r["unit_code"]
        for r in agency.execute("select unit_code, idempotency_key, sha256 from arrivals")
        if (r["idempotency_key"], r["sha256"]) not in ours and r["sha256"] not in again
    ]
    return [f"{unit}: the agency has a filing that our ledger does not" for unit in strange]


async def _requests(db: Any) -> list[str]:
    """Every single request was answered, and every accepted one is an enrolment somewhere."""
    lost = [
        f"request {r['request']} was never decided"
        for r in await db.fetch("select request from intake.request where outcome is null")
    ]
    return lost + [
        f"request {r['request']} was accepted as {r['enrolment']}, which is nowhere"
        for r in await db.fetch(
            "select request, enrolment from intake.request q where outcome in ('accepted', 'amended') "
            "and not exists (select 1 from ops.enrolment e where e.enrolment = q.enrolment)"
        )
    ]


async def judge_everything(
    agency: sqlite3.Connection, db: Any, opened: Open, folder: Path, secrets: Sequence[str] = ()
) -> Findings:
    """The chaos suite's judge: all of the above over all requests, and mails, secrets and the log's own books."""
    f = await judge(agency, db)
    f.lost += await _requests(db)
    f.faults += [fault for fault in await _members(agency, db) if fault not in f.faults]
    f.faults += await books_of_the_log(db)
    f.faults += await unplaced_mails(agency, db, opened)
    f.faults += await leaks(agency, db, folder, secrets)
    return f

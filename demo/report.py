"""What the demo prints at the end: words for people, the agency's ledger beside ours, and where to look further."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from demo.judge import Findings
from demo.people import People
from demo.statements import STATEMENTS
from hoso.domain.causes import CAUSES

SHOWN = 40


async def report(
    db: Any,
    agency: sqlite3.Connection,
    folder: Path,
    batches: Sequence[UUID],
    findings: Findings,
    say: Callable[[str], None],
) -> None:
    """Print it; write one enrolment's timeline beside the result sheet."""
    rows = await db.fetch(
        "select e.*, r.row, r.row_key, r.outcome, r.errors, q.message as later, q.outcome as decided from intake.batch_row r "
        "left join intake.request q on q.request = r.batch::text || ':' || r.row::text "
        "left join ops.enrolment e on e.enrolment = r.enrolment where r.batch = any($1) order by r.batch, r.row",
        list(batches),
    )
    refused = [r for r in rows if r["outcome"] not in ("accepted", "amended") or r["decided"] == "refused"]
    taken = list({r["enrolment"]: r for r in rows if r not in refused}.values())
    say("")
    say(f"ENROLLED  {findings.enrolled} of {findings.accepted} accepted")
    for row in [r for r in taken if r["stage"] == "enrolled"][:SHOWN]:
        say(
            f"  {row['unit_code']:<8} {row['number'] or '':<18} {row['employees'] if row['employees'] is not None else '–':>3} employees  {row['name'][:60]}"
        )
    stopped = [r for r in taken if r["stage"] == "stopped"]
    say("")
    say(f"STOPPED, AS ASKED  {len(stopped)}")
    for row in stopped[:SHOWN]:
        say(f"  {row['unit_code']:<8} {row['number'] or '':<18} {row['name'][:60]}")
    waiting = [r for r in taken if r["stage"] == "waiting-for-person"]
    say("")
    say(f"WAITING FOR A PERSON  {len(waiting)}   (hoso tasks list)")
    for row in waiting[:SHOWN]:
        answers = row["answers"] or (CAUSES[row["cause"]].answers if row["cause"] in CAUSES else ())
        say(f"  {row['unit_code'] or row['row_key']:<8} {row['message']}")
        say(
            f"           hoso enrolment answer {row['enrolment']} {'|'.join(answers)}"
            if answers
            else f"           hoso enrolment cancel {row['enrolment']}"
        )
    say("")
    say(f"REFUSED ROWS  {len(refused)}")
    for row in refused[:SHOWN]:
        errors = json.loads(row["errors"] or "[]")
        say(
            f"  row {row['row']:<4} {row['row_key']:<8} "
            + ("; ".join(map(_error, errors)) or row["later"] or row["outcome"])
        )
    await _ledgers(db, agency, say)
    path = await _timeline(db, folder, taken)
    say("")
    say(f"one timeline     {path}")


def report_statements(seen: Mapping[str, Sequence[str]], say: Callable[[str], None]) -> None:
    """Which of the pages' statements were at work, and which branch shows each."""
    say("")
    say(f"STATEMENTS SEEN AT WORK  {sum(bool(shown) for shown in seen.values())} of {len(STATEMENTS)}")
    for one in STATEMENTS:
        shown = seen[one.number]
        more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
        say(f"  {one.number:<4} {one.words:<46} {', '.join(shown[:3]) + more if shown else '–'}")


def report_files(folder: Path, mails: int, people: People, say: Callable[[str], None]) -> None:
    """What lies in the world's folder for people to read."""
    say("")
    say(f"result sheet     {folder / 'result.xlsx'}")
    say(f"printed forms    {folder / 'forms'}  ({len(list((folder / 'forms').glob('*.pdf')))})")
    say(f"mails to people  {folder / 'notices'}  ({mails})")
    say(f"webhooks taken   {folder / 'webhooks.jsonl'}")
    say(
        f"people answered {len(people.answered)} tasks; directors approved {people.phone.approved if people.phone else 0} prompts"
    )


def _error(error: Any) -> str:
    if isinstance(error, dict):
        return " ".join(str(error[k]) for k in ("header", "message", "cure") if error.get(k))
    return str(error)


async def _ledgers(db: Any, agency: sqlite3.Connection, say: Callable[[str], None]) -> None:
    ours = {
        r["kind"]: r
        for r in await db.fetch(
            "select kind, count(*) as attempts, count(*) filter (where state = 'accepted') as accepted, count(*) filter (where state = 'refused') as refused, "
            "count(*) filter (where state not in ('accepted', 'refused')) as other from submitter.filing group by 1"
        )
    }
    say("")
    say("LEDGERS            attempts/arrivals  accepted  refused  other")
    for procedure, kind in (
        ("04_DK-IVAN", "register"),
        ("06_NG-IVAN", "stop"),
        ("05_SD-IVAN", "change"),
        ("604", "first_code"),
    ):
        row = agency.execute(
            "select count(*) as n, sum(coalesce(f.state = 'CHAP_NHAN', 0)) as a, sum(coalesce(f.state = 'TU_CHOI', 1)) as r "
            "from arrivals l left join filings f on f.transaction_id = l.transaction_id where l.procedure = ?",
            (procedure,),
        ).fetchone()
        mine = ours.get(kind)
        say(
            f"  {procedure:<11} agency {row['n']:>15} {row['a'] or 0:>9} {row['r'] or 0:>8} {row['n'] - (row['a'] or 0) - (row['r'] or 0):>6}"
        )
        if mine:
            say(
                f"  {'':<11} hoso   {mine['attempts']:>15} {mine['accepted']:>9} {mine['refused']:>8} {mine['other']:>6}"
            )
    kept_out = agency.execute("select count(*) from non_arrivals").fetchone()[0]
    say(f"  requests the agency never processed (refused, dropped, told to wait): {kept_out}")


async def _timeline(db: Any, folder: Path, taken: list[Any]) -> Path:
    """The longest way among the enrolled."""
    row = await db.fetchrow(
        "select t.enrolment, count(*) as n from ops.timeline t join ops.enrolment e on e.enrolment = t.enrolment "
        "where e.stage = 'enrolled' and e.enrolment = any($1) group by 1 order by 2 desc limit 1",
        [r["enrolment"] for r in taken],
    )
    path = folder / "timeline.txt"
    if row is None:
        path.write_text("")
        return path
    events = await db.fetch("select at, type, data from ops.timeline where enrolment = $1 order by n", row["enrolment"])
    lines = [f"enrolment {row['enrolment']}", ""]
    lines += [
        f"{e['at']:%Y-%m-%d %H:%M:%S}  {e['type'].removeprefix('vn.hoso.'):<38} {_few(json.loads(e['data']))}"
        for e in events
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def _few(data: dict[str, Any]) -> str:
    shown = (
        "kind",
        "attempt",
        "number",
        "accepted",
        "code",
        "text",
        "stage",
        "cause",
        "outcome",
        "reached",
        "employees",
        "expires_at",
        "message",
    )
    return " ".join(
        f"{k}={data[k]}"
        for k in shown
        if data.get(k) not in (None, "", []) and not (k == "code" and len(str(data[k])) > 30)
    )

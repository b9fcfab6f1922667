"""What the outside world and our own timeline say of every branch that was handed in: what statements are recognised by."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from demo.api import Api
from demo.signing import Phone
from services.intake.sheets import read_sheet

REGISTER, CHANGE, STOP, FIRST = "04_DK-IVAN", "05_SD-IVAN", "06_NG-IVAN", "604"
Row = Mapping[str, Any]


@dataclass
class Shown:
    """One row of a sheet and everything that is known of its branch, each list oldest first."""

    key: str
    name: str
    cells: Mapping[str, str]
    """The row as it was written: column key -> text."""
    outcome: str
    errors: Sequence[Row]
    message: str
    """Why a row that was taken in was refused afterwards."""
    stage: str = ""
    unit_code: str = ""
    provider: str = ""
    """Whom the agency has the unit with."""
    employees: int | None = None
    events: Sequence[tuple[str, Row]] = ()
    tasks: Sequence[Row] = ()
    filings: Sequence[Row] = ()
    """Rows of the agency's `filings`, with `serial` and `subject` of who signed, `granted_code` and `released_world` of a newcomer's."""
    mails: Sequence[Row] = ()
    """Genuine mails of the agency about these filings, whatever became of them."""
    codes: Sequence[Row] = ()
    activations: Sequence[Row] = ()
    grants: Sequence[Row] = ()
    checklist: Row = field(default_factory=dict)

    def of(self, *procedures: str, state: str = "", code: str = "") -> list[Row]:
        """Its filings of these procedures."""
        return [
            one
            for one in self.filings
            if one["procedure"] in procedures and state in ("", one["state"]) and code in ("", one["code"])
        ]

    def told(self, word: str, **wanted: Any) -> list[Row]:
        """Our events whose type contains `word`, with these values."""
        return [
            data
            for type_, data in self.events
            if word in type_ and all(data.get(key) == value for key, value in wanted.items())
        ]

    def asked(self, cause: str, answer: str = "") -> list[Row]:
        """Tasks of this cause; with this answer."""
        return [one for one in self.tasks if one["cause"] == cause and answer in ("", one["answer"])]

    def sent(self, kind: str) -> list[Row]:
        """Its genuine mails of a kind that were sent."""
        return [one for one in self.mails if one["kind"] == kind and one["state"] == "sent"]

    @property
    def enrolled(self) -> bool:
        """At the end of its way."""
        return self.stage == "enrolled"


async def branches(db: Any, agency: sqlite3.Connection, api: Api, sheets: Sequence[tuple[UUID, Path]]) -> list[Shown]:
    """Every row of the batches."""
    found = []
    for batch, sheet in sheets:
        cells = {row.number: row.fields for row in read_sheet(sheet.read_bytes(), sheet.name).rows}
        rows = await db.fetch(
            "select r.row, r.row_key, r.outcome, r.errors, r.enrolment, e.stage, e.unit_code, e.name, e.employees, q.message "
            "from intake.batch_row r left join ops.enrolment e on e.enrolment = r.enrolment "
            "left join intake.request q on q.request = r.batch::text || ':' || r.row::text where r.batch = $1 order by r.row",
            batch,
        )
        for row in rows:
            texts = {key: str(value) for key, value in cells.get(row["row"], {}).items()}
            shown = Shown(
                key=row["unit_code"] or row["row_key"],
                name=row["name"] or texts.get("name", ""),
                cells=texts,
                outcome=row["outcome"],
                errors=json.loads(row["errors"] or "[]"),
                message=row["message"] or "",
                stage=row["stage"] or "",
                unit_code=row["unit_code"] or "",
                employees=row["employees"],
            )
            if row["enrolment"] is not None and row["outcome"] in ("accepted", "amended"):
                await _ours(db, shown, row["enrolment"])
                _theirs(agency, shown)
                shown.checklist = await api.ask("GET", f"/v1/enrolments/{row['enrolment']}/checklist")
            found.append(shown)
    return found


async def _ours(db: Any, shown: Shown, enrolment: UUID) -> None:
    events = await db.fetch("select type, data from ops.timeline where enrolment = $1 order by n", enrolment)
    shown.events = [(row["type"].removeprefix("vn.hoso."), json.loads(row["data"])) for row in events]
    shown.tasks = await db.fetch("select * from ops.task where enrolment = $1 order by since", enrolment)


_FILINGS = """
select f.*, c.serial, c.subject, t.released_world, t.granted_code, t.province as first_province, t.licence from filings f
left join certificates c on c.sha256 = f.certificate left join first_time t using (transaction_id)
where (f.unit_code <> '' and f.unit_code = ?) or (t.licence is not null and t.licence = ?) order by f.received_world, f.rowid
"""


def _theirs(agency: sqlite3.Connection, shown: Shown) -> None:
    code = shown.unit_code or "-"
    shown.filings = [dict(row) for row in agency.execute(_FILINGS, (code, shown.cells.get("licence_number") or "-"))]
    transactions = [one["transaction_id"] for one in shown.filings]
    marks = ", ".join("?" * len(transactions))
    rows: dict[str, list[Row]] = defaultdict(list)
    for table, order in (("mails", "id"), ("codes", "rowid"), ("activations", "id")):
        found = agency.execute(
            f"select * from {table} where transaction_id in ({marks}) order by {order}", transactions
        )
        rows[table] = [dict(row) for row in found]
    shown.mails = [mail for mail in rows["mails"] if mail["genuine"]]
    shown.codes, shown.activations = rows["codes"], rows["activations"]
    shown.grants = [dict(row) for row in agency.execute("select * from granted where unit_code = ?", (code,))]
    unit = agency.execute("select provider_code from units where unit_code = ?", (code,)).fetchone()
    shown.provider = unit["provider_code"] if unit else ""


async def doubled(phone: Phone | None) -> list[str]:
    """What somebody was asked to sign twice: one document of ours in two prompts.

    The service's own list also has documents of the same bytes: a registration that is filed again on the same day after a stop is a new
    document with the content of the refused one (A20), and has to be approved anew (A21).
    """
    if phone is None:
        return []
    async with Api(phone.url) as service:
        told = await service.ask("GET", "/ledger")
    within = {one["number"]: {document["id"] for document in one["documents"]} for one in told["prompts"]}
    return [
        f"{one['document']} ({one['what']})"
        for one in told["doubles"]
        if one["document"] in within[one["first"]] & within[one["second"]] or one["what"] != "approved twice"
    ]

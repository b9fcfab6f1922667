"""What people see of batches and enrolments: one tenant's rows, read from intake's own tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from hoso.runtime.steps import Tx
from schemas.units import Stage
from services.intake.checked import CellError, CellNote
from services.intake.sheets_out import RowResult

STAGE_WORDS: dict[Stage, str] = {
    Stage.REQUESTED: "Đã nhận",
    Stage.SIGNING: "Đang ký số",
    Stage.FILED: "Đã nộp, chờ cơ quan BHXH trả lời",
    Stage.STOPPING: "Đang ngừng nhà cung cấp cũ",
    Stage.AWAITING_STOP_MAIL: "Chờ thư xác nhận ngừng",
    Stage.WAITING_FOR_TURN: "Chờ đơn vị cùng tên nhận mã trước",
    Stage.AWAITING_CODE: "Chờ mã kích hoạt",
    Stage.ACTIVATING: "Đang kích hoạt",
    Stage.AGENCY_REVIEW: "Cán bộ BHXH đang xét cấp mã đơn vị",
    Stage.CHANGING: "Đang báo thay đổi",
    Stage.FETCHING_EMPLOYEES: "Đang lấy danh sách lao động",
    Stage.ENROLLED: "Đã đăng ký xong",
    Stage.WAITING_FOR_PERSON: "Chờ người xử lý",
    Stage.STOPPED: "Đã ngừng nhà cung cấp cũ",
    Stage.CANCELLED: "Đã huỷ",
    Stage.REFUSED_REQUEST: "Bị từ chối",
}
_OUTCOME_WORDS = {
    "invalid": "Dòng có lỗi, chưa đăng ký",
    "refused": "Chưa nhận",
    "already-enrolled": "Đã đăng ký từ trước",
}

_ENROLMENT = """
select enrolment, unit, row_key, batch, stage, filed, cause, message, number, employees, opened_at, at from intake.enrolment
"""

_ROWS = """
select r.row, r.row_key, r.outcome, r.enrolment, r.errors, r.notes, q.outcome as later, q.message as later_message,
  e.stage, e.cause, e.message, e.number
from intake.batch_row r
left join intake.request q on q.tenant = $2 and q.request = $1::uuid::text || ':' || r.row::text
left join intake.enrolment e on e.enrolment = r.enrolment
where r.batch = $1 and r.row > $3 and ($6::int is null or r.row <= $6) and (not $4 or r.outcome in ('invalid', 'refused') or q.outcome = 'refused')
order by r.row limit $5
"""


async def enrolment(db: Tx, tenant: str, id_: UUID) -> dict[str, Any] | None:
    """One enrolment of the tenant."""
    row = await db.fetchrow(_ENROLMENT + "where tenant = $1 and enrolment = $2", tenant, id_)
    return _enrolment_json(row) if row is not None else None


async def enrolments(db: Tx, tenant: str, batch: UUID | None, after: UUID | None, limit: int) -> list[dict[str, Any]]:
    """The tenant's enrolments, by id; of one batch when it is given: also those its rows met already open."""
    rows = await db.fetch(
        _ENROLMENT
        + "where tenant = $1 and ($2::uuid is null or enrolment in (select r.enrolment from intake.batch_row r "
        "where r.batch = $2)) and ($3::uuid is null or enrolment > $3) order by enrolment limit $4",
        tenant,
        batch,
        after,
        limit,
    )
    return [_enrolment_json(row) for row in rows]


async def batch(db: Tx, tenant: str, id_: UUID) -> dict[str, Any] | None:
    """A batch and how far its rows are."""
    row = await db.fetchrow("select * from intake.batch where tenant = $1 and batch = $2", tenant, id_)
    if row is None:
        return None
    outcomes = await db.fetch("select outcome, count(*) from intake.batch_row where batch = $1 group by 1", id_)
    stages = await db.fetch(
        "select stage, count(*) from intake.enrolment where enrolment in "
        "(select enrolment from intake.batch_row where batch = $1) group by 1",
        id_,
    )
    return {
        **_standing(row),
        "outcomes": {row["outcome"]: row["count"] for row in outcomes},
        "stages": {row["stage"]: row["count"] for row in stages},
        "notes": json.loads(row["notes"]),
    }


async def batches(db: Tx, tenant: str, before: UUID | None, limit: int) -> list[dict[str, Any]]:
    """The tenant's batches, the newest first, without what became of their rows."""
    rows = await db.fetch(
        "select * from intake.batch where tenant = $1 and ($2::uuid is null or batch < $2) order by batch desc limit $3",
        tenant,
        before,
        limit,
    )
    return [_standing(row) for row in rows]


def _standing(row: Any) -> dict[str, Any]:
    return {
        "batch": str(row["batch"]),
        "filename": row["filename"],
        "sha256": row["sha256"],
        "actor": row["actor"],
        "at": row["at"].isoformat(),
        "state": row["state"],
        "said_by": row["said_by"],
        "reason": row["reason"],
        "rows": row["rows"],
        "rows_done": row["position"],
    }


async def batch_rows(
    db: Tx, tenant: str, id_: UUID, *, after: int, limit: int, errors_only: bool, to: int | None = None
) -> list[dict[str, Any]]:
    """Rows of a batch, by their number in the sheet, with what became of each: behind `after`, up to `to`."""
    rows = await db.fetch(_ROWS, id_, tenant, after, errors_only, limit, to)
    return [
        {
            "row": row["row"],
            "row_key": row["row_key"],
            "outcome": row["later"] or row["outcome"],
            "enrolment": str(row["enrolment"]) if row["enrolment"] else None,
            "stage": row["stage"],
            "cause": row["cause"],
            "message": row["later_message"] or row["message"] or "",
            "number": row["number"],
            "errors": json.loads(row["errors"]),
            "notes": json.loads(row["notes"]),
        }
        for row in rows
    ]


def error_json(error: CellError) -> dict[str, str]:
    """An error as the API and the tables show it."""
    return {"column": error.column, "message": error.message_vi, "cure": error.cure_vi}


def note_json(note: CellNote) -> dict[str, str]:
    """A note as the API and the tables show it."""
    return {"column": note.column, "message": note.message_vi}


_BAD = frozenset(("invalid", "refused"))
_FINE = frozenset((Stage.ENROLLED, Stage.STOPPED))


def row_result(row: Mapping[str, Any]) -> RowResult:
    """A row of `batch_rows` as the result sheet says it."""
    remarks = [str(CellError(e["column"], e["message"], e["cure"])) for e in row["errors"]]
    if row["message"] and row["stage"] not in (*_FINE, None):
        remarks.append(row["message"])
    remarks += [f"(Lưu ý) {CellNote(n['column'], n['message'])}" for n in row["notes"]]
    word = _OUTCOME_WORDS.get(row["outcome"])
    if word is None:
        word = STAGE_WORDS[Stage(row["stage"])] if row["stage"] else "Đã nhận"
    return RowResult(
        word,
        "\n".join(remarks),
        row["enrolment"] or "",
        frozenset(e["column"] for e in row["errors"]),
        frozenset(n["column"] for n in row["notes"]),
        row["outcome"] in _BAD or row["stage"] == Stage.REFUSED_REQUEST,
        row["outcome"] not in _BAD and row["stage"] in _FINE,
    )


NOT_BEGUN = {
    "paused": RowResult("Lô đang tạm dừng, dòng này chưa xử lý"),
    "cancelling": RowResult("Lô đã huỷ, dòng này chưa đăng ký"),
    "cancelled": RowResult("Lô đã huỷ, dòng này chưa đăng ký"),
    "failed": RowResult("Lô bị lỗi, dòng này chưa xử lý", "Xem ghi chú của lô.", bad=True),
}
"""What the result sheet says of rows that nobody has come to, by the state of their batch."""
WAITING = RowResult("Chờ xử lý")


def _enrolment_json(row: Any) -> dict[str, Any]:
    return {
        "enrolment": str(row["enrolment"]),
        "unit": str(row["unit"]),
        "row_key": row["row_key"],
        "batch": str(row["batch"]) if row["batch"] else None,
        "stage": row["stage"],
        "stage_text": STAGE_WORDS[Stage(row["stage"])],
        "filed": row["filed"],
        "cause": row["cause"],
        "message": row["message"],
        "number": row["number"],
        "employees": row["employees"],
        "opened_at": row["opened_at"].isoformat(),
        "at": row["at"].isoformat(),
    }

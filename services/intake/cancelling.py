"""What people say to a batch as a whole: wait, go on, give up.

Paused: rows that nobody has come to wait; what was handed over goes on. Cancelled: rows not begun are not begun, and every enrolment
the batch opened is given up, a chunk at a time; what was filed at the agency runs to its outcome there.
"""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from hoso.points import point
from hoso.runtime.outgoing import Cause
from hoso.runtime.steps import Step, Tell
from schemas.events import EnrolmentCancelled
from schemas.units import Stage
from services.intake.admission import OVER
from services.intake.ports import Admitter, Pool
from services.intake.problems import Problem

Order = Literal["pause", "resume", "cancel"]

CHUNK = 500
_MAY: dict[Order, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "pause": ("paused", ("working",), ("paused",)),
    "resume": ("working", ("paused", "failed"), ("working", "done")),
    "cancel": ("cancelling", ("working", "paused", "failed", "done"), ("cancelling", "cancelled")),
}
"""What is said -> the state it makes, from which states, and where it has been said before."""
_STATES = {
    "working": "đang xử lý",
    "paused": "đang tạm dừng",
    "cancelling": "đang huỷ",
    "cancelled": "đã huỷ",
    "done": "đã xử lý xong",
    "failed": "bị lỗi",
}

_OPEN = """
select enrolment, unit, tenant from intake.enrolment
where batch = $1 and current and stage <> all($2::text[]) and ($3::uuid is null or enrolment > $3) order by enrolment limit $4
"""


async def say(pool: Pool, tenant: str, batch: UUID, order: Order, actor: str, reason: str) -> str | None:
    """The batch's state afterwards; None when the tenant has no such batch. Saying it again is harmless.

    Raises Problem 409 when the batch is past that.
    """
    wanted, begins, already = _MAY[order]
    async with pool.acquire() as tx, tx.transaction():
        state = await tx.fetchval(
            "select state from intake.batch where tenant = $1 and batch = $2 for update", tenant, batch
        )
        if state is None or state in already:
            return None if state is None else str(state)
        if state not in begins:
            what = {"pause": "tạm dừng", "resume": "chạy tiếp", "cancel": "huỷ"}[order]
            detail = f"Lô {_STATES[state]}, nên không {what} được nữa. Xem `hoso sheet list`."
            raise Problem(409, "batch-state", f"Không {what} được lô này", detail, state=state)
        await tx.execute(
            "update intake.batch set state = $2, said_by = $3, reason = $4 where batch = $1",
            batch,
            wanted,
            actor,
            reason,
        )
        await point("intake.before-commit")
    await point("intake.after-commit")
    return wanted


async def cancel_some(pool: Pool, log: Admitter, batch: UUID) -> None:
    """Give up the next open enrolments of a batch that is being cancelled; at the end it is cancelled."""
    async with pool.acquire() as tx, tx.transaction():
        row = await tx.fetchrow(
            "select cancelled_to, said_by, reason from intake.batch where batch = $1 and state = 'cancelling' for update",
            batch,
        )
        if row is None:
            return  # another process has done it
        over = [str(stage) for stage in (*OVER, Stage.ENROLLED)]
        found = await tx.fetch(_OPEN, batch, over, row["cancelled_to"], CHUNK)
        done = len(found) < CHUNK
        await tx.execute(
            "update intake.batch set cancelled_to = $2, state = $3 where batch = $1",
            batch,
            found[-1]["enrolment"] if found else row["cancelled_to"],
            "cancelled" if done else "cancelling",
        )
        ring = await log.admit_many(tx, [_cancelled(one, row["said_by"] or "", row["reason"]) for one in found])
        await point("intake.before-commit")
    await point("intake.after-commit")
    ring()


def _cancelled(row: Any, actor: str, reason: str) -> tuple[Cause, Step]:
    enrolment, unit, tenant = row
    fact = EnrolmentCancelled(enrolment=enrolment, actor=actor, reason=reason)
    return Cause(unit, tenant, enrolment, None), Tell(fact)

"""Everything that waits for a person, in one list: the tasks of ops, units that the kernel holds, webhooks that were switched off."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Protocol
from uuid import UUID, uuid5

from hoso.store.vault import Erased
from schemas.events import ActivationCodeArrived
from services.notifier.endpoints import switched_off
from services.ops import task_views
from services.ops.said import Unanswerable

_HELD = UUID("6f8c2c0e-52a5-5d0c-9a5e-5f5b9a1f2d70")
"""Namespace of the tasks that are held units: the same unit in the same group is the same task."""
RELEASE = "release"
_UNITS_HELD = """
select h.grp as "group", h.subject as unit, h.since, h.reason, h.error, h.released,
  coalesce((select v.tenant from log.held_event v where (v.grp, v.subject) = (h.grp, h.subject) order by v.n limit 1), '') as tenant,
  (select count(*) from log.held_event v where (v.grp, v.subject) = (h.grp, h.subject)) as events,
  e.unit_code, coalesce(e.name, '') as name
from log.held h
left join lateral (select unit_code, name from ops.enrolment o where o.unit = h.subject order by o.opened_at desc limit 1) e on true
order by h.since, h.grp, h.subject
"""


async def open_tasks(
    db: Any,
    *,
    tenant: str | None = None,
    cause: str | None = None,
    assignee: str | None = None,
    limit: int = 1000,
) -> list[dict[str, Any]]:
    """Open tasks, the most urgent first; held units after them."""
    rows = await task_views.tasks(db, tenant=tenant, cause=cause, assignee=assignee, limit=limit)
    if assignee is not None:
        return rows
    others = [*await _held(db, tenant), *await _webhooks_off(db, tenant)]
    return [*rows, *(row for row in others if cause in (None, row["cause"]))][:limit]


async def one_task(db: Any, id_: UUID, tenant: str | None = None) -> dict[str, Any] | None:
    """One task, also an ended one; None when there is none, or it is another tenant's."""
    found = await task_views.shown(db, id_, tenant)
    others = [] if found else [*await _held(db, tenant), *await _webhooks_off(db, tenant)]
    return found or next((row for row in others if row["task"] == id_), None)


async def _held(db: Any, tenant: str | None) -> Sequence[dict[str, Any]]:
    rows = await db.fetch(_UNITS_HELD)
    return [_as_task(row, tenant is None) for row in rows if tenant in (None, row["tenant"])]


def _as_task(row: Any, operator: bool) -> dict[str, Any]:
    """A held unit as a task. A tenant learns that it waits, not what our programs stumbled over."""
    detail = {"group": row["group"], "events": row["events"], "reason": row["reason"], "error": row["error"]}
    return {
        **_BLANK,
        "task": uuid5(_HELD, f"{row['group']}:{row['unit']}"),
        "about": f"held:{row['unit']}",
        "tenant": row["tenant"],
        "unit": row["unit"],
        "unit_code": row["unit_code"],
        "name": row["name"],
        "cause": "unit-held",
        "text": f"Một sự kiện của đơn vị này chưa xử lý được ({row['reason']})."
        if operator
        else "Một sự kiện của đơn vị này chưa xử lý được.",
        "cure": f"Xem hoso held show {row['unit']}, khắc phục rồi thả đơn vị ra."
        if operator
        else "Bộ phận vận hành xử lý; không cần làm gì.",
        "answers": [RELEASE] if operator and not row["released"] else [],
        "detail": detail if operator else {},
        "since": row["since"],
        "answer": RELEASE if row["released"] else None,
    }


async def _webhooks_off(db: Any, tenant: str | None) -> list[dict[str, Any]]:
    """Webhooks that were switched off: nobody hears their tenant's events until somebody mends them."""
    return [
        {
            **_BLANK,
            "task": uuid5(row["endpoint"], f"off:{row['generation']}"),
            "about": f"webhook:{row['endpoint']}",
            "tenant": row["tenant"],
            "cause": "webhook-off",
            "text": f"Webhook {row['url']} đã bị tắt vì lỗi quá lâu: {row['error']}.",
            "cure": f"Sửa hệ thống nhận rồi phát lại: hoso webhook replay {row['endpoint']}.",
            "since": row["disabled_at"],
        }
        for row in await switched_off(db, tenant)
    ]


_BLANK: dict[str, Any] = {
    "unit": None,
    "enrolment": None,
    "unit_code": None,
    "name": "",
    "answers": [],
    "detail": {},
    "until": None,
    "assignee": None,
    "ended_at": None,
    "answer": None,
    "actor": None,
    "reason": "",
}


class Opener(Protocol):
    """The vault."""

    async def get(self, ref: UUID) -> bytes:
        """Open. Raises Erased."""
        ...


BY_HAND = "activate-by-hand"


async def code_of(tx: Any, vault: Opener, task: dict[str, Any], actor: str) -> str:
    """The activation code a person has to type on the portal: for a task that asks for just that, and written down who saw it.

    Raises Unanswerable."""
    if task["cause"] != BY_HAND or task["ended_at"] is not None:
        raise Unanswerable(
            "no-code", "Việc này không cần ai xem mã kích hoạt.", "this task asks nobody to type an activation code"
        )
    ref = await tx.fetchval(
        "select data->>'code' from ops.timeline where enrolment = $1 and type = $2 order by n desc limit 1",
        task["enrolment"],
        ActivationCodeArrived.TYPE,
    )
    try:
        code = (await vault.get(UUID(ref))).decode() if ref else None
    except Erased:
        code = None
    if code is None:
        raise Unanswerable(
            "code-gone",
            "Mã kích hoạt không còn; hãy trả lời retry để nộp lại.",
            "the code is gone: answer retry to file again",
        )
    await tx.execute(
        "insert into store.audit(actor, tenant, what, detail) values ($1, $2, 'task.code', $3)",
        actor,
        task["tenant"],
        json.dumps({"task": str(task["task"]), "enrolment": str(task["enrolment"])}),
    )
    return code

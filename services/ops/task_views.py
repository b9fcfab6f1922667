"""Tasks as ops keeps them: loaded and saved by the projection, listed for people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from schemas.events import EnrolmentAnswered, EnrolmentCancelled
from services.ops.tasks import Task

_COLUMNS = "task, about, tenant, unit, enrolment, cause, text, cure, answers, since, until, detail, ended_at, answer, actor, reason"


async def known(tx: Any, abouts: Sequence[str]) -> list[Task]:
    """The open tasks of these matters, and the newest ended one of each: its answer may come later than its end."""
    rows = await tx.fetch(
        f"select distinct on (about, ended_at is null) {_COLUMNS} from ops.task where about = any($1) "
        "order by about, ended_at is null, since desc",
        abouts,
    )
    return [_task(row) for row in rows]


_SAID = (EnrolmentAnswered.TYPE, EnrolmentCancelled.TYPE)


async def with_answers(tx: Any, tasks: Sequence[Task]) -> list[Task]:
    """The same, those that ended without an answer with the one that was read long before them: ops may lag, or read all anew."""
    silent = {t.enrolment: t for t in tasks if t.about.startswith("decision:") and t.ended_at and t.answer is None}
    if not silent:
        return list(tasks)
    rows = await tx.fetch(
        "select enrolment, at, type, data from ops.timeline where enrolment = any($1) and type = any($2) order by at",
        list(silent),
        list(_SAID),
    )
    said: dict[UUID, Task] = {}
    for row in rows:
        fact = json.loads(row["data"])
        for one in tasks:
            fits = one.enrolment == row["enrolment"] and one.about.startswith("decision:") and one.answer is None
            if (
                fits
                and one.ended_at
                and one.since <= row["at"] <= one.ended_at
                and fact.get("cause") in (None, one.cause)
            ):
                answer = fact["answer"] if row["type"] == EnrolmentAnswered.TYPE else "cancel"
                said[one.task] = replace(one, answer=answer, actor=fact["actor"], reason=fact.get("reason", ""))
    return [said.get(one.task, one) for one in tasks]


async def write(tx: Any, tasks: Sequence[Task]) -> None:
    """New and changed tasks: those that end before those that open, for a matter has one open task."""
    rows = sorted(tasks, key=lambda t: (t.ended_at is None, t.task))
    await tx.executemany(
        f"insert into ops.task({_COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) "
        "on conflict (task) do update set cause = excluded.cause, text = excluded.text, cure = excluded.cure, "
        "answers = excluded.answers, until = excluded.until, detail = excluded.detail, ended_at = excluded.ended_at, "
        "answer = excluded.answer, actor = excluded.actor, reason = excluded.reason",
        [
            (
                t.task,
                t.about,
                t.tenant,
                t.unit,
                t.enrolment,
                t.cause,
                t.text,
                t.cure,
                list(t.answers),
                t.since,
                t.until,
                json.dumps(dict(t.detail), ensure_ascii=False),
                t.ended_at,
                t.answer,
                t.actor,
                t.reason,
            )
            for t in rows
        ],
    )


async def task(db: Any, id_: UUID, tenant: str | None) -> Task | None:
    """One task; None when there is none, or it is another tenant's."""
    row = await db.fetchrow(
        f"select {_COLUMNS} from ops.task where task = $1 and ($2::text is null or tenant = $2)", id_, tenant
    )
    return None if row is None else _task(row)


_LIST = """
select t.task, t.about, t.tenant, t.unit, t.enrolment, e.unit_code, e.name, t.cause, t.text, t.cure, t.answers, t.detail,
  t.since, t.until, t.assignee, t.ended_at, t.answer, t.actor, t.reason
from ops.task t left join ops.enrolment e on e.enrolment = t.enrolment
"""


async def tasks(
    db: Any, *, tenant: str | None = None, cause: str | None = None, assignee: str | None = None, limit: int = 1000
) -> list[dict[str, Any]]:
    """Open tasks: those with an end first, the nearest end first; then the longest waiting."""
    rows = await db.fetch(
        f"{_LIST} where t.ended_at is null and ($1::text is null or t.tenant = $1) and ($2::text is null or t.cause = $2) "
        "and ($3::text is null or t.assignee = $3) order by t.until nulls last, t.since, t.task limit $4",
        tenant,
        cause,
        assignee,
        limit,
    )
    return [_shown(row) for row in rows]


async def shown(db: Any, id_: UUID, tenant: str | None = None) -> dict[str, Any] | None:
    """One task as people see it."""
    row = await db.fetchrow(f"{_LIST} where t.task = $1 and ($2::text is null or t.tenant = $2)", id_, tenant)
    return None if row is None else _shown(row)


async def of_enrolment(db: Any, enrolment: UUID) -> list[dict[str, Any]]:
    """Every task of an enrolment, the oldest first, also those that have ended."""
    rows = await db.fetch(f"{_LIST} where t.enrolment = $1 order by t.since, t.task", enrolment)
    return [_shown(row) for row in rows]


async def assign(tx: Any, id_: UUID, assignee: str | None) -> bool:
    """Give an open task to somebody, or to nobody. False when there is no such task."""
    done: str = await tx.execute(
        "update ops.task set assignee = $2 where task = $1 and ended_at is null", id_, assignee
    )
    return done.endswith(" 1")


def _task(row: Mapping[str, Any]) -> Task:
    return Task(**{**row, "answers": tuple(row["answers"]), "detail": json.loads(row["detail"])})


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "detail": json.loads(row["detail"])}


async def beginning(db: Any, first: str) -> list[UUID]:
    """Open tasks whose id begins so; two at most, for more than one is not one."""
    if not first or not set(first) <= set("0123456789abcdef-"):
        return []
    rows = await db.fetch(
        "select task from ops.task where ended_at is null and task::text like $1 || '%' limit 2", first
    )
    return [row["task"] for row in rows]

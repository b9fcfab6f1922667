"""Tasks over HTTP: what waits for a person of this tenant, and his answers.

GET                /v1/tasks, /v1/tasks/{id}                      scope setup or read
POST               /v1/tasks/{id}/answer                          scope setup
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from app.http_bodies import NewAnswer, described, given
from app.http_refusals import done
from app.tasks import code_of, one_task, open_tasks
from services.intake.ports import Principal
from services.intake.problems import not_found

if TYPE_CHECKING:
    from app.http_counter import Counter

_SHOWN = (
    "task",
    "cause",
    "text",
    "cure",
    "answers",
    "unit",
    "unit_code",
    "name",
    "enrolment",
    "since",
    "until",
    "assignee",
    "ended_at",
    "answer",
    "actor",
    "reason",
)


def add_tasks(made: APIRouter, counter: Counter, setter: Any, reader: Any) -> None:
    """Put the routes on `made`."""

    @made.get("/tasks")
    async def get_tasks(
        who: Principal = reader,
        cause: Annotated[str | None, Query(max_length=80)] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    ) -> dict[str, Any]:
        """Everything that waits for a person, the most urgent first."""
        async with counter.pool.acquire() as db:
            rows = await open_tasks(db, tenant=who.tenant, cause=cause, limit=limit)
        return {"tasks": [task_json(row) for row in rows]}

    @made.get("/tasks/{task}")
    async def get_task(task: UUID, who: Principal = reader) -> dict[str, Any]:
        """One task; also after its end, with who answered it."""
        async with counter.pool.acquire() as db:
            found = await one_task(db, task, who.tenant)
        if found is None:
            raise not_found("việc")
        return task_json(found)

    @made.post("/tasks/{task}/answer", status_code=202, openapi_extra=described(NewAnswer))
    async def post_task_answer(task: UUID, request: Request, who: Principal = setter) -> dict[str, str]:
        """Answer a task. Taken is not yet decided: look at the task, or at the enrolment's timeline."""
        body = await given(request, NewAnswer)
        await done(counter.desk.answer_task(task, body.said(), body.fields, actor=who.actor, tenant=who.tenant))
        return {"task": str(task), "answer": body.answer}

    @made.post("/tasks/{task}/code")
    async def post_task_code(task: UUID, who: Principal = setter) -> JSONResponse:
        """The activation code, where a person has to type it on the portal. Who saw it is written down."""
        async with counter.pool.acquire() as tx, tx.transaction():
            found = await one_task(tx, task, who.tenant)
            if found is None:
                raise not_found("việc")
            code = await done(code_of(tx, counter.vault, found, who.actor))
        return JSONResponse({"task": str(task), "code": code}, 200, {"Cache-Control": "no-store"})


def task_json(row: Mapping[str, Any]) -> dict[str, Any]:
    """A task as producing systems see it; `candidates` only where there are some."""
    shown = {name: _plain(row[name]) for name in _SHOWN}
    candidates = row["detail"].get("candidates")
    return {**shown, "candidates": candidates} if candidates else shown


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value

"""Answers to tasks, whatever their kind: an enrolment that waits, or a mail whose enrolment is not known."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from hoso.runtime.outgoing import Cause
from hoso.runtime.steps import Tell
from schemas.events import MailAssigned
from services.ops import task_views, views
from services.ops.answers import Answers
from services.ops.said import Means, Said, Unanswerable
from services.ops.tasks import ASSIGN, Task

CANCEL = "cancel"


class Deciding:
    """Answers a task by its id."""

    def __init__(self, means: Means, answers: Answers) -> None:
        self._means = means
        self._answers = answers

    async def answer(self, task: UUID, said: Said, *, actor: str, tenant: str | None = None) -> Task:
        """Answer for `tenant` (None: the operator). Returns the task as it was. Raises Unanswerable."""
        async with self._means.pool.acquire() as db:
            found = await task_views.task(db, task, tenant)
        if found is None:
            raise Unanswerable(
                "not-found",
                "Không có việc này, hoặc nó không thuộc về bạn.",
                f"there is no task {task}; see `hoso tasks list`",
            )
        if found.ended_at is not None:
            raise _ended(task)
        if found.about.startswith("mail:"):
            await self._assign(found, said, actor)
        elif found.about.startswith("decision:") and found.enrolment is not None:
            await self._decide(found, found.enrolment, said, actor)
        else:
            raise Unanswerable(
                "not-here",
                f"Việc này không trả lời ở đây. {found.cure}",
                "this task ends by itself when it is done: approve the signature, or mend the token",
            )
        return found

    async def _decide(self, found: Task, enrolment: UUID, said: Said, actor: str) -> None:
        if said.answer == CANCEL:
            await self._answers.cancel(enrolment, said.reason or said.value or "", actor=actor, tenant=found.tenant)
            return
        async with self._means.pool.acquire() as db:
            (standing,) = await views.find(db, str(enrolment), found.tenant)
        if (standing["stage"], standing["cause"]) != (views.WAITING, found.cause):
            raise _ended(found.task)
        await self._answers.answer(enrolment, said, actor=actor, tenant=found.tenant)

    async def _assign(self, found: Task, said: Said, actor: str) -> None:
        if said.answer != ASSIGN or ASSIGN not in found.answers:
            choices = ", ".join(found.answers)
            raise Unanswerable(
                "not-this-answer",
                f"Không trả lời “{said.answer}” được ở đây; có thể: {choices or 'không có'}.",
                f"'{said.answer}' does not answer this; what can be answered: {choices or 'nothing'}",
            )
        async with self._means.pool.acquire() as tx, tx.transaction():
            attempt = await _attempt(tx, found, (said.value or "").strip())
            fact = MailAssigned(
                mail=UUID(found.detail["mail"]),
                enrolment=attempt["enrolment"],
                dossier=attempt["dossier"],
                attempt=attempt["attempt"],
                actor=actor,
            )
            cause = Cause(attempt["unit"], found.tenant, attempt["enrolment"], None)
            ring = await self._means.log.admit_many(tx, [(cause, Tell(fact))])
        ring()


async def _attempt(tx: Any, found: Task, value: str) -> dict[str, Any]:
    """Whose the mail is: the number of a candidate, or an enrolment's id, or its unit code."""
    candidates = found.detail.get("candidates", [])
    if value.isascii() and value.isdigit() and 1 <= int(value[:6]) <= len(candidates):
        value = candidates[int(value[:6]) - 1]["enrolment"]
    named = await views.find(tx, value, found.tenant) if value else []
    if not named:
        raise Unanswerable(
            "candidate-unknown",
            f"“{value}” không phải một hồ sơ; ghi số thứ tự (1–{max(len(candidates), 1)}) hoặc số đăng ký.",
            f"'{value}' names no enrolment: give a candidate's number, or the enrolment's id",
        )
    chosen = named[0]
    for candidate in candidates:
        if candidate["enrolment"] == str(chosen["enrolment"]):
            return {
                **chosen,
                "dossier": UUID(candidate["dossier"]),
                "attempt": candidate["attempt"],
            }
    expected = await views.mail_expected(tx, chosen["enrolment"], found.detail.get("kind", "unknown"))
    if expected is None:
        raise Unanswerable(
            "nothing-expected",
            "Hồ sơ này không chờ thư nào loại này.",
            f"enrolment {chosen['enrolment']} waits for no such mail",
        )
    return {**chosen, **expected}


def _ended(task: UUID) -> Unanswerable:
    return Unanswerable("ended", "Việc này đã xong hoặc đã đổi; xem lại danh sách việc.", f"task {task} has ended")

"""Every wait for a person is a task: opened, changed and ended by events. Pure.

    decision     EnrolmentProgressed(waiting-for-person)    until it goes on, or is given up
    signature    SignatureAwaited                           until DossierSigned, SigningRefused of that attempt
    mail         MailUndecided                              until MailSettled

A held unit is a task too; it is the kernel's row, so whoever lists tasks adds it (`app/tasks.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from hoso.domain.causes import CAUSES
from schemas.envelope import Event
from schemas.events import (
    DossierSigned,
    EnrolmentAnswered,
    EnrolmentCancelled,
    EnrolmentProgressed,
    MailAssigned,
    MailSettled,
    MailUndecided,
    SignatureAwaited,
    SigningRefused,
)
from schemas.units import Stage

RESTING = (Stage.ENROLLED, Stage.STOPPED, Stage.CANCELLED)
"""Nothing is asked of anybody any more."""

ASSIGN = "assign"
"""The answer to an undecided mail: whose it is."""


@dataclass(frozen=True, slots=True)
class Task:
    """One wait for a person. `text`: what happened, `cure`: what to do, both in Vietnamese."""

    task: UUID
    about: str
    tenant: str
    unit: UUID | None
    enrolment: UUID | None
    cause: str
    text: str
    cure: str
    answers: tuple[str, ...]
    since: datetime
    until: datetime | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    ended_at: datetime | None = None
    answer: str | None = None
    actor: str | None = None
    reason: str = ""


_SIGNATURES: dict[str, tuple[str, str]] = {
    "approval": ("Chờ phê duyệt chữ ký", "Mở ứng dụng ký số và phê duyệt yêu cầu ký"),
    "agent-offline": ("Máy giữ USB Token chưa kết nối", "Bật máy giữ USB Token và chạy hoso agent trên máy đó"),
    "token-absent": ("Chưa cắm USB Token", "Cắm USB Token vào máy đang chạy hoso agent"),
    "pin-suspect": (
        "USB Token không nhận mã PIN; không tự thử lại để token khỏi bị khoá",
        "Kiểm tra mã PIN rồi nhập lại ở máy chạy hoso agent",
    ),
    "login": ("Dịch vụ ký từ xa cần xác thực lại", "Đăng nhập lại dịch vụ ký từ xa với bước xác thực thứ hai"),
}

_MAILS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "several": ("Một thư của cơ quan BHXH hợp với nhiều hồ sơ", "Chọn hồ sơ mà thư này thuộc về", (ASSIGN,)),
    "nobody": (
        "Một thư của cơ quan BHXH chưa hợp với hồ sơ nào",
        "Đợi hồ sơ được nộp, hoặc chọn hồ sơ mà thư này thuộc về",
        (ASSIGN,),
    ),
    "quarantined": (
        "Một thư tự nhận là của cơ quan BHXH nhưng người gửi không xác thực được",
        "Xem thư trong hộp thư; nếu thư là thật, nhập kết quả ở hồ sơ của nó và sửa cách xác thực của hộp thư",
        (),
    ),
    "unreadable": (
        "Một thư của cơ quan BHXH không đọc hiểu chắc chắn được",
        "Đọc thư trong hộp thư; chọn hồ sơ của nó, hoặc nhập kết quả ở hồ sơ đó",
        (ASSIGN,),
    ),
}
MATTERS = (
    EnrolmentProgressed,
    EnrolmentAnswered,
    EnrolmentCancelled,
    SignatureAwaited,
    DossierSigned,
    SigningRefused,
    MailUndecided,
    MailSettled,
    MailAssigned,
)


def matters(event: Event[Any]) -> bool:
    """Whether the event can open, change or end a task."""
    return isinstance(event.data, MATTERS)


def abouts(events: Iterable[Event[Any]]) -> list[str]:
    """What the tasks that these events can touch are about; each once, sorted."""
    found: set[str] = set()
    for event in events:
        fact = event.data
        if isinstance(fact, MailUndecided | MailSettled | MailAssigned):
            found.add(f"mail:{fact.mail}")
        else:
            found |= {f"decision:{fact.enrolment}", f"signature:{fact.enrolment}"}
    return sorted(found)


def fold(known: Sequence[Task], events: Iterable[Event[Any]]) -> list[Task]:
    """The tasks that are new or changed after these events, given those known of the same matters."""
    board = _Board({task.task: task for task in known})
    for event in events:
        board.hear(event)
    return [board.tasks[id_] for id_ in sorted(board.changed)]


class _Board:
    """The tasks of a few matters, while events are heard."""

    def __init__(self, tasks: dict[UUID, Task]) -> None:
        self.tasks = tasks
        self.changed: set[UUID] = set()

    def hear(self, event: Event[Any]) -> None:
        match event.data:
            case EnrolmentProgressed() as fact:
                self._progressed(event, fact)
            case SignatureAwaited() as fact:
                self._awaited(event, fact)
            case DossierSigned() | SigningRefused() as fact:
                self._signed(event, fact)
            case MailUndecided() as fact:
                self._undecided(event, fact)
            case MailSettled() as fact:
                self._end(f"mail:{fact.mail}", event.time)
            case EnrolmentAnswered() as fact:
                about = f"decision:{fact.enrolment}"
                self._answered(about, event, fact.answer, fact.actor, fact.reason, fact.cause)
            case EnrolmentCancelled() as fact:
                self._answered(f"decision:{fact.enrolment}", event, "cancel", fact.actor, fact.reason, None)
            case MailAssigned() as fact:
                self._answered(f"mail:{fact.mail}", event, ASSIGN, fact.actor, "", None)

    def _progressed(self, event: Event[Any], fact: EnrolmentProgressed) -> None:
        about = f"decision:{fact.enrolment}"
        if fact.stage is Stage.REFUSED_REQUEST:
            return  # about a request that was not taken; the enrolment stands where it stood
        if fact.stage is not Stage.WAITING_FOR_PERSON:
            self._end(about, event.time)
            if fact.stage in RESTING:
                self._end(f"signature:{fact.enrolment}", event.time)
            return
        name = fact.cause or ""
        cause = CAUSES.get(name)
        cure = f"{cause.cure}." if cause else ""
        self._open(
            Task(
                event.id,
                about,
                event.tenant,
                event.subject,
                fact.enrolment,
                name,
                (fact.message.removesuffix(cure).strip() if cure else fact.message) or (cause.text if cause else name),
                cure,
                fact.answers or (cause.answers if cause else ()),
                event.time,
                fact.until,
            )
        )

    def _awaited(self, event: Event[Any], fact: SignatureAwaited) -> None:
        text, cure = _SIGNATURES[fact.reason]
        turn = f" (lần ký {fact.round}/{fact.rounds})" if fact.rounds > 1 else ""
        self._open(
            Task(
                event.id,
                f"signature:{fact.enrolment}",
                event.tenant,
                event.subject,
                fact.enrolment,
                f"signature-{fact.reason}",
                f"{text}{turn}{': ' + fact.text if fact.text else ''}.",
                f"{cure}.",
                (),
                event.time,
                detail={"dossier": str(fact.dossier), "attempt": fact.attempt, "kind": fact.kind},
            )
        )

    def _signed(self, event: Event[Any], fact: DossierSigned | SigningRefused) -> None:
        task = self._at(f"signature:{fact.enrolment}")
        if task is not None and (task.detail.get("dossier"), task.detail.get("attempt")) == (
            str(fact.dossier),
            fact.attempt,
        ):
            self._end(task.about, event.time)

    def _undecided(self, event: Event[Any], fact: MailUndecided) -> None:
        text, cure, answers = _MAILS[fact.why]
        self._open(
            Task(
                event.id,
                f"mail:{fact.mail}",
                event.tenant,
                None,
                None,
                f"mail-{fact.why}",
                f"{text}{': ' + fact.subject if fact.subject else ''}.",
                f"{cure}.",
                answers,
                event.time,
                fact.until,
                {
                    "mail": str(fact.mail),
                    "mailbox": str(fact.mailbox),
                    "kind": fact.kind,
                    "arrived_at": fact.arrived_at.isoformat(),
                    "candidates": [candidate.model_dump(mode="json") for candidate in fact.candidates],
                },
            )
        )

    # --- the board itself ---------------------------------------------------------------------------------------

    def _at(self, about: str) -> Task | None:
        return next((t for t in self.tasks.values() if t.about == about and t.ended_at is None), None)

    def _put(self, task: Task) -> None:
        if self.tasks.get(task.task) != task:
            self.tasks[task.task] = task
            self.changed.add(task.task)

    def _open(self, task: Task) -> None:
        """A new task; the same cause told again is the same task with what is known now."""
        if task.task in self.tasks:
            return  # heard before
        there = self._at(task.about)
        if there is not None and there.cause == task.cause:
            self._put(
                replace(
                    there,
                    text=task.text,
                    cure=task.cure,
                    answers=task.answers,
                    until=task.until,
                    detail=task.detail,
                )
            )
            return
        self._end(task.about, task.since)
        self._put(task)

    def _end(self, about: str, at: datetime) -> None:
        task = self._at(about)
        if task is not None and task.since <= at:
            self._put(replace(task, ended_at=at))

    def _answered(self, about: str, event: Event[Any], answer: str, actor: str, reason: str, cause: str | None) -> None:
        """The answer travels on another topic than what follows from it: the task may have ended already."""
        fitting = [
            t
            for t in self.tasks.values()
            if t.about == about
            and t.since <= event.time <= (t.ended_at or event.time)
            and (cause is None or cause == t.cause)
        ]
        if fitting:
            self._put(replace(max(fitting, key=lambda t: t.since), answer=answer, actor=actor, reason=reason))

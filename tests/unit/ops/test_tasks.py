"""When a task opens, changes and ends."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from schemas import events as e
from schemas.envelope import Event
from services.ops.tasks import Task, abouts, fold
from tests.unit.ops.heard import (
    DOSSIER,
    ENROLMENT,
    MAIL,
    MONDAY,
    OTHER,
    answered,
    at,
    awaited,
    progressed,
    signed,
    undecided,
    waits,
)


def after(*events: Event[Any], known: tuple[Task, ...] = ()) -> list[Task]:
    """All tasks once these were heard, one batch each: what a batch leaves is what the next one knows."""
    tasks = {task.task: task for task in known}
    for event in events:
        tasks.update({task.task: task for task in fold(list(tasks.values()), [event])})
    together = {task.task: task for task in fold(known, events)}
    assert {k: v for k, v in tasks.items() if k in together} == together, "batches do not matter"
    return sorted(tasks.values(), key=lambda task: task.since)


def test_a_wait_is_a_task_until_it_goes_on() -> None:
    began = at(0, waits("provider", message="Không rõ. Cho biết.", answers=("provider",), until=MONDAY))
    (task,) = after(began)
    assert (task.task, task.cause, task.answers, task.since, task.until) == (
        began.id,
        "provider",
        ("provider",),
        MONDAY,
        MONDAY,
    )
    assert task.enrolment == ENROLMENT
    assert task.ended_at is None
    (task,) = after(began, at(1, answered("provider", cause="provider", reason="đã hỏi")), at(2, progressed("signing")))
    assert (task.ended_at, task.answer, task.actor, task.reason) == (
        MONDAY + timedelta(minutes=2),
        "provider",
        "lan",
        "đã hỏi",
    )


def test_the_answer_may_be_heard_after_what_followed_from_it() -> None:
    (task,) = after(at(0, waits("data")), at(2, progressed("signing")), at(1, answered("retry", cause="data")))
    assert (task.answer, task.ended_at is not None) == ("retry", True)


def test_an_answer_to_another_question_or_wait_is_nobodys() -> None:
    story = (at(0, waits("data")), at(1, progressed("signing")), at(3, waits("data")))
    assert [task.answer for task in after(*story, at(2, answered("retry", cause="data")))] == [None, None]
    assert [task.answer for task in after(*story, at(4, answered("retry", cause="provider")))] == [None, None]
    assert [task.answer for task in after(*story, at(4, answered("retry", cause="data")))] == [None, "retry"]


def test_told_again_it_is_the_same_task_and_another_cause_is_another() -> None:
    first, second = at(0, waits("data", message="a")), at(1, waits("data", message="b"))
    (task,) = after(first, second, first)
    assert (task.task, task.text, task.since) == (first.id, "b", MONDAY)
    one, two = after(first, at(2, waits("certificate")))
    assert (one.ended_at, two.cause, two.ended_at) == (MONDAY + timedelta(minutes=2), "certificate", None)


@pytest.mark.parametrize("stage", ["cancelled", "enrolled", "stopped"])
def test_what_rests_asks_nobody(stage: str) -> None:
    tasks = after(at(0, awaited("approval")), at(1, waits("signing")), at(2, progressed(stage)))
    assert [task.ended_at is None for task in tasks] == [False, False]


def test_a_request_that_was_not_taken_ends_nothing() -> None:
    (task,) = after(at(0, waits("data")), at(1, progressed("refused-request")))
    assert task.ended_at is None


def test_a_signature_is_awaited_until_that_attempt_is_signed() -> None:
    begun = at(0, awaited("agent-offline", round=1, rounds=2))
    (task,) = after(begun, at(1, progressed("signing")))
    assert (task.cause, task.answers, task.ended_at) == ("signature-agent-offline", (), None)
    assert "1/2" in task.text
    assert after(begun, at(1, signed(attempt=2)))[0].ended_at is None
    assert after(begun, at(1, signed()))[0].ended_at is not None
    first, second = after(begun, at(1, awaited("approval")))
    assert (first.ended_at is not None, second.cause) == (True, "signature-approval")
    refused = {"code": "HOSO-CERT-EXPIRED", "text": "x", "kind": "register", "attempt": 1, "dossier": DOSSIER}
    fact = e.SigningRefused.model_validate({"enrolment": ENROLMENT, **refused})
    assert after(begun, at(1, fact))[0].ended_at is not None


def test_a_mail_that_fits_several_shows_them() -> None:
    several = undecided(
        "several",
        subject="Kết quả",
        candidates=[
            {"enrolment": one, "dossier": DOSSIER, "attempt": 1, "unit_name": "A"} for one in (ENROLMENT, OTHER)
        ],
    )
    begun = at(0, several, subject=MAIL)
    (task,) = after(begun)
    assert (task.answers, task.tenant, len(task.detail["candidates"])) == (("assign",), "hoasen", 2)
    given = e.MailAssigned(mail=MAIL, enrolment=OTHER, dossier=DOSSIER, attempt=1, actor="lan")
    settled = e.MailSettled(mail=MAIL, how="assigned", enrolment=OTHER)
    (task,) = after(begun, at(1, given), at(2, settled, subject=MAIL))
    assert (task.answer, task.actor, task.ended_at is not None) == ("assign", "lan", True)
    assert after(at(0, undecided("quarantined"), subject=MAIL))[0].answers == ()


def test_only_the_matters_at_hand_are_looked_up() -> None:
    assert abouts([at(0, waits("data")), at(1, undecided("nobody"), subject=MAIL)]) == [
        f"decision:{ENROLMENT}",
        f"mail:{MAIL}",
        f"signature:{ENROLMENT}",
    ]

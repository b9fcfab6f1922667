"""What an enrolment waits for has an end, and steps before it: the ladder of a missing mail (domain.md §6.4), the warnings
before a code ends (A24), the officer's days (§9), a task that nobody takes. One timer an enrolment at most. Pure.

The first rung of the ladder, the junk folder, is not here: the mail watcher reads it all the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from hoso.domain.moves import Answer, Decided, Remind, anew, look, wait
from hoso.domain.states import (
    Activating,
    AgencyReview,
    AwaitingCode,
    AwaitingResult,
    AwaitingStopMail,
    State,
    Waiting,
)
from hoso.domain.told import Rules, progress, warning
from schemas import events as e

TIMER = "wait"
"""The one timer of an enrolment: setting it again moves it."""


def timer(rules: Rules, state: State) -> Remind | None:
    """The timer that `state` keeps: when, and the fact that names the state it was set for."""
    match state:
        case AwaitingStopMail(until=until, rung=rung):
            return _remind(state, "stop-mail", rung, _rung(rules, until, rules.stop_mail_wait, rung))
        case AwaitingCode(until=until, rung=rung):
            return _remind(state, "activation-mail", rung, _rung(rules, until, rules.activation_mail_wait, rung))
        case AgencyReview(until=until, rung=0) | AwaitingResult(until=until, rung=0):
            return _remind(state, "result", 0, until)
        case Activating(code=code, rung=rung) if rung < len(rules.warn_left):
            return _remind(state, "code-expiry", rung, code.expires_at - rules.warn_left[rung])
        case Waiting(code=code, rung=rung) if code is not None:
            if rung < len(left := _left(rules, state)):
                return _remind(state, "code-expiry", rung, code.expires_at - left[rung])
        case Waiting(cause=cause, since=since, rung=rung) if since is not None:
            after = rules.paper_after if cause == "paper-code" else rules.remind_after
            if rung < len(after):
                return _remind(state, "paper" if cause == "paper-code" else "decision", rung, since + after[rung])
    return None


def rang(rules: Rules, state: State, fact: e.ReminderDue, now: datetime) -> Decided | None:
    """A timer names the state it was set for: an overtaken one changes nothing, an early one is set anew."""
    due = timer(rules, state)
    if due is None or due.fact != fact:
        return None
    if now < due.due:
        return state, [due]
    match state:
        case AwaitingStopMail() | AwaitingCode():
            return _mail_missing(rules, state, now)
        case AgencyReview() | AwaitingResult():
            case, asked = look(state.case, state.filing)
            return replace(state, case=case, rung=1), [asked]
        case Activating(code=code):
            rung = sum(now >= code.expires_at - left for left in rules.warn_left)
            return replace(state, rung=rung), [_expiring(state, code.expires_at, now)]
        case Waiting(code=code, filing=filing) if code is not None:
            if now >= code.expires_at and filing is not None and state.cause == "activate-by-hand":
                return anew(rules, state.case, filing, "code-expired", "", now)
            rung = sum(now >= code.expires_at - left for left in rules.warn_left)
            return replace(state, rung=rung), [_expiring(state, code.expires_at, now)]
        case Waiting(cause="paper-code"):
            said = "Hồ sơ giấy đã nộp mà chưa có mã đơn vị; hãy hỏi cơ quan BHXH rồi nhập mã được cấp"
            return replace(state, rung=state.rung + 1), [warning(state, "paper-waiting", said, None)]
        case Waiting():
            said = f"Việc này vẫn chờ xử lý: {progress(state).message}"
            return replace(state, rung=state.rung + 1), [warning(state, "task-waiting", said, None)]
    return None


def looked(state: State, fact: e.StatusAnswered) -> Decided | None:
    """The agency was asked because its days were over, and has not decided: a person goes on from here."""
    if not isinstance(state, AgencyReview | AwaitingResult) or state.rung == 0 or fact.go != state.case.looks:
        return None
    cause = "officer-late" if isinstance(state, AgencyReview) else "change-late"
    said = " – ".join(part for part in (fact.code, fact.text) if part)
    return wait(state.case, cause, said, state.filing)


def _rung(rules: Rules, until: datetime, length: timedelta, rung: int) -> datetime:
    """The rungs that come before the end of the wait, and the end."""
    began = until - length
    rungs = (*(began + step for step in rules.ladder if step < length), until)
    return rungs[min(rung, len(rungs) - 1)]


def _left(rules: Rules, state: State) -> Sequence[timedelta]:
    """With how much time left of a code something happens; by hand nobody else notices its end."""
    by_hand = isinstance(state, Waiting) and state.cause == "activate-by-hand"
    return (*rules.warn_left, timedelta(0)) if by_hand else rules.warn_left


def _mail_missing(rules: Rules, state: AwaitingStopMail | AwaitingCode, now: datetime) -> Decided:
    """First the agency is asked, then the contact is told, at last a new attempt is filed (A15)."""
    if now >= state.until:
        cause = "stop-mail-missing" if isinstance(state, AwaitingStopMail) else "activation-mail-missing"
        return anew(rules, state.case, state.filing, cause, "", now)
    answers: list[Answer] = []
    case = state.case
    if state.rung == 0:
        case, asked = look(case, state.filing)
        answers.append(asked)
    else:
        mail = "kết quả ngừng dịch vụ" if isinstance(state, AwaitingStopMail) else "mã kích hoạt"
        said = f"Chưa nhận được email {mail} gửi tới {case.contact}; hãy kiểm tra hộp thư, cả thư rác"
        answers.append(warning(state, "mail-missing", said, state.until))
    return replace(state, case=case, rung=state.rung + 1), answers


def _expiring(state: State, expires: datetime, now: datetime) -> e.EnrolmentWarned:
    minutes = max(0, int((expires - now).total_seconds())) // 60
    left = f"{minutes // 60} giờ {minutes % 60} phút" if minutes % 60 else f"{minutes // 60} giờ"
    return warning(state, "code-expiring", f"Mã kích hoạt chưa được dùng, còn hiệu lực {left}", expires)


def _remind(state: State, name: str, rung: int, due: datetime) -> Remind:
    case, filing = state.case, state.filing  # type: ignore[union-attr]
    dossier, attempt = (filing.dossier, filing.attempt) if filing else (case.enrolment, 0)
    fact = {"enrolment": case.enrolment, "name": name, "dossier": dossier, "attempt": attempt, "rung": rung}
    return Remind(TIMER, due, e.ReminderDue.model_validate(fact))

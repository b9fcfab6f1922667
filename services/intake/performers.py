"""Requests from topics go over the same desk as everybody's, in a transaction of the performer's own.

A request is recognised by its key, so a try that is repeated after a crash finds the first one's answer and tells the log nothing twice.
"""

from __future__ import annotations

from collections.abc import Sequence

from hoso.points import point
from hoso.runtime.steps import NotYet, Step, Tell, Try
from schemas.events import EnrolUnit, RequestRefused
from services.intake.admission import Outcome, Request
from services.intake.desk import Desk
from services.intake.judging import Judge
from services.intake.ports import Admitter, Pool
from services.intake.validation import fingerprint


class AdmitRequest:
    """The performer of the lane `intake.admit`."""

    def __init__(self, pool: Pool, desk: Desk, log: Admitter, judge: Judge) -> None:
        self._pool = pool
        self._judge = judge
        self._desk = desk
        self._log = log

    async def perform(self, ask: EnrolUnit, this: Try) -> Sequence[Step] | NotYet:
        """Take the request; what comes back is only a refusal."""
        checked = await self._judge.one(this.tenant, ask.fields)
        if checked.form is None:
            return [_refused(ask, [str(error) for error in checked.errors])]
        request = Request(
            ask.request,
            checked.form,
            fingerprint(checked.form),
            ask.actor,
            attachments=checked.attachments,
            org_unit=checked.org_unit,
        )
        async with self._pool.acquire() as tx, tx.transaction():
            admission = await self._desk.admit(tx, this.tenant, [request], this.now)
            ring = await self._log.admit_many(tx, admission.steps)
            await point("intake.before-commit")
        await point("intake.after-commit")
        ring()
        return _answer(ask, admission.outcomes[0])

    async def reconcile(self, ask: EnrolUnit, this: Try) -> Sequence[Step] | None:
        """Asking again is harmless: the desk knows the key."""
        return None

    def give_up(self, ask: EnrolUnit, this: Try, reached: bool, error: str) -> Sequence[Step]:
        """The producer is told; the same request may be sent again."""
        return [_refused(ask, ["Hệ thống không nhận được yêu cầu này trong thời hạn. Gửi lại với cùng khoá yêu cầu."])]


def _answer(ask: EnrolUnit, outcome: Outcome) -> Sequence[Step]:
    if outcome.word == "refused":
        return [_refused(ask, [str(error) for error in outcome.errors], outcome)]
    if outcome.word == "already-enrolled":
        return [_refused(ask, [str(note) for note in outcome.notes] or ["Đơn vị đã đăng ký xong."], outcome)]
    return []


def _refused(ask: EnrolUnit, errors: list[str], outcome: Outcome | None = None) -> Tell:
    shown = tuple(error[:1000] for error in errors[:30])
    return Tell(RequestRefused(request=ask.request, errors=shown, enrolment=outcome.enrolment if outcome else None))

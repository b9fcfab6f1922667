"""What people say to an enrolment that waits: checked against what can be answered, then put on the log.

What can be answered comes with the event that began the wait (`EnrolmentProgressed.answers`). What is checked here is the
picture ops has; the enrolment service decides: an answer that was overtaken changes nothing there, and is noted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast, get_args
from uuid import UUID

import asyncpg

from hoso.domain.causes import CAUSES
from hoso.runtime.outgoing import Cause
from hoso.runtime.steps import Tell
from schemas.events import EmployeesRequested, EnrolmentAnswered, EnrolmentCancelled
from schemas.units import UnitForm
from services.ops import values, views
from services.ops.said import Means, Said, Unanswerable
from services.ops.views import Standing

ANSWERS: tuple[str, ...] = get_args(EnrolmentAnswered.model_fields["answer"].annotation)
WITH_VALUE = ("unit-code", "profile", "provider", "address", "treatment", "sent")
MAY_HAVE_VALUE = (*WITH_VALUE, "filed", "accepted", "refused")
MUST_SAY_MORE = {("transaction-missing", "filed"), ("officer-late", "accepted")}
"""Where an answer that may have a value must: the transaction; the code that the agency granted."""


class Answers:
    """Takes answers and cancellations."""

    def __init__(self, means: Means) -> None:
        self._means = means

    async def answer(self, enrolment: UUID, said: Said, *, actor: str, tenant: str | None = None) -> Standing:
        """Answer for `tenant` (None: the operator). Raises Unanswerable; then nothing has changed.

        A code is sealed before the transaction that refers to it; sealed and not referred to, it is gone in two days.
        """
        ref = await self._seal(enrolment, said, tenant) if said.answer == "activation-code" else None
        try:
            async with self._means.pool.acquire() as tx, tx.transaction():
                found = await _open(tx, enrolment, tenant)
                _fits(found, said)
                fact = EnrolmentAnswered(
                    enrolment=enrolment,
                    answer=cast(Any, said.answer),
                    cause=found.cause,
                    code=ref,
                    reason=said.reason[:500],
                    actor=actor,
                    **await self._checked(tx, found, said),
                )
                ring = await self._means.log.admit_many(tx, [(_cause(found), Tell(fact))])
        except asyncpg.UniqueViolationError as error:
            raise _code_taken() from error
        ring()
        return found

    async def cancel(self, enrolment: UUID, reason: str, *, actor: str, tenant: str | None = None) -> Standing:
        """Give an enrolment up. What was begun at the agency runs to its outcome. Raises Unanswerable."""
        async with self._means.pool.acquire() as tx, tx.transaction():
            found = await _open(tx, enrolment, tenant)
            fact = EnrolmentCancelled(enrolment=enrolment, actor=actor, reason=reason[:500])
            ring = await self._means.log.admit_many(tx, [(_cause(found), Tell(fact))])
        ring()
        return found

    async def fetch_employees(self, enrolment: UUID, *, actor: str, tenant: str | None = None) -> Standing:
        """Have the employees of an enrolled unit fetched again (B29). Raises Unanswerable."""
        async with self._means.pool.acquire() as tx, tx.transaction():
            found = await _known(tx, enrolment, tenant)
            if found.stage != "enrolled":
                raise Unanswerable(
                    "not-enrolled",
                    "Chỉ lấy lại được danh sách lao động của đơn vị đã đăng ký xong.",
                    f"employees are fetched again of enrolled units only; this one stands at {found.stage}",
                )
            fact = EmployeesRequested(enrolment=enrolment, actor=actor)
            ring = await self._means.log.admit_many(tx, [(_cause(found), Tell(fact))])
        ring()
        return found

    async def _seal(self, enrolment: UUID, said: Said, tenant: str | None) -> UUID:
        """The code in the vault, after everything that can be said against it was."""
        async with self._means.pool.acquire() as tx, tx.transaction():
            found = await _open(tx, enrolment, tenant)
        _fits(found, said)
        if not said.code:
            raise Unanswerable(
                "code-missing", "Câu trả lời này cần mã kích hoạt.", "this answer needs the activation code"
            )
        code = values.code(said.code)
        values.arrived(said.arrived_at, self._means.now())
        return await self._means.vault.put(found.tenant, enrolment, "code", code.encode())

    async def _checked(self, tx: Any, found: Standing, said: Said) -> dict[str, Any]:
        """The fields of the event that the answer brings."""
        value, now = (said.value or "").strip() or None, self._means.now()
        match said.answer:
            case "activation-code":
                return {} if said.arrived_at is None else {"arrived_at": values.arrived(said.arrived_at, now)}
            case "data":
                return await self._row(tx, found, said.form)
        if value is None:
            return {}
        match said.answer:
            case "unit-code":
                return {"value": await self._unit_code(tx, found, value)}
            case "profile":
                return {"value": await self._profile(tx, found, value)}
            case "provider":
                return {"value": values.provider(value, self._means.own_provider)}
            case "address":
                return {"value": (address := values.email(value)), **await self._contact(tx, found, address)}
            case "treatment":
                return {"value": values.treatment(value)}
            case "sent":
                return {"value": values.sent(value, now)}
            case "accepted" if found.cause == "officer-late":
                return {"value": values.unit_code(value)}  # the registry is asked when the enrolment hears it
        return {"value": values.words(value)}

    async def _row(self, tx: Any, found: Standing, form: UnitForm | None) -> dict[str, Any]:
        if form is None:
            raise Unanswerable(
                "fields-missing",
                'Câu trả lời “data” cần các cột đã sửa, ví dụ {"tax_code": "0101243150-001"}.',
                'the answer \'data\' needs the mended columns, e.g. {"tax_code": "0101243150-001"}',
            )
        if form.unit_code and form.unit_code != found.unit_code:
            await self._unit_code(tx, found, form.unit_code)
        before = await views.form_of(tx, found.unit, found.enrolment)
        if before is not None and before.email == form.email:
            return {"form": form}
        return {"form": form, **await self._contact(tx, found, form.email)}

    async def _contact(self, tx: Any, found: Standing, address: str) -> dict[str, Any]:
        box = await self._means.set_up.mailbox_for(tx, found.tenant, address)
        if box is None:
            raise Unanswerable(
                "mailbox-unknown",
                f"Không có hộp thư nào đã khai báo nhận thư cho {address}; khai báo hộp thư đó (hoso mailbox add) rồi trả lời lại.",
                f"no mailbox of this tenant receives mail for {address}: declare it (`hoso mailbox add`), then answer again",
            )
        return {"mailbox": box.mailbox, "contact": box.contact, "own_address": box.contact != address}

    async def _unit_code(self, tx: Any, found: Standing, value: str) -> str:
        code = values.unit_code(value)
        if not await self._means.registry.give_code(tx, found.unit, code):
            raise _code_taken()
        return code

    async def _profile(self, tx: Any, found: Standing, value: str) -> str:
        id_ = await self._means.set_up.profile_for(tx, found.tenant, "", value)
        if id_ is None:
            raise Unanswerable(
                "profile-unknown",
                f"Không có chữ ký số nào tên “{value}”.",
                f"there is no signing profile '{value}' of this tenant; see `hoso profile list`",
            )
        return str(id_)


def answers_to(found: Standing) -> tuple[str, ...]:
    """What can be answered where it stands; nothing when it does not wait."""
    if found.stage != views.WAITING:
        return ()
    cause = CAUSES.get(found.cause or "")
    return found.answers or (cause.answers if cause is not None else ())


async def _known(tx: Any, enrolment: UUID, tenant: str | None) -> Standing:
    found = await views.standing(tx, enrolment, tenant)
    if found is None:
        raise Unanswerable(
            "not-found",
            "Không có hồ sơ đăng ký này, hoặc nó không thuộc về bạn.",
            f"there is no enrolment {enrolment}; see `hoso enrolment list`",
        )
    return found


async def _open(tx: Any, enrolment: UUID, tenant: str | None) -> Standing:
    found = await _known(tx, enrolment, tenant)
    if found.closed:
        vi = {"enrolled": "đã đăng ký xong", "stopped": "đã ngừng xong"}.get(found.stage, "đã huỷ")
        raise Unanswerable("closed", f"Hồ sơ đăng ký này {vi}.", f"enrolment {enrolment} is {found.stage} already")
    return found


def _fits(found: Standing, said: Said) -> None:
    """Whether this can be said here, and has its value. Raises Unanswerable."""
    allowed = answers_to(found)
    if said.answer not in allowed:
        raise _not_this(found, said.answer, allowed)
    given = bool((said.value or "").strip())
    needed = said.answer in WITH_VALUE or (found.cause, said.answer) in MUST_SAY_MORE
    if needed and not given:
        raise Unanswerable(
            "value-missing",
            f"Câu trả lời “{said.answer}” cần một giá trị.",
            f"the answer '{said.answer}' needs a value",
        )
    if given and said.answer not in MAY_HAVE_VALUE:
        raise Unanswerable(
            "value-unwanted",
            f"Câu trả lời “{said.answer}” không có giá trị.",
            f"the answer '{said.answer}' takes no value",
        )


def _not_this(found: Standing, answer: str, allowed: Sequence[str]) -> Unanswerable:
    if answer not in ANSWERS:
        said = f"'{answer}' is no answer"
    elif found.stage != views.WAITING:
        vi = "Hồ sơ đăng ký này không chờ ai trả lời; chỉ có thể huỷ."
        return Unanswerable(
            "not-waiting", vi, f"this enrolment waits for nobody ({found.stage}); it can only be cancelled"
        )
    else:
        said = f"'{answer}' does not answer '{found.cause}'"
    choices = ", ".join(allowed)
    return Unanswerable(
        "not-this-answer",
        f"Không trả lời “{answer}” được ở đây; có thể: {choices or 'chỉ huỷ'}.",
        f"{said}; what can be answered: {choices or 'nothing'}, or cancel it",
    )


def _code_taken() -> Unanswerable:
    """Says nothing of who holds it, nor that anybody does."""
    return Unanswerable(
        "unit-code-refused",
        "Mã đơn vị này cần được đối chiếu trước; hãy liên hệ bộ phận hỗ trợ.",
        "this unit code cannot be used for this unit before it has been verified: check it, or ask the support",
    )


def _cause(found: Standing) -> Cause:
    return Cause(found.unit, found.tenant, found.enrolment, None)

"""What people say to an enrolment that waits: checked against what can be answered, then put on the log.

`hoso/domain/causes.py` says what each cause can be answered with. What is checked here is the picture ops has; the
enrolment service decides: an answer that was overtaken changes nothing there, and is noted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, cast, get_args
from uuid import UUID

import asyncpg

from hoso.domain.causes import CAUSES
from hoso.domain.identifiers import BadValue, read_unit_code
from hoso.domain.providers import read_provider
from hoso.runtime.failures import HosoError
from hoso.runtime.outgoing import Cause
from hoso.runtime.steps import Step, Tell, Tx
from schemas.events import EnrolmentAnswered, EnrolmentCancelled
from services.ops import views
from services.ops.views import Standing

ANSWERS: tuple[str, ...] = get_args(EnrolmentAnswered.model_fields["answer"].annotation)
WITH_VALUE = ("unit-code", "profile", "provider")
MAY_HAVE_VALUE = (*WITH_VALUE, "filed")


class Unanswerable(HosoError):
    """The answer cannot be taken. `code` is for programs, `vi` the sentence in Vietnamese, str() in English."""

    def __init__(self, code: str, vi: str, en: str) -> None:
        super().__init__(en)
        self.code = code
        self.vi = vi


class Registry(Protocol):
    """The unit registry."""

    async def give_code(self, tx: Any, unit: UUID, unit_code: str) -> bool:
        """Note a unit's code. False when another unit holds it."""
        ...


class Profiles(Protocol):
    """Signing profiles."""

    async def profile_for(self, tx: Any, tenant: str, tax_code: str, name: str | None) -> UUID | None:
        """The tenant's profile of that name."""
        ...


class Log(Protocol):
    """The edge of the kernel."""

    async def admit_many(self, tx: Tx, steps: Sequence[tuple[Cause, Step]]) -> Callable[[], None]:
        """Write the steps; call what comes back after the commit."""
        ...


class Pool(Protocol):
    """Connections."""

    def acquire(self) -> AbstractAsyncContextManager[Any]:
        """One, for the length of a `with`."""
        ...


class Answers:
    """Takes answers and cancellations."""

    def __init__(self, pool: Pool, registry: Registry, profiles: Profiles, log: Log, own_provider: str = "") -> None:
        """`own_provider`: our own I-VAN code, which nobody has to stop."""
        self._pool = pool
        self._registry = registry
        self._profiles = profiles
        self._log = log
        self._own_provider = own_provider

    async def answer(
        self, enrolment: UUID, answer: str, value: str | None, *, actor: str, tenant: str | None = None
    ) -> Standing:
        """Answer for `tenant` (None: the operator). Raises Unanswerable; then nothing has changed."""
        try:
            async with self._pool.acquire() as tx, tx.transaction():
                found = await _open(tx, enrolment, tenant)
                checked = await self._checked(tx, found, answer, (value or "").strip() or None)
                fact = EnrolmentAnswered(enrolment=enrolment, answer=cast(Any, answer), value=checked, actor=actor)
                ring = await self._log.admit_many(tx, [(_cause(found), Tell(fact))])
        except asyncpg.UniqueViolationError as error:
            raise _code_taken() from error
        ring()
        return found

    async def cancel(self, enrolment: UUID, reason: str, *, actor: str, tenant: str | None = None) -> Standing:
        """Give an enrolment up. What was begun at the agency runs to its outcome. Raises Unanswerable."""
        async with self._pool.acquire() as tx, tx.transaction():
            found = await _open(tx, enrolment, tenant)
            fact = EnrolmentCancelled(enrolment=enrolment, actor=actor, reason=reason[:500])
            ring = await self._log.admit_many(tx, [(_cause(found), Tell(fact))])
        ring()
        return found

    async def _checked(self, tx: Any, found: Standing, answer: str, value: str | None) -> str | None:
        """The value as the event carries it."""
        allowed = answers_to(found)
        if answer not in allowed:
            raise _not_this(found, answer, allowed)
        if value is None and (answer in WITH_VALUE or found.cause == "transaction-missing"):
            raise Unanswerable(
                "value-missing", f"Câu trả lời “{answer}” cần một giá trị.", f"the answer '{answer}' needs a value"
            )
        if value is None:
            return None
        if answer not in MAY_HAVE_VALUE:
            raise Unanswerable(
                "value-unwanted", f"Câu trả lời “{answer}” không có giá trị.", f"the answer '{answer}' takes no value"
            )
        if answer == "unit-code":
            return await self._unit_code(tx, found, value)
        if answer == "profile":
            return await self._profile(tx, found, value)
        if answer == "provider":
            return _provider(value, self._own_provider)
        return value[:100]

    async def _unit_code(self, tx: Any, found: Standing, value: str) -> str:
        code = _read(
            read_unit_code, value, "unit-code-bad", f"'{value}' is no unit code: 7 letters and digits such as TZ1234Z"
        )
        if not await self._registry.give_code(tx, found.unit, code):
            raise _code_taken()
        return code

    async def _profile(self, tx: Any, found: Standing, value: str) -> str:
        id_ = await self._profiles.profile_for(tx, found.tenant, "", value)
        if id_ is None:
            raise Unanswerable(
                "profile-unknown",
                f"Không có chữ ký số nào tên “{value}”.",
                f"there is no signing profile '{value}' of this tenant; see `hoso profile list`",
            )
        return str(id_)


def answers_to(found: Standing) -> tuple[str, ...]:
    """What can be answered where it stands; nothing when it does not wait."""
    cause = CAUSES.get(found.cause or "")
    return cause.answers if found.stage == views.WAITING and cause is not None else ()


async def _open(tx: Any, enrolment: UUID, tenant: str | None) -> Standing:
    found = await views.standing(tx, enrolment, tenant)
    if found is None:
        raise Unanswerable(
            "not-found",
            "Không có hồ sơ đăng ký này, hoặc nó không thuộc về bạn.",
            f"there is no enrolment {enrolment}; see `hoso enrolment list`",
        )
    if found.closed:
        vi = "đã đăng ký xong" if found.stage == "enrolled" else "đã huỷ"
        raise Unanswerable("closed", f"Hồ sơ đăng ký này {vi}.", f"enrolment {enrolment} is {found.stage} already")
    return found


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


def _provider(value: str, own: str) -> str:
    code = _read(
        read_provider,
        value,
        "provider-bad",
        f"'{value}' is no provider: give its I-VAN code, its name, or VSS for the portal",
    )
    if not code or code == own:
        raise Unanswerable(
            "provider-bad",
            "Ghi mã hoặc tên nhà cung cấp khác đang giữ đơn vị.",
            "name the other provider that holds the unit: its I-VAN code, its name, or VSS for the portal",
        )
    return code


def _read(reader: Callable[[str], Any], value: str, code: str, en: str) -> str:
    try:
        return str(reader(value).value)
    except BadValue as error:
        raise Unanswerable(code, str(error), en) from error


def _code_taken() -> Unanswerable:
    """Says nothing of who holds it, nor that anybody does."""
    return Unanswerable(
        "unit-code-refused",
        "Mã đơn vị này cần được đối chiếu trước; hãy liên hệ bộ phận hỗ trợ.",
        "this unit code cannot be used for this unit before it has been verified: check it, or ask the support",
    )


def _cause(found: Standing) -> Cause:
    return Cause(found.unit, found.tenant, found.enrolment, None)

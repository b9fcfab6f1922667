"""Giving the agency the code out of the mail, and destroying it afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from hoso.domain.rejections import Rejections, Treatment
from hoso.runtime.clock import boottime
from hoso.runtime.failures import Transient
from hoso.runtime.steps import Call, Step, Tell, Try
from hoso.store.vault import Erased
from schemas.events import ActivationAnswered, ActivationAsked, ActivationOutcome
from services.submitter.asks import CodeSpent
from services.submitter.gateway import AgencyGateway
from services.submitter.ports import Vault, opened

BY_HAND = "Cổng này không kích hoạt được: kích hoạt trên trang của cơ quan BHXH rồi xác nhận ở đây"


class ActivateUnit:
    """Gives the agency the code, never after its 24 hours. The code is destroyed by a call that follows the outcome; where the
    gateway cannot activate it stays sealed for the person who does, until it expires."""

    def __init__(
        self, gateway: AgencyGateway, vault: Vault, rejections: Rejections, now: Callable[[], datetime]
    ) -> None:
        self._gateway = gateway
        self._vault = vault
        self._rejections = rejections
        self._now = now

    async def perform(self, ask: ActivationAsked, this: Try) -> Sequence[Step]:
        if self._now() >= ask.expires_at:
            return self._answer(ask, this, "expired", "", "quá 24 giờ kể từ khi nhận được email")
        if not (await self._gateway.capabilities()).activation:
            return [Tell(self._answered(ask, "unsupported", "", BY_HAND))]
        try:
            code = (await opened(self._vault, ask.code)).decode()
        except Erased:
            return self._answer(ask, this, "expired", "", "mã đã bị xóa khỏi kho")
        # Nothing is sent after the code's end, however long a connection takes.
        end = boottime() + (ask.expires_at - self._now()).total_seconds()
        receipt = await self._gateway.activate(ask.number or "", ask.unit_code, code, min(this.deadline, end))
        if receipt.outcome != "refused":
            return self._answer(ask, this, "activated", receipt.code, "")
        # The agency may repeat the code; an event never does.
        receipt = replace(receipt, text=receipt.text.replace(code, "…"))
        outcome: ActivationOutcome
        match self._rejections.treatment(receipt.code, receipt.text):
            case Treatment.ALREADY_ACTIVE:
                outcome = "activated"
            case Treatment.WRONG_CODE:
                outcome = "wrong-code"
            case Treatment.CODE_EXPIRED:
                outcome = "expired"
            case Treatment.AGAIN_NOW:
                raise Transient(f"{receipt.code} {receipt.text}")
            case _:
                outcome = "refused"
        return self._answer(ask, this, outcome, receipt.code, receipt.text)

    async def reconcile(self, ask: ActivationAsked, this: Try) -> Sequence[Step] | None:
        if await self._gateway.activated(ask.number or "", ask.unit_code):
            return self._answer(ask, this, "activated", "00", "")
        return None

    def give_up(self, ask: ActivationAsked, this: Try, reached: bool, error: str) -> Sequence[Step]:
        return self._answer(ask, this, "unknown" if reached else "refused", "", error[:500])

    def _answer(
        self, ask: ActivationAsked, this: Try, outcome: ActivationOutcome, code: str, text: str
    ) -> Sequence[Step]:
        return [
            Tell(self._answered(ask, outcome, code, text)),
            Call("vault.spend", this.subject, f"spend:{ask.code}:{ask.go}", CodeSpent(code=ask.code)),
        ]

    @staticmethod
    def _answered(ask: ActivationAsked, outcome: ActivationOutcome, code: str, text: str) -> ActivationAnswered:
        return ActivationAnswered(
            enrolment=ask.enrolment,
            dossier=ask.dossier,
            attempt=ask.attempt,
            go=ask.go,
            outcome=outcome,
            code=code,
            text=text[:500],
        )


class SpendCode:
    """Destroys a code in the vault. Doing it twice is doing it once."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def perform(self, ask: CodeSpent, this: Try) -> Sequence[Step]:
        await self._vault.destroy(ask.code)
        return []

    async def reconcile(self, ask: CodeSpent, this: Try) -> Sequence[Step] | None:
        return await self.perform(ask, this)

    def give_up(self, ask: CodeSpent, this: Try, reached: bool, error: str) -> Sequence[Step]:
        return []

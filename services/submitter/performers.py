"""The calls the submitter makes on the world."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Protocol
from uuid import UUID

import asyncpg

from hoso.domain.rejections import Rejections, Treatment
from hoso.dossiers.catalog import KINDS
from hoso.runtime.clock import boottime
from hoso.runtime.failures import Invalid, OutcomeUnknown, Transient
from hoso.runtime.steps import Call, NotYet, Step, Tell, Try
from hoso.store.vault import Erased
from schemas.events import (
    ActivationAnswered,
    ActivationAsked,
    ActivationOutcome,
    DossierDecided,
    DossierReceived,
    FilingAsked,
    FilingUncertain,
    MailNumbered,
    RosterAsked,
    RosterFailed,
    RosterFetched,
)
from services.submitter.asks import CodeSpent, RepliesWanted
from services.submitter.gateway import AgencyGateway, Dossier, Receipt
from services.submitter.handlers import key_of
from services.submitter.http_gateway import ReplyCollector


class Vault(Protocol):
    """What the submitter needs of the vault."""

    async def put(self, tenant: str, scope: UUID, purpose: str, data: bytes) -> UUID: ...
    async def get(self, ref: UUID) -> bytes: ...
    async def destroy(self, ref: UUID) -> None: ...


async def opened(vault: Vault, ref: UUID) -> bytes:
    """Out of the vault, before the world is asked: a vault that is away is Transient, for certainly nothing was sent."""
    try:
        return await vault.get(ref)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Transient(f"the vault is away: {error!r}") from error


class SubmitDossier:
    """Files one attempt, once. Every doubt is an OutcomeUnknown: then `find` decides, by the very bytes."""

    def __init__(self, gateway: AgencyGateway, vault: Vault, rejections: Rejections) -> None:
        self._gateway = gateway
        self._vault = vault
        self._rejections = rejections

    async def perform(self, ask: FilingAsked, this: Try) -> Sequence[Step]:
        receipt = await self._gateway.submit(await self._dossier(ask), key_of(ask), this.deadline)
        if self._is_duplicate(receipt):
            raise OutcomeUnknown(f"the agency says it has these bytes already ({receipt.code})")
        return self._steps(ask, this, receipt)

    async def reconcile(self, ask: FilingAsked, this: Try) -> Sequence[Step] | None:
        found = await self._gateway.find(await self._dossier(ask), key_of(ask))
        real = [receipt for receipt in found if not self._is_duplicate(receipt)]
        if real:
            return self._steps(ask, this, real[0])
        if found:
            raise OutcomeUnknown("the agency calls it a duplicate and shows nothing that it repeats")
        return None

    def give_up(self, ask: FilingAsked, this: Try, reached: bool, error: str) -> Sequence[Step]:
        return [
            Tell(
                FilingUncertain(
                    enrolment=ask.enrolment,
                    dossier=ask.dossier,
                    attempt=ask.attempt,
                    kind=ask.kind,
                    reached="unknown" if reached else "never",
                    text=error[:500],
                )
            )
        ]

    async def _dossier(self, ask: FilingAsked) -> Dossier:
        try:
            data = await opened(self._vault, ask.document)
        except Erased as error:
            raise Invalid(f"the signed document cannot be filed any more: {error}") from error
        if sha256(data).hexdigest() != ask.sha256:
            raise Invalid("the signed document is not the one that was asked to be filed")
        return Dossier(
            data, ask.sha256, KINDS[ask.kind].procedure, ask.unit_code, ask.tax_code, ask.agency, ask.contact
        )

    def _is_duplicate(self, receipt: Receipt) -> bool:
        return (
            receipt.outcome == "refused"
            and self._rejections.treatment(receipt.code, receipt.text) is Treatment.DUPLICATE
        )

    def _steps(self, ask: FilingAsked, this: Try, receipt: Receipt) -> Sequence[Step]:
        wanted = RepliesWanted(
            enrolment=ask.enrolment,
            dossier=ask.dossier,
            attempt=ask.attempt,
            kind=ask.kind,
            transaction=receipt.transaction,
            number=receipt.number,
        )
        if receipt.outcome == "refused":
            return decision(wanted, receipt)
        received = DossierReceived(
            enrolment=ask.enrolment,
            dossier=ask.dossier,
            attempt=ask.attempt,
            kind=ask.kind,
            transaction=receipt.transaction,
            number=receipt.number,
        )
        if receipt.outcome == "accepted":
            return [Tell(received), *decision(wanted, receipt)]
        poll = Call("agency.replies", this.subject, f"replies:{ask.dossier}:{ask.attempt}", wanted)
        return [Tell(received), *numbered(wanted, receipt), poll]


def numbered(ask: RepliesWanted, receipt: Receipt) -> list[Step]:
    """Tell the mail watcher the dossier number, as soon as there is one: a stop mail may name nothing else."""
    if receipt.number is None:
        return []
    return [
        Tell(
            MailNumbered(
                enrolment=ask.enrolment, dossier=ask.dossier, attempt=ask.attempt, kind=ask.kind, number=receipt.number
            )
        )
    ]


def decision(ask: RepliesWanted, receipt: Receipt) -> list[Step]:
    """The agency has decided."""
    decided = DossierDecided(
        enrolment=ask.enrolment,
        dossier=ask.dossier,
        attempt=ask.attempt,
        kind=ask.kind,
        number=receipt.number or ask.number,
        accepted=receipt.outcome == "accepted",
        code=receipt.code,
        text=receipt.text[:1000],
        steps=receipt.steps[:50],
    )
    return [*numbered(ask, receipt), Tell(decided)]


class PollReplies:
    """Asks until the agency has decided; many attempts in one question. Costs no tries: somebody is awaited."""

    def __init__(self, gateway: AgencyGateway, interval: timedelta) -> None:
        self._collector = ReplyCollector(gateway)
        self._interval = interval

    async def perform(self, ask: RepliesWanted, this: Try) -> Sequence[Step] | NotYet:
        try:
            receipt = await self._collector.reply(ask.transaction)
        except (OutcomeUnknown, Invalid) as error:
            raise Transient(str(error)) from error  # a question has no effects: ask again
        if receipt is None or receipt.outcome == "received":
            return NotYet(self._interval)
        return decision(ask, receipt)

    async def reconcile(self, ask: RepliesWanted, this: Try) -> Sequence[Step] | None:
        return None

    def give_up(self, ask: RepliesWanted, this: Try, reached: bool, error: str) -> Sequence[Step]:
        """Not knowing is no refusal: nothing is said. The mails, and the timers that await them, go on without."""
        return []


class ActivateUnit:
    """Gives the agency the code, never after its 24 hours. The code is destroyed by a call that follows the outcome."""

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
        answered = ActivationAnswered(
            enrolment=ask.enrolment,
            dossier=ask.dossier,
            attempt=ask.attempt,
            go=ask.go,
            outcome=outcome,
            code=code,
            text=text[:500],
        )
        return [
            Tell(answered),
            Call("vault.spend", this.subject, f"spend:{ask.code}:{ask.go}", CodeSpent(code=ask.code)),
        ]


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


class FetchRoster:
    """Fetches all pages and seals them as one document. Asking again is harmless."""

    PAGE, LIMIT = 200, 100_000

    def __init__(self, gateway: AgencyGateway, vault: Vault) -> None:
        self._gateway = gateway
        self._vault = vault

    async def perform(self, ask: RosterAsked, this: Try) -> Sequence[Step]:
        employees: dict[str, dict[str, object]] = {}
        page, total = 1, 1
        try:
            while (page - 1) * self.PAGE < min(total, self.LIMIT):
                answer = await self._gateway.roster(ask.unit_code, page, self.PAGE)
                total = answer.total
                for place, employee in enumerate(answer.employees):
                    # Doubles between pages are one employee; those without an id are never taken for one another.
                    employees[str(employee.get("id") or f"{page}/{place}")] = employee
                if not answer.employees:
                    break
                page += 1
        except OutcomeUnknown as error:
            raise Transient(str(error)) from error
        roster = None
        if employees:
            sealed = json.dumps(sorted(employees.values(), key=lambda e: str(e.get("id"))), ensure_ascii=False).encode()
            roster = await self._vault.put(this.tenant, ask.enrolment, "personal", sealed)
        return [Tell(RosterFetched(enrolment=ask.enrolment, employees=len(employees), roster=roster))]

    async def reconcile(self, ask: RosterAsked, this: Try) -> Sequence[Step] | None:
        return await self.perform(ask, this)

    def give_up(self, ask: RosterAsked, this: Try, reached: bool, error: str) -> Sequence[Step]:
        return [Tell(RosterFailed(enrolment=ask.enrolment, text=error[:500]))]

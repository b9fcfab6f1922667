"""Filing, and asking where filings stand. (Activation: activation.py. Employees: rosters.py.)"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from hashlib import sha256
from uuid import UUID

from hoso.domain.rejections import Rejections, Treatment
from hoso.runtime.failures import Invalid, OutcomeUnknown, Transient
from hoso.runtime.steps import Call, NotYet, Step, Tell, Try
from hoso.store.vault import Erased
from schemas.events import (
    DossierDecided,
    DossierReceived,
    FilingAsked,
    FilingUncertain,
    MailNumbered,
    StatusAnswered,
    StatusAsked,
)
from services.submitter.asks import RepliesWanted
from services.submitter.collecting import ReplyCollector
from services.submitter.forgotten import first_since_restore, forgotten
from services.submitter.gateway import PROCEDURES, AgencyGateway, Capabilities, Dossier, Receipt
from services.submitter.handlers import key_of, mail_of
from services.submitter.ports import Disbelief, Filed, Filings, Vault, opened

NOT_BELIEVED = "Kết quả của cơ quan BHXH không được tin"
NO_FIND = "Cổng này không cho tra cứu hồ sơ đã nộp, nên không biết hồ sơ đã đến nơi chưa"


class SubmitDossier:
    """Files one attempt, once. Every doubt is an OutcomeUnknown: then `find` decides, by the very bytes."""

    def __init__(self, gateway: AgencyGateway, vault: Vault, filings: Filings, rejections: Rejections) -> None:
        self._gateway = gateway
        self._vault = vault
        self._filings = filings
        self._rejections = rejections

    async def perform(self, ask: FilingAsked, this: Try) -> Sequence[Step]:
        able = await self._gateway.capabilities()
        receipt = await self._gateway.submit(await self._dossier(ask), key_of(ask), this.deadline)
        if receipt.doubt:
            await self._filings.disbelieved(this.tenant, _disbelief(ask.enrolment, ask.dossier, ask.attempt, receipt))
            raise OutcomeUnknown(f"{NOT_BELIEVED}: {receipt.doubt}")
        if is_duplicate(self._rejections, receipt):
            raise OutcomeUnknown(f"the agency says it has these bytes already ({receipt.code})")
        return steps_of(_wanted(ask, receipt, ask.sha256), receipt, this.subject, able)

    async def reconcile(self, ask: FilingAsked, this: Try) -> Sequence[Step] | None:
        able = await self._gateway.capabilities()
        if not able.find:
            return self.give_up(ask, this, True, NO_FIND)
        dossier = await self._dossier(ask)
        found = await self._gateway.find(dossier, key_of(ask))
        doubted = [receipt for receipt in found if receipt.doubt]
        for receipt in doubted:
            await self._filings.disbelieved(this.tenant, _disbelief(ask.enrolment, ask.dossier, ask.attempt, receipt))
        real = [r for r in found if not r.doubt and not is_duplicate(self._rejections, r)]
        if real:
            return steps_of(_wanted(ask, real[0], ask.sha256), real[0], this.subject, able)
        if doubted:
            raise OutcomeUnknown(f"{NOT_BELIEVED}: {doubted[0].doubt}")
        if found:
            raise OutcomeUnknown("the agency calls it a duplicate and shows nothing that it repeats")
        if first_since_restore(this):
            repeats = partial(is_duplicate, self._rejections)
            earlier = await forgotten(self._gateway, self._filings, ask, dossier, repeats)
            if earlier is not None:
                expected = Tell(mail_of(ask, earlier.filed_at or await self._filings.known_until()))
                return [expected, *steps_of(_wanted(ask, earlier, earlier.sha256), earlier, this.subject, able)]
        return None

    def give_up(self, ask: FilingAsked, this: Try, reached: bool, error: str) -> Sequence[Step]:
        if error.startswith("proved absent"):
            error = f"Đã nộp {this.number} lần, lần nào tra cứu cũng không thấy hồ sơ ({error})"
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
        return Dossier(data, ask.sha256, PROCEDURES[ask.kind], ask.unit_code, ask.tax_code, ask.agency, ask.contact)


class PollReplies:
    """Asks until the agency has decided; many attempts in one question. Costs no tries: somebody is awaited."""

    def __init__(self, gateway: AgencyGateway, filings: Filings, interval: timedelta) -> None:
        self._collector = ReplyCollector(gateway)
        self._filings = filings
        self._interval = interval

    async def perform(self, ask: RepliesWanted, this: Try) -> Sequence[Step] | NotYet:
        try:
            receipt = await self._collector.reply(ask.transaction)
        except (OutcomeUnknown, Invalid) as error:
            raise Transient(str(error)) from error  # a question has no effects: ask again
        if receipt is None:
            return NotYet(self._interval)
        if doubt := receipt.doubt or _other_bytes(receipt, ask.sha256):
            return await self._not_believed(ask, this, receipt, doubt)
        return NotYet(self._interval) if receipt.outcome == "received" else decision(ask, receipt)

    async def _not_believed(
        self, ask: RepliesWanted, this: Try, receipt: Receipt, doubt: str
    ) -> Sequence[Step] | NotYet:
        """No answer at all: asked again. The first time it is told, for people to see."""
        told = Disbelief(ask.enrolment, ask.dossier, ask.attempt, ask.transaction, doubt, receipt.document)
        await self._filings.disbelieved(this.tenant, told)
        if ask.warned:
            return NotYet(self._interval)
        warning = StatusAnswered(
            enrolment=ask.enrolment,
            dossier=ask.dossier,
            attempt=ask.attempt,
            go=0,
            status="unknown",
            text=f"{NOT_BELIEVED}: {doubt}",
        )
        name = f"replies:{ask.dossier}:{ask.attempt}:warned"
        return [Tell(warning), Call("agency.replies", this.subject, name, ask.model_copy(update={"warned": True}))]

    async def reconcile(self, ask: RepliesWanted, this: Try) -> Sequence[Step] | None:
        return None

    def give_up(self, ask: RepliesWanted, this: Try, reached: bool, error: str) -> Sequence[Step]:
        """Not knowing is no refusal: nothing is said. The mails, and the timers that await them, go on without."""
        return []


class CheckStatus:
    """Looks where a filing stands: by its transaction, else by its bytes. What it finds is told as if it had come by itself."""

    def __init__(self, gateway: AgencyGateway, vault: Vault, filings: Filings, rejections: Rejections) -> None:
        self._gateway = gateway
        self._vault = vault
        self._filings = filings
        self._rejections = rejections

    async def perform(self, ask: StatusAsked, this: Try) -> Sequence[Step]:
        able = await self._gateway.capabilities()
        filed = await self._filings.filed(ask.dossier, ask.attempt)
        transaction = ask.transaction or (filed.transaction if filed is not None else None)
        by_name, by_bytes = able.replies and transaction is not None, able.find and filed is not None
        if not by_name and not by_bytes:
            return [self._answer(ask, "unknown", None, "Cổng này không cho hỏi tình trạng hồ sơ")]
        found: list[Receipt] = []
        try:
            if by_name and transaction is not None:
                found = [one for one in (await self._gateway.replies([transaction])).values() if one is not None]
            if not found and by_bytes and filed is not None:
                found = list(await self._gateway.find(await self._dossier(filed), filed.key))
        except (OutcomeUnknown, Invalid) as error:
            raise Transient(str(error)) from error
        if not found:
            return [self._answer(ask, "absent", None, "Cơ quan BHXH không có hồ sơ này")]
        told_sha = filed.sha256 if filed is not None else ""
        for receipt in found:
            doubt = receipt.doubt or _other_bytes(receipt, told_sha)
            if not doubt and not is_duplicate(self._rejections, receipt):
                return self._found(ask, this, receipt, told_sha, able)
            if doubt:
                told = Disbelief(ask.enrolment, ask.dossier, ask.attempt, receipt.transaction, doubt, receipt.document)
                await self._filings.disbelieved(this.tenant, told)
                return [self._answer(ask, "unknown", None, f"{NOT_BELIEVED}: {doubt}")]
        return [self._answer(ask, "unknown", found[0], "Cơ quan BHXH chỉ trả lời là hồ sơ trùng")]

    def _found(
        self, ask: StatusAsked, this: Try, receipt: Receipt, filed_sha256: str, able: Capabilities
    ) -> Sequence[Step]:
        wanted = RepliesWanted(
            enrolment=ask.enrolment,
            dossier=ask.dossier,
            attempt=ask.attempt,
            kind=ask.kind,
            transaction=receipt.transaction,
            number=receipt.number,
            sha256=filed_sha256,
        )
        if receipt.outcome == "received":
            # Who asks without a transaction does not know yet that the agency has it.
            new = steps_of(wanted, receipt, this.subject, able) if ask.transaction is None else ()
            return [*new, self._answer(ask, "processing", receipt, "")]
        return [*decision(wanted, receipt), self._answer(ask, receipt.outcome, receipt, receipt.text)]

    async def reconcile(self, ask: StatusAsked, this: Try) -> Sequence[Step] | None:
        return await self.perform(ask, this)

    def give_up(self, ask: StatusAsked, this: Try, reached: bool, error: str) -> Sequence[Step]:
        return [self._answer(ask, "unknown", None, f"Không hỏi được cơ quan BHXH: {error}")]

    def _answer(self, ask: StatusAsked, status: str, receipt: Receipt | None, text: str) -> Step:
        granted = ask.kind == "first_code" and receipt is not None and receipt.unit_code
        return Tell(
            StatusAnswered.model_validate(
                {
                    "enrolment": ask.enrolment,
                    "dossier": ask.dossier,
                    "attempt": ask.attempt,
                    "go": ask.go,
                    "status": status,
                    "code": receipt.code if receipt is not None and status != "processing" else "",
                    "text": text[:500],
                    "unit_code": granted or None,
                }
            )
        )

    async def _dossier(self, filed: Filed) -> Dossier:
        try:
            data = await opened(self._vault, filed.document)
        except Erased:
            data = b""  # looking needs only its sha256
        return Dossier(
            data,
            filed.sha256,
            PROCEDURES[filed.kind],
            filed.unit_code,
            filed.tax_code,
            filed.agency,
            filed.contact,
        )


# --- what a receipt means -----------------------------------------------------------------------------------------


def is_duplicate(rejections: Rejections, receipt: Receipt) -> bool:
    """The agency says it has the filing already."""
    refused = receipt.outcome == "refused"
    return refused and rejections.treatment(receipt.code, receipt.text) is Treatment.DUPLICATE


def steps_of(ask: RepliesWanted, receipt: Receipt, subject: UUID, able: Capabilities) -> list[Step]:
    """What is told of a filing that the agency has, and that its decision is asked for."""
    if receipt.outcome == "refused":
        return decision(ask, receipt)
    received = DossierReceived(
        enrolment=ask.enrolment,
        dossier=ask.dossier,
        attempt=ask.attempt,
        kind=ask.kind,
        transaction=receipt.transaction,
        number=receipt.number,
    )
    if receipt.outcome == "accepted":
        return [Tell(received), *decision(ask, receipt)]
    poll = [Call("agency.replies", subject, f"replies:{ask.dossier}:{ask.attempt}", ask)] if able.replies else []
    return [Tell(received), *numbered(ask, receipt), *poll]


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
    accepted = receipt.outcome == "accepted"
    decided = DossierDecided(
        enrolment=ask.enrolment,
        dossier=ask.dossier,
        attempt=ask.attempt,
        kind=ask.kind,
        number=receipt.number or ask.number,
        accepted=accepted,
        code=receipt.code,
        text=receipt.text[:1000],
        steps=receipt.steps[:50],
        unit_code=(receipt.unit_code or None) if accepted and ask.kind == "first_code" else None,
    )
    return [*numbered(ask, receipt), Tell(decided)]


def _wanted(ask: FilingAsked, receipt: Receipt, filed_sha256: str) -> RepliesWanted:
    return RepliesWanted(
        enrolment=ask.enrolment,
        dossier=ask.dossier,
        attempt=ask.attempt,
        kind=ask.kind,
        transaction=receipt.transaction,
        number=receipt.number,
        sha256=filed_sha256,
    )


def _disbelief(enrolment: UUID, dossier: UUID, attempt: int, receipt: Receipt) -> Disbelief:
    return Disbelief(enrolment, dossier, attempt, receipt.transaction, receipt.doubt, receipt.document)


def _other_bytes(receipt: Receipt, filed_sha256: str) -> str:
    """Why a reply that names other bytes than were filed is not about this filing."""
    if receipt.outcome == "received" or not receipt.sha256 or not filed_sha256 or receipt.sha256 == filed_sha256:
        return ""
    return "kết quả nói về hồ sơ khác (SHA-256 không khớp)"

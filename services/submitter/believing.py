"""A gateway of which only signed decisions are believed (`HOSO_AGENCY_CERTIFICATES`). Wraps any connector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from services.submitter.gateway import AgencyGateway, Capabilities, Dossier, Receipt, RosterPage
from services.submitter.signed_reply import NotBelieved, Pinned, signed_receipt


class BelievingGateway:
    """`AgencyGateway`. A decision is what the signed document says, where the receipt around it agrees; any other decision
    comes back with its `doubt`, as received, so that nobody can act upon it by mistake."""

    def __init__(self, gateway: AgencyGateway, certificates: Pinned) -> None:
        self._gateway = gateway
        self._certificates = certificates

    async def capabilities(self) -> Capabilities:
        return await self._gateway.capabilities()

    async def submit(self, dossier: Dossier, key: str, deadline: float) -> Receipt:
        return self._of(dossier, await self._gateway.submit(dossier, key, deadline))

    async def find(self, dossier: Dossier, key: str) -> Sequence[Receipt]:
        return [self._of(dossier, receipt) for receipt in await self._gateway.find(dossier, key)]

    async def replies(self, transactions: Sequence[str]) -> dict[str, Receipt]:
        found = await self._gateway.replies(transactions)
        return {name: self._believed(replace(receipt, transaction=name)) for name, receipt in found.items()}

    async def activate(self, transaction: str, unit_code: str, code: str, deadline: float) -> Receipt:
        return await self._gateway.activate(transaction, unit_code, code, deadline)

    async def activated(self, transaction: str, unit_code: str) -> bool:
        return await self._gateway.activated(transaction, unit_code)

    async def roster(self, unit_code: str, page: int, size: int) -> RosterPage:
        return await self._gateway.roster(unit_code, page, size)

    async def close(self) -> None:
        await self._gateway.close()

    def _of(self, dossier: Dossier, receipt: Receipt) -> Receipt:
        """A decision about other bytes than were filed is none of ours."""
        believed = self._believed(receipt)
        other = dossier.sha256 and believed.sha256 != dossier.sha256
        if receipt.outcome != "received" and not believed.doubt and other:
            return _doubted(receipt, "văn bản ký nói về hồ sơ khác (SHA-256 không khớp)")
        return believed

    def _believed(self, receipt: Receipt) -> Receipt:
        if receipt.outcome == "received":
            return receipt  # no decision, so there is nothing to sign
        if receipt.document is None:
            return _doubted(receipt, "kết quả không có chữ ký số của cơ quan BHXH")
        try:
            signed = signed_receipt(receipt.document, self._certificates)
        except NotBelieved as error:
            return _doubted(receipt, str(error))
        if differing := [name for name in _AGREEING if getattr(signed, name) != getattr(receipt, name)]:
            return _doubted(receipt, f"kết quả khác với văn bản đã ký ({', '.join(differing)})")
        return replace(signed, document=receipt.document)


_AGREEING = ("transaction", "outcome", "code", "number", "unit_code", "procedure", "sha256")


def _doubted(receipt: Receipt, why: str) -> Receipt:
    return Receipt("received", receipt.transaction, document=receipt.document, sha256=receipt.sha256, doubt=why[:300])

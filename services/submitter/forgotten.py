"""What was filed after the backup that this database was restored from: the agency knows it, we do not (docs/backup.md).

A call that is asked for the first time while a restore is open starts unsure. Its bytes prove nothing, because the attempt
may have been signed anew since; so everything the agency has of the unit and procedure is looked at.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from hoso.runtime.failures import OutcomeUnknown
from hoso.runtime.steps import Try
from schemas.events import FilingAsked
from services.submitter.gateway import AgencyGateway, Dossier, Receipt
from services.submitter.handlers import key_of
from services.submitter.ports import Filings

CLOCKS = timedelta(hours=1)
"""How far the agency's clock may be behind ours."""
NAMELESS = (
    "Cơ quan BHXH có hồ sơ lần đầu của mã số thuế này, không rõ của đơn vị nào; có thể đã nộp trước khi khôi phục"
)


def first_since_restore(this: Try) -> bool:
    """Nobody here ever began this call, and yet it is unsure: only a restore makes such calls."""
    return this.unsure and this.number == 0


async def forgotten(
    gateway: AgencyGateway,
    filings: Filings,
    ask: FilingAsked,
    dossier: Dossier,
    repeats: Callable[[Receipt], bool],
) -> Receipt | None:
    """The oldest filing of this unit and procedure that our ledger does not have and that is not older than what we
    remember: the forgotten history is found again in its own order. None: there is none. `repeats`: a receipt is only
    about a duplicate. Raises OutcomeUnknown when it cannot be told whose a filing is, or it is not believed."""
    until = await filings.known_until()
    found = await gateway.find(replace(dossier, data=b"", sha256=""), key_of(ask))
    strangers = await filings.strangers([(receipt.transaction, receipt.sha256) for receipt in found])
    for receipt in found:
        old = until is not None and receipt.filed_at is not None and receipt.filed_at < until - CLOCKS
        nameless = receipt.outcome == "refused" and not receipt.sha256  # refused, and never to be known again
        if old or nameless or receipt.transaction not in strangers or repeats(receipt):
            continue
        if not ask.unit_code and not receipt.unit_name:
            raise OutcomeUnknown(NAMELESS)
        if not ask.unit_code and _folded(receipt.unit_name) != _folded(ask.unit_name):
            continue
        if receipt.doubt:
            raise OutcomeUnknown(receipt.doubt)
        await filings.found_again(ask.dossier, ask.attempt, receipt.sha256)
        return receipt
    return None


def _folded(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())

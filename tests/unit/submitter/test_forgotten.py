"""After a restore: a call asked for the first time looks at everything the agency has of the unit (docs/backup.md)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hoso.runtime.failures import OutcomeUnknown
from schemas.events import DossierReceived, MailExpected
from services.submitter.forgotten import first_since_restore
from services.submitter.gateway import Dossier, Receipt
from services.submitter.performers import SubmitDossier
from tests.unit.submitter.test_submit import performer
from tests.unit.submitter.world import DOSSIER, NOW, AgencyByHand, FilingsByHand, attempt, filing, told

FIRST = replace(attempt("call", unsure=True), number=0)
LATER = NOW + timedelta(minutes=5)


class Agency(AgencyByHand):
    """Knows nothing by these bytes, and this when asked for all."""

    async def find(self, dossier: Dossier, key: str) -> Any:
        self.looked.append((dossier, key))
        return () if dossier.sha256 else self.found


def receipt(transaction: str = "GD7", **other: Any) -> Receipt:
    return Receipt(
        **{"outcome": "received", "transaction": transaction, "sha256": "ab" * 32, "filed_at": LATER, **other}
    )


def submitting(found: list[Receipt], **ledger: Any) -> tuple[SubmitDossier, FilingsByHand]:
    filings = FilingsByHand(until=NOW, **ledger)
    return performer(Agency(found=found), filings=filings), filings


async def test_what_was_filed_and_forgotten_is_found_again() -> None:
    submit, filings = submitting([receipt(), receipt("GD8", sha256="cd" * 32)])
    steps = await submit.reconcile(filing(), FIRST)
    expected, received = told(steps)[:2]
    assert isinstance(expected, MailExpected)
    assert expected.filed_at == LATER
    assert isinstance(received, DossierReceived)
    assert received.transaction == "GD7"  # the oldest: the forgotten history in its own order
    assert filings.again == [(DOSSIER, 1, "ab" * 32)]


@pytest.mark.parametrize(
    ("found", "ledger"),
    [
        (receipt(filed_at=NOW - timedelta(hours=2)), {}),
        (receipt(), {"known": {"GD7"}}),
        (receipt(), {"known": {"ab" * 32}}),
        (receipt(outcome="refused", code="SIM999", sha256=""), {}),
    ],
    ids=["of long before", "a transaction of the ledger", "bytes of the ledger", "refused and nameless"],
)
async def test_what_is_remembered_or_older_proves_nothing(found: Receipt, ledger: dict[str, Any]) -> None:
    submit, filings = submitting([found], **ledger)
    assert await submit.reconcile(filing(), FIRST) is None
    assert filings.again == []


async def test_a_call_that_was_begun_here_is_looked_for_by_its_bytes_only() -> None:
    submit, _ = submitting([receipt()])
    assert await submit.reconcile(filing(), attempt(unsure=True)) is None


async def test_a_first_time_dossier_is_known_by_its_name_or_not_at_all() -> None:
    first = filing(kind="first_code", unit_code="", unit_name="Chi nhánh  HUẾ")
    submit, _ = submitting([receipt(unit_name="Chi nhánh Vinh"), receipt("GD8", unit_name="chi nhánh huế")])
    steps = await submit.reconcile(first, FIRST)
    assert "GD8" in {getattr(fact, "transaction", "") for fact in told(steps)}
    submit, _ = submitting([receipt()])
    with pytest.raises(OutcomeUnknown, match="không rõ của đơn vị nào"):
        await submit.reconcile(first, FIRST)


async def test_one_that_is_not_believed_is_for_a_person() -> None:
    submit, filings = submitting([receipt(doubt="chữ ký sai")])
    with pytest.raises(OutcomeUnknown, match="chữ ký sai"):
        await submit.reconcile(filing(), FIRST)
    assert filings.again == []


def test_the_two_kinds_of_unsure() -> None:
    assert [first_since_restore(one) for one in (FIRST, attempt(unsure=True), attempt())] == [True, False, False]

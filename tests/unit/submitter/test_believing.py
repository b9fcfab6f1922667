"""Only signed decisions count, and only where the receipt around them says the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from lxml import etree

from hoso.runtime.clock import boottime
from services.submitter.believing import BelievingGateway
from services.submitter.gateway import Dossier, Receipt
from services.submitter.note_of_receipt import receipt as read
from services.submitter.signed_reply import keys_of
from tests.unit.submitter.agency_paper import agency, note, signed
from tests.unit.submitter.world import AgencyByHand

PINNED = keys_of((agency()[1],))
OURS = Dossier(b"<Hoso/>", "ab" * 32, "04_DK-IVAN", "TZ0001Z", "0101243150", None, "a@b.example")


def shown(kqua: str = "CHAP_NHAN", **other: Any) -> Receipt:
    """A receipt as a signing gateway shows it."""
    one = note(kqua, **other)
    return replace(read(etree.fromstring(one)), document=signed(one))


async def replied(receipt: Receipt, transaction: str = "GD1") -> Receipt:
    agency_ = AgencyByHand(standing={transaction: receipt})
    return (await BelievingGateway(agency_, PINNED).replies([transaction]))[transaction]


@pytest.mark.parametrize(("kqua", "code", "outcome"), [("CHAP_NHAN", "", "accepted"), ("TU_CHOI", "CE007", "refused")])
async def test_a_signed_decision_is_believed(kqua: str, code: str, outcome: str) -> None:
    found = await replied(shown(kqua, code=code))

    assert (found.outcome, found.doubt, found.transaction) == (outcome, "", "GD1")
    assert found.document is not None, "evidence"


async def test_what_is_not_decided_needs_no_signature() -> None:
    found = await replied(Receipt("received", "GD1", "00001"))

    assert found == Receipt("received", "GD1", "00001")


@pytest.mark.parametrize(
    ("spoilt", "why"),
    [
        pytest.param({"document": None}, "không có chữ ký", id="unsigned"),
        pytest.param({"document": b""}, "không đọc được", id="no-base64"),
        pytest.param({"document": signed(note(), 1)}, "chứng thư số lạ", id="stranger"),
        pytest.param({"outcome": "refused"}, "outcome", id="outcome"),
        pytest.param({"code": "CE007"}, "code", id="code"),
        pytest.param({"number": "00009"}, "number", id="number"),
        pytest.param({"unit_code": "TZ0009Z"}, "unit_code", id="unit-code"),
        pytest.param({"sha256": "cd" * 32}, "sha256", id="bytes"),
    ],
)
async def test_what_does_not_agree_is_no_answer(spoilt: dict[str, Any], why: str) -> None:
    found = await replied(replace(shown(), **spoilt))

    assert found.outcome == "received"
    assert why in found.doubt
    assert (found.code, found.text, found.number, found.unit_code) == ("", "", None, ""), "nothing of it can be used"


async def test_a_decision_about_another_filing_is_not_this_ones() -> None:
    """Whoever stands in between may hold true decisions, of other filings."""
    found = await replied(shown(transaction="GD7"), "GD1")

    assert found.outcome == "received"
    assert "transaction" in found.doubt


async def test_what_is_used_is_what_was_signed() -> None:
    """Text and steps around the signed document are nobody's word."""
    found = await replied(replace(shown("TU_CHOI", code="CE007", text="thật"), text="giả", steps=()))

    assert (found.text, len(found.steps)) == ("thật", 1)


@pytest.mark.parametrize("sha256", ["cd" * 32, ""])
async def test_an_answer_to_a_filing_must_be_about_its_bytes(sha256: str) -> None:
    other = shown(sha256=sha256)
    gateway = BelievingGateway(AgencyByHand(receipt=other, found=[other, shown()]), PINNED)
    filed = await gateway.submit(OURS, "k", boottime() + 5)
    first, second = await gateway.find(OURS, "k")

    assert "SHA-256" in filed.doubt
    assert ("SHA-256" in first.doubt, second.doubt, second.outcome) == (True, "", "accepted")

"""Looking where a filing stands: what is found is told as if it had come by itself, and that somebody looked."""

from __future__ import annotations

from typing import Any

import pytest

from hoso.domain.rejections import rejections
from hoso.runtime.failures import Invalid, OutcomeUnknown, Transient
from schemas.envelope import Fact
from schemas.events import DossierDecided, DossierReceived, MailNumbered, StatusAnswered
from services.submitter.gateway import Capabilities, Receipt
from services.submitter.performers import CheckStatus
from tests.unit.submitter.world import (
    DOCUMENT,
    SIGNED,
    AgencyByHand,
    FilingsByHand,
    VaultByHand,
    attempt,
    called,
    filed,
    status,
    told,
)


def performer(
    agency: AgencyByHand, filings: FilingsByHand | None = None, vault: VaultByHand | None = None
) -> CheckStatus:
    return CheckStatus(agency, vault or VaultByHand(), filings or FilingsByHand(filed()), rejections())


async def looked(agency: AgencyByHand, **other: Any) -> tuple[StatusAnswered, list[Fact]]:
    """The answer, and what was told before it."""
    *before, answer = told(await performer(agency).perform(status(**other), attempt()))
    assert isinstance(answer, StatusAnswered)
    return answer, before


async def test_still_being_worked_on() -> None:
    agency = AgencyByHand(standing={"GD1": Receipt("received", "GD1", "00001", unit_code="TZ0009Z")})
    answer, before = await looked(agency, go=3)

    assert (answer.status, answer.go, answer.code) == ("processing", 3, "")
    assert before == []
    assert agency.looked == [], "its transaction names it"


async def test_granted_comes_with_the_code_and_as_a_decision() -> None:
    agency = AgencyByHand(standing={"GD1": Receipt("accepted", "GD1", "00001", "00", unit_code="TZ0009Z")})
    answer, before = await looked(agency)

    assert (answer.status, answer.code, answer.unit_code) == ("accepted", "00", "TZ0009Z")
    assert [type(fact) for fact in before] == [MailNumbered, DossierDecided]
    assert isinstance(before[1], DossierDecided)
    assert (before[1].accepted, before[1].unit_code) == (True, "TZ0009Z")


async def test_refused_keeps_the_agencys_words() -> None:
    agency = AgencyByHand(standing={"GD1": Receipt("refused", "GD1", None, "CE999", "thiếu giấy phép")})
    answer, before = await looked(agency)

    assert (answer.status, answer.code, answer.text, answer.unit_code) == ("refused", "CE999", "thiếu giấy phép", None)
    assert [type(fact) for fact in before] == [DossierDecided]


async def test_a_code_that_is_no_grant_is_not_told() -> None:
    agency = AgencyByHand(standing={"GD1": Receipt("accepted", "GD1", unit_code="TZ0009Z")})

    assert (await looked(agency, kind="change", unit_code="TZ0009Z"))[0].unit_code is None


async def test_nobody_there_knows_it() -> None:
    agency = AgencyByHand()
    answer, before = await looked(agency)

    assert (answer.status, before) == ("absent", [])
    assert agency.asked == [["GD1"]]
    assert len(agency.looked) == 1, "it was looked for by its bytes too"


async def test_without_a_transaction_its_bytes_find_it() -> None:
    agency = AgencyByHand(found=[Receipt("received", "GD7", "00007")])
    steps = await performer(agency).perform(status(transaction=None), attempt())

    received, numbered, answer = told(steps)
    assert isinstance(received, DossierReceived)
    assert isinstance(numbered, MailNumbered)
    assert isinstance(answer, StatusAnswered)
    assert (received.transaction, answer.status) == ("GD7", "processing")
    assert set(called(steps)) == {"agency.replies"}
    ((dossier, key),) = agency.looked
    assert (dossier.data, dossier.procedure, dossier.unit_code, dossier.tax_code) == (
        SIGNED,
        "604",
        "",
        "0101243150-001",
    )
    assert key == filed().key


async def test_the_ledgers_transaction_is_as_good() -> None:
    agency = AgencyByHand(standing={"GD8": Receipt("received", "GD8")})
    steps = await performer(agency, FilingsByHand(filed(transaction="GD8"))).perform(
        status(transaction=None), attempt()
    )

    assert agency.asked == [["GD8"]]
    assert isinstance(told(steps)[-1], StatusAnswered)


async def test_a_document_that_was_erased_can_still_be_looked_for() -> None:
    agency = AgencyByHand(found=[Receipt("accepted", "GD7", code="00")])
    steps = await performer(agency, vault=VaultByHand({})).perform(status(transaction=None), attempt())

    assert agency.looked[0][0].data == b""
    assert agency.looked[0][0].sha256 == filed().sha256
    assert DOCUMENT
    assert any(isinstance(fact, DossierDecided) for fact in told(steps))


@pytest.mark.parametrize(
    ("able", "filings"),
    [
        (Capabilities(replies=False, find=False), FilingsByHand(filed())),
        (Capabilities(replies=False), FilingsByHand()),
    ],
)
async def test_where_nobody_can_be_asked_it_is_unknown(able: Capabilities, filings: FilingsByHand) -> None:
    agency = AgencyByHand(able=able)
    (answer,) = told(await performer(agency, filings).perform(status(), attempt()))

    assert isinstance(answer, StatusAnswered)
    assert (answer.status, agency.asked, agency.looked) == ("unknown", [], [])


async def test_nothing_but_a_duplicate_says_nothing() -> None:
    agency = AgencyByHand(found=[Receipt("refused", "GD1", code="SIM010")])
    answer, before = await looked(agency, transaction=None)

    assert (answer.status, answer.code, before) == ("unknown", "SIM010", [])


async def test_what_is_not_believed_is_unknown_and_says_why() -> None:
    agency = AgencyByHand(standing={"GD1": Receipt("received", "GD1", document=b"<x/>", doubt="chữ ký lạ")})
    filings = FilingsByHand(filed())
    (answer,) = told(await performer(agency, filings).perform(status(), attempt()))

    assert isinstance(answer, StatusAnswered)
    assert answer.status == "unknown"
    assert "không được tin: chữ ký lạ" in answer.text
    assert [one.document for one in filings.doubts] == [b"<x/>"]


@pytest.mark.parametrize("failure", [OutcomeUnknown("502"), Invalid("400"), Transient("429")])
async def test_a_question_is_simply_asked_again(failure: Exception) -> None:
    with pytest.raises(Transient):
        await performer(AgencyByHand(standing=failure)).perform(status(), attempt())


def test_who_cannot_be_asked_in_an_hour_leaves_it_unknown() -> None:
    (answer,) = told(performer(AgencyByHand()).give_up(status(go=2), attempt(), False, "x" * 900))

    assert isinstance(answer, StatusAnswered)
    assert (answer.status, answer.go, len(answer.text)) == ("unknown", 2, 500)

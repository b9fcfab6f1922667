"""Signed decisions at a real process: the simulated agency signs them, and spoils them on demand (A12)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hoso.runtime.failures import OutcomeUnknown
from services.submitter.believing import BelievingGateway
from services.submitter.gateway import Capabilities, Dossier, Receipt
from services.submitter.http_gateway import HttpAgencyGateway
from services.submitter.signed_reply import keys_of, pinned
from tests.contract.gateway.conftest import soon
from tests.simulator.agency import Agency
from tests.support.waiting import eventually

Make = Callable[..., Dossier]


@pytest.fixture
def believing(agency: Agency, gateway: HttpAgencyGateway) -> BelievingGateway:
    return BelievingGateway(gateway, keys_of(pinned(agency.folder / "agency-certificate.pem")))


async def replied(gateway: BelievingGateway, transaction: str) -> Receipt:
    """The first reply that is a decision, believed or not."""

    async def look() -> Receipt | None:
        found = (await gateway.replies([transaction])).get(transaction)
        return found if found is not None and (found.doubt or found.outcome != "received") else None

    found = await eventually(look, f"a decision on {transaction}")
    assert found is not None
    return found


async def test_it_says_what_it_can_do(gateway: HttpAgencyGateway) -> None:
    assert await gateway.capabilities() == Capabilities(signed_replies=True)


@pytest.mark.parametrize(("family", "outcome", "code"), [("", "accepted", "00"), ("C00", "refused", "CE007")])
async def test_what_the_agency_signed_is_believed(
    believing: BelievingGateway, dossier: Make, family: str, outcome: str, code: str
) -> None:
    filed = dossier(family)
    receipt = await believing.submit(filed, "k", soon())
    found = await replied(believing, receipt.transaction)

    assert (found.doubt, found.outcome, found.code) == ("", outcome, code)
    assert (found.sha256, found.procedure, found.unit_code) == (filed.sha256, filed.procedure, filed.unit_code)
    assert found.steps
    (again,) = await believing.find(filed, "k")
    assert (again.doubt, again.outcome) == ("", outcome)


async def test_a_signed_refusal_at_the_gate_is_believed(believing: BelievingGateway, dossier: Make) -> None:
    receipt = await believing.submit(dossier("U01"), "k", soon())

    assert (receipt.doubt, receipt.outcome, receipt.code) == ("", "refused", "SIM001")


async def test_a_signed_duplicate_is_about_the_same_bytes(believing: BelievingGateway, dossier: Make) -> None:
    filed = dossier()
    await believing.submit(filed, "k", soon())
    again = await believing.submit(filed, "k", soon())

    assert (again.doubt, again.outcome, again.code) == ("", "refused", "SIM010")


@pytest.mark.parametrize(
    ("family", "why"),
    [
        pytest.param("F42", "không khớp", id="broken"),
        pytest.param("F52", "chứng thư số lạ", id="stranger"),
        pytest.param("F62", "bị sửa", id="turned-round"),
        pytest.param("F72", "không có chữ ký", id="unsigned"),
        pytest.param("F82", "khác với văn bản", id="another-filings"),
    ],
)
async def test_what_is_not_the_agencys_word_is_no_answer_until_it_is(
    believing: BelievingGateway, dossier: Make, family: str, why: str
) -> None:
    """Three spoilt replies, then the true one."""
    receipt = await believing.submit(dossier(family), "k", soon())
    for _ in range(3):
        doubted = await replied(believing, receipt.transaction)
        assert (doubted.outcome, why in doubted.doubt) == ("received", True), doubted
    true = await replied(believing, receipt.transaction)

    assert (true.doubt, true.outcome) == ("", "accepted")


async def test_without_certificates_everything_is_believed(gateway: HttpAgencyGateway, dossier: Make) -> None:
    """The control: the same forged reply deceives a deployment that pins nothing. That is what `hoso check` warns of."""
    receipt = await gateway.submit(dossier("F62"), "k", soon())

    async def look() -> Receipt | None:
        found = (await gateway.replies([receipt.transaction])).get(receipt.transaction)
        return found if found is not None and found.outcome != "received" else None

    found = await eventually(look, "the forged decision")
    assert found is not None
    assert found.outcome == "refused"


async def test_a_receipt_made_to_say_refused_is_a_doubt_and_the_filing_is_found(
    believing: BelievingGateway, dossier: Make
) -> None:
    filed = dossier("F45")
    receipt = await believing.submit(filed, "k", soon())
    assert receipt.doubt
    (found,) = await believing.find(filed, "k")

    assert found.doubt == ""
    assert found.transaction == receipt.transaction


async def test_a_gateway_may_be_without_activation(
    tmp_path_factory: pytest.TempPathFactory, mailbox: object, gateways: Callable[..., HttpAgencyGateway]
) -> None:
    own = Agency(tmp_path_factory.mktemp("without"), 1, "--fast", "--no-activation", "--unsigned-replies").start()
    try:
        gateway = gateways(f"http://{own.host}:{own.port}")
        assert await gateway.capabilities() == Capabilities(activation=False)
        with pytest.raises(OutcomeUnknown):
            await gateway.activate("GD1", "QA0001K", "A1B2C3D4E5", soon())
    finally:
        own.stop()

"""What an AgencyGateway promises, at a real process (docs/gateway.md): every answer and fault has its class."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hoso.runtime.failures import Invalid, OutcomeUnknown, Transient
from services.submitter.gateway import Dossier, Receipt
from services.submitter.http_gateway import HttpAgencyGateway
from tests.contract.gateway.conftest import signed, soon
from tests.simulator import dossiers
from tests.simulator.agency import Agency, Mailbox, code_in, free_port, until
from tests.support.waiting import eventually

Make = Callable[..., Dossier]


def arrivals(agency: Agency, dossier: Dossier) -> list[dict[str, Any]]:
    """What the agency's own ledger says has arrived."""
    found: list[dict[str, Any]] = agency.ledger(dossier.unit_code)["arrivals"]
    return found


async def refuses(agency: Agency) -> bool:
    """Whether nobody listens any more: the outage begins a moment after it was asked for."""
    try:
        _, writer = await asyncio.open_connection(agency.host, agency.port)
    except ConnectionRefusedError:
        return True
    except ConnectionError:
        return False
    writer.close()
    return False


async def decided(gateway: HttpAgencyGateway, transaction: str) -> Receipt:
    async def look() -> Receipt | None:
        found = (await gateway.replies([transaction])).get(transaction)
        return found if found is not None and found.outcome != "received" and found.number else None

    found = await eventually(look, f"the decision on {transaction}")
    assert found is not None
    return found


async def activated(agency: Agency, gateway: HttpAgencyGateway, mailbox: Mailbox, dossier: Dossier) -> tuple[str, str]:
    """A registration as far as its mail: transaction and code."""
    transaction = (await gateway.submit(dossier, "k", soon())).transaction
    await decided(gateway, transaction)
    mail = await asyncio.to_thread(until, lambda: mailbox.to(dossier.unit_code), "the mail with the code")
    return transaction, code_in(mail[0])


# --- filing -------------------------------------------------------------------------------------------------------


async def test_a_filing_is_received_and_arrives_as_it_was_sent(
    agency: Agency, gateway: HttpAgencyGateway, dossier: Make
) -> None:
    filed = dossier()
    receipt = await gateway.submit(filed, "submit:1:1", soon())

    assert (receipt.outcome, receipt.number) == ("received", None)
    assert receipt.transaction
    (arrival,) = arrivals(agency, filed)
    assert (arrival["sha256"], arrival["transaction_id"]) == (filed.sha256, receipt.transaction)
    assert (arrival["procedure"], arrival["sender"], arrival["idempotency_key"]) == (
        "04_DK-IVAN",
        "00110",
        "submit:1:1",
    )


async def test_without_an_agency_or_with_a_stop_it_is_filed_all_the_same(
    agency: Agency, gateway: HttpAgencyGateway
) -> None:
    plain = signed("QA0001K")
    nowhere = Dossier(plain.data, plain.sha256, plain.procedure, plain.unit_code, plain.tax_code, None, plain.contact)
    stop = await gateway.submit(signed("QA0002K", dossiers.STOP), "k", soon())

    assert (await gateway.submit(nowhere, "k", soon())).outcome == "received"
    assert (stop.outcome, stop.code) == ("refused", "SIM011")


async def test_a_refusal_at_the_gate_is_a_receipt(gateway: HttpAgencyGateway, dossier: Make) -> None:
    receipt = await gateway.submit(dossier("U01"), "k", soon())

    assert (receipt.outcome, receipt.code) == ("refused", "SIM001")
    assert "không tồn tại" in receipt.text
    assert receipt.transaction


async def test_the_decision_comes_with_number_and_steps(gateway: HttpAgencyGateway, dossier: Make) -> None:
    accepted = await gateway.submit(dossier(), "k", soon())
    refused = await gateway.submit(dossier("C00"), "k", soon())
    yes, no = await decided(gateway, accepted.transaction), await decided(gateway, refused.transaction)

    assert (yes.outcome, yes.code) == ("accepted", "00")
    assert yes.steps
    assert all(step.step and step.result and step.at is not None for step in yes.steps)
    assert (no.outcome, no.code) == ("refused", "CE007")


async def test_replies_in_bulk_leave_out_what_nobody_knows(gateway: HttpAgencyGateway, dossier: Make) -> None:
    filed = [(await gateway.submit(dossier(), "k", soon())).transaction for _ in range(3)]
    unknown = [f"GD-unknown-{n}" for n in range(197)]
    found = await gateway.replies([*filed, *unknown])

    assert set(found) == set(filed)
    assert await gateway.replies(unknown[:1]) == {}
    with pytest.raises(Invalid):
        await gateway.replies([*filed, *unknown, "one too many"])


@pytest.mark.parametrize("family", ["F09", "F19", "F29", "F11"])
async def test_replies_in_any_order_and_number_mean_the_same(
    gateway: HttpAgencyGateway, dossier: Make, family: str
) -> None:
    receipt = await gateway.submit(dossier(family), "k", soon())

    assert (await decided(gateway, receipt.transaction)).outcome == "accepted"


# --- finding ------------------------------------------------------------------------------------------------------


async def test_a_filing_is_found_by_its_bytes_whatever_the_key(gateway: HttpAgencyGateway, dossier: Make) -> None:
    filed = dossier()
    assert await gateway.find(filed, "k") == []
    receipt = await gateway.submit(filed, "k", soon())
    found = await gateway.find(filed, "another key")

    assert [one.transaction for one in found] == [receipt.transaction]
    assert await gateway.find(signed(filed.unit_code, nonce=" 2"), "k") == [], "other bytes are another filing"
    other = Dossier(filed.data, filed.sha256, dossiers.STOP, filed.unit_code, filed.tax_code, None, filed.contact)
    assert await gateway.find(other, "k") == [], "another procedure is another filing"


async def test_identical_bytes_again_are_a_refused_duplicate_of_the_first(
    gateway: HttpAgencyGateway, dossier: Make
) -> None:
    filed = dossier()
    first = await gateway.submit(filed, "k", soon())
    again = await gateway.submit(filed, "k", soon())

    assert (again.outcome, again.code) == ("refused", "SIM010")
    assert first.transaction in again.text
    assert [one.transaction for one in await gateway.find(filed, "k")] == [first.transaction]


# --- faults -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "arrived"),
    [
        pytest.param("F01", 0, id="A1-reset-before"),
        pytest.param("F02", 1, id="A2-reset-after"),
        pytest.param("F06", 0, id="A6-false-409"),
        pytest.param("F08", 0, id="A8-502"),
        pytest.param("F18", 1, id="A8-502-processed"),
        pytest.param("F28", 0, id="A8-truncated"),
        pytest.param("F38", 1, id="A8-truncated-processed"),
        pytest.param("F48", 0, id="A8-charset"),
        pytest.param("F58", 1, id="A8-charset-processed"),
        pytest.param("F22", 0, id="bare-503"),
        pytest.param("F32", 1, id="bare-503-processed"),
    ],
)
async def test_a_doubt_is_an_unknown_outcome_and_find_tells(
    agency: Agency, gateway: HttpAgencyGateway, dossier: Make, family: str, arrived: int
) -> None:
    filed = dossier(family)
    with pytest.raises(OutcomeUnknown):
        await gateway.submit(filed, "k", soon())

    assert len(arrivals(agency, filed)) == arrived
    found = await gateway.find(filed, "k")
    assert [one.transaction for one in found] == [row["transaction_id"] for row in arrivals(agency, filed)]


@pytest.mark.parametrize(("family", "arrived"), [("F03", 0), ("F13", 1)])
async def test_a_hang_ends_at_the_deadline_as_an_unknown_outcome(
    agency: Agency, gateway: HttpAgencyGateway, dossier: Make, family: str, arrived: int
) -> None:
    filed, began = dossier(family), asyncio.get_running_loop().time()
    with pytest.raises(OutcomeUnknown):
        await gateway.submit(filed, "k", soon(0.5))
    assert 0.4 < asyncio.get_running_loop().time() - began < 3

    async def settled() -> bool:
        return len(await gateway.find(filed, "k")) == arrived == len(arrivals(agency, filed))

    await eventually(settled, f"{arrived} filings")


async def test_a_late_filing_is_absent_first_and_found_later(
    agency: Agency, gateway: HttpAgencyGateway, dossier: Make
) -> None:
    filed = dossier("F04")
    with pytest.raises(OutcomeUnknown):
        await gateway.submit(filed, "k", soon())
    early = await gateway.find(filed, "k")

    async def found() -> Any:
        return await gateway.find(filed, "k")

    assert early == []
    assert len(await eventually(found, "the late filing")) == 1


@pytest.mark.parametrize("family", ["F05", "F15", "F25"])
async def test_a_duplicate_in_any_dress_is_an_unknown_outcome(
    agency: Agency, gateway: HttpAgencyGateway, dossier: Make, family: str
) -> None:
    """409, 208 and 500: the agency has it already, or says so. Which filing it means, only `find` can tell."""
    filed = dossier(family)
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            await gateway.submit(filed, "k", soon())
    assert len(arrivals(agency, filed)) == 2
    assert len(await gateway.find(filed, "k")) == 1


async def test_a_refused_connection_is_certainly_not_processed(
    gateways: Callable[..., HttpAgencyGateway], dossier: Make
) -> None:
    nobody = gateways(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(Transient, match="refused"):
        await nobody.submit(dossier(), "k", soon())
    with pytest.raises(Transient, match="refused"):
        await nobody.replies(["GD1"])


async def test_429_is_not_processed_and_everybody_waits_who_wants_the_same(
    agency: Agency, gateway: HttpAgencyGateway, gateways: Callable[..., HttpAgencyGateway], dossier: Make
) -> None:
    filed, other = dossier("F07"), dossier()
    with pytest.raises(Transient) as told:
        await gateway.submit(filed, "k", soon())
    assert told.value.retry_after == timedelta(seconds=1)
    with pytest.raises(Transient) as paused:
        await gateway.submit(other, "k", soon())
    assert paused.value.retry_after is not None
    assert timedelta(0) < paused.value.retry_after <= timedelta(seconds=1)
    assert arrivals(agency, filed) == arrivals(agency, other) == [], "nothing was sent meanwhile"
    assert await gateway.find(other, "k") == [], "questions are another operation"
    assert await gateway.replies(["GD1"]) == {}
    assert (await gateways(f"http://{agency.host}:{agency.port}").submit(other, "k", soon())).outcome == "received"


async def test_503_is_not_processed_only_when_the_agency_says_so(
    agency: Agency, gateway: HttpAgencyGateway, dossier: Make
) -> None:
    filed = dossier("F12")
    with pytest.raises(Transient):
        await gateway.submit(filed, "k", soon())
    assert arrivals(agency, filed) == []


async def test_what_the_agency_will_never_take_is_invalid(agency: Agency, gateway: HttpAgencyGateway) -> None:
    with pytest.raises(Invalid, match="403"):
        await gateway.roster("QA0003K", 1, 200)
    with pytest.raises(Invalid, match="400"):
        await gateway.roster("QA0003K", 0, 200)


# --- activation and employees -------------------------------------------------------------------------------------


async def test_the_code_activates_and_the_employees_come_by_pages(
    agency: Agency, gateway: HttpAgencyGateway, mailbox: Mailbox, dossier: Make
) -> None:
    filed = dossier()
    transaction, code = await activated(agency, gateway, mailbox, filed)
    assert await gateway.activated(transaction, filed.unit_code) is False
    wrong = await gateway.activate(transaction, filed.unit_code, "NOTTHECODE", soon())
    right = await gateway.activate(transaction, filed.unit_code, code, soon())
    again = await gateway.activate(transaction, filed.unit_code, code, soon())

    assert [(wrong.outcome, wrong.code), right.outcome, (again.outcome, again.code)] == [
        ("refused", "SIM013"),
        "accepted",
        ("refused", "SIM016"),
    ]
    assert await gateway.activated(transaction, filed.unit_code) is True
    everybody = await gateway.roster(filed.unit_code, 1, 1000)
    pages = [await gateway.roster(filed.unit_code, page, 3) for page in range(1, everybody.total // 3 + 2)]
    assert [one for page in pages for one in page.employees] == list(everybody.employees)
    assert {page.total for page in pages} == {len(everybody.employees)}


@pytest.mark.parametrize(("family", "carried_out"), [("P01", True), ("P02", False), ("P07", False)])
async def test_a_doubtful_activation_can_be_asked_about(
    agency: Agency, gateway: HttpAgencyGateway, mailbox: Mailbox, dossier: Make, family: str, carried_out: bool
) -> None:
    filed = dossier(family)
    transaction, code = await activated(agency, gateway, mailbox, filed)
    with pytest.raises(OutcomeUnknown):
        await gateway.activate(transaction, filed.unit_code, code, soon(0.7))

    assert await gateway.activated(transaction, filed.unit_code) is carried_out


async def test_an_expired_code_is_refused(
    agency: Agency, gateway: HttpAgencyGateway, mailbox: Mailbox, dossier: Make
) -> None:
    filed = dossier("M04")
    transaction, code = await activated(agency, gateway, mailbox, filed)
    receipt = await gateway.activate(transaction, filed.unit_code, code, soon())

    assert (receipt.outcome, receipt.code) == ("refused", "SIM014")


async def test_replies_behind_a_broken_proxy_may_be_asked_again(gateway: HttpAgencyGateway, dossier: Make) -> None:
    transaction = (await gateway.submit(dossier("P03"), "k", soon())).transaction
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            await gateway.replies([transaction])
    assert set(await gateway.replies([transaction])) == {transaction}


async def test_a_look_that_fails_is_no_proof_of_absence(gateway: HttpAgencyGateway, dossier: Make) -> None:
    """The reply was lost, and the first two looks meet a broken proxy: unknown, never an empty list."""
    filed = dossier("P05")
    with pytest.raises(OutcomeUnknown):
        await gateway.submit(filed, "k", soon())
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            await gateway.find(filed, "k")
    assert len(await gateway.find(filed, "k")) == 1


@pytest.mark.parametrize(("family", "times"), [("P04", 2), ("P08", 1)])
async def test_a_roster_nobody_can_read_may_be_asked_again(
    agency: Agency, gateway: HttpAgencyGateway, mailbox: Mailbox, dossier: Make, family: str, times: int
) -> None:
    filed = dossier(family)
    transaction, code = await activated(agency, gateway, mailbox, filed)
    assert (await gateway.activate(transaction, filed.unit_code, code, soon())).outcome == "accepted"
    for _ in range(times):
        with pytest.raises(OutcomeUnknown):
            await gateway.roster(filed.unit_code, 1, 200)
    assert (await gateway.roster(filed.unit_code, 1, 200)).total >= 0


@pytest.mark.parametrize(("mode", "kind"), [("refuse", Transient), ("503", Transient), ("hang", OutcomeUnknown)])
async def test_an_outage(
    tmp_path: Path, mailbox: Mailbox, gateways: Callable[..., HttpAgencyGateway], mode: str, kind: type[Exception]
) -> None:
    own = Agency(tmp_path, mailbox.port, "--fast").start()
    try:
        filed = signed("QB0001K")
        own.post("/script", {"outage_seconds": 60, "mode": mode})
        if mode == "refuse":
            await eventually(lambda: refuses(own), "the agency to refuse connections")
        gateway = gateways(f"http://{own.host}:{own.port}", read_timeout=0.5)
        with pytest.raises(kind):
            await gateway.submit(filed, "k", soon(0.5))
        with pytest.raises(kind):
            await gateways(f"http://{own.host}:{own.port}", read_timeout=0.5).replies(["GD1"])
    finally:
        own.stop()

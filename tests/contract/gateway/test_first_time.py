"""A unit without a code, from its dossier to the code and the change that makes it effective, at a real process."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import Any

import pytest

from schemas.units import Change
from services.signer.profiles import SHAPES
from services.submitter.believing import BelievingGateway
from services.submitter.gateway import PROCEDURES, Dossier, Receipt
from services.submitter.http_gateway import HttpAgencyGateway
from services.submitter.signed_reply import keys_of, pinned
from tests.contract.dossiers.signing import signed
from tests.contract.gateway.conftest import OURS, soon
from tests.contract.signing.pki import employer
from tests.simulator.agency import Agency, Mailbox, code_in, until
from tests.support.waiting import eventually
from tests.unit.dossiers.examples import PARTS, payload

TAX_CODE = "0101243150"


def filed(kind: str, local: str, **changes: Any) -> Dossier:
    """What the submitter files: any kind, signed in all its rounds."""
    given = payload(kind, tax_code=TAX_CODE, email=f"{local}@branches.example", ivan_code=OURS, **changes)
    data = list(signed(SHAPES["agency"], employer(f"MST:{TAX_CODE}"), given, PARTS).values())[-1]
    return Dossier(
        data, sha256(data).hexdigest(), PROCEDURES[given.kind], given.unit_code, TAX_CODE, given.agency, given.email
    )


async def decided(gateway: BelievingGateway, transaction: str) -> Receipt:
    async def look() -> Receipt | None:
        found = (await gateway.replies([transaction])).get(transaction)
        assert found is not None
        assert found.doubt == ""
        return found if found.outcome != "received" else None

    found = await eventually(look, f"the decision on {transaction}")
    assert found is not None
    return found


@pytest.fixture
def believing(agency: Agency, gateway: HttpAgencyGateway) -> BelievingGateway:
    return BelievingGateway(gateway, keys_of(pinned(agency.folder / "agency-certificate.pem")))


async def mailed(mailbox: Mailbox, local: str) -> str:
    mail = await asyncio.to_thread(until, lambda: mailbox.to(local), "the mail with the code")
    return code_in(mail[0])


async def test_from_no_code_to_an_effective_one(believing: BelievingGateway, mailbox: Mailbox) -> None:
    first = filed("first_code", "landau1", unit_name="Chi nhánh Lần Đầu Một")
    receipt = await believing.submit(first, "k", soon())
    assert (receipt.outcome, receipt.unit_code, receipt.doubt) == ("received", "", ""), receipt
    (found,) = await believing.find(first, "another key")
    assert found.transaction == receipt.transaction

    code = await mailed(mailbox, "landau1")
    standing = (await believing.replies([receipt.transaction]))[receipt.transaction]
    assert (standing.outcome, standing.unit_code) == ("received", ""), "the officer does not have it yet"
    assert await believing.activated(receipt.transaction, "") is False
    assert (await believing.activate(receipt.transaction, "", code, soon())).outcome == "accepted"
    assert await believing.activated(receipt.transaction, "") is True

    granted = await decided(believing, receipt.transaction)
    assert (granted.outcome, granted.procedure, granted.sha256) == ("accepted", "604", first.sha256)
    assert granted.unit_code
    assert [one.unit_code for one in await believing.find(first, "k")] == [granted.unit_code], (
        "still found by its tax code"
    )

    change = filed(
        "change",
        "landau1",
        unit_name="Chi nhánh Lần Đầu Một",
        unit_code=granted.unit_code,
        changes=(Change(field="unit_code", old="", new=granted.unit_code),),
    )
    changed = await believing.submit(change, "k2", soon())
    assert (changed.outcome, changed.doubt) == ("received", ""), changed
    effective = await decided(believing, changed.transaction)
    assert (effective.outcome, effective.procedure, effective.unit_code) == (
        "accepted",
        "05_SD-IVAN",
        granted.unit_code,
    )
    assert (await believing.roster(granted.unit_code, 1, 200)).total == 0, "nobody works there yet"


async def test_other_bytes_of_the_same_employer_are_another_filing(believing: BelievingGateway) -> None:
    one = filed("first_code", "landau2", unit_name="Chi nhánh Lần Đầu Hai")
    other = filed("first_code", "landau3", unit_name="Chi nhánh Lần Đầu Ba")
    await believing.submit(one, "k", soon())

    assert await believing.find(other, "k") == []
    assert len(await believing.find(one, "k")) == 1

"""Decisions signed by the agency, and those that are not to be believed (A12)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lxml import etree

from tests.simulator.agency import Agency
from tests.simulator.dossiers import DS, STOP, Dossier

Make = Callable[[str], str]
SAME = ("MA_GDICH", "KQUA", "MA_KQUA", "MA_LOI", "SO_HSO", "MA_DVI", "MALOAI_HSO", "SHA256")


def verdict(agency: Agency, note: etree._Element) -> str:
    """What a careful reader makes of a decision: `good`, or why it is not believed."""
    carried = note.findtext("TAI_LIEU")
    if carried is None:
        return "unsigned"
    root = etree.fromstring(base64.b64decode(carried))
    (signature,) = root.findall(f"CKY_BHXH/{{{DS}}}Signature")
    ns = {"d": DS}
    trusted = x509.load_pem_x509_certificate((agency.folder / "agency-certificate.pem").read_bytes())
    der = base64.b64decode(signature.findtext(".//d:X509Certificate", "", ns))
    if der != trusted.public_bytes(serialization.Encoding.DER):
        return "stranger"
    info = signature.find("d:SignedInfo", ns)
    assert info is not None
    signed = etree.tostring(etree.fromstring(etree.tostring(info, with_tail=False)), method="c14n")
    key = trusted.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    try:
        key.verify(
            base64.b64decode(signature.findtext("d:SignatureValue", "", ns)),
            signed,
            padding.PKCS1v15(),
            hashes.SHA256(),
        )
    except InvalidSignature:
        return "broken"
    box = signature.getparent()
    assert box is not None
    box.remove(signature)
    digest = hashlib.sha256(etree.tostring(root, method="c14n")).digest()
    if base64.b64encode(digest).decode() != signature.findtext(".//d:DigestValue", "", ns):
        return "altered"
    if any(
        root.findtext(f".//{name}") != note.findtext(f".//TTGDICH/{name}", note.findtext(f".//{name}")) for name in SAME
    ):
        return "another's"
    return "good"


def test_every_decision_is_signed_and_nothing_else(agency: Agency, unit_code: Make) -> None:
    dossier = Dossier(unit_code=unit_code(""))
    body = dossier.body()
    receipt = agency.file(dossier, body)
    assert verdict(agency, receipt.notes()[0]) == "unsigned", "a receipt decides nothing"
    decided = agency.decided(receipt.text("MA_GDICH"))
    assert verdict(agency, decided) == "good"
    assert verdict(agency, agency.find(dossier, hashlib.sha256(body).hexdigest())[0]) == "good"
    assert verdict(agency, agency.file(dossier, body).notes()[0]) == "good", "a duplicate's refusal"
    refused = agency.file(Dossier(unit_code=unit_code(""), procedure=STOP))
    assert (refused.text("MA_LOI"), verdict(agency, refused.notes()[0])) == ("SIM011", "good")
    by_officer = agency.decided(agency.file(Dossier(unit_code=unit_code("C00"))).text("MA_GDICH"))
    assert (by_officer.findtext(".//MA_LOI"), verdict(agency, by_officer)) == ("CE007", "good")
    activation = agency.activate(receipt.text("MA_GDICH"), dossier.unit_code, "WRONGCODE1")
    assert verdict(agency, activation.notes()[0]) == "unsigned", "activations are no form 01/TB-GD"
    assert agency.get("/certificate").body == (agency.folder / "agency-certificate.pem").read_bytes()
    assert agency.get("/v1/capabilities").json()["signed_replies"] is True


@pytest.mark.parametrize(
    ("family", "first"),
    [("F42", "broken"), ("F52", "stranger"), ("F62", "altered"), ("F72", "unsigned"), ("F82", "another's")],
)
def test_three_decisions_not_to_be_believed(family: str, first: str, agency: Agency, unit_code: Make) -> None:
    transaction = agency.file(Dossier(unit_code=unit_code(family))).text("MA_GDICH")
    notes = [agency.decided(transaction), *(agency.reply(transaction) for _ in range(4))]
    known = [n for n in notes if verdict(agency, n) == "good"]
    assert known
    assert {n.findtext(".//KQUA") for n in known} == {"CHAP_NHAN"}
    told = [verdict(agency, n) for n in notes]
    assert first in told
    assert told == sorted(told, key=lambda word: word == "good"), "the bad ones come first"
    bad = [n.findtext(".//KQUA") for n in notes if verdict(agency, n) == first]
    assert set(bad) == ({"TU_CHOI"} if family == "F62" else {"CHAP_NHAN"})


def test_a_receipt_that_lies(agency: Agency, unit_code: Make) -> None:
    unit = unit_code("F45")
    dossier = Dossier(unit_code=unit)
    body = dossier.body()
    answer = agency.file(dossier, body)
    assert (answer.text("KQUA"), verdict(agency, answer.notes()[0])) == ("TU_CHOI", "altered")
    (found,) = agency.find(dossier, hashlib.sha256(body).hexdigest())
    assert found.findtext(".//KQUA") != "TU_CHOI"
    assert agency.ledger(unit)["arrivals"][0]["outcome"] == "received"


def test_always_broken(agency: Agency, unit_code: Make) -> None:
    transaction = agency.file(Dossier(unit_code=unit_code("F92"))).text("MA_GDICH")
    agency.decided(transaction)
    assert {verdict(agency, agency.reply(transaction)) for _ in range(5)} == {"broken"}


def test_certificate_and_signatures_survive_a_restart(start_agency: Callable[..., Agency], unit_code: Make) -> None:
    agency = start_agency("--fast")
    transaction = agency.file(Dossier(unit_code=unit_code(""))).text("MA_GDICH")
    before = agency.decided(transaction).findtext("TAI_LIEU")
    agency.stop()
    agency.start()
    assert agency.reply(transaction).findtext("TAI_LIEU") == before
    assert verdict(agency, agency.reply(transaction)) == "good"


def test_an_agency_that_does_not_sign(start_agency: Callable[..., Agency], unit_code: Make) -> None:
    agency = start_agency("--fast", "--unsigned-replies")
    transaction = agency.file(Dossier(unit_code=unit_code(""))).text("MA_GDICH")
    assert verdict(agency, agency.decided(transaction)) == "unsigned"
    assert agency.get("/v1/capabilities").json()["signed_replies"] is False

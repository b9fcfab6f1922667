"""What counts as the agency's signed word. Every spoilt document here began as one that is believed."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from hoso.runtime.failures import SettingsError
from services.signer.profiles.agency import AgencyProfile
from services.submitter.signed_reply import NotBelieved, keys_of, pinned, signed_receipt
from tests.unit.submitter.agency_paper import DS, agency, note, signed

PINNED = keys_of((agency()[1],))


def test_what_the_agency_signed_is_what_it_says() -> None:
    receipt = signed_receipt(signed(note(text="được chấp nhận")), PINNED)

    assert (receipt.outcome, receipt.transaction, receipt.code) == ("accepted", "GD1", "00")
    assert (receipt.unit_code, receipt.procedure, receipt.sha256) == ("TZ0001Z", "04_DK-IVAN", "ab" * 32)
    assert receipt.text == "được chấp nhận"
    assert [step.code for step in receipt.steps] == ["00"]


def test_the_shape_hoso_itself_signs_in_is_read_too() -> None:
    """The same profile at another place (domain.md §5.1): another writer, with unreferenced objects and no prefix."""
    from datetime import UTC, datetime

    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    key, certificate = agency()
    xml = f"<BHXH>{note()}<CKY_BHXH></CKY_BHXH></BHXH>".encode()
    canonical = etree.tostring(etree.fromstring(xml), method="c14n")
    profile = AgencyProfile()
    prepared = profile.prepare(canonical, certificate.public_bytes(Encoding.DER), datetime.now(UTC), "BHXH/CKY_BHXH")
    whole = profile.complete(prepared, key.sign(prepared.to_be_signed, padding.PKCS1v15(), hashes.SHA256()))

    assert signed_receipt(whole, PINNED).transaction == "GD1"


def test_several_certificates_may_be_pinned() -> None:
    both = keys_of((agency(0)[1], agency(1)[1]))

    assert signed_receipt(signed(note(), 0), both) == signed_receipt(signed(note(), 1), both)


TRUE = signed(note())
SIGNATURE = TRUE[TRUE.index(b"<ds:Signature") : TRUE.index(b"</ds:Signature>") + len(b"</ds:Signature>")]
OTHER = note(transaction="GD2", kqua="TU_CHOI").encode()
TRUE_NOTE = TRUE[len(b"<BHXH>") : TRUE.index(b"<CKY_BHXH>")]


@pytest.mark.parametrize(
    ("document", "why"),
    [
        pytest.param(TRUE.replace(b"CHAP_NHAN", b"TU_CHOI"), "bị sửa", id="outcome-changed"),
        pytest.param(TRUE.replace(b"TZ0001Z", b"TZ0002Z"), "bị sửa", id="unit-code-changed"),
        pytest.param(TRUE.replace(b"<MOTA_LOI/>", b"<MOTA_LOI> </MOTA_LOI>"), "bị sửa", id="a-space"),
        pytest.param(TRUE.replace(b">GD1<", b">GD<!-- -->1<"), "chú thích", id="comment"),
        pytest.param(TRUE.replace(b">GD1<", b">GD1<?a b?><"), "chú thích", id="instruction"),
        pytest.param(signed(note(), 1), "chứng thư số lạ", id="another-agency"),
        pytest.param(signed(note(), sha512=True), "cách ký lạ", id="other-algorithm"),
        pytest.param(signed(note(), exclusive=True), "cách ký lạ", id="other-canonicalisation"),
        pytest.param(TRUE.replace(SIGNATURE, b""), "0 chữ ký", id="unsigned"),
        pytest.param(TRUE.replace(SIGNATURE, SIGNATURE * 2), "2 chữ ký", id="signed-twice"),
        pytest.param(TRUE.replace(b'URI=""', b'URI="#x"'), "cách ký lạ", id="part-signed"),
        pytest.param(TRUE.replace(b"<ds:SignatureValue>", b"<ds:SignatureValue>AAAA"), "không khớp", id="value"),
        pytest.param(TRUE.replace(b"<ds:SignatureValue>", b"<ds:SignatureValue>%"), "base64", id="no-base64"),
        pytest.param(
            b"<BHXH>" + TRUE_NOTE + b"<CKY_BHXH></CKY_BHXH>" + SIGNATURE + b"</BHXH>", "mẫu 01/TB-GD", id="other-place"
        ),
        pytest.param(
            b"<BHXH>" + TRUE_NOTE + b"<CKY_BHXH><x>" + SIGNATURE + b"</x></CKY_BHXH></BHXH>", "đúng chỗ", id="deeper"
        ),
        pytest.param(
            b"<BHXH>" + OTHER + b"<CKY_BHXH>" + SIGNATURE + TRUE_NOTE + b"</CKY_BHXH></BHXH>", "bị sửa", id="wrapped"
        ),
        pytest.param(
            b"<BHXH>" + OTHER + TRUE_NOTE + b"<CKY_BHXH>" + SIGNATURE + b"</CKY_BHXH></BHXH>", "mẫu", id="two-notes"
        ),
        pytest.param(b"<KHAC>" + TRUE + b"</KHAC>", "mẫu 01/TB-GD", id="inside-another"),
        pytest.param(b'<!DOCTYPE BHXH [<!ENTITY a "b">]>' + TRUE, "không đọc được", id="doctype"),
        pytest.param(b"", "không đọc được", id="nothing"),
        pytest.param(b"GD1", "không đọc được", id="no-xml"),
        pytest.param(signed(note("XONG")), "không đủ nội dung", id="kqua-unknown"),
        pytest.param(TRUE + b" " * 2_000_000, "không đọc được", id="large"),
    ],
)
def test_anything_else_is_not_believed(document: bytes, why: str) -> None:
    with pytest.raises(NotBelieved, match=why):
        signed_receipt(document, PINNED)


def test_a_certificate_with_the_pinned_key_but_other_bytes_is_another_certificate() -> None:
    """Pinning is byte for byte: a key that the agency gave up must not come back in a new certificate."""
    der = agency(1)[1].public_bytes(Encoding.DER)
    at, end = TRUE.index(b"<ds:X509Certificate>") + 20, TRUE.index(b"</ds:X509Certificate>")
    with pytest.raises(NotBelieved, match="chứng thư số lạ"):
        signed_receipt(TRUE[:at] + b64encode(der) + TRUE[end:], PINNED)
    with pytest.raises(NotBelieved, match="không khớp"):
        signed_receipt(TRUE[:at] + b64encode(der) + TRUE[end:], keys_of((agency(1)[1],)))


def test_the_prefix_is_nobodys_business() -> None:
    assert DS.encode() in TRUE
    with pytest.raises(NotBelieved):
        signed_receipt(TRUE.replace(DS.encode(), b"urn:khac"), PINNED)


def test_a_file_of_certificates(tmp_path: Path) -> None:
    file = tmp_path / "agency.pem"
    file.write_bytes(b"".join(agency(n)[1].public_bytes(Encoding.PEM) for n in (0, 1)))

    assert len(pinned(file)) == 2
    file.write_text("không phải chứng thư")
    with pytest.raises(SettingsError, match="HOSO_AGENCY_CERTIFICATES"):
        pinned(file)
    with pytest.raises(SettingsError, match="HOSO_AGENCY_CERTIFICATES"):
        pinned(tmp_path / "nothing.pem")

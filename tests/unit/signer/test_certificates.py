"""Certificates and PKCS#12 files: whose they are, and why one cannot be used."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    load_der_private_key,
    pkcs12,
)

from hoso.domain.certificates import UnusableCertificate, facts, open_pkcs12
from hoso.runtime.failures import HosoError
from tests.contract.signing.pki import AT, AUTHORITY, FROM, UNTIL, certificate, employer, rsa_key

PASSWORD = "mật khẩu"


def test_a_certificate_says_whose_it_is() -> None:
    unit = employer("MST:0101234567", "CCCD:001099012345", name="Công ty Đèn")

    said = facts(unit.der)

    assert (said.serial, said.subject_name, said.issuer_name) == ("0A1B2C", "Công ty Đèn", AUTHORITY)
    assert (said.not_before, said.not_after) == (FROM, UNTIL)
    assert said.tax_codes == ("0101234567",)
    assert len(said.sha256) == 64


@pytest.mark.parametrize(
    ("uids", "codes"),
    [
        (("MST:0101234567",), ("0101234567",)),
        ((" mst : 0101234567-001 ",), ("0101234567-001",)),
        (("MST:0101234567001",), ("0101234567-001",)),
        (("MST:0101234567", "MST:0309999999-002", "CMND:123456789"), ("0101234567", "0309999999-002")),
        (("CCCD:0101234567",), ()),
        (("MST:01012345",), ()),
        (("MST:٠١٠١٢٣٤٥٦٧",), ()),
        (("XMST:0101234567",), ()),
        (("0101234567",), ()),
    ],
)
def test_tax_codes_come_from_the_uids_alone(uids: tuple[str, ...], codes: tuple[str, ...]) -> None:
    unit = employer(*uids, name="CN=giả, UID=MST:0999999999")

    assert sorted(facts(unit.der).tax_codes) == sorted(codes)


@pytest.mark.parametrize(
    ("uid", "tax_code", "belongs"),
    [
        ("MST:0101234567", "0101234567", True),
        ("MST:0101234567", "0101234567-001", True),
        ("MST:0101234567-001", "0101234567-001", True),
        ("MST:0101234567-001", "0101234567-002", False),
        ("MST:0101234567-001", "0101234567", False),
        ("MST:0101234567", "0101234568", False),
        ("CCCD:0101234567", "0101234567", False),
    ],
)
def test_an_enterprise_signs_for_its_branches_and_a_branch_for_itself(uid: str, tax_code: str, belongs: bool) -> None:
    assert facts(employer(uid).der).belongs_to(tax_code) is belongs


def test_a_key_file_opens_to_its_key_and_certificate() -> None:
    unit = employer()

    material = open_pkcs12(unit.pkcs12(PASSWORD), PASSWORD, AT)

    assert material.certificate_der == unit.der
    assert load_der_private_key(material.private_key_der, None).public_key() == unit.key.public_key()
    assert material.chain == ()
    assert material.private_key_der.hex() not in repr(material)
    assert "private_key_der" not in repr(material)


def test_why_a_key_file_cannot_be_used_is_a_sentence() -> None:
    unit = employer()
    encryption = BestAvailableEncryption(PASSWORD.encode())
    curve = ec.generate_private_key(ec.SECP256R1())
    curve_certificate = certificate(curve, ("MST:0101234567",), "EC", FROM, UNTIL)
    short = rsa_key("short", 1024)
    short_certificate = certificate(short, ("MST:0101234567",), "short", FROM, UNTIL)
    expired = employer(not_after=datetime(2026, 6, 1, tzinfo=UTC))
    cases = {
        "password": (unit.pkcs12(PASSWORD), "khác"),
        "not a PKCS#12": (unit.der, PASSWORD),
        "not a PKCS#12 ": (b"", PASSWORD),
        "no private key": (
            pkcs12.serialize_key_and_certificates(b"x", None, None, [unit.certificate], encryption),
            PASSWORD,
        ),
        "no certificate": (pkcs12.serialize_key_and_certificates(b"x", unit.key, None, None, encryption), PASSWORD),
        "not RSA": (
            pkcs12.serialize_key_and_certificates(b"x", curve, curve_certificate, None, encryption),
            PASSWORD,
        ),
        "1024 bits": (
            pkcs12.serialize_key_and_certificates(b"x", short, short_certificate, None, encryption),
            PASSWORD,
        ),
        "expired on 2026-06-01": (expired.pkcs12(PASSWORD), PASSWORD),
    }

    for why, (data, password) in cases.items():
        with pytest.raises(UnusableCertificate, match=why.strip()) as refused:
            open_pkcs12(data, password, AT)
        assert isinstance(refused.value, HosoError)
        assert PASSWORD not in str(refused.value)


def test_an_expired_certificate_opens_when_no_time_is_given() -> None:
    expired = employer(not_after=datetime(2026, 6, 1, tzinfo=UTC))

    assert open_pkcs12(expired.pkcs12(PASSWORD), PASSWORD).certificate_der == expired.der


@pytest.mark.parametrize("data", [b"", b"\x30\x03abc", b"-----BEGIN CERTIFICATE-----"])
def test_what_is_not_a_certificate_is_refused(data: bytes) -> None:
    with pytest.raises(UnusableCertificate):
        facts(data)

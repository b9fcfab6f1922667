"""Keys of the demo sign nothing in production."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from cryptography.x509.oid import NameOID

from app.demo_keys import refuse_demo_key
from hoso.runtime.failures import HosoError
from tests.contract.signing.pki import FROM, UNTIL, employer, rsa_key


def made(issuer: str, organisation: str) -> bytes:
    subject = [
        x509.NameAttribute(NameOID.COMMON_NAME, "Công ty"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
    ]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(subject))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, issuer)]))
        .public_key(rsa_key().public_key())
        .serial_number(1)
        .not_valid_before(FROM)
        .not_valid_after(UNTIL)
        .sign(rsa_key(), hashes.SHA256())
    )
    return pkcs12.serialize_key_and_certificates(b"x", rsa_key(), certificate, None, BestAvailableEncryption(b"pw"))


@pytest.mark.parametrize(("issuer", "organisation"), [("HOSO Demo CA", "ACME"), ("CA", "hoso demo 12")])
def test_demo_keys_are_refused_in_production_only(issuer: str, organisation: str) -> None:
    data = made(issuer, organisation)
    with pytest.raises(HosoError, match="demo"):
        refuse_demo_key(data, "pw", "production")
    refuse_demo_key(data, "pw", "test")


def test_an_employers_own_key_is_taken() -> None:
    refuse_demo_key(employer().pkcs12("pw"), "pw", "production")
    refuse_demo_key(made("CA", "ACME"), "pw", "production")

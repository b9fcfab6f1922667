"""Employers with keys and certificates, made when a test runs; nothing of it is ever stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import NameOID

FROM = datetime(2026, 1, 1, tzinfo=UTC)
UNTIL = datetime(2028, 1, 1, tzinfo=UTC)
AT = datetime(2026, 11, 22, 1, 30, 0, tzinfo=UTC)
AUTHORITY = "Tổ chức chứng thực THỬ <1> & Co"


@dataclass(frozen=True)
class Employer:
    """A key and its certificate."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_der(self) -> bytes:
        return self.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    def sign(self, digest: bytes) -> bytes:
        return self.key.sign(digest, padding.PKCS1v15(), Prehashed(hashes.SHA256()))

    def pkcs12(self, password: str) -> bytes:
        encryption = BestAvailableEncryption(password.encode())
        return pkcs12.serialize_key_and_certificates(b"test", self.key, self.certificate, None, encryption)


@cache
def rsa_key(which: str = "", bits: int = 2048) -> rsa.RSAPrivateKey:
    """A key of that name, made once a run."""
    return rsa.generate_private_key(65537, bits)


def certificate(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    uids: tuple[str, ...],
    name: str,
    not_before: datetime,
    not_after: datetime,
) -> x509.Certificate:
    subject = [x509.NameAttribute(NameOID.USER_ID, uid) for uid in uids]
    subject.append(x509.NameAttribute(NameOID.COMMON_NAME, name))
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name(subject))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, AUTHORITY)]))
        .public_key(key.public_key())
        .serial_number(0xA1B2C)
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .sign(rsa_key("authority"), hashes.SHA256())
    )


def employer(
    *uids: str,
    name: str = "CÔNG TY CỔ PHẦN <PHỞ> & ĐÈN, Ô Chợ Dừa",
    not_before: datetime = FROM,
    not_after: datetime = UNTIL,
    key: str = "",
) -> Employer:
    private = rsa_key(key)
    return Employer(private, certificate(private, uids or ("MST:0101234567",), name, not_before, not_after))

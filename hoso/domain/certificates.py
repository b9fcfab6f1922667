"""Certificates of employers: what they say, whose they are, and the PKCS#12 files they come in.

Names are read attribute by attribute from the parsed certificate, never by searching a printed distinguished name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12
from cryptography.x509.oid import NameOID

from hoso.runtime.failures import HosoError

MIN_RSA_BITS = 2048


class UnusableCertificate(HosoError):
    """The certificate, or the file it came in, cannot be signed with; the message says why and how to mend it."""


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What a certificate says."""

    serial: str
    """Hexadecimal, upper case, an even number of digits."""
    subject: str
    """RFC 4514."""
    subject_name: str
    """The common name."""
    issuer: str
    issuer_name: str
    """The issuer's common name, else its organisation, else all of its name."""
    not_before: datetime
    not_after: datetime
    """Both UTC."""
    sha256: str
    """Of the DER, hexadecimal, lower case."""
    tax_codes: tuple[str, ...]
    """Every `MST:` of the subject's UIDs: 10 digits, or 10 digits, a hyphen and 3 (a branch)."""

    def belongs_to(self, tax_code: str) -> bool:
        """One of the tax codes is `tax_code`, or is the whole enterprise's (10 digits) of which `tax_code` is a branch.

        A branch's certificate does not speak for another branch, nor for the enterprise.
        """
        return tax_code in self.tax_codes or tax_code[:10] in self.tax_codes


@dataclass(frozen=True, slots=True)
class KeyMaterial:
    """What is kept of a PKCS#12 file. Its password is not."""

    private_key_der: bytes = field(repr=False)
    """PKCS#8, unencrypted: to be sealed at once."""
    certificate_der: bytes
    chain: tuple[bytes, ...]
    """The other certificates of the file, DER, as they come."""


def facts(certificate_der: bytes) -> CertificateFacts:
    """What the certificate says. Raises UnusableCertificate when the bytes are not a certificate."""
    certificate = parsed(certificate_der)
    digits = f"{certificate.serial_number:X}"
    return CertificateFacts(
        serial=digits.zfill(len(digits) + len(digits) % 2),
        subject=certificate.subject.rfc4514_string(),
        subject_name=_first(certificate.subject, NameOID.COMMON_NAME),
        issuer=certificate.issuer.rfc4514_string(),
        issuer_name=_first(certificate.issuer, NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)
        or certificate.issuer.rfc4514_string(),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        sha256=certificate.fingerprint(hashes.SHA256()).hex(),
        tax_codes=_tax_codes(certificate.subject),
    )


def open_pkcs12(data: bytes, password: str, at: datetime | None = None) -> KeyMaterial:
    """The key and certificates of a PKCS#12 file, checked to fit together.

    Raises UnusableCertificate: not such a file, wrong password, no key, no certificate, not RSA of at least 2048 bits,
    a key that is not the certificate's, or (when `at` is given) a certificate that has expired by then.
    """
    try:
        opened = pkcs12.load_pkcs12(data, password.encode())
    except ValueError as error:
        if "password" in str(error).lower():
            raise UnusableCertificate("The PKCS#12 file does not open with this password: type it again.") from None
        raise UnusableCertificate(
            "This is not a PKCS#12 file (.p12, .pfx): export the certificate with its key."
        ) from None
    except UnsupportedAlgorithm as error:
        raise UnusableCertificate(f"The PKCS#12 file uses an algorithm that is not supported: {error}.") from None
    if opened.key is None:
        raise UnusableCertificate("The PKCS#12 file has no private key: export the certificate together with its key.")
    if opened.cert is None:
        raise UnusableCertificate("The PKCS#12 file has no certificate for its key: export both together.")
    if not isinstance(opened.key, rsa.RSAPrivateKey):
        raise UnusableCertificate("The key is not RSA: dossiers are signed with rsa-sha256 only.")
    if opened.key.key_size < MIN_RSA_BITS:
        raise UnusableCertificate(
            f"The key has {opened.key.key_size} bits: RSA keys of less than {MIN_RSA_BITS} are refused."
        )
    certificate = opened.cert.certificate
    if certificate.public_key() != opened.key.public_key():
        raise UnusableCertificate("The private key is not the certificate's: export the pair again.")
    if at is not None and certificate.not_valid_after_utc < at:
        raise UnusableCertificate(
            f"The certificate expired on {certificate.not_valid_after_utc:%Y-%m-%d}: renew it at its authority first."
        )
    return KeyMaterial(
        opened.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        certificate.public_bytes(Encoding.DER),
        tuple(other.certificate.public_bytes(Encoding.DER) for other in opened.additional_certs),
    )


def parsed(der: bytes) -> x509.Certificate:
    """The certificate, its names and key readable. Raises UnusableCertificate for everything else."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        certificate.subject.rfc4514_string()
        certificate.issuer.rfc4514_string()
        certificate.public_key()
    except (ValueError, x509.InvalidVersion, UnsupportedAlgorithm):
        raise UnusableCertificate("The bytes are not an X.509 certificate in DER that can be read.") from None
    return certificate


def _texts(name: x509.Name, oid: x509.ObjectIdentifier) -> list[str]:
    return [value for value in (a.value for a in name.get_attributes_for_oid(oid)) if isinstance(value, str)]


def _first(name: x509.Name, *oids: x509.ObjectIdentifier) -> str:
    return next((value for oid in oids for value in _texts(name, oid)), "")


def _tax_codes(subject: x509.Name) -> tuple[str, ...]:
    codes: dict[str, None] = {}
    for value in _texts(subject, NameOID.USER_ID):
        label, _, code = value.partition(":")
        digits = code.strip().replace("-", "")
        if label.strip().upper() != "MST" or not (digits.isascii() and digits.isdigit()):
            continue
        if len(digits) == 10:
            codes[digits] = None
        elif len(digits) == 13:
            codes[f"{digits[:10]}-{digits[10:]}"] = None
    return tuple(codes)

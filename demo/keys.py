"""Test keys: a made-up certification authority and one certificate an employer, made anew each time and never kept elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import cycle

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from cryptography.x509.oid import NameOID

MOST_KEYS = 40
"""Beyond that, certificates share keys: making one takes a tenth of a second."""


class Authority:
    """A certification authority of its own."""

    ORGANISATION = "hoso demo"

    def __init__(self) -> None:
        self._key = generate_private_key(65537, 2048)
        self._name = x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, self.ORGANISATION),
                x509.NameAttribute(NameOID.COMMON_NAME, "hoso demo CA"),
            ]
        )
        self._keys: list[RSAPrivateKey] = []
        self._again: Iterator[RSAPrivateKey] | None = None

    def _next_key(self) -> RSAPrivateKey:
        if len(self._keys) < MOST_KEYS:
            self._keys.append(generate_private_key(65537, 2048))
            return self._keys[-1]
        self._again = self._again or cycle(self._keys)
        return next(self._again)

    def pkcs12(self, tax_code: str, name: str, password: str, at: datetime | None = None) -> bytes:
        """A PKCS#12 of an employer's certificate, valid for a year around `at`."""
        now = at or datetime.now(UTC)
        key = self._next_key()
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.USER_ID, f"MST:{tax_code}"),
                x509.NameAttribute(NameOID.COMMON_NAME, _short(name)),
                x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
            ]
        )
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=30))
            .not_valid_after(now + timedelta(days=365))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(True, True, False, False, False, False, False, False, False), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        return pkcs12.serialize_key_and_certificates(
            name.encode()[:40], key, certificate, None, BestAvailableEncryption(password.encode())
        )


def _short(name: str) -> str:
    """A common name has at most 64 bytes."""
    return name.encode()[:64].decode(errors="ignore").strip()

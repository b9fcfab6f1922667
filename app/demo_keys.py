"""Keys of the demo sign nothing in production: everybody has them."""

from __future__ import annotations

from hoso.domain.certificates import open_pkcs12, parsed
from hoso.runtime.failures import HosoError

MARK = "hoso demo"


def refuse_demo_key(data: bytes, password: str, environment: str) -> None:
    """Raises HosoError in `production` when the issuer, or the subject's organisation, is the demo's; in `test` never.

    Raises what `open_pkcs12` raises for a file that does not open."""
    if environment != "production":
        return
    certificate = parsed(open_pkcs12(data, password).certificate_der)
    from cryptography.x509.oid import NameOID

    names = [str(attribute.value) for attribute in certificate.issuer]
    names += [
        str(a.value)
        for oid in (NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME)
        for a in certificate.subject.get_attributes_for_oid(oid)
    ]
    if any(MARK in name.casefold() for name in names):
        raise HosoError("this is a key of hoso's demo: it is refused in production, use the employer's own certificate")

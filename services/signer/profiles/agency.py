"""The XMLDSig shape of the social-insurance agency (domain.md §5.1), written from a template of bytes.

Enveloped, one Reference to the whole document, inclusive C14N, rsa-sha256. Everything is written in canonical form, so
the digests are taken on the very bytes that leave and no tree is built. The signing time is not covered by the
signature: that is how the agency's samples are; ours is UTC, and evidence of time is our own record.
"""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric import rsa

from hoso.domain.certificates import UnusableCertificate, parsed
from hoso.dossiers.writing import InvalidDossier, text
from services.signer.profiles.agency_check import verify
from services.signer.profiles.canonical import DS, open_at
from services.signer.profiles.port import BadSignature, NotSignable, Prepared, SignedBy

_BEFORE_DIGEST = (
    '<CanonicalizationMethod Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"></CanonicalizationMethod>'
    '<SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"></SignatureMethod>'
    f'<Reference URI=""><Transforms><Transform Algorithm="{DS}enveloped-signature"></Transform></Transforms>'
    '<DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"></DigestMethod><DigestValue>'
).encode()
_AFTER_DIGEST = b"</DigestValue></Reference></SignedInfo>"
_OBJECT = (
    '<Object><SignatureProperties Id="proid"><SignatureProperty Target="#sigid">'
    '<SigningTime xmlns="http://example.org/#signatureProperties">{at:%Y-%m-%dT%H:%M:%S.%fZ}</SigningTime>'
    "</SignatureProperty></SignatureProperties></Object></Signature>"
)


class AgencyProfile:
    """`SignatureProfile` in the agency's shape."""

    @property
    def name(self) -> str:
        return "agency"

    def prepare(self, xml: bytes, certificate: bytes, at: datetime, slot: str) -> Prepared:
        opened = open_at(xml, slot)
        digest = b64encode(opened.digest)
        info = b"".join([_BEFORE_DIGEST, digest, _AFTER_DIGEST])
        signature = f'<Signature xmlns="{DS}" Id="sigid"><SignedInfo>'.encode()
        return Prepared(
            shape=self.name,
            slot=slot,
            certificate=certificate,
            to_be_signed=b"".join([f'<SignedInfo xmlns="{DS}"'.encode(), opened.scope, b">", info]),
            before=b"".join([opened.before, signature, info, b"<SignatureValue>"]),
            after=b"".join(
                [
                    b"</SignatureValue>",
                    _key_info(certificate),
                    _OBJECT.format(at=at.astimezone(UTC)).encode(),
                    opened.after,
                ]
            ),
        )

    def complete(self, prepared: Prepared, signature: bytes) -> bytes:
        signed = b"".join([prepared.before, b64encode(signature), prepared.after])
        if self.verify(signed, prepared.slot).certificate != prepared.certificate:
            raise BadSignature("signed with another certificate than it was prepared for")
        return signed

    def verify(self, xml: bytes, slot: str) -> SignedBy:
        return verify(xml, slot)


@lru_cache(maxsize=1024)
def _key_info(certificate_der: bytes) -> bytes:
    try:
        certificate = parsed(certificate_der)
    except UnusableCertificate as error:
        raise NotSignable(str(error)) from error
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise NotSignable("the certificate's key is not RSA")
    numbers = key.public_numbers()
    try:
        subject = text(certificate.subject.rfc4514_string(), "X509SubjectName")
    except InvalidDossier as error:
        raise NotSignable("the certificate's subject has characters that XML does not allow") from error
    return (
        f"<KeyInfo><KeyValue><RSAKeyValue><Modulus>{_number(numbers.n)}</Modulus><Exponent>{_number(numbers.e)}</Exponent>"
        f"</RSAKeyValue></KeyValue><X509Data><X509SubjectName>{subject}</X509SubjectName>"
        f"<X509Certificate>{b64encode(certificate_der).decode()}</X509Certificate></X509Data></KeyInfo>"
    ).encode()


def _number(value: int) -> str:
    """ds:CryptoBinary: big-endian without leading zeros, base64."""
    return b64encode(value.to_bytes((value.bit_length() + 7) // 8, "big")).decode()

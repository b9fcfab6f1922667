"""Checks a document signed in the agency's shape from its bytes alone, sharing no text with what wrote it.

Stricter than XMLDSig: the signature must be, byte for byte, the one form that hoso writes. A verifier that accepts only
one form has no second way of reading it: what stands here is what every other parser sees.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lxml import etree

from hoso.domain.certificates import UnusableCertificate, parsed
from services.signer.profiles.canonical import open_at
from services.signer.profiles.port import BadSignature, NotSignable, SignedBy

_B64 = rb"[A-Za-z0-9+/]+={0,2}"
_FORM = re.compile(
    rb'<Signature xmlns="http://www\.w3\.org/2000/09/xmldsig#" Id="sigid"><SignedInfo>'
    rb"(?P<info>"
    rb'<CanonicalizationMethod Algorithm="http://www\.w3\.org/TR/2001/REC-xml-c14n-20010315"></CanonicalizationMethod>'
    rb'<SignatureMethod Algorithm="http://www\.w3\.org/2001/04/xmldsig-more#rsa-sha256"></SignatureMethod>'
    rb'<Reference URI=""><Transforms>'
    rb'<Transform Algorithm="http://www\.w3\.org/2000/09/xmldsig#enveloped-signature"></Transform></Transforms>'
    rb'<DigestMethod Algorithm="http://www\.w3\.org/2001/04/xmlenc#sha256"></DigestMethod>'
    rb"<DigestValue>(?P<digest>" + _B64 + rb")</DigestValue></Reference></SignedInfo>)"
    rb"<SignatureValue>(?P<value>" + _B64 + rb")</SignatureValue>"
    rb"<KeyInfo><KeyValue><RSAKeyValue><Modulus>(?P<modulus>" + _B64 + rb")</Modulus>"
    rb"<Exponent>(?P<exponent>" + _B64 + rb")</Exponent></RSAKeyValue></KeyValue>"
    rb"<X509Data><X509SubjectName>(?P<subject>[^<>]*)</X509SubjectName>"
    rb"<X509Certificate>(?P<certificate>" + _B64 + rb")</X509Certificate></X509Data></KeyInfo>"
    rb'<Object><SignatureProperties Id="proid"><SignatureProperty Target="#sigid">'
    rb'<SigningTime xmlns="http://example\.org/#signatureProperties">(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)</SigningTime>'
    rb"</SignatureProperty></SignatureProperties></Object></Signature>"
)


def verify(xml: bytes, slot: str) -> SignedBy:
    """The one signature of `xml` stands alone at `slot`, covers everything else, and is by the certificate it carries.

    Also: key value and subject name are the certificate's, and the whole is canonical. Raises BadSignature.
    """
    start = xml.find(b"<Signature ")
    found = _FORM.match(xml, start) if start >= 0 else None
    if found is None:
        raise BadSignature("no signature of this form")
    before, after = xml[:start], xml[found.end() :]
    try:
        opened = open_at(before + after, slot)
    except NotSignable as error:
        raise BadSignature(f"around the signature: {error}") from error
    if (opened.before, opened.after) != (before, after):
        raise BadSignature(f"the signature is not at {slot}, or the document is not canonical")
    if opened.digest != _decoded(found["digest"]):
        raise BadSignature("the document is not the one that was signed")
    certificate = _decoded(found["certificate"])
    key, modulus, exponent, subject = _names(certificate)
    if (_decoded(found["modulus"]), _decoded(found["exponent"])) != (modulus, exponent):
        raise BadSignature("KeyValue is not the certificate's key")
    if _characters(found["subject"]) != subject:
        raise BadSignature("X509SubjectName is not the certificate's")
    info = b'<SignedInfo xmlns="http://www.w3.org/2000/09/xmldsig#"' + opened.scope + b">" + found["info"]
    try:
        key.verify(_decoded(found["value"]), info, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise BadSignature("the signature's value is not by the certificate's key") from None
    return SignedBy(certificate, found["time"].decode())


def _decoded(text: bytes) -> bytes:
    """Raises BadSignature for base64 that has another, canonical spelling."""
    try:
        value = b64decode(text, validate=True)
    except ValueError:
        value = b""
    if b64encode(value) != text:
        raise BadSignature("base64 in another spelling than the canonical one")
    return value


@lru_cache(maxsize=1024)
def _names(certificate_der: bytes) -> tuple[rsa.RSAPublicKey, bytes, bytes, str]:
    try:
        certificate = parsed(certificate_der)
    except UnusableCertificate as error:
        raise BadSignature("X509Certificate is not a certificate") from error
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise BadSignature("the certificate's key is not RSA")
    numbers = key.public_numbers()
    modulus = numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big")
    exponent = numbers.e.to_bytes((numbers.e.bit_length() + 7) // 8, "big")
    return key, modulus, exponent, certificate.subject.rfc4514_string()


@lru_cache(maxsize=1024)
def _characters(escaped: bytes) -> str:
    """The text of canonical character data, read by a parser."""
    try:
        element = etree.fromstring(b"<a>" + escaped + b"</a>", etree.XMLParser(resolve_entities=False))
    except etree.XMLSyntaxError as error:
        raise BadSignature("X509SubjectName is not well-formed") from error
    if etree.tostring(element, method="c14n") != b"<a>" + escaped + b"</a>":
        raise BadSignature("X509SubjectName is not canonical")
    return element.text or ""

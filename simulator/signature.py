"""The employer's signature: XMLDSig in the agency's shape (domain.md §5.1), verified with the agency's own code.

One enveloped signature at Hoso/CKy_Dvi (of a TK3-TS at TK3-TS/Cky) over the whole document, inclusive C14N,
rsa-sha256. Whoever signed must be the unit: the certificate's subject names its MST in a UID attribute. No chain is
built.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from lxml import etree

from simulator.reading import SIGNATURE
from simulator.refusals import Refusal

DS = "http://www.w3.org/2000/09/xmldsig#"
NS = {"d": DS}
C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
ENVELOPED = DS + "enveloped-signature"
MST = re.compile(r"MST:\s*(\d{10})(-?\d{3})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the agency reads from a certificate."""

    sha256: str
    serial: int
    key: rsa.RSAPublicKey
    tax_codes: frozenset[str]
    begins: datetime
    ends: datetime
    subject: str


@lru_cache(maxsize=2048)
def _read(der: bytes) -> Certificate:
    certificate = x509.load_der_x509_certificate(der)
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise Refusal("SIM027", "chỉ nhận khóa RSA")
    names = [str(attribute.value) for attribute in certificate.subject.get_attributes_for_oid(NameOID.USER_ID)]
    return Certificate(
        sha256=hashlib.sha256(der).hexdigest(),
        serial=certificate.serial_number,
        key=key,
        tax_codes=frozenset(found[1] for name in names if (found := MST.fullmatch(name.strip()))),
        begins=certificate.not_valid_before_utc,
        ends=certificate.not_valid_after_utc,
        subject=certificate.subject.rfc4514_string(),
    )


def _isolated_c14n(element: etree._Element) -> bytes:
    """Inclusive C14N of a part of a document.

    lxml writes spurious xmlns="" when the part inherits a default namespace, so it is parsed again by itself first.
    """
    return etree.tostring(etree.fromstring(etree.tostring(element, with_tail=False)), method="c14n")


def _decoded(text: str | None, code: str) -> bytes:
    try:
        return base64.b64decode("".join((text or "").split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refusal(code) from error


def _expect(element: etree._Element | None, algorithm: str) -> None:
    if element is None or element.get("Algorithm") != algorithm:
        raise Refusal("SIM027", "" if element is None else str(element.get("Algorithm")))


def _certificate(signature: etree._Element) -> Certificate:
    """The certificate in KeyInfo, with KeyValue, if there, checked against it."""
    text = signature.findtext("d:KeyInfo/d:X509Data/d:X509Certificate", None, NS)
    if not text or not text.strip():
        raise Refusal("SIM029")
    try:
        certificate = _read(_decoded(text, "SIM029"))
    except ValueError as error:
        raise Refusal("SIM029", "chứng thư số không đọc được") from error
    modulus = signature.findtext("d:KeyInfo/d:KeyValue/d:RSAKeyValue/d:Modulus", None, NS)
    if modulus is not None and int.from_bytes(_decoded(modulus, "SIM038"), "big") != certificate.key.public_numbers().n:
        raise Refusal("SIM038")
    return certificate


def _taken_out(signature: etree._Element) -> None:
    """Remove the signature and leave the text behind it where it was."""
    parent = signature.getparent()
    assert parent is not None
    if signature.tail:
        before = signature.getprevious()
        if before is None:
            parent.text = (parent.text or "") + signature.tail
        else:
            before.tail = (before.tail or "") + signature.tail
    parent.remove(signature)


def verify(root: etree._Element, at: str = "CKy_Dvi") -> Certificate:
    """The signer of a document, whose signature is in the root's child `at`. Refuses what is not signed whole, by an
    accepted algorithm, unaltered. Takes the signature out of `root`."""
    found = list(root.iter(SIGNATURE))
    if not found:
        raise Refusal("SIM024")
    if len(found) > 1:
        raise Refusal("SIM025")
    signature = found[0]
    place = signature.getparent()
    if place is None or place.tag != at or place.getparent() is not root:
        raise Refusal("SIM035")
    signed = signature.find("d:SignedInfo", NS)
    if signed is None:
        raise Refusal("SIM006")
    _expect(signed.find("d:CanonicalizationMethod", NS), C14N)
    _expect(signed.find("d:SignatureMethod", NS), RSA_SHA256)
    references = signed.findall("d:Reference", NS)
    if len(references) != 1 or references[0].get("URI") != "":
        raise Refusal("SIM026")
    _expect(references[0].find("d:DigestMethod", NS), SHA256)
    transforms = [step.get("Algorithm") for step in references[0].findall("d:Transforms/d:Transform", NS)]
    if transforms not in ([ENVELOPED], [ENVELOPED, C14N]):
        raise Refusal("SIM026", "phép biến đổi lạ")
    certificate = _certificate(signature)
    message = _isolated_c14n(signed)
    value = _decoded(signature.findtext("d:SignatureValue", None, NS), "SIM006")
    claimed = _decoded(references[0].findtext("d:DigestValue", None, NS), "SIM028")
    _taken_out(signature)
    if hashlib.sha256(etree.tostring(root.getroottree(), method="c14n", with_comments=False)).digest() != claimed:
        raise Refusal("SIM028")
    try:
        certificate.key.verify(value, message, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature as error:
        raise Refusal("SIM006") from error
    return certificate


def belongs(certificate: Certificate, unit_code: str, tax_code: str, declared_serial: str, now: float) -> None:
    """Refuse a certificate that is not in force, not the unit's, or not the one the form declares."""
    moment = datetime.fromtimestamp(now, UTC)
    if moment > certificate.ends:
        raise Refusal("SIM004", certificate.ends.strftime("hết hạn ngày %d/%m/%Y"))
    if moment < certificate.begins:
        raise Refusal("SIM030", certificate.begins.strftime("có hiệu lực từ %d/%m/%Y"))
    if tax_code[:10] not in certificate.tax_codes:
        raise Refusal("SIM007", foreign(certificate, unit_code))
    if not names(declared_serial, certificate.serial):
        raise Refusal("SIM037")


def names(declared: str, serial: int) -> bool:
    """Whether a text is that serial, in hex or decimal."""
    plain = re.sub(r"[\s:-]", "", declared).lower().removeprefix("0x").lstrip("0")
    return plain in (f"{serial:x}", str(serial))


def as_serial(declared: str) -> str:
    """A declared serial as the agency keeps it: hex without leading zeros."""
    return re.sub(r"[\s:-]", "", declared).lower().removeprefix("0x").lstrip("0")


def foreign(certificate: Certificate, unit_code: str) -> str:
    """The sentence known from the note of receipt (domain.md §7.1)."""
    return f"Chữ ký số {{{certificate.serial:x}}} không phải của đơn vị {{{unit_code}}}"

"""Whether a form 01/TB-GD is signed by the agency: XMLDSig in the shape docs/gateway.md describes, and nothing else.

One accepted shape has one reading. Only certificates that the deployment pinned count, byte for byte; no chain is built, and
a pinned certificate's end is not looked at, because a reply may be shown long after it was signed (`hoso check` warns).
"""

from __future__ import annotations

import hashlib
from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from hoso.dossiers.safexml import HostileXml, parse
from hoso.runtime.failures import OutcomeUnknown, SettingsError
from services.submitter.gateway import Receipt
from services.submitter.note_of_receipt import NOTE, receipt

MAX_BYTES = 1_000_000
DS = "http://www.w3.org/2000/09/xmldsig#"
_C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
_RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
_SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
_ENVELOPED = DS + "enveloped-signature"
_PLACE = "CKY_BHXH"

Pinned = Mapping[bytes, rsa.RSAPublicKey]
"""The agency's certificates: DER and key."""


class NotBelieved(Exception):
    """The document is not the agency's word; the message says why, in Vietnamese."""


def pinned(path: Path) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM file. Raises SettingsError."""
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"HOSO_AGENCY_CERTIFICATES={path}: {error}; it is a PEM file with one or more certificates"
        ) from error
    if not all(isinstance(certificate.public_key(), rsa.RSAPublicKey) for certificate in found):
        raise SettingsError(f"HOSO_AGENCY_CERTIFICATES={path}: only RSA certificates sign agency replies")
    return tuple(found)


def keys_of(certificates: tuple[x509.Certificate, ...]) -> Pinned:
    """What `signed_receipt` looks certificates up in."""
    keys: dict[bytes, rsa.RSAPublicKey] = {}
    for certificate in certificates:
        key = certificate.public_key()
        assert isinstance(key, rsa.RSAPublicKey)
        keys[certificate.public_bytes(Encoding.DER)] = key
    return keys


def signed_receipt(document: bytes, certificates: Pinned) -> Receipt:
    """What the agency signed, read from the signed document alone. Raises NotBelieved."""
    try:
        root = parse(document, max_bytes=MAX_BYTES)
    except HostileXml as error:
        raise NotBelieved(f"văn bản ký không đọc được ({error})") from error
    if next(root.iter(etree.Comment, etree.ProcessingInstruction), None) is not None:
        raise NotBelieved("văn bản ký có chú thích ẩn")  # a comment splits a text: two readers could see two texts
    if root.tag != "BHXH" or [child.tag for child in root] != [NOTE, _PLACE]:
        raise NotBelieved("văn bản ký không đúng mẫu 01/TB-GD")
    _verify(root, certificates)
    try:
        return receipt(root[0])
    except OutcomeUnknown as error:
        raise NotBelieved(f"văn bản ký không đủ nội dung ({error})") from error


def _verify(root: etree._Element, certificates: Pinned) -> None:
    """The one signature stands in its place, covers the whole document, and is by a pinned key. Takes it out of `root`."""
    signatures = list(root.iter(f"{{{DS}}}Signature"))
    if len(signatures) != 1:
        raise NotBelieved(f"văn bản có {len(signatures)} chữ ký, phải có đúng một")
    (signature,) = signatures
    if signature.getparent() is not root[1]:
        raise NotBelieved("chữ ký không nằm đúng chỗ")
    info = signature.find(f"{{{DS}}}SignedInfo")
    if info is None or len(signature.findall(f"{{{DS}}}SignedInfo")) != 1:
        raise NotBelieved("chữ ký không có phần được ký")
    claimed = _claimed(info)
    der = _decoded(signature.findtext(f"{{{DS}}}KeyInfo/{{{DS}}}X509Data/{{{DS}}}X509Certificate"))
    key = certificates.get(der)
    if key is None:
        raise NotBelieved(
            f"chứng thư số lạ ({hashlib.sha256(der).hexdigest()[:16]}), không phải của cơ quan BHXH đã khai báo"
        )
    value, message = _decoded(signature.findtext(f"{{{DS}}}SignatureValue")), _alone(info)
    try:
        key.verify(value, message, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise NotBelieved("chữ ký không khớp với chứng thư số") from None
    _take_out(signature)
    whole = etree.tostring(root, method="c14n", exclusive=False, with_comments=False)
    if hashlib.sha256(whole).digest() != claimed:
        raise NotBelieved("nội dung đã bị sửa sau khi ký")


def _claimed(info: etree._Element) -> bytes:
    """The digest that was signed, of the whole document and nothing else."""
    if [child.tag for child in info] != [
        f"{{{DS}}}{name}" for name in ("CanonicalizationMethod", "SignatureMethod", "Reference")
    ]:
        raise NotBelieved("chữ ký không phủ đúng một văn bản")
    canonical, method, reference = info
    transforms = [step.get("Algorithm") for step in reference.iterfind(f"{{{DS}}}Transforms/*")]
    digest = reference.find(f"{{{DS}}}DigestMethod")
    used = (canonical.get("Algorithm"), method.get("Algorithm"), None if digest is None else digest.get("Algorithm"))
    usual = transforms in ([_ENVELOPED], [_ENVELOPED, _C14N])  # the second says what holds without it
    if used != (_C14N, _RSA_SHA256, _SHA256) or not usual or reference.get("URI") != "":
        raise NotBelieved("chữ ký dùng cách ký lạ")
    return _decoded(reference.findtext(f"{{{DS}}}DigestValue"))


def _alone(element: etree._Element) -> bytes:
    """Inclusive C14N of a part. Parsed again by itself: lxml writes spurious xmlns="" for a part that inherits a default
    namespace (signxml issue 193 and its kin)."""
    return etree.tostring(
        parse(etree.tostring(element, with_tail=False, encoding="utf-8"), max_bytes=MAX_BYTES), method="c14n"
    )


def _take_out(signature: etree._Element) -> None:
    """Remove it and leave the text behind it where it was."""
    parent, before = signature.getparent(), signature.getprevious()
    assert parent is not None
    if signature.tail and before is None:
        parent.text = (parent.text or "") + signature.tail
    elif signature.tail and before is not None:
        before.tail = (before.tail or "") + signature.tail
    parent.remove(signature)


def _decoded(text: str | None) -> bytes:
    try:
        return b64decode("".join((text or "").split()), validate=True)
    except ValueError as error:
        raise NotBelieved("chữ ký có phần không phải base64") from error

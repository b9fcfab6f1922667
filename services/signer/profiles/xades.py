"""XAdES baseline B with signxml: for receivers that ask for it. Slower by far than the agency's own shape.

Three references: the whole document, the signed properties (time, certificate) and the KeyInfo. signxml takes anything
with a `sign` method for a key, so the first phase hands it one that only remembers what should be signed.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod
from signxml.exceptions import InvalidInput
from signxml.xades.xades import XAdESSignatureConfiguration, XAdESSigner, XAdESVerifier

from hoso.domain.certificates import UnusableCertificate, parsed
from hoso.dossiers.safexml import HostileXml, parse
from services.signer.profiles.canonical import DS, open_at
from services.signer.profiles.port import BadSignature, NotSignable, Prepared, SignedBy

_XADES = "http://uri.etsi.org/01903/v1.3.2#"
_C14N = CanonicalizationMethod.CANONICAL_XML_1_0
_TRANSFORMS = [f"{DS}enveloped-signature", _C14N.value]
_PLACEHOLDER = f'<ds:Signature xmlns:ds="{DS}" xmlns:xades="{_XADES}" Id="placeholder"></ds:Signature>'.encode()


class XadesProfile:
    """`SignatureProfile` as XAdES-B, prefix ds, inclusive C14N."""

    @property
    def name(self) -> str:
        return "xades"

    def prepare(self, xml: bytes, certificate: bytes, at: datetime, slot: str) -> Prepared:
        opened = open_at(xml, slot)
        signer = _Signer(at)
        try:
            loaded = parsed(certificate)
            key = _RememberingKey(loaded)
            root = signer.sign(
                parse(opened.before + _PLACEHOLDER + opened.after),
                key=key,  # type: ignore[arg-type]  # signxml calls only `sign` on it
                cert=[loaded],
                reference_uri=None,
                always_add_key_value=False,
            )
        except (InvalidInput, HostileXml, UnusableCertificate) as error:
            raise NotSignable(str(error)) from error
        whole = etree.tostring(root.getroottree(), method="c14n", with_comments=False)
        before, hole, after = whole.partition(b64encode(key.dummy))
        if not hole or key.asked is None:
            raise NotSignable("no place for the signature's value")
        return Prepared(self.name, slot, certificate, key.asked, before, after)

    def complete(self, prepared: Prepared, signature: bytes) -> bytes:
        try:
            key = parsed(prepared.certificate).public_key()
            if not isinstance(key, rsa.RSAPublicKey):
                raise BadSignature("the certificate's key is not RSA")
            key.verify(signature, prepared.to_be_signed, padding.PKCS1v15(), hashes.SHA256())
        except UnusableCertificate as error:
            raise BadSignature("not prepared for a certificate") from error
        except InvalidSignature:
            raise BadSignature("the signature's value is not by the certificate's key") from None
        signed = b"".join([prepared.before, b64encode(signature), prepared.after])
        if self.verify(signed, prepared.slot).certificate != prepared.certificate:
            raise BadSignature("signed with another certificate than it was prepared for")
        return signed

    def verify(self, xml: bytes, slot: str) -> SignedBy:
        try:
            root = parse(xml)
        except HostileXml as error:
            raise BadSignature(str(error)) from error
        signature = _only(root, slot)
        certificate = _certificate(signature)
        try:
            if etree.tostring(root.getroottree(), method="c14n", with_comments=False) != xml:
                raise BadSignature("the document is not canonical")
            results = XAdESVerifier().verify(
                xml,
                x509_cert=parsed(certificate),
                expect_config=XAdESSignatureConfiguration(
                    location="./" + "/".join(slot.split("/")[1:]) + "/",
                    signature_methods=frozenset({SignatureMethod.RSA_SHA256}),
                    digest_algorithms=frozenset({DigestAlgorithm.SHA256}),
                ),
            )
        except BadSignature:
            raise
        except Exception as error:  # signxml lets whatever it stumbles over escape: lxml's, cryptography's, its own
            raise BadSignature(str(error) or type(error).__name__) from error
        if results[0].signed_xml is None or results[0].signed_xml.tag != root.tag:
            raise BadSignature("the first reference is not the document")
        _binds(signature)
        time = signature.find(f".//{{{_XADES}}}SigningTime")
        return SignedBy(certificate, (time.text or "") if time is not None else "")


class _RememberingKey:
    """Takes the place of a private key: keeps what it is asked to sign and answers with a dummy of the right length."""

    def __init__(self, certificate: x509.Certificate) -> None:
        key = certificate.public_key()
        if not isinstance(key, rsa.RSAPublicKey):
            raise NotSignable("the certificate's key is not RSA")
        self.dummy = b"\0" * (key.key_size // 8)
        self.asked: bytes | None = None

    def sign(self, data: bytes, padding: object, algorithm: object) -> bytes:
        self.asked = data
        return self.dummy


class _Signer(XAdESSigner):
    """signxml's signer with the caller's clock; one per document, because it remembers every Id it gave."""

    def __init__(self, at: datetime) -> None:
        super().__init__(
            signature_algorithm=SignatureMethod.RSA_SHA256,
            digest_algorithm=DigestAlgorithm.SHA256,
            c14n_algorithm=_C14N,
        )
        self._at = at

    def add_signing_time(self, signed_signature_properties: Any, sig_root: Any, signing_settings: Any) -> None:
        element = etree.SubElement(signed_signature_properties, f"{{{_XADES}}}SigningTime", nsmap=self.namespaces)
        element.text = f"{self._at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def _only(root: etree._Element, slot: str) -> etree._Element:
    """The one ds:Signature, alone at `slot`, whose first reference is the whole document by the known transforms."""
    names = slot.split("/")
    signatures = list(root.iter(f"{{{DS}}}Signature"))
    places = root.findall("/".join(names[1:])) if root.tag == names[0] else []
    if len(signatures) != 1 or len(places) != 1:
        raise BadSignature(f"{len(signatures)} signatures and {len(places)} elements {slot}, needed is one of each")
    if signatures[0].getparent() is not places[0] or len(places[0]) != 1 or (places[0].text or signatures[0].tail):
        raise BadSignature(f"the signature is not alone at {slot}")
    reference = signatures[0].find(f"{{{DS}}}SignedInfo/{{{DS}}}Reference")
    if reference is None or reference.get("URI") != "":
        raise BadSignature("the first reference is not the whole document")
    if [transform.get("Algorithm") for transform in reference.iter(f"{{{DS}}}Transform")] != _TRANSFORMS:
        raise BadSignature("the document is transformed in another way than agreed")
    return signatures[0]


def _binds(signature: etree._Element) -> None:
    """What no digest covers is as we write it: the properties name their signature (the schema sees to the rest)."""
    properties = signature.findall(f"{{{DS}}}Object/{{{_XADES}}}QualifyingProperties")
    if len(properties) != 1 or properties[0].get("Target") != f"#{signature.get('Id')}":
        raise BadSignature("QualifyingProperties is not this signature's")


def _certificate(signature: etree._Element) -> bytes:
    texts = [element.text or "" for element in signature.iter(f"{{{DS}}}X509Certificate")]
    if len(texts) != 1:
        raise BadSignature(f"{len(texts)} certificates, needed is one")
    try:
        return parsed(b64decode(texts[0])).public_bytes(Encoding.DER)
    except (ValueError, UnusableCertificate) as error:
        raise BadSignature("X509Certificate is not a certificate") from error

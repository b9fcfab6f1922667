"""The agency's own signature under form 01/TB-GD (docs/gateway.md, "Signed replies"; the shape of domain.md §5.1).

Key and certificate are made at first start. DIR/agency-certificate.pem is all a verifier needs.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from lxml import etree

from simulator.dkim_signing import kept_key
from simulator.reading import parser
from simulator.signature import C14N, DS, ENVELOPED, RSA_SHA256, SHA256

NAME = "BHXH Việt Nam (mô phỏng)"
BEGINS, ENDS = datetime(2020, 1, 1, tzinfo=UTC), datetime(2060, 1, 1, tzinfo=UTC)
"""Wide enough for any time the world's clock is set to."""
INFO = (
    f'<SignedInfo xmlns="{DS}"><CanonicalizationMethod Algorithm="{C14N}"></CanonicalizationMethod>'
    f'<SignatureMethod Algorithm="{RSA_SHA256}"></SignatureMethod><Reference URI=""><Transforms>'
    f'<Transform Algorithm="{ENVELOPED}"></Transform></Transforms><DigestMethod Algorithm="{SHA256}"></DigestMethod>'
    "<DigestValue>{digest}</DigestValue></Reference></SignedInfo>"
)
KEPT = 8192
"""Documents remembered, because a decision is asked for again and again."""


class _Signer:
    """A key and its certificate."""

    def __init__(self, key: rsa.RSAPrivateKey, certificate: x509.Certificate) -> None:
        self.key, self.certificate = key, certificate
        self.der = base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()
        self.modulus = base64.b64encode(key.public_key().public_numbers().n.to_bytes(key.key_size // 8, "big")).decode()
        self.subject = certificate.subject.rfc4514_string()


class Seal:
    """Signs notes, and spoils signatures where a fault asks for it."""

    def __init__(self, folder: Path, copy: Path | None = None) -> None:
        self._true = _signer(folder, "agency")
        self._stranger = _signer(folder, "agency-stranger")
        self.certificate = self._true.certificate.public_bytes(serialization.Encoding.PEM)
        for file in filter(None, (folder / "agency-certificate.pem", copy)):
            part = file.with_suffix(".part")
            part.write_bytes(self.certificate)
            part.replace(file)
        self.document = lru_cache(maxsize=KEPT)(self._document)

    def _document(self, note: str) -> str:
        """The signed document of a note, in base64."""
        return base64.b64encode(_signed(note, self._true)).decode()

    def spoiled(self, note: str, how: str) -> str:
        """The document with a signature that does not verify (BROKEN), or a stranger's (STRANGER)."""
        if how == "STRANGER":
            return base64.b64encode(_signed(note, self._stranger)).decode()
        text = _signed(note, self._true)
        begins = text.index(b"<SignatureValue>") + len(b"<SignatureValue>")
        ends = text.index(b"</SignatureValue>")
        value = bytearray(base64.b64decode(text[begins:ends]))
        value[-1] ^= 1
        return base64.b64encode(text[:begins] + base64.b64encode(value) + text[ends:]).decode()

    def tampered(self, note: str, false: str) -> str:
        """The document of a note whose text was replaced by another's after it was signed."""
        return base64.b64encode(_signed(note, self._true).replace(note.encode(), false.encode())).decode()


def _signed(note: str, by: _Signer) -> bytes:
    whole = f"<BHXH>{note}<CKY_BHXH></CKY_BHXH></BHXH>"
    canonical = etree.tostring(etree.fromstring(whole.encode(), parser()), method="c14n")
    info = INFO.format(digest=base64.b64encode(hashlib.sha256(canonical).digest()).decode())
    value = base64.b64encode(by.key.sign(info.encode(), padding.PKCS1v15(), hashes.SHA256())).decode()
    bare = info.replace(f' xmlns="{DS}"', "", 1)
    signature = (
        f'<Signature xmlns="{DS}" Id="sigid">{bare}<SignatureValue>{value}</SignatureValue><KeyInfo><KeyValue><RSAKeyValue>'
        f"<Modulus>{by.modulus}</Modulus><Exponent>AQAB</Exponent></RSAKeyValue></KeyValue><X509Data><X509SubjectName>"
        f"{by.subject}</X509SubjectName><X509Certificate>{by.der}</X509Certificate></X509Data></KeyInfo></Signature>"
    )
    return whole.replace("<CKY_BHXH></CKY_BHXH>", f"<CKY_BHXH>{signature}</CKY_BHXH>").encode()


def _signer(folder: Path, name: str) -> _Signer:
    key = kept_key(folder / f"{name}.pem", 2048)
    file = folder / f"{name}.crt"
    if not file.exists():
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(BEGINS)
            .not_valid_after(ENDS)
            .sign(key, hashes.SHA256())
        )
        part = file.with_suffix(".part")
        part.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        part.replace(file)
    return _Signer(key, x509.load_pem_x509_certificate(file.read_bytes()))

"""Dossiers as an employer would file them, built and signed by test code of its own. Keys are made at test time."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from xml.sax.saxutils import escape

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from lxml import etree

DS = "http://www.w3.org/2000/09/xmldsig#"
C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
RSA_SHA1 = DS + "rsa-sha1"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
REGISTER, STOP = "04_DK-IVAN", "06_NG-IVAN"
MST = "0101243150"
OTHER_MST = "0100109106"
IVAN = "00110"
NAME = "Chi nhánh Bưởi Đỏ – Công ty TNHH Thử Nghiệm"


@dataclass(frozen=True)
class Signer:
    """A key and its certificate."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @property
    def der(self) -> str:
        return base64.b64encode(self.certificate.public_bytes(serialization.Encoding.DER)).decode()


@cache
def _key(number: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def signer(*uids: str, begins: int = -30, ends: int = 365, number: int = 0) -> Signer:
    """A self-signed certificate whose subject has these UIDs, in force from and until so many days from now."""
    key = _key(number)
    names = [x509.NameAttribute(NameOID.COMMON_NAME, "CÔNG TY THỬ NGHIỆM")]
    names += [x509.NameAttribute(NameOID.USER_ID, uid) for uid in (uids or (f"MST:{MST}",))]
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(names))
        .issuer_name(x509.Name(names))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=begins))
        .not_valid_after(now + timedelta(days=ends))
        .sign(key, hashes.SHA256())
    )
    return Signer(key, made)


@dataclass(frozen=True)
class Dossier:
    """One filing: what is in the form, how it is signed, and which headers go with it. Change a copy by `but`."""

    unit_code: str = "AA0001A"
    tax_code: str = MST
    procedure: str = REGISTER
    fields: dict[str, str | None] = field(default_factory=dict)
    headers: dict[str, str | None] = field(default_factory=dict)
    by: Signer = field(default_factory=signer)
    algorithm: str = RSA_SHA256
    uri: str = ""
    place: str = "CKy_Dvi"
    key_info: bool = True
    modulus: rsa.RSAPrivateKey | None = None
    nonce: str = ""

    def but(self, **changes: object) -> Dossier:
        """The same dossier with something changed."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def values(self) -> dict[str, str]:
        """The form's fields in the agency's order."""
        today = datetime.now(timezone(timedelta(hours=7))).strftime("%d/%m/%Y")
        certificate = self.by.certificate
        head = {
            "DIADIEM": "Hà Nội",
            "NGAY_LAP": today,
            "TEN_DVI": NAME,
            "MA_DVI": self.unit_code,
            "MST": self.tax_code,
            "MA_COQUAN": "00101",
            "DIACHI_LHE": f"Số 1 phố Thử{self.nonce}",
        }
        register = {
            "EMAIL": f"{self.unit_code.lower()}@branches.example",
            "DIEN_THOAI": "0912345678",
            "TEN_THUTUC": "Đăng ký sử dụng dịch vụ I-VAN",
            "MA_IVAN": IVAN,
            "TEN_IVAN": "Công ty Cổ phần MISA",
        }
        stop = {"MA_IVAN": "", "TEN_IVAN": "", "NGAY_NGUNG": today, "LYDO_NGUNG": "CHUYEN_DOI_NHA_CUNG_CAP"}
        signing = {
            "SERIAL": f"{certificate.serial_number:x}",
            "SUBJECT": certificate.subject.rfc4514_string(),
            "BEGIN": certificate.not_valid_before_utc.isoformat(),
            "END": certificate.not_valid_after_utc.isoformat(),
        }
        given = {**head, **(stop if self.procedure == STOP else register), **signing, **self.fields}
        return {name: value for name, value in given.items() if value is not None}

    def unsigned(self) -> str:
        """The document with an empty signature box."""
        values = self.values()

        def tag(name: str) -> str:
            value = values[name]
            return f"<{name}>{value if name == 'DS_THAYDOI' else escape(value)}</{name}>"

        signing = ("SERIAL", "SUBJECT", "BEGIN", "END")
        content = "".join(tag(name) for name in values if name not in signing)
        seal = "".join(tag(name) for name in signing if name in values)
        return f"<Hoso><NoiDung>{content}<TTCKY>{seal}</TTCKY></NoiDung><CKy_Dvi/></Hoso>"

    def body(self) -> bytes:
        """The signed document."""
        return sign(self.unsigned(), self)

    def sent_headers(self) -> dict[str, str]:
        """The headers that go with it."""
        given = {
            "Content-Type": "application/xml",
            "X-Procedure": self.procedure,
            "X-Unit-Code": self.unit_code,
            "X-Tax-Code": self.tax_code,
            "X-Agency": "00101",
            "X-Sender": IVAN,
            "Idempotency-Key": f"key-{self.unit_code}-{self.nonce}",
            **self.headers,
        }
        return {name: value for name, value in given.items() if value is not None}


def sign(document: str, dossier: Dossier) -> bytes:
    """Put the signature where the dossier says, in the agency's shape."""
    digest = base64.b64encode(
        hashlib.sha256(etree.tostring(etree.fromstring(document), method="c14n")).digest()
    ).decode()
    hashing = hashes.SHA1() if dossier.algorithm == RSA_SHA1 else hashes.SHA256()
    info = (
        f'<SignedInfo xmlns="{DS}"><CanonicalizationMethod Algorithm="{C14N}"></CanonicalizationMethod>'
        f'<SignatureMethod Algorithm="{dossier.algorithm}"></SignatureMethod><Reference URI="{dossier.uri}">'
        f"<Transforms>"
        f'<Transform Algorithm="{DS}enveloped-signature"></Transform></Transforms><DigestMethod '
        f'Algorithm="{SHA256}"></DigestMethod>'
        f"<DigestValue>{digest}</DigestValue></Reference></SignedInfo>"
    )
    value = base64.b64encode(dossier.by.key.sign(info.encode(), padding.PKCS1v15(), hashing)).decode()
    modulus = ""
    if dossier.modulus is not None:
        number = dossier.modulus.public_key().public_numbers().n
        modulus = base64.b64encode(number.to_bytes(256, "big")).decode()
        modulus = (
            f"<KeyValue><RSAKeyValue><Modulus>{modulus}</Modulus><Exponent>AQAB</Exponent></RSAKeyValue></KeyValue>"
        )
    subject = escape(dossier.by.certificate.subject.rfc4514_string())
    certificate = (
        f"<X509Data><X509SubjectName>{subject}</X509SubjectName><X509Certificate>{dossier.by.der}</X509Certificate></X509Data>"
        if dossier.key_info
        else "<KeyName>khóa</KeyName>"
    )
    signature = (
        f'<Signature xmlns="{DS}" Id="sigid">{info.replace(f" xmlns={chr(34)}{DS}{chr(34)}", "")}<SignatureValue>'
        f"{value}</SignatureValue>"
        f'<KeyInfo>{modulus}{certificate}</KeyInfo><Object><SignatureProperties Id="proid"><SignatureProperty '
        f'Target="#sigid"><SigningTime '
        'xmlns="http://example.org/#signatureProperties">2026-11-22T08:00:00Z</SigningTime></SignatureProperty></SignatureProperties></Object></Signature>'
    )
    box = f"<{dossier.place}/>"
    if box in document:
        return document.replace(box, box.replace("/>", f">{signature}</{dossier.place}>")).encode()
    return document.replace("</Hoso>", f"{signature}</Hoso>").encode()

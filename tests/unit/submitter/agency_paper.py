"""Forms 01/TB-GD as an agency signs them: made with signxml, which shares no code with ours. Keys are made at test time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from lxml import etree
from signxml import XMLSigner, methods

DS = "http://www.w3.org/2000/09/xmldsig#"


def agency(number: int = 0) -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
    """A key and its self-signed certificate; another number is another agency."""
    return _agency(number)


@cache
def _agency(number: int) -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"BHXH mô phỏng {number}")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    return key, made


def note(
    kqua: str = "CHAP_NHAN",
    transaction: str = "GD1",
    *,
    code: str = "",
    unit_code: str = "TZ0001Z",
    sha256: str = "ab" * 32,
    procedure: str = "04_DK-IVAN",
    text: str = "",
) -> str:
    """One XACNHAN_GDICH."""
    return (
        f"<XACNHAN_GDICH><TTDVI><TEN_DVI>Chi nhánh Huế</TEN_DVI><MA_DVI>{unit_code}</MA_DVI></TTDVI>"
        f"<TTGDICH><SO_HSO>00001/2026/00101</SO_HSO><MALOAI_HSO>{procedure}</MALOAI_HSO><MA_GDICH>{transaction}</MA_GDICH>"
        f"<MA_KQUA>{code or '00'}</MA_KQUA><KQUA>{kqua}</KQUA><MA_LOI>{code}</MA_LOI><MOTA_LOI>{text}</MOTA_LOI>"
        f"<SHA256>{sha256}</SHA256></TTGDICH><BUOC><TEN>Kiểm tra</TEN><KET_QUA>Thành công</KET_QUA><MA_KET_QUA>00</MA_KET_QUA>"
        f"</BUOC></XACNHAN_GDICH>"
    )


def signed(one: str, number: int = 0, *, sha512: bool = False, exclusive: bool = False) -> bytes:
    """The note as a signed document of its own."""
    root = etree.fromstring(
        f'<BHXH>{one}<CKY_BHXH><ds:Signature xmlns:ds="{DS}" Id="placeholder"/></CKY_BHXH></BHXH>'.encode()
    )
    key, certificate = agency(number)
    signer = XMLSigner(
        method=methods.enveloped,
        signature_algorithm="rsa-sha512" if sha512 else "rsa-sha256",
        digest_algorithm="sha512" if sha512 else "sha256",
        c14n_algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"
        if exclusive
        else "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
    )
    done = signer.sign(root, key=key, cert=[certificate], always_add_key_value=True)
    return bytes(etree.tostring(done))

"""How much of the raw RSA rate is left when whole dossiers are signed.

One dossier: prepared, signed, completed and checked (`AgencyProfile.complete` verifies the finished bytes: form, place,
digest of the whole document, RSA). Raw: the same key signs a digest. Both are timed in turns of a few milliseconds in
the same process, so that a noisy machine weighs on both alike. Every dossier is then verified once more, outside the
timing, by lxml, C14N and an RSA check that share nothing with hoso; a wrong one, or a wrong count, fails the run.

    python benchmarks/signing.py [--dossiers 3000] [--kilobytes 20] [--rows]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from base64 import b64decode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from statistics import median
from time import perf_counter

import cryptography
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.backends.openssl.backend import backend
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from lxml import etree

from hoso.dossiers.writing import element
from services.signer.profiles.agency import AgencyProfile

DS = "{http://www.w3.org/2000/09/xmldsig#}"
SLOT = "Hoso/CKy_Dvi"
TARGET = 0.4
TURN = 20
"""Signatures timed in one go: long enough for the clock, short enough that both sides meet the same noise."""

PADDING = padding.PKCS1v15()
SHA256 = Prehashed(hashes.SHA256())


def employer() -> tuple[rsa.RSAPrivateKey, bytes]:
    """A new key with a certificate of its own."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.USER_ID, "MST:0101234567"),
            x509.NameAttribute(NameOID.COMMON_NAME, "CÔNG TY CỔ PHẦN THỬ NGHIỆM"),
        ]
    )
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .sign(key, hashes.SHA256())
    )
    return key, certificate.public_bytes(Encoding.DER)


def dossier(number: int, size: int, rows: bool) -> bytes:
    """A dossier of `size` bytes, no two alike: long fields, or (`rows`) a list with an element every 14 bytes or so."""
    start = f"<Hoso><NoiDung>{element('SO', str(number))}"
    end = "</NoiDung><CKy_Dvi></CKy_Dvi></Hoso>"
    if rows:
        one = "<LaoDong>" + element("HO_TEN", "Nguyễn Thị Ánh") + element("MA_SO", "7900000000") + "</LaoDong>"
    else:
        one = element(
            "DIACHI_LHE", "Số 12 ngõ 34 đường Láng Hạ, phường Ô Chợ Dừa, thành phố Hà Nội & vùng phụ cận; " * 4
        )
    missing = size - len(start.encode()) - len(end.encode())
    body = one * (missing // len(one.encode()))
    left = missing - len(body.encode()) - len(element("GHI_CHU", ""))
    return f"{start}{body}{element('GHI_CHU', 'x' * max(0, left))}{end}".encode()


def independently_right(document: bytes, original: bytes, certificate: x509.Certificate) -> bool:
    """`document` is `original` with a valid signature in its slot: judged by lxml and cryptography, not by hoso."""
    root = etree.fromstring(document)
    place, signature = root.find("CKy_Dvi"), root.find(f"CKy_Dvi/{DS}Signature")
    key = certificate.public_key()
    if place is None or signature is None or not isinstance(key, rsa.RSAPublicKey):
        return False
    value = b64decode(signature.findtext(f"{DS}SignatureValue") or "")
    digest = b64decode(signature.findtext(f"{DS}SignedInfo/{DS}Reference/{DS}DigestValue") or "")
    info = etree.fromstring(etree.tostring(signature.find(f"{DS}SignedInfo"), with_tail=False))  # type: ignore[arg-type]
    try:
        key.verify(value, etree.tostring(info, method="c14n"), PADDING, hashes.SHA256())
    except InvalidSignature:
        return False
    place.remove(signature)
    return etree.tostring(root, method="c14n") == original and sha256(original).digest() == digest


def timed(work: Callable[[int], object], first: int) -> float:
    """Seconds for one turn."""
    begin = perf_counter()
    for number in range(first, first + TURN):
        work(number)
    return perf_counter() - begin


def main() -> int:
    options = argparse.ArgumentParser(description="Rate of signing whole dossiers against raw RSA.")
    options.add_argument("--dossiers", type=int, default=3000)
    options.add_argument("--kilobytes", type=int, default=20)
    options.add_argument("--rows", action="store_true", help="many small elements instead of a few long ones")
    chosen = options.parse_args()
    count = max(1, chosen.dossiers // TURN) * TURN
    size = chosen.kilobytes * 1024

    key, certificate = employer()
    profile, at = AgencyProfile(), datetime.now(UTC)
    documents = [dossier(number, size, chosen.rows) for number in range(count)]
    signed: list[bytes] = []
    digest = sha256(b"raw").digest()

    def raw(number: int) -> object:
        return key.sign(digest, PADDING, SHA256)

    def whole(number: int) -> object:
        prepared = profile.prepare(documents[number], certificate, at, SLOT)
        signed.append(profile.complete(prepared, key.sign(prepared.digest, PADDING, SHA256)))
        return None

    timed(raw, 0)
    turns = []
    for first in range(0, count, TURN):
        turns.append((timed(raw, first), timed(whole, first)))
    raw_seconds, whole_seconds = (sum(side) for side in zip(*turns, strict=True))
    of_raw = raw_seconds / whole_seconds

    loaded = x509.load_der_x509_certificate(certificate)
    right = sum(
        independently_right(document, original, loaded) for document, original in zip(signed, documents, strict=True)
    )

    print(f"{count} dossiers of {size} bytes, RSA-2048, one thread")
    print(f"raw RSA          {count / raw_seconds:8.0f} signatures/s  {1e6 * raw_seconds / count:6.0f} µs each")
    print(f"whole dossiers   {count / whole_seconds:8.0f} dossiers/s    {1e6 * whole_seconds / count:6.0f} µs each")
    print(f"of raw           {of_raw:8.2f} (median of turns {median(a / b for a, b in turns):.2f}, needed {TARGET})")
    print(f"verified again   {right:8} of {count}")
    result = {
        "benchmark": "signing",
        "of_raw": round(of_raw, 3),
        "of_raw_median": round(median(a / b for a, b in turns), 3),
        "dossiers_per_s": round(count / whole_seconds),
        "raw_per_s": round(count / raw_seconds),
        "dossiers": count,
        "bytes": size,
        "elements": documents[0].count(b"</"),
        "verified": right,
        "target": TARGET,
        "reached": of_raw >= TARGET,
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "cryptography": cryptography.__version__,
        "openssl": backend.openssl_version_text(),
        "lxml": etree.__version__,
    }
    print(json.dumps(result))
    return 0 if right == count == len(signed) else 1


if __name__ == "__main__":
    sys.exit(main())

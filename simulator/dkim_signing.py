"""DKIM signatures (RFC 6376), relaxed headers and simple body, by `cryptography`: cheaper than a general library.

The key is made at first start. Its public record goes to DIR/dkim.json, which is all the "DNS" a verifier needs.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

Header = tuple[str, str]
SIGNED = ("from", "to", "subject", "date", "message-id")
"""Signed once more than they occur, so that nobody can add a second one."""
ALSO_SIGNED = ("mime-version", "content-type", "content-transfer-encoding")
BLANKS = re.compile(r"[ \t\r\n]+")


def relaxed(name: str, value: str) -> bytes:
    """A header in relaxed canonical form, without the line's end."""
    return f"{name.lower()}:{BLANKS.sub(' ', value).strip()}".encode()


def body_hash(body: bytes) -> str:
    """bh= of a body in simple canonical form: empty lines at the end count as one line end."""
    end = len(body)
    while body.endswith(b"\r\n", 0, end):
        end -= 2
    return base64.b64encode(hashlib.sha256(body[:end] + b"\r\n").digest()).decode()


@dataclass(frozen=True, slots=True)
class DkimKey:
    """Signs the mails of one domain."""

    domain: str
    selector: str
    key: rsa.RSAPrivateKey

    @property
    def record(self) -> str:
        """The TXT record at <selector>._domainkey.<domain>."""
        public = self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}"

    def shown(self) -> dict[str, str]:
        """What a verifier needs."""
        return {"selector": self.selector, "domain": self.domain, "record": self.record}

    def header(self, headers: Sequence[Header], body: bytes, at: float) -> Header:
        """The DKIM-Signature header of a mail whose lines end in CRLF."""
        values = {name.lower(): value for name, value in headers}
        others = [name for name in ALSO_SIGNED if name in values]
        names = [name for name in SIGNED for _ in range(2)] + others
        tags = (
            f"v=1; a=rsa-sha256; c=relaxed/simple; d={self.domain}; s={self.selector};\r\n t={int(at)}; "
            f"h={':'.join(names)};\r\n"
            f" bh={body_hash(body)};\r\n b="
        )
        lines = [relaxed(name, values[name]) for name in (*SIGNED, *others)]
        message = b"\r\n".join([*lines, relaxed("DKIM-Signature", tags)])
        value = base64.b64encode(self.key.sign(message, padding.PKCS1v15(), hashes.SHA256())).decode()
        return "DKIM-Signature", tags + "\r\n ".join(value[at : at + 72] for at in range(0, len(value), 72))


def kept_key(file: Path, bits: int) -> rsa.RSAPrivateKey:
    """The key in a file, made at first need."""
    if file.exists():
        loaded = serialization.load_pem_private_key(file.read_bytes(), None)
        if not isinstance(loaded, rsa.RSAPrivateKey):
            raise ValueError(f"{file} holds no RSA key")
        return loaded
    made = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    pem = made.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    part = file.with_suffix(".part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(pem)
    part.replace(file)
    return made


def keys(folder: Path, domain: str, bits: int) -> tuple[DkimKey, DkimKey]:
    """The agency's key and that of an impostor's domain, made at first start; writes dkim.json beside them."""
    true = DkimKey(domain, "sim2026", kept_key(folder / "dkim.pem", bits))
    evil = DkimKey(f"{domain.replace('.', '-')}.impostor.example", "evil", kept_key(folder / "dkim-impostor.pem", 1024))
    part = folder / "dkim.json.part"
    part.write_text(json.dumps({**true.shown(), "impostor": evil.shown()}, indent=1), "utf-8")
    part.replace(folder / "dkim.json")
    return true, evil

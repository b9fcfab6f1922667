"""What a signature shape can do, in two phases: between them minutes may pass, and the process may be another."""

from __future__ import annotations

import struct
from dataclasses import astuple, dataclass
from datetime import datetime
from hashlib import sha256
from typing import Protocol

_MAGIC = b"hoso-prepared-1"


class NotSignable(Exception):
    """The document cannot be given this signature: not XML, no such place in it, or signed already."""


class BadSignature(Exception):
    """The signature does not hold, or the document is not exactly what this shape writes."""


class BrokenPrepared(Exception):
    """The bytes are not a stored Prepared."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document that lacks nothing but the signature's value. Plain bytes: it may be stored before anyone is asked."""

    shape: str
    slot: str
    certificate: bytes
    """DER; the only one whose key can complete this."""
    to_be_signed: bytes
    """SignedInfo in canonical form."""
    before: bytes
    after: bytes
    """The document around the base64 of the signature's value."""

    @property
    def digest(self) -> bytes:
        """SHA-256 of what is signed: all that a token or a remote service gets to see."""
        return sha256(self.to_be_signed).digest()

    def to_bytes(self) -> bytes:
        parts = [part.encode() if isinstance(part, str) else part for part in astuple(self)]
        return b"".join([_MAGIC, *(struct.pack(">I", len(part)) + part for part in parts)])

    @classmethod
    def from_bytes(cls, data: bytes) -> Prepared:
        """The Prepared in `data`. Raises BrokenPrepared."""
        if not data.startswith(_MAGIC):
            raise BrokenPrepared("not a stored Prepared of this version")
        at, parts = len(_MAGIC), []
        while at + 4 <= len(data):
            (length,) = struct.unpack_from(">I", data, at)
            parts.append(data[at + 4 : at + 4 + length])
            at += 4 + length
        if at != len(data) or len(parts) != 6:
            raise BrokenPrepared(f"{len(data)} bytes in {len(parts)} parts, cut short or grown")
        return cls(parts[0].decode(), parts[1].decode(), parts[2], parts[3], parts[4], parts[5])


@dataclass(frozen=True, slots=True)
class SignedBy:
    """Whose signature a document carries, as found in the document itself."""

    certificate: bytes
    """DER."""
    claimed_time: str
    """SigningTime as written. Not evidence: the agency's shape does not sign it."""


class SignatureProfile(Protocol):
    """One shape of signature. Stateless; safe to share between tasks."""

    @property
    def name(self) -> str: ...

    def prepare(self, xml: bytes, certificate: bytes, at: datetime, slot: str) -> Prepared:
        """`xml`, canonicalised, a signature without its value in the empty element `slot` ("Hoso/CKy_Dvi").

        Raises NotSignable.
        """
        ...

    def complete(self, prepared: Prepared, signature: bytes) -> bytes:
        """The signed document, verified as a whole: nothing unverified is ever returned.

        `signature` is raw PKCS#1 v1.5 over `prepared.digest`. Raises BadSignature.
        """
        ...

    def verify(self, xml: bytes, slot: str) -> SignedBy:
        """The one signature of `xml` is at `slot`, covers the whole document and is by the certificate it carries.

        Reads nothing but the bytes given. Does not judge the certificate: where KeyInfo is not signed (the agency's
        shape) another certificate of the same key and name is found in the answer, not refused. Raises BadSignature.
        """
        ...

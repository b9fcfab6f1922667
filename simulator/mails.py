"""How the agency's mails look on the wire: charset, transfer encoding, parts, signature. Their words: `wordings`."""

from __future__ import annotations

import base64
import binascii
import unicodedata
from dataclasses import dataclass
from email.header import Header as EncodedHeader
from email.utils import formatdate
from functools import lru_cache

from simulator.clock import VIETNAM
from simulator.dkim_signing import DkimKey, Header
from simulator.looks import Look
from simulator.wordings import worded

SENDER_NAME = "Bảo hiểm xã hội Việt Nam"
TONES = frozenset("\u0300\u0301\u0303\u0309\u0323")
"""The five tone marks, which windows-1258 writes behind the vowel."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who writes: the agency's address and key, and the impostor's key."""

    address: str
    key: DkimKey
    impostor: DkimKey


def windows_1258(text: str) -> bytes:
    """Vietnamese in windows-1258: vowels with their hook or hat as one letter, tone marks behind them."""
    out: list[str] = []
    for letter in unicodedata.normalize("NFC", text):
        parts = unicodedata.normalize("NFD", letter)
        tones = [mark for mark in parts if mark in TONES]
        if tones:
            out.append(
                unicodedata.normalize("NFC", "".join(mark for mark in parts if mark not in TONES)) + "".join(tones)
            )
        else:
            out.append(letter)
    return "".join(out).encode("cp1258", "replace")


def _lines(data: bytes, quoted: bool) -> bytes:
    if quoted:
        return binascii.b2a_qp(data.replace(b"\r\n", b"\n"), istext=True).replace(b"\n", b"\r\n")
    return base64.encodebytes(data).replace(b"\n", b"\r\n")


def _part(text: str, subtype: str, look: Look) -> tuple[list[Header], bytes]:
    shown = unicodedata.normalize("NFD", text) if look.nfd else text
    data = windows_1258(shown) if look.charset == "windows-1258" else shown.encode()
    charset = "iso-8859-1" if look.mislabelled else look.charset
    headers = [
        ("Content-Type", f'text/{subtype}; charset="{charset}"'),
        ("Content-Transfer-Encoding", "quoted-printable" if look.quoted else "base64"),
    ]
    return headers, _lines(data, look.quoted)


@lru_cache(maxsize=64)
def _encoded(text: str) -> str:
    return EncodedHeader(text, "utf-8", maxlinelen=72).encode(linesep="\r\n")


def write(look: Look, sender: Sender, recipient: str, message_id: str, transaction: str, at: float) -> bytes:
    """The whole mail with CRLF lines. `at` is world time: Date, and t= of the DKIM signature."""
    domain = sender.impostor.domain if look.forged in ("other", "signed") else sender.key.domain
    address = f"{sender.address.partition('@')[0]}@{domain}"
    words = worded(look, f"https://dichvucong.{domain}/kich-hoat?hoso={transaction}")
    headers: list[Header] = [
        ("From", f"{_encoded(SENDER_NAME)} <{address}>"),
        ("To", f"<{recipient}>"),
        ("Subject", _encoded(words.subject)),
        ("Date", _date(at)),
        ("Message-ID", message_id),
        ("MIME-Version", "1.0"),
    ]
    if look.multipart:
        edge = f"=_{transaction}"
        parts = [_part(words.plain, "plain", look), _part(words.html, "html", look)]
        body = b"".join(
            f"--{edge}\r\n".encode() + b"".join(f"{n}: {v}\r\n".encode() for n, v in heads) + b"\r\n" + data + b"\r\n"
            for heads, data in parts
        )
        body += f"--{edge}--\r\n".encode()
        headers.append(("Content-Type", f'multipart/alternative; boundary="{edge}"'))
    else:
        heads, body = _part(words.plain, "plain", look) if look.plain else _part(words.html, "html", look)
        headers += heads
    if look.junk:
        headers.append(("X-Spam-Flag", "YES"))
    if look.forged == "signed":
        headers.insert(0, sender.impostor.header(headers, body, at))
    elif not look.forged and not look.unsigned:
        headers.insert(0, sender.key.header(headers, body, at))
    return "".join(f"{name}: {value}\r\n" for name, value in headers).encode() + b"\r\n" + body


def _date(at: float) -> str:
    """RFC 5322 date in Vietnam's zone."""
    shifted = at + VIETNAM.utcoffset(None).total_seconds()
    return formatdate(shifted, usegmt=False)[:-5] + "+0700"

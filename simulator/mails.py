"""How the agency's mails look (domain.md §6.1; the stop result is invented, no text of it is public)."""

from __future__ import annotations

import base64
import binascii
import json
import unicodedata
from dataclasses import dataclass
from email.header import Header as EncodedHeader
from email.utils import formatdate
from functools import lru_cache
from html import escape

from simulator.clock import VIETNAM
from simulator.dkim_signing import DkimKey, Header

ACTIVATION_SUBJECT = (
    "Xác nhận đăng ký tham gia giao dịch điện tử về bảo hiểm xã hội, bảo hiểm y tế, bảo hiểm thất nghiệp"
)
STOP_SUBJECT = "Thông báo kết quả đăng ký ngừng sử dụng dịch vụ I-VAN"
SENDER_NAME = "Bảo hiểm xã hội Việt Nam"
TONES = frozenset("\u0300\u0301\u0303\u0309\u0323")
"""The five tone marks, which windows-1258 writes behind the vowel."""

FRAME = """<html><head><meta charset="{charset}"></head><body style="font-family:Arial,sans-serif">
<div style="background:#0054a6;color:#fff;padding:12px;font-size:18px">BẢO HIỂM XÃ HỘI VIỆT NAM</div>
<div style="padding:16px">
{inner}
</div>
<div style="background:#333;color:#fff;padding:12px;font-size:12px">{foot}</div>
</body></html>
"""
ACTIVATION = """<p>Chúc mừng bạn đã đăng ký thành công phương thức giao dịch điện tử với cơ quan Bảo hiểm xã hội.</p>
<p>Kính gửi (đơn vị/cá nhân): <b>{name}</b>.</p>
<p>Số định danh: <b>{unit_code}</b>.</p>
<p>Cảm ơn đơn vị/cá nhân đã đăng ký phương thức giao dịch điện tử
về bảo hiểm xã hội, bảo hiểm y tế, bảo hiểm thất nghiệp.</p>
<p>Đề nghị đơn vị/cá nhân gửi mã kích hoạt dưới đây về Cổng thông tin điện tử
theo đường dẫn <a href="{link}">bấm vào đây</a>:</p>
<p style="text-align:center;font-size:20px"><b style="color:#f7941d">{code}</b></p>
<p>(*) Mã kích hoạt chỉ có hiệu lực trong vòng 24h kể từ khi nhận được email này.</p>"""
ACTIVATION_FOOT = (
    "Email này dùng để xác minh địa chỉ nhận thông báo của đơn vị/cá nhân. Mọi kết quả giao dịch về sau được gửi "
    "tới địa chỉ này; "
    "nếu không còn sử dụng, đề nghị đăng ký thay đổi."
)
STOP = """<p>Kính gửi: <b>{name}</b>.</p>
{which}<p>Cơ quan Bảo hiểm xã hội thông báo kết quả xử lý hồ sơ đăng ký ngừng sử dụng dịch vụ I-VAN của đơn vị:</p>
<p style="text-align:center;font-size:18px"><b>{result}</b></p>
<p>{then}</p>"""
STOP_WHICH = "<p>Mã đơn vị: <b>{unit_code}</b>.{number}</p>\n"
STOP_NUMBER = " Số hồ sơ: <b>{number}</b>."
STOP_DONE = "Ngừng sử dụng dịch vụ thành công"
STOP_REFUSED = "Hồ sơ đăng ký ngừng không được chấp nhận"
STOP_THEN = "Đơn vị có thể đăng ký sử dụng dịch vụ của nhà cung cấp khác kể từ thời điểm nhận được thông báo này."
STOP_FOOT = "Email này được gửi tự động, đề nghị không trả lời."


@dataclass(frozen=True, slots=True)
class Look:
    """How one mail is written. Stored as JSON with the mail, so that a second try writes the same words."""

    kind: str
    name: str
    unit_code: str
    code: str = ""
    number: str = ""
    refused: str = ""
    bare: bool = False
    charset: str = "utf-8"
    quoted: bool = False
    nfd: bool = False
    mislabelled: bool = False
    multipart: bool = False
    unsigned: bool = False
    forged: str = ""

    def dumped(self) -> str:
        """JSON of what differs from an ordinary mail."""
        return json.dumps(
            {slot: getattr(self, slot) for slot in self.__slots__ if getattr(self, slot)}, ensure_ascii=False
        )


@dataclass(frozen=True, slots=True)
class Sender:
    """Who writes: the agency's address and key, and the impostor's key."""

    address: str
    key: DkimKey
    impostor: DkimKey


def _words(look: Look, link: str) -> str:
    name = escape(look.name)
    if look.kind == "activation":
        inner = ACTIVATION.format(name=name, unit_code=look.unit_code, code=look.code, link=link)
        return FRAME.format(charset=look.charset, inner=inner, foot=ACTIVATION_FOOT)
    number = STOP_NUMBER.format(number=look.number) if look.number else ""
    which = "" if look.bare else STOP_WHICH.format(unit_code=look.unit_code, number=number)
    result = STOP_REFUSED if look.refused else STOP_DONE
    inner = STOP.format(
        name=name, which=which, result=result, then=f"Lý do: {escape(look.refused)}" if look.refused else STOP_THEN
    )
    return FRAME.format(charset=look.charset, inner=inner, foot=STOP_FOOT)


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


def _plain(look: Look) -> str:
    if look.kind == "activation":
        return (
            f"Kính gửi (đơn vị/cá nhân): {look.name}.\nSố định danh: {look.unit_code}.\n"
            f"Mã kích hoạt:\n\n{look.code}\n\n"
            "(*) Mã kích hoạt chỉ có hiệu lực trong vòng 24h kể từ khi nhận được email này.\n"
        )
    return f"Kính gửi: {look.name}.\n{STOP_REFUSED if look.refused else STOP_DONE}\n"


def write(look: Look, sender: Sender, recipient: str, message_id: str, transaction: str, at: float) -> bytes:
    """The whole mail with CRLF lines. `at` is world time: Date, and t= of the DKIM signature."""
    domain = sender.impostor.domain if look.forged in ("other", "signed") else sender.key.domain
    address = f"{sender.address.partition('@')[0]}@{domain}"
    words = _words(look, f"https://dichvucong.{domain}/kich-hoat?hoso={transaction}")
    headers: list[Header] = [
        ("From", f"{_encoded(SENDER_NAME)} <{address}>"),
        ("To", f"<{recipient}>"),
        ("Subject", _encoded(ACTIVATION_SUBJECT if look.kind == "activation" else STOP_SUBJECT)),
        ("Date", _date(at)),
        ("Message-ID", message_id),
        ("MIME-Version", "1.0"),
    ]
    if look.multipart:
        edge = f"=_{transaction}"
        parts = [_part(_plain(look), "plain", look), _part(words, "html", look)]
        body = b"".join(
            f"--{edge}\r\n".encode() + b"".join(f"{n}: {v}\r\n".encode() for n, v in heads) + b"\r\n" + data + b"\r\n"
            for heads, data in parts
        )
        body += f"--{edge}--\r\n".encode()
        headers.append(("Content-Type", f'multipart/alternative; boundary="{edge}"'))
    else:
        heads, body = _part(words, "html", look)
        headers += heads
    if look.forged == "signed":
        headers.insert(0, sender.impostor.header(headers, body, at))
    elif not look.forged and not look.unsigned:
        headers.insert(0, sender.key.header(headers, body, at))
    return "".join(f"{name}: {value}\r\n" for name, value in headers).encode() + b"\r\n" + body


def _date(at: float) -> str:
    """RFC 5322 date in Vietnam's zone."""
    shifted = at + VIETNAM.utcoffset(None).total_seconds()
    return formatdate(shifted, usegmt=False)[:-5] + "+0700"

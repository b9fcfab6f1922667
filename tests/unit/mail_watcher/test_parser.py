"""Bytes to text: every charset and disguise is read, every hostile mail is refused in time, and nothing else is
raised."""

from __future__ import annotations

import base64
import quopri
import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.mail_watcher.parser import HostileMail, parse
from tests.unit.mail_watcher.mails import activation, mail

LINE = "Mã kích hoạt của đơn vị Đắk Lắk: ợ ể ẫ Ừ"
FROM = b"From: a@b.example\r\n"


def windows_1258(text: str) -> bytes:
    tones = "\u0300\u0301\u0303\u0309\u0323"
    out = ""
    for char in text:
        parts = unicodedata.normalize("NFD", char)
        rest = "".join(part for part in parts if part not in tones)
        out += unicodedata.normalize("NFC", rest) + "".join(part for part in parts if part in tones)
    return out.encode("cp1258")


def raw(body: bytes, kind: str = "text/plain; charset=utf-8", encoding: str = "8bit") -> bytes:
    return FROM + f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    ("name", "given_mail"),
    [
        ("8bit", raw(LINE.encode())),
        ("base64", raw(base64.encodebytes(LINE.encode()), encoding="base64")),
        ("quoted-printable", raw(quopri.encodestring(LINE.encode()), encoding="quoted-printable")),
        ("NFD", raw(unicodedata.normalize("NFD", LINE).encode())),
        ("windows-1258", raw(windows_1258(LINE), "text/plain; charset=windows-1258")),
        ("said to be latin-1", raw(LINE.encode(), "text/plain; charset=iso-8859-1")),
        ("said to be ascii", raw(LINE.encode(), "text/plain; charset=us-ascii")),
        ("unknown charset", raw(LINE.encode(), "text/plain; charset=x-viscii-99")),
        ("utf-16", raw(LINE.encode("utf-16"), "text/plain; charset=utf-16")),
        ("no-break space and zero width", raw(LINE.replace(" ", "\u00a0").replace("kích", "k\u200bích").encode())),
        ("full width", raw(LINE.replace("M", "Ｍ").encode())),
        ("HTML entities", raw(LINE.encode("ascii", "xmlcharrefreplace"), "text/html; charset=us-ascii")),
        ("HTML split by tags", raw(LINE.replace("hoạt", "h<b>o</b>ạ<span>t</span>").encode(), "text/html")),
        ("HTML over lines", raw(LINE.replace(" ", "\r\n").encode(), "text/html")),
        ("flowed", raw(LINE.replace(" hoạt", " \r\nhoạt").encode(), "text/plain; format=flowed")),
    ],
)
def test_every_way_of_writing_reads_the_same(name: str, given_mail: bytes) -> None:
    assert [body.strip() for body in parse(given_mail).bodies] == [LINE]


@pytest.mark.parametrize(
    "hidden",
    [
        "<title>EVIL</title>",
        "<style>EVIL</style>",
        "<script>EVIL</script>",
        "<span style='display: none'>EVIL</span>",
        "<span style='font-size:0px'>EVIL</span>",
        "<div style='VISIBILITY:hidden'>EVIL<div>EVIL</div>EVIL</div>",
        "<p hidden>EVIL</p>",
        "<p style='opacity:0'>EVIL<p>",
        "<!-- EVIL -->",
        "<head><p>EVIL</p>",
    ],
)
def test_what_a_reader_does_not_see_is_not_read(hidden: str) -> None:
    assert parse(mail(f"<html>{hidden}<body>seen</body></html>", "html")).bodies[0].split() == ["seen"]


@pytest.mark.parametrize(
    "shown", ["<p style='font-size:0.9em'>seen</p>", "<p style='opacity:0.5'>seen</p>", "<b>seen</b>"]
)
def test_what_a_reader_sees_is_read(shown: str) -> None:
    assert parse(mail(shown, "html")).bodies[0].split() == ["seen"]


def test_headers_are_decoded_and_addresses_found() -> None:
    found = parse(
        b"Delivered-To: <Own+7@daiphuc.example>\r\n" + activation(to="A <ketoan@daiphuc.example>, b@c.example")
    )
    assert found.sender == "thongbao@baohiemxahoi.gov.vn"
    assert found.addressees == ("own+7@daiphuc.example", "ketoan@daiphuc.example", "b@c.example")
    assert found.subject.startswith("Xác nhận đăng ký tham gia")
    assert found.counts["from"] == 1


@pytest.mark.parametrize(
    "header",
    [
        b'From: "x@baohiemxahoi.gov.vn" <a@evil.example>, <b@baohiemxahoi.gov.vn>\r\n',
        b"From: a@evil.example <b@baohiemxahoi.gov.vn>\r\n",
        b"From: a@evil.example\r\nFrom: b@baohiemxahoi.gov.vn\r\n",
        b"From: b@baohiemxahoi.gov.vn)a@evil.example\r\n",
        b"From: (c):\r\n",
        b"",
    ],
)
def test_a_sender_that_can_be_read_two_ways_is_none(header: bytes) -> None:
    assert parse(header + b"Subject: x\r\n\r\nx").sender == ""


def nested(depth: int) -> bytes:
    part = b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n"
    return FROM + b"".join(part % (n, n) for n in range(depth)) + b"Content-Type: text/plain\r\n\r\nx\r\n"


HOSTILE = {
    "too large": FROM + b"\r\n" + b"x" * 2_000_001,
    "100k headers": b"".join(b"X-%d: y\r\n" % n for n in range(100_000)) + b"\r\nx",
    "20k recipients": b"To: " + b", ".join(b"a%d@b.example" % n for n in range(20_000)) + b"\r\n\r\nx",
    "10k encoded words": b"Subject: " + b" ".join([b"=?utf-8?q?=C3=A1?="] * 10_000) + b"\r\n\r\nx",
    "1000 nested multiparts": nested(1_000),
    "1000 nested mails": FROM + b"Content-Type: message/rfc822\r\n\r\n" * 1_000 + b"x",
    "20k parts": FROM + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 20_000,
    "many boundaries": FROM + b"\r\n" + b"boundary=%d " * 30_000 % tuple(range(30_000)),
    "long parameters": FROM + b"Content-Type: text/plain" + b';"' * 20_000 + b"\r\n\r\nx",
    "NUL in a header": FROM + b"Subject: a\x00b\r\n\r\nx",
    "bare CR in a header": FROM + b"Subject: a\rFrom: c@d\r\n\r\nx",
    "odd declaration": raw(b"<![foo x", "text/html"),
    "long text": raw(b"y " * 80_000),
    "header without end": b"X: " + b"y" * 100_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_mails_are_refused_quickly(name: str) -> None:
    started = time.process_time()
    with pytest.raises(HostileMail):
        parse(HOSTILE[name])
    assert time.process_time() - started < 0.5


ODD = {
    "brackets in the id": b"Message-ID: <[b3]@x.example>\r\n" + FROM + b"\r\nx",
    "id of Outlook": b"Message-ID: <[a].1c.SMTPIN_ADDED_[b]@[c].X>\r\n" + FROM + b"\r\nx",
    "encoded newline": b"From: =?UTF-8?Q?=0AMy?= <me@b.example>\r\n\r\nx",
    "name*": b"Content-Type: text/plain; name*\r\n" + FROM + b"\r\nx",
    "nested comments": b"From: " + b"(" * 5_000 + b"x" + b")" * 5_000 + b" <a@b.example>\r\n\r\nx",
    "bad base64": raw(b"!!!!abc", encoding="base64"),
    "no boundary": FROM + b"Content-Type: multipart/mixed\r\n\r\nx",
    "empty": b"",
    "only a body": b"\r\nx",
    "encoded words without end": b"Subject: " + b"=?a?q?" * 9_000 + b"\r\n\r\nx",
    "unclosed tags": raw(b"<a " * 60_000, "text/html"),
    "unclosed comments": raw(b"<!--" * 45_000, "text/html"),
    "end tags": raw(b"</" * 90_000, "text/html"),
    "script": raw(b"<script>" + b"</ " * 60_000, "text/html"),
    "quotes": raw(b"<a x='" * 30_000, "text/html"),
    "ampersands": raw(b"&" * 90_000, "text/html"),
    "combining marks": raw(("a" + "\u0323\u0301" * 48_000).encode()),
    "expanding characters": raw(("\ufdfa" * 90_000).encode()),
    "commas": b"From: " + b"," * 60_000 + b"\r\n\r\nx",
    "blanks": raw(b" " * 90_000 + b"x"),
    "punycode": raw(b"a-" * 45_000, "text/plain; charset=punycode"),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_mails_are_read_quickly(name: str) -> None:
    started = time.process_time()
    parse(ODD[name])
    assert time.process_time() - started < 0.5


PIECES = [
    b"\r\n",
    b"\n",
    b"\r",
    b"From: ",
    b"<",
    b">",
    b"=?",
    b"?=",
    b"Content-Type: ",
    b"text/html",
    b"multipart/mixed;",
]
PIECES += [b" boundary=b", b"--b", b"a@b", b"&#x", b"<!", b"--", b"; charset=", b"\x00", b"\xff", b"="]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400) | st.lists(st.sampled_from(PIECES), max_size=60).map(b"".join))
def test_nothing_but_hostile_mail_is_raised(junk: bytes) -> None:
    try:
        found = parse(junk)
    except HostileMail:
        return
    assert isinstance(found.sender, str)


def test_the_content_is_not_in_the_repr() -> None:
    assert "7QK2M9XW4T" not in repr(parse(activation()))

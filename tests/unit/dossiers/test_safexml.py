"""XML from outside is parsed within limits, or refused."""

from __future__ import annotations

import pytest

from hoso.dossiers.safexml import HostileXml, parse

LAUGHS = b'<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;">]><a>&c;</a>'


def test_ordinary_replies_are_read_with_their_white_space() -> None:
    root = parse('\ufeff<?xml version="1.0" encoding="UTF-8"?>\n<BHXH> <A>Tiếp nhận</A>\n</BHXH>\n'.encode())

    assert (root.tag, root.text, root.findtext("A")) == ("BHXH", " ", "Tiếp nhận")


def test_a_declared_windows_encoding_is_read() -> None:
    assert parse('<?xml version="1.0" encoding="windows-1258"?><A>Hà</A>'.encode("cp1258")).text == "Hà"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (LAUGHS, "DOCTYPE"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/hostname"><a/>', "DOCTYPE"),
        (b"<?xml version='1.0'?>\n<!DOCTYPE a><a/>", "DOCTYPE"),
        (LAUGHS.decode().encode("utf-16"), "NUL"),
        (b'<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE a+AD4APA-a/+AD4-', "encoding UTF-7"),
        (b'<?xml version="1.0" encoding="cp037"?><a/>', "encoding cp037"),
        (b"<a>&unknown;</a>", "well-formed"),
        (b"<a>\xff</a>", "well-formed"),
        (b"<html><br></html>", "well-formed"),
        (b"<a><b></b>", "well-formed"),
        (b"", "well-formed"),
        (b"Bad Gateway", "well-formed"),
    ],
)
def test_hostile_and_broken_bytes_are_refused_with_a_reason(data: bytes, why: str) -> None:
    with pytest.raises(HostileXml, match=why):
        parse(data)


def test_depth_and_size_are_bounded() -> None:
    deep = b"<a>" * 64 + b"</a>" * 64

    assert parse(deep).tag == "a"
    with pytest.raises(HostileXml, match="nested"):
        parse(b"<a>" + deep + b"</a>")
    with pytest.raises(HostileXml, match="nested|well-formed"):
        parse(b"<a>" * 100_000)
    with pytest.raises(HostileXml, match="bytes"):
        parse(b"<a>" + b"x" * 100 + b"</a>", max_bytes=100)
    with pytest.raises(HostileXml, match="nested"):
        parse(b"<a><b><c/></b></a>", max_depth=2)


def test_an_entity_in_an_attribute_is_never_expanded() -> None:
    with pytest.raises(HostileXml):
        parse(b'<!DOCTYPE a [<!ENTITY b "x">]><a c="&b;"/>')

"""The cheap test for "this is its own canonical form" never says yes wrongly: lxml is the judge."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from services.signer.profiles.canonical import is_plain, open_at
from services.signer.profiles.port import NotSignable

PIECES = st.sampled_from(
    [
        "<a>",
        "</a>",
        "<b>",
        "</b>",
        "<a/>",
        "<a >",
        "</a >",
        "<a b='1'>",
        '<a b="1">',
        "<x:a>",
        "</x:a>",
        "<a xmlns='u'>",
        "&amp;",
        "&lt;",
        "&gt;",
        "&#xD;",
        "&#13;",
        "&quot;",
        "&x;",
        "&",
        "<",
        ">",
        "/",
        "=",
        '"',
        "]]>",
        "\r",
        "\n",
        "\t",
        "<!--x-->",
        "<?p?>",
        "<![CDATA[x]]>",
        "<!DOCTYPE a>",
        "<?xml version='1.0'?>",
        "text",
        "Đ",
        "e\u0302",
        "\ufffe",
        "\x01",
        "\0",
        "\ufeff",
        "\u2028",
        "\U0001f3ee",
        "<Đ>",
        "</Đ>",
    ]
)


@given(st.lists(PIECES, max_size=8).map("".join), st.sampled_from(["utf-8", "utf-16-le", "cp1258"]))
def test_what_is_called_plain_is_its_own_canonical_form(inside: str, encoding: str) -> None:
    xml = f"<a>{inside}</a>".encode(encoding, "ignore")

    if is_plain(xml):
        assert etree.tostring(etree.fromstring(xml).getroottree(), method="c14n") == xml


@given(st.lists(PIECES, max_size=4).map("".join), st.lists(PIECES, max_size=4).map("".join))
def test_what_is_opened_is_canonical_with_an_empty_slot(inside: str, behind: str) -> None:
    xml = f"<a><c>{inside}</c><S></S>{behind}</a>".encode()

    try:
        opened = open_at(xml, "a/S")
    except NotSignable:
        return

    whole = opened.before + opened.after
    assert opened.before.endswith(b"<S>")
    assert opened.after.startswith(b"</S>")
    assert etree.tostring(etree.fromstring(whole).getroottree(), method="c14n", with_comments=False) == whole


@pytest.mark.parametrize("xml", [b"<a></a>", "<a><b>Đ &amp; &lt;&gt;&#xD;=\"'\n</b></a>".encode()])
def test_our_own_writing_is_plain(xml: bytes) -> None:
    assert is_plain(xml)


@pytest.mark.parametrize(
    "xml",
    [
        b"",
        b"<a/>",
        b"<a></b>",
        b"<a b='1'></a>",
        b"<a>\r</a>",
        b"<a>></a>",
        b"<a></a>\n",
        b"<a>\xff</a>",
        b"<a>\x01</a>",
        b"<a></a><a></a>",
        b"<a>&quot;</a>",
        b"<a><!--x--></a>",
        b"\xef\xbb\xbf<a></a>",
        b"<a>\xef\xbf\xbe</a>",
    ],
)
def test_anything_else_is_not(xml: bytes) -> None:
    assert not is_plain(xml)

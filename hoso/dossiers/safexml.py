"""The one place where XML from outside is parsed: no DOCTYPE, no entities, no network, bounded in bytes and depth."""

from __future__ import annotations

import re
from functools import cache

from lxml import etree

MAX_BYTES = 5 * 1024 * 1024
MAX_DEPTH = 64

_DECLARED = re.compile(rb"""^<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_ASCII_COMPATIBLE = frozenset(
    {b"utf-8", b"utf8", b"us-ascii", b"ascii", b"iso-8859-1", b"windows-1252", b"windows-1258"}
)
"""Encodings in which "<!DOCTYPE" is those nine bytes, so that looking for it before parsing sees everything."""


class HostileXml(Exception):
    """The bytes are not XML that is accepted here; the message says why."""


def parse(data: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> etree._Element:
    """The root of `data`, white space kept.

    Raises HostileXml for more than `max_bytes`, elements nested deeper than `max_depth`, a DOCTYPE or entity
    declaration anywhere, an encoding that could hide one, and for what is not well-formed.
    """
    if len(data) > max_bytes:
        raise HostileXml(f"{len(data)} bytes of XML, at most {max_bytes} are read")
    if b"\0" in data:
        raise HostileXml("a NUL byte: not UTF-8")
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise HostileXml("a DOCTYPE or entity declaration")
    declared = _DECLARED.match(data.removeprefix(b"\xef\xbb\xbf").lstrip()[:300])
    if declared is not None and declared.group(1).lower() not in _ASCII_COMPATIBLE:
        raise HostileXml(f"the encoding {declared.group(1).decode()} is not read")
    try:
        root = etree.fromstring(data, _parser())
    except etree.XMLSyntaxError as error:
        raise HostileXml(f"not well-formed: {error.msg}") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise HostileXml("a DOCTYPE or entity declaration")
    if _deeper(max_depth)(root):
        raise HostileXml(f"elements nested deeper than {max_depth}")
    return root


def _parser() -> etree.XMLParser:
    """A new one each time: a parser keeps the log of its last document and belongs to one thread."""
    return etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False, recover=False
    )


@cache
def _deeper(depth: int) -> etree.XPath:
    return etree.XPath("boolean(" + "/*" * (depth + 1) + ")")

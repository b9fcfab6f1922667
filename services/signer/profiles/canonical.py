"""The canonical form (C14N 1.0, inclusive, without comments) of a document, opened at the place of its signature."""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256
from uuid import uuid4
from xml.parsers import expat

from lxml import etree

from hoso.dossiers.safexml import HostileXml, parse
from services.signer.profiles.port import NotSignable

DS = "http://www.w3.org/2000/09/xmldsig#"
XML = "{http://www.w3.org/XML/1998/namespace}"

_NOT_A_PLAIN_TAG = re.compile(rb"<(?!/?[A-Za-z_][A-Za-z0-9_.-]*>)")
_NOT_A_CANONICAL_ESCAPE = re.compile(rb"&(?!amp;|lt;|gt;|#xD;)")

_found_plain: OrderedDict[bytes, None] = OrderedDict()
"""SHA-256 of the documents last found plain: the same bytes need not be read again when their signature is verified."""
_FOUND_PLAIN_KEPT = 256


@dataclass(frozen=True, slots=True)
class Opened:
    """The canonical document, cut where its signature goes: `before + after` is what the enveloped signature covers."""

    before: bytes
    after: bytes
    scope: bytes
    """Namespaces in scope at the cut, as inclusive C14N repeats them on SignedInfo: b"" or b' xmlns:a="..."'."""
    digest: bytes
    """SHA-256 of `before + after`."""


def open_at(xml: bytes, slot: str) -> Opened:
    """`xml` in canonical form, opened inside its one empty element at path `slot`.

    A plain document (see `is_plain`) is its own canonical form and is cut as it is; any other is parsed.
    Raises NotSignable: not acceptable XML, not exactly one such element, a signature anywhere, its Ids in use.
    """
    names = slot.split("/")
    root, place = names[0].encode(), b"<" + names[-1].encode() + b">"
    after = b"".join([b"</" + name.encode() + b">" for name in reversed(names)])
    cut = len(xml) - len(after)
    if xml.endswith(place + after) and xml.startswith(b"<" + root + b">") and xml.find(place) == cut - len(place):
        digest = sha256(xml).digest()
        if digest in _found_plain or is_plain(xml):
            _found_plain[digest] = None
            if len(_found_plain) > _FOUND_PLAIN_KEPT:
                _found_plain.popitem(last=False)
            return Opened(xml[:cut], after, b"", digest)
    return _open_parsed(xml, names)


def is_plain(xml: bytes) -> bool:
    """True only for a well-formed document without attributes, namespaces and comments that is its own C14N.

    False says nothing: it may be canonical all the same. Much cheaper than a tree: all searches begin with one byte.
    """
    if not (xml.startswith(b"<") and xml.endswith(b">")) or b"\0" in xml or b"\r" in xml:
        return False
    if _NOT_A_PLAIN_TAG.search(xml) or xml.count(b"<") != xml.count(b">"):
        return False
    if _NOT_A_CANONICAL_ESCAPE.search(xml):
        return False
    try:
        expat.ParserCreate("UTF-8").Parse(xml, True)
    except expat.ExpatError:
        return False
    return True


def _open_parsed(xml: bytes, names: list[str]) -> Opened:
    try:
        root = parse(xml)
    except HostileXml as error:
        raise NotSignable(str(error)) from error
    found = [root] if root.tag == names[0] else []
    for name in names[1:]:
        found = [child for element in found for child in element if child.tag == name]
    if len(found) != 1:
        raise NotSignable(f"{len(found)} elements {'/'.join(names)}, needed is one")
    place = found[0]
    if len(place) or place.text or place.attrib:
        raise NotSignable(f"{'/'.join(names)} is not empty")
    for element in root.iter():
        if isinstance(element.tag, str) and element.tag.startswith(f"{{{DS}}}"):
            raise NotSignable("there is a signature, or a part of one, already")
        if element.get("Id") in ("sigid", "proid"):
            raise NotSignable("the Ids sigid and proid are the signature's")
    if any(str(key).startswith(XML) for element in (place, *place.iterancestors()) for key in element.attrib):
        raise NotSignable("xml: attributes around the signature")
    if any(set('&<"\r\n\t') & set(uri) for element in root.iter() for uri in element.nsmap.values()):
        raise NotSignable("a namespace that needs escapes, which lxml's C14N does not write")
    mark = uuid4().hex
    place.text = mark
    try:
        canonical = etree.tostring(root.getroottree(), method="c14n", with_comments=False)
    except etree.C14NError as error:
        raise NotSignable("no canonical form: a namespace is a relative URI") from error
    before, _, after = canonical.partition(mark.encode())
    scope = sorted((prefix, uri) for prefix, uri in place.nsmap.items() if prefix is not None)
    declared = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in scope).encode()
    return Opened(before, after, declared, sha256(before + after).digest())

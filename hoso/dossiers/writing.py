"""XML written so that it is already its own canonical form (C14N 1.0), and digests can be taken on our own bytes.

Canonical here means: UTF-8, no declaration, no attributes, no empty-element tags, `&lt; &gt; &amp; &#xD;` and nothing
else escaped, no line ending other than LF. Text is written as it comes: what is NFC stays NFC, what is NFD stays NFD.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#xD;"})


class InvalidDossier(Exception):
    """A dossier cannot be written or does not fit its form: a Vietnamese sentence that names fields, never values."""


def text(value: str, field: str) -> str:
    """`value` as canonical character data. Raises InvalidDossier for a character that XML 1.0 has no place for."""
    found = _NOT_XML.search(value)
    if found is not None:
        sign = f"U+{ord(found.group()):04X}"
        raise InvalidDossier(f"Trường {field} có ký tự {sign} không được phép trong XML; hãy xoá ký tự đó rồi gửi lại.")
    return value.translate(_ESCAPES)


def element(name: str, value: str) -> str:
    """`<name>value</name>`, the value escaped."""
    return f"<{name}>{text(value, name)}</{name}>"


def elements(fields: Iterable[tuple[str, str]]) -> str:
    """The fields one after the other, without white space between them."""
    return "".join([element(name, value) for name, value in fields])

"""The type of printed forms: IBM Plex Serif (OFL), which has every Vietnamese letter in all styles, embedded as used."""

from __future__ import annotations

import unicodedata
from functools import cache
from importlib import resources
from xml.sax.saxutils import escape

from reportlab.lib.fonts import addMapping
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

PLAIN = "Plex"
BOLD = "Plex-Bold"
_STYLES = (
    (PLAIN, "Regular", False, False),
    (BOLD, "Bold", True, False),
    ("Plex-Italic", "Italic", False, True),
    ("Plex-BoldItalic", "BoldItalic", True, True),
)
_INSTEAD = "?"
_MAX_SHOWN = 2_000


@cache
def load() -> frozenset[int]:
    """The faces are known to reportlab; answers the code points that all of them have. Reads the font once a process."""
    files = resources.files("fontpkg_ibm_plex_serif") / "files"
    known: set[int] | None = None
    for name, style, bold, italic in _STYLES:
        with resources.as_file(files / f"IBMPlexSerif-{style}.ttf") as path:
            font = TTFont(name, str(path))
        pdfmetrics.registerFont(font)
        addMapping(PLAIN, int(bold), int(italic), name)
        glyphs = set(font.face.charToGlyph)
        known = glyphs if known is None else known & glyphs
    return frozenset(known or ())


def marked(text: str) -> str:
    """`text` for a reportlab paragraph: NFC, white space as single blanks, signs that the type lacks as `?`, escaped;
    cut with an ellipsis where it is longer than any form has room for."""
    known = load()
    words = " ".join(unicodedata.normalize("NFC", text).split())
    if len(words) > _MAX_SHOWN:
        words = words[:_MAX_SHOWN] + "…"
    return escape("".join(sign if ord(sign) in known else _INSTEAD for sign in words))

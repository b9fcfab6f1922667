"""Vietnamese text out of a mail: one normal form to read, one folded form to find labels in.

`clean` gives NFKC without invisible characters; `fold` drops case and diacritics and keeps every position, so that
what is found in the folded copy is cut out of the original.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

PIECE = 500
"""Normalisation sorts a run of combining marks in quadratic time, so long lines are normalised in pieces."""

_INVISIBLE = re.compile("[\\xad\\u034f\\u061c\\u180e\\ufeff\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u206f]")
_TURNING = re.compile("[\\u202a-\\u202e\\u2066-\\u2069]")
_RUN = re.compile("[\\w\\xad\\u034f\\u061c\\u180e\\ufeff\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u206f]+")
_LEFTOVER_MARKS = re.compile("[\\u0300-\\u036f]")
_SPACES = re.compile(r"[^\S\n]+")


def _folded(char: str) -> str:
    if char in "đĐ":
        return "d"
    base = unicodedata.normalize("NFD", char)[0].lower()
    return base if len(base) == 1 else char


_FOLD = {code: _folded(chr(code)) for code in (*range(0x41, 0x5B), *range(0xC0, 0x250), *range(0x1E00, 0x1F00))}


_FOREIGN = re.compile(
    "[" + "".join(char for char in map(chr, _FOLD) if not unicodedata.normalize("NFKC", char).isascii()) + "]"
)
"""Letters with diacritics, whole: no word that has one is ever plain ASCII."""


def _pieces(line: str) -> Iterator[str]:
    start = 0
    while start < len(line):
        end = start + PIECE
        while end < len(line) and end < start + 2 * PIECE and unicodedata.combining(line[end]):
            end += 1
        yield line[start:end]
        start = end


def clean(text: str) -> str:
    """`text` in NFKC, without zero-width and direction characters, runs of blanks as one space, lines kept."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.isascii():
        text = _INVISIBLE.sub("", text)
        text = "\n".join(
            "".join(unicodedata.normalize("NFKC", piece) for piece in _pieces(line)) for line in text.split("\n")
        )
        text = _LEFTOVER_MARKS.sub("", _INVISIBLE.sub("", text))
    return "\n".join(line.strip() for line in _SPACES.sub(" ", text).split("\n"))


def disguised(text: str) -> frozenset[str]:
    """The words that `clean` makes plain ASCII of something else: invisible characters inside, full-width forms."""
    if text.isascii():
        return frozenset()
    runs = {run for run in _RUN.findall(text) if not run.isascii() and len(run) <= PIECE and not _FOREIGN.search(run)}
    return frozenset(tidy for run in runs if (tidy := clean(run)) and tidy.isascii())


def turned(text: str) -> bool:
    """Whether `text` holds characters that change its direction."""
    return not text.isascii() and _TURNING.search(text) is not None


def fold(text: str) -> str:
    """Lower case without diacritics (đ is d), of the same length: positions in it are positions in `text`."""
    return text.translate(_FOLD)


def name_key(name: str) -> str:
    """What two spellings of one unit's name share: folded words, without punctuation."""
    return " ".join(re.findall(r"[^\W_]+", fold(clean(name))))

"""Which key was seen at which place, for a hundred thousand keys in a few MB: two flat arrays and no objects that outlive a row.

A dict of texts would be four times as large, and its texts would lie scattered over the memory of rows long gone and keep it.
"""

from __future__ import annotations

import hashlib
from array import array

_SMALLEST = 1_024
_FULL = 0.6


class Places:
    """Texts and a number each. A text is known by 64 bits of its hash; two of a sheet's are taken for one once in 10^9 sheets."""

    def __init__(self) -> None:
        self._size = 0
        self._hashes = array("Q", bytes(8 * _SMALLEST))
        self._numbers = array("I", bytes(4 * _SMALLEST))

    def __len__(self) -> int:
        return self._size

    def get(self, text: str) -> int | None:
        """The number of a text; None when it was never added."""
        slot = self._slot(_hash(text))
        return self._numbers[slot] if self._hashes[slot] else None

    def setdefault(self, text: str, number: int) -> None:
        """Keep the first number of a text."""
        hashed = _hash(text)
        slot = self._slot(hashed)
        if self._hashes[slot]:
            return
        self._hashes[slot], self._numbers[slot] = hashed, number
        self._size += 1
        if self._size > _FULL * len(self._hashes):
            self._grow()

    def _slot(self, hashed: int) -> int:
        """Where the hash stands, or would stand: the first free slot from its own on."""
        mask = len(self._hashes) - 1
        slot = hashed & mask
        while self._hashes[slot] not in (0, hashed):
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        before = [(h, n) for h, n in zip(self._hashes, self._numbers, strict=True) if h]
        self._hashes = array("Q", bytes(16 * len(self._hashes)))
        self._numbers = array("I", bytes(8 * len(self._numbers)))
        for hashed, number in before:
            slot = self._slot(hashed)
            self._hashes[slot], self._numbers[slot] = hashed, number


def _hash(text: str) -> int:
    """64 bits, never 0: that is a free slot."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) or 1

"""Memory that comes back: what the C library keeps of large blocks that are free again."""

from __future__ import annotations

import contextlib
import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""<malloc.h> of glibc."""


def give_back() -> None:
    """Large blocks go back to the system when they are freed, and threads share one heap. Elsewhere than on glibc nothing changes.

    By itself glibc raises its threshold with every large block it frees, and keeps a heap a thread: an intake that had worked off
    100,000 rows stayed 30 MB larger.
    """
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        for option, value in ((_ARENA_MAX, 1), (_MMAP_THRESHOLD, 131_072), (_TRIM_THRESHOLD, 131_072)):
            library.mallopt(option, value)

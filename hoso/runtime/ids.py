"""Ids: UUIDv7, ordered by time, from one source a process.

They are not derived from causes: a repaired handler, run again, must not say other things under an old id, which the
next consumer would drop (docs/kernel.md §6).
"""

from __future__ import annotations

import os
import time
from uuid import UUID

_last_ms = 0
_counter = 0


def uuid7() -> UUID:
    """A new UUIDv7 (RFC 9562): 48 bits of real time in ms, a 12-bit counter, 62 random bits. Increasing within a process."""
    global _last_ms, _counter
    ms = time.time_ns() // 1_000_000
    if ms > _last_ms:
        _last_ms, _counter = ms, 0
    else:
        _counter += 1
        if _counter > 0xFFF:
            _last_ms, _counter = _last_ms + 1, 0
    noise = int.from_bytes(os.urandom(8), "big") & 0x3FFFFFFFFFFFFFFF
    return UUID(int=(_last_ms << 80) | (7 << 76) | (_counter << 64) | (2 << 62) | noise)


def trace_of(correlation: UUID, cause: UUID) -> str:
    """The W3C traceparent of an event: one enrolment is one trace, so nothing has to be stored for it."""
    return f"00-{correlation.hex}-{cause.hex[16:]}-01"

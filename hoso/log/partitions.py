"""Which partition a key belongs to: Kafka's own hash, so that a log partition is a Kafka partition from the first day."""

from __future__ import annotations

from functools import lru_cache
from uuid import UUID

_M = 0x5BD1E995
_MASK = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """murmur2 as the Kafka clients compute it, as an unsigned 32-bit number."""
    length = len(data)
    h = (0x9747B28C ^ length) & _MASK
    whole = length & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * _M & _MASK
        k = (k ^ (k >> 24)) * _M & _MASK
        h = (h * _M & _MASK) ^ k
    rest = data[whole:]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * _M & _MASK
    h = (h ^ (h >> 13)) * _M & _MASK
    return h ^ (h >> 15)


@lru_cache(maxsize=100_000)
def partition_of(subject: UUID, partitions: int) -> int:
    """The partition of a unit's events: murmur2 of the UUID's text, made positive, modulo the topic's partitions."""
    return (murmur2(str(subject).encode()) & 0x7FFFFFFF) % partitions

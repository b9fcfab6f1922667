"""The directory of a zip archive read within limits, and single members of it. Strict: one archive, nothing beside it."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

MAX_ENTRIES = 2_000
MAX_DIRECTORY = 512 * 1024
MAX_UNPACKED = 64 * 1024 * 1024
"""All members together, as declared."""
MAX_RATIO = 200
"""Unpacked to packed size of one member above 1 MiB."""

_END = struct.Struct("<4s4H2LH")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_STORED, _DEFLATED = 0, 8


class NotAnArchive(Exception):
    """The bytes are not one whole, plain archive within the limits; the message says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One member, as the directory describes it; sizes in bytes."""

    name: str
    method: int
    packed: int
    unpacked: int
    offset: int


def entries(data: bytes) -> dict[str, Entry]:
    """The members by name. Raises NotAnArchive: no directory at the very end, bytes before the archive or after it, zip64,
    several disks, encryption, another method than deflate, a name twice or leaving its folder, members that overlap,
    or more than the limits. Nothing is decompressed."""
    if len(data) < _END.size + _LOCAL.size or not data.startswith(b"PK\x03\x04"):
        raise NotAnArchive("no archive")
    at = data.rfind(b"PK\x05\x06", max(0, len(data) - _END.size - 0xFFFF))
    if at < 0 or at + _END.size > len(data):
        raise NotAnArchive("no directory at the end")
    _, disk, first_disk, here, count, size, offset, comment = _END.unpack_from(data, at)
    if at + _END.size + comment != len(data) or disk or first_disk or here != count:
        raise NotAnArchive("bytes behind the archive, or a part of several")
    if not 0 < count <= MAX_ENTRIES or size > MAX_DIRECTORY or offset + size != at:
        raise NotAnArchive("a directory that is too large, empty or elsewhere")
    found: dict[str, Entry] = {}
    folded: set[str] = set()
    position = offset
    for _ in range(count):
        entry, position = _entry(data, position, at)
        if entry.name.lower() in folded:
            raise NotAnArchive("a name twice")
        folded.add(entry.name.lower())
        found[entry.name] = entry
    if position != at:
        raise NotAnArchive("bytes between the directory and its end")
    if sum(entry.packed + _LOCAL.size for entry in found.values()) > offset:
        raise NotAnArchive("members overlap")
    if sum(entry.unpacked for entry in found.values()) > MAX_UNPACKED:
        raise NotAnArchive("unpacks to too much")
    return found


def member(data: bytes, entry: Entry, limit: int) -> bytes:
    """The content of one member. Raises NotAnArchive when it is larger than `limit`, or not what the directory says."""
    if entry.unpacked > limit or entry.offset + _LOCAL.size > len(data):
        raise NotAnArchive("a member that is too large, or outside")
    head = _LOCAL.unpack_from(data, entry.offset)
    start = entry.offset + _LOCAL.size + head[9] + head[10]
    name = data[entry.offset + _LOCAL.size : entry.offset + _LOCAL.size + head[9]]
    if head[0] != b"PK\x03\x04" or head[3] != entry.method or name != entry.name.encode():
        raise NotAnArchive("a member that is not what the directory says")
    packed = data[start : start + entry.packed]
    if entry.method == _STORED:
        content = packed
    else:
        try:
            content = zlib.decompressobj(-15).decompress(packed, limit + 1)
        except zlib.error:
            raise NotAnArchive("a member that cannot be unpacked") from None
    if len(content) != entry.unpacked:
        raise NotAnArchive("a member of another size than the directory says")
    return content


def _entry(data: bytes, position: int, end: int) -> tuple[Entry, int]:
    """The directory's entry at `position`, and where the next begins."""
    if position + _ENTRY.size > end:
        raise NotAnArchive("a directory that is cut off")
    sign, _, _, flags, method, _, _, _, packed, unpacked, names, extra, comment, disk, _, _, offset = (
        _ENTRY.unpack_from(data, position)
    )
    after = position + _ENTRY.size + names + extra + comment
    if sign != b"PK\x01\x02" or after > end or disk:
        raise NotAnArchive("a directory that is broken")
    if flags & 0x2041 or method not in (_STORED, _DEFLATED) or 0xFFFFFFFF in (packed, unpacked, offset):
        raise NotAnArchive("encrypted, zip64, or packed in another way than deflate")
    raw = data[position + _ENTRY.size : position + _ENTRY.size + names]
    try:
        name = raw.decode()
    except UnicodeDecodeError:
        raise NotAnArchive("a name that is not UTF-8") from None
    if name.startswith("/") or "\\" in name or "\0" in name or ".." in name.split("/"):
        raise NotAnArchive("a name that leaves its folder")
    if unpacked > 1024 * 1024 and unpacked > packed * MAX_RATIO:
        raise NotAnArchive("a member that unpacks to far more than it is")
    return Entry(name, method, packed, unpacked, offset), after

"""Whether a base backup is whole: PostgreSQL's `backup_manifest`, read with the standard library.

(The wheel's own pg_verifybackup ends with a segmentation fault.)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.words import text
from hoso.runtime.failures import HosoError

CHUNK = 1024 * 1024


def verify(data: Path, told: Callable[[int], None] = lambda _: None) -> None:
    """Every file is there with its size and SHA-256, no other file is, and so is the log between the backup's beginning and its
    end. `told` hears of bytes read. Raises HosoError naming what is wrong."""

    def broken(why: str) -> HosoError:
        return HosoError(text("backup.broken", folder=data.parent, why=why))

    try:
        whole = (data / "backup_manifest").read_bytes()
        manifest = json.loads(whole)
        files = {_name(one): one for one in manifest["Files"]}
        lines = whole.rstrip(b"\n").rpartition(b"\n")[0] + b"\n"
        if hashlib.sha256(lines).hexdigest() != manifest["Manifest-Checksum"]:
            raise broken("backup_manifest: SHA-256")
        for name, one in files.items():
            file = data / name
            if file.stat().st_size != one["Size"]:
                raise broken(f"{name}: {file.stat().st_size} != {one['Size']}")
            if one.get("Checksum-Algorithm") == "SHA256" and _sha256(file, told) != one["Checksum"]:
                raise broken(f"{name}: SHA-256")
        there = {str(file.relative_to(data)) for file in data.rglob("*") if file.is_file()}
        for name in sorted(there - files.keys() - {"backup_manifest"}):
            if not name.startswith("pg_wal/"):
                raise broken(name)
        for name in _missing(manifest["WAL-Ranges"], data / "pg_wal"):
            raise broken(f"pg_wal/{name}")
    except (OSError, ValueError, KeyError) as error:
        raise broken(str(error)) from error


def _name(one: dict[str, Any]) -> str:
    return str(one["Path"]) if "Path" in one else bytes.fromhex(one["Encoded-Path"]).decode("utf-8", "surrogateescape")


def _sha256(file: Path, told: Callable[[int], None]) -> str:
    digest = hashlib.sha256()
    with open(file, "rb") as opened:
        while chunk := opened.read(CHUNK):
            digest.update(chunk)
            told(len(chunk))
    return digest.hexdigest()


def _missing(ranges: list[dict[str, Any]], folder: Path) -> list[str]:
    """The segments of the log that a restore needs and that are not there."""
    held = {file.name: file.stat().st_size for file in folder.iterdir() if len(file.name) == 24}
    size = max(held.values(), default=16 * CHUNK)
    each = (1 << 32) // size
    wanted = [
        f"{one['Timeline']:08X}{number // each:08X}{number % each:08X}"
        for one in ranges
        for number in range(_place(one["Start-LSN"]) // size, (_place(one["End-LSN"]) - 1) // size + 1)
    ]
    return [name for name in wanted if held.get(name) != size]


def _place(lsn: str) -> int:
    high, low = lsn.split("/")
    return (int(high, 16) << 32) + int(low, 16)

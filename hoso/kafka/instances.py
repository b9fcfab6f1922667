"""A name that a process has again when it starts again: its partitions then wait for it (static membership)."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def instance(var: Path, name: str) -> Iterator[str]:
    """The lowest free number of this service in this folder, held by a lock that ends with the process, however it ends.

    Copies with folders of their own differ by the folder's own name, those that share one by the number.
    """
    folder = var / "instances"
    folder.mkdir(parents=True, exist_ok=True)
    place = _own_name(folder)
    for number in range(1, 1000):
        handle = os.open(folder / f"{name}.{number}", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            continue
        try:
            yield f"hoso.{name}.{place}.{number}"
        finally:
            os.close(handle)
        return
    raise RuntimeError(f"1,000 copies of {name} run in {var}")


def _own_name(folder: Path) -> str:
    """Made once, at random: hosts and paths of machines that were set up alike are alike, and two of one name put each other out."""
    handle = os.open(folder / "id", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        name = os.read(handle, 100).decode("ascii", "replace").strip()
        if not name.isalnum():  # new, or empty after a power cut
            name = secrets.token_hex(8)
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{name}\n".encode(), 0)
            os.fsync(handle)
        return name
    finally:
        os.close(handle)

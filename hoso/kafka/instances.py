"""A name that a process has again when it starts again: its partitions then wait for it (static membership)."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import zlib
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def instance(var: Path, name: str) -> Iterator[str]:
    """The lowest free number of this service in this folder, held by a lock that ends with the process, however it ends.

    Copies with folders of their own differ by host and folder, those that share one by the number.
    """
    folder = var / "instances"
    folder.mkdir(parents=True, exist_ok=True)
    place = zlib.crc32(str(folder.resolve()).encode())
    for number in range(1, 1000):
        handle = os.open(folder / f"{name}.{number}", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            continue
        try:
            yield f"hoso.{name}.{socket.gethostname()}.{place:08x}.{number}"
        finally:
            os.close(handle)
        return
    raise RuntimeError(f"1,000 copies of {name} run in {var}")

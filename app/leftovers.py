"""Children of a supervisor that was killed: they drain by themselves, and hold the port of the API until they have."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

DRAIN_S = 12.0
"""A child drains for up to 8 s."""


def leftovers(var: Path) -> list[int]:
    """Services that some supervisor of this folder started. Only for whoever holds the folder's lock: then none is alive."""
    wanted = f"HOSO_VAR={var.absolute()}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if b"app.main" not in words or b"run" not in words:
                continue
            said = (entry / "environ").read_bytes().split(b"\0")
        except OSError:  # gone, or somebody else's
            continue
        if wanted in said and any(one.startswith(b"SUPERVISED_BY=") for one in said):
            found.append(int(entry.name))
    return found


def end_leftovers(var: Path, stopped: Callable[[], bool], seconds: float = DRAIN_S) -> int:
    """Tell them to end, wait for them, at last kill them; how many there were. Comes back early when `stopped`."""
    first = pids = leftovers(var)
    _send(pids, signal.SIGTERM)
    _send(pids, signal.SIGCONT)
    until = time.monotonic() + seconds
    while pids and time.monotonic() < until and not stopped():
        time.sleep(0.05)
        pids = leftovers(var)
    if stopped():
        return len(first)
    _send(pids, signal.SIGKILL)
    until = time.monotonic() + 5
    while pids and time.monotonic() < until:
        time.sleep(0.05)
        pids = leftovers(var)
    return len(first)


def _send(pids: list[int], sign: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sign)

"""Ports of this machine."""

from __future__ import annotations

import contextlib
import socket

from demo.post_plan import CannotStart


def free_port(wanted: int = 0) -> int:
    """The wanted port of loopback if it is free, else one that is."""
    for port in (wanted, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise CannotStart("no port of 127.0.0.1 is free.")

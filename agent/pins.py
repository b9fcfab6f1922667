"""Where a PIN comes from: the person, a file descriptor, or a file only this person can read. Never argv, never the environment."""

from __future__ import annotations

import getpass
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

from agent.failures import WrongUsage

PinSource = Callable[[], str]


def pin_source(descriptor: int | None, file: Path | None) -> PinSource:
    """Called at most once a process: the PIN is asked for when the token is there, and kept in memory only."""
    if descriptor is not None:
        return lambda: _first_line(_drained(descriptor))
    if file is not None:
        return lambda: _first_line(_guarded(file))
    return _asked


def _asked() -> str:
    if not sys.stdin.isatty():
        raise WrongUsage("Không có bàn phím để hỏi PIN; hãy dùng --pin-fd hoặc --pin-file.")
    return getpass.getpass("PIN của token: ")


def _drained(descriptor: int) -> bytes:
    try:
        with os.fdopen(descriptor, "rb") as pipe:
            return pipe.read(4096)
    except OSError as error:
        raise WrongUsage(f"Không đọc được PIN từ --pin-fd {descriptor}: {error.strerror}") from error


def _guarded(file: Path) -> bytes:
    try:
        if sys.platform != "win32" and stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise WrongUsage(f"Người khác đọc được {file}; hãy chạy chmod 600 {file}.")
        return file.read_bytes()[:4096]
    except OSError as error:
        raise WrongUsage(f"Không đọc được {file}: {error.strerror}") from error


def _first_line(data: bytes) -> str:
    pin = data.split(b"\n")[0].rstrip(b"\r").decode("utf-8", "replace")
    if not pin:
        raise WrongUsage("PIN trống.")
    return pin

"""One process a token on this machine. The system lets go of the lock when the process ends, however it ends."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from agent.failures import TokenBusy


@contextlib.contextmanager
def only_one(certificate_sha256: str, folder: Path | None = None) -> Iterator[None]:
    """Hold the token of this certificate. Raises TokenBusy at once when another process has it.

    The lock is SQLite's, because it works alike on every system; the file is the machine's, not the person's, because
    two people of one machine share its token.
    """
    path = (folder or Path(tempfile.gettempdir())) / f"hoso-token-{certificate_sha256[:32]}.lock"
    busy = TokenBusy(
        f"Một tiến trình khác trên máy này đang dùng token (khoá {path}). Chỉ chạy một chương trình ký cho mỗi token."
    )
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        os.chmod(path, 0o666)  # there is nothing in it, and the next person of this machine must be able to lock it
    db = sqlite3.connect(path, timeout=0, isolation_level=None)
    try:
        try:
            db.execute("begin exclusive")
        except sqlite3.OperationalError as error:
            raise busy from error
        yield
    finally:
        db.close()

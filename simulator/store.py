"""What the agency remembers: one SQLite file, written by group commit.

Statements run at once inside an open transaction; `settled()` returns when that transaction is committed, and every
answer waits for it. So what a caller was told survives kill -9, and a thousand filings a second share a few commits.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

COMMIT_EVERY = 0.002
"""Seconds a transaction stays open to be shared."""


class UnusableData(Exception):
    """The data folder cannot be used. The message is one sentence for people."""


class Store:
    """The agency's database. Used from one event loop only; statements are synchronous and take microseconds."""

    def __init__(self, path: Path) -> None:
        try:
            self._db = sqlite3.connect(path, isolation_level=None, cached_statements=512)
            self._db.row_factory = sqlite3.Row
            self._db.execute("pragma busy_timeout = 5000")
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = normal")
            self._db.executescript((Path(__file__).parent / "tables.sql").read_text("utf-8"))
        except sqlite3.Error as error:
            raise UnusableData(
                f"{path} cannot be used as the agency's database ({error}): name another folder with --data."
            ) from error
        self._settled: asyncio.Future[None] | None = None

    def write(self, sql: str, values: Iterable[Any] = ()) -> sqlite3.Cursor:
        """Change something within the shared transaction."""
        if self._settled is None:
            loop = asyncio.get_running_loop()
            self._db.execute("begin immediate")
            self._settled = loop.create_future()
            loop.call_later(COMMIT_EVERY, self._commit)
        return self._db.execute(sql, tuple(values))

    def rows(self, sql: str, values: Iterable[Any] = ()) -> list[sqlite3.Row]:
        """Read all rows, uncommitted changes included: wait for `settled()` before telling anybody."""
        return self._db.execute(sql, tuple(values)).fetchall()

    def row(self, sql: str, values: Iterable[Any] = ()) -> sqlite3.Row | None:
        """Read the first row, or None."""
        found: sqlite3.Row | None = self._db.execute(sql, tuple(values)).fetchone()
        return found

    async def settled(self) -> None:
        """Return when everything written so far is committed."""
        if self._settled is not None:
            await asyncio.shield(self._settled)

    def _commit(self) -> None:
        if self._settled is None:
            return
        done, self._settled = self._settled, None
        try:
            self._db.execute("commit")
        except sqlite3.Error as error:
            self._db.execute("rollback")
            done.set_exception(error)
            done.exception()  # somebody may not be waiting
        else:
            done.set_result(None)

    def close(self) -> None:
        """Commit what is open and close the file."""
        self._commit()
        self._db.close()

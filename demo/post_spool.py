"""What a mail host keeps, in one SQLite file: mails, ports, passwords."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from demo.ports import free_port


class Spool:
    """Every mail ever accepted, and the ports in use: what mailboxes are refilled from."""

    def __init__(self, file: Path) -> None:
        self._db = sqlite3.connect(file, isolation_level=None)
        self._db.executescript(
            "pragma journal_mode = wal; pragma synchronous = normal; pragma busy_timeout = 5000;"
            "create table if not exists mails (id integer primary key, box text not null, received real not null, "
            "content blob not null);"
            "create index if not exists mails_by_box on mails (box);"
            "create table if not exists ports (name text primary key, port integer not null);"
            "create table if not exists passwords (box text primary key, password text not null)"
        )

    def keep(self, box: str, received: float, content: bytes) -> None:
        """Note an accepted mail; it survives kill -9."""
        self._db.execute("insert into mails (box, received, content) values (?, ?, ?)", (box, received, content))

    def mails(self, box: str) -> Iterable[tuple[float, bytes]]:
        """All mails of a mailbox, in order of arrival."""
        return self._db.execute("select received, content from mails where box = ? order by id", (box,))

    def port(self, name: str) -> int:
        """A free port for a name: the same as last time where that is still free."""
        row = self._db.execute("select port from ports where name = ?", (name,)).fetchone()
        port = free_port(row[0] if row else 0)
        self._db.execute("insert or replace into ports (name, port) values (?, ?)", (name, port))
        return port

    def password(self, box: str) -> str:
        """The password made up for a mailbox: the same over restarts."""
        self._db.execute(
            "insert or ignore into passwords (box, password) values (?, ?)", (box, secrets.token_urlsafe(12))
        )
        return str(self._db.execute("select password from passwords where box = ?", (box,)).fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        self._db.close()

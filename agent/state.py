"""What a workstation remembers across restarts: whom it belongs to, its own key, and whether its PIN is suspect.

One SQLite file in the person's own folder, flushed with every write. Never the PIN.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from agent.failures import WrongUsage

_TABLES = """
create table if not exists enrolment (
  one integer primary key check (one = 1), server text not null, ca text not null, agent text not null, key blob not null,
  module text not null, certificate blob not null, profile text not null);
create table if not exists counter (one integer primary key check (one = 1), last integer not null);
create table if not exists answer (question text primary key, body text not null);
create table if not exists pin (certificate text primary key, state text not null, at integer not null);
"""

PinState = Literal["", "trying", "suspect"]


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What was agreed with the server when the one-time code was redeemed."""

    server: str
    """Its address, `https://host:port`."""
    ca: str
    """PEM file of the authority that signed the server's certificate; empty: the system's authorities."""
    agent: str
    """Our name there."""
    key: bytes = field(repr=False)
    """Our Ed25519 key, 32 raw bytes."""
    module: str
    """The token's PKCS#11 library."""
    certificate: bytes = field(repr=False)
    """DER; the only certificate that is signed with."""
    profile: str


def folder_of_this_person() -> Path:
    """Where the state lies when nobody says otherwise."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", str(Path.home()))) / "hoso-agent"
    return Path(os.environ.get("XDG_STATE_HOME", str(Path.home() / ".local" / "state"))) / "hoso-agent"


class State:
    """The file. Opened and closed with every use, so that a second command (reset-pin-suspect) can write meanwhile."""

    def __init__(self, folder: Path) -> None:
        """Makes the folder and the file, for this person's eyes only. Raises WrongUsage."""
        self.path = folder / "agent.db"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            with self._open() as db:
                db.executescript(_TABLES)
        except (OSError, sqlite3.Error) as error:
            raise WrongUsage(
                f"Không ghi được thư mục {folder} ({error}); hãy chọn thư mục khác bằng --state."
            ) from error

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        db = sqlite3.connect(self.path, timeout=10, isolation_level=None)
        try:
            db.execute("pragma synchronous = full")
            yield db
        finally:
            db.close()

    def enrolment(self) -> Enrolment | None:
        with self._open() as db:
            row = db.execute("select server, ca, agent, key, module, certificate, profile from enrolment").fetchone()
        return None if row is None else Enrolment(*row)

    def enrol(self, one: Enrolment) -> None:
        """Replaces an earlier enrolment."""
        with self._open() as db:
            db.execute(
                "insert or replace into enrolment(one, server, ca, agent, key, module, certificate, profile) "
                "values (1, ?, ?, ?, ?, ?, ?, ?)",
                (one.server, one.ca, one.agent, one.key, one.module, one.certificate, one.profile),
            )

    def next_counter(self) -> int:
        """A number larger than every one before, also when the clock was set back: the server takes none twice."""
        with self._open() as db:
            row = db.execute(
                "insert into counter(one, last) values (1, ?) on conflict (one) do update "
                "set last = max(last + 1, excluded.last) returning last",
                (time.time_ns() // 1000,),
            ).fetchone()
        return int(row[0])

    def answers(self) -> list[tuple[str, str]]:
        """What was decided here and is not known to have reached the server, as (question, JSON): nobody is asked twice."""
        with self._open() as db:
            return [(str(q), str(b)) for q, b in db.execute("select question, body from answer order by rowid")]

    def decided(self, question: str, body: str) -> None:
        with self._open() as db:
            db.execute("insert or replace into answer(question, body) values (?, ?)", (question, body))

    def delivered(self, question: str) -> None:
        with self._open() as db:
            db.execute("delete from answer where question = ?", (question,))

    def pin(self, certificate_sha256: str) -> PinState:
        """`trying` found at a start means: the process died while the token was looking at the PIN. Nobody knows what it said."""
        with self._open() as db:
            row = db.execute("select state from pin where certificate = ?", (certificate_sha256,)).fetchone()
        state: PinState = "" if row is None else row[0]
        return state

    def pin_is(self, certificate_sha256: str, state: PinState) -> None:
        """Durable before this returns."""
        with self._open() as db:
            if state:
                db.execute(
                    "insert or replace into pin(certificate, state, at) values (?, ?, ?)",
                    (certificate_sha256, state, int(time.time())),
                )
            else:
                db.execute("delete from pin where certificate = ?", (certificate_sha256,))

    def pins_are_good(self) -> None:
        """A person has said so."""
        with self._open() as db:
            db.execute("delete from pin")

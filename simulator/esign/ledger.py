"""What the service remembers: one SQLite file; every statement is committed before its answer goes out."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

OPEN = "PENDING"


class Ledger:
    """Prompts, documents, people, tokens and faults. Used from one event loop only."""

    def __init__(self, file: Path) -> None:
        self._db = sqlite3.connect(file, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = normal")
        self._db.executescript((Path(__file__).parent / "tables.sql").read_text("utf-8"))

    def write(self, sql: str, *values: Any) -> int:
        """Change something; how many rows."""
        return self._db.execute(sql, values).rowcount

    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        return [dict(row) for row in self._db.execute(sql, values).fetchall()]

    def row(self, sql: str, *values: Any) -> dict[str, Any] | None:
        found = self._db.execute(sql, values).fetchone()
        return None if found is None else dict(found)

    def together(self, statements: Iterable[tuple[str, tuple[Any, ...]]]) -> None:
        """All of them, or none."""
        self._db.execute("begin immediate")
        try:
            for sql, values in statements:
                self._db.execute(sql, values)
        except BaseException:
            self._db.execute("rollback")
            raise
        self._db.execute("commit")

    def close(self) -> None:
        self._db.close()

    # --- the world's clock ----------------------------------------------------------------------------------------

    def now(self) -> float:
        """World time, seconds since 1970; real time until somebody sets it."""
        row = self.row("select base, anchor, rate from clock")
        return time.time() if row is None else float(row["base"] + (time.time() - row["anchor"]) * row["rate"])

    def set_clock(self, base: float, anchor: float, rate: float) -> None:
        """world time = base + (real time - anchor) * rate."""
        if not 0 <= rate <= 1e6:
            raise ValueError("rate must be between 0 and 1000000")
        self.write("insert or replace into clock(id, base, anchor, rate) values (1, ?, ?, ?)", base, anchor, rate)

    # --- faults -----------------------------------------------------------------------------------------------------

    def fire(self, call: str) -> str | None:
        """The fault that happens to this call now; it is counted as used."""
        row = self.row(
            "select id, fault from fault where call = ? and (times is null or used < times) order by id limit 1", call
        )
        if row is None:
            return None
        self.write("update fault set used = used + 1 where id = ?", row["id"])
        return str(row["fault"])

    # --- the judge --------------------------------------------------------------------------------------------------

    def doubles(self) -> list[dict[str, Any]]:
        """Things somebody was asked for twice: one document (by our partner's id, or by its digest) in two prompts that
        were on the phone at the same moment, or that were both approved."""
        found = self.rows(
            "select distinct d.id as document, a.number as first, b.number as second, "
            "case when a.state = 'SUCCESS' and b.state = 'SUCCESS' then 'approved twice' else 'open twice' end as what "
            "from prompt a join prompt b on a.number < b.number "
            "join document d on d.prompt = a.number join document e on e.prompt = b.number and (e.id = d.id or e.digest = d.digest) "
            "where (a.state = 'SUCCESS' and b.state = 'SUCCESS') or (a.opened < coalesce(b.closed, b.expires) "
            "and b.opened < coalesce(a.closed, a.expires)) order by 1"
        )
        return found

    def shown(self) -> dict[str, Any]:
        """Everything, as JSON shows it; no password, key or token."""
        prompts = self.rows("select * from prompt order by opened, number")
        for prompt in prompts:
            prompt["documents"] = [
                {**row, "digest": row["digest"].hex(), "signature": row["signature"] and row["signature"].hex()}
                for row in self.rows("select * from document where prompt = ? order by position", prompt["number"])
            ]
        return {
            "world": datetime.fromtimestamp(self.now(), UTC).isoformat(),
            "prompts": prompts,
            "doubles": self.doubles(),
            "people": self.rows("select name, user_id, two_factor, remembered, wrong, otp from person order by name"),
            "requests": self.rows("select at, call, person, outcome from request order by id"),
            "messages": self.rows("select id, number, delivered from message order by rowid"),
            "faults": self.rows("select * from fault order by id"),
        }

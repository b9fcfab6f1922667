"""Batches: an uploaded sheet is promised first and worked off in chunks, each in one transaction.

The sheet's bytes are sealed before a batch is promised; `intake.batch.position` says how many of its rows are done and moves in
the chunk's own transaction. So a process may die anywhere: whoever comes next reads the sheet again and goes on at `position`, and
two processes on one batch take turns.

Tenants take turns, a chunk each, so nobody waits behind another's hundred thousand rows; a tenant's own batches are worked off in the
order they came. What cannot go on fails with a sentence, and the others go on.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import json
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from uuid import UUID

from hoso.points import point
from hoso.runtime.consumer import is_lost
from hoso.runtime.failures import HosoError
from hoso.runtime.steps import Tx
from services.intake.admission import Outcome, Request
from services.intake.cancelling import cancel_some
from services.intake.desk import Desk
from services.intake.judging import Judge
from services.intake.ports import Admitter, Clock, Pool, SheetStore
from services.intake.rows import CheckedRow, RowCheck
from services.intake.sheets import Row, read_sheet
from services.intake.validation import fingerprint
from services.intake.views import error_json, note_json

log = logging.getLogger(__name__)

CHUNK = 500
_OPEN = 4
"""Sheets kept open at once: each may be 30 MB."""
_SMALL = 2_000
"""A sheet of at most so many rows is quickly read again, so it waits for no place among the open ones."""
_TRIES = 3
"""How often a chunk may fail in a way nobody foresaw."""

_UNFINISHED = """
select distinct on (tenant) batch, tenant, actor, at, state, position, rows, sheet from intake.batch
where state in ('working', 'cancelling') and batch <> all($1::uuid[]) order by tenant, at, batch
"""


class KeyReused(Exception):
    """The upload's idempotency key came before with another file: {0}."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A sheet somebody sent, already known to be readable."""

    tenant: str
    actor: str
    filename: str
    data: bytes
    rows: int
    notes: tuple[str, ...]
    request: str | None


@dataclass(slots=True)
class _Reader:
    """A sheet opened and read up to `position`."""

    position: int
    rows: Iterator[Row]
    check: RowCheck


_PROMISE = """
insert into intake.batch(batch, tenant, request, filename, sha256, actor, at, state, rows, notes, sheet)
values ($1, $2, $3, $4, $5, $6, $7, 'working', $8, $9, $10) on conflict do nothing returning batch
"""

_ROWS = """
insert into intake.batch_row(batch, row, row_key, outcome, enrolment, errors, notes)
select $1, t.* from unnest($2::int[], $3::text[], $4::text[], $5::uuid[], $6::jsonb[], $7::jsonb[]) as t
"""


class Batches:
    """Takes uploads and works them off."""

    def __init__(self, pool: Pool, desk: Desk, log_: Admitter, sheets: SheetStore, clock: Clock, judge: Judge) -> None:
        self._pool = pool
        self._desk = desk
        self._log = log_
        self._sheets = sheets
        self._clock = clock
        self._judge = judge
        self._wake = asyncio.Event()
        self._readers: dict[UUID, _Reader] = {}
        self._served: dict[str, int] = {}
        self._turns = 0
        self._failures: dict[tuple[UUID, int], int] = {}
        self._aside: set[UUID] = set()
        """Batches that could not go on, until there is nothing else to do."""

    def wake(self) -> None:
        """There is something to do."""
        self._wake.set()

    async def promise(self, upload: Upload, batch: UUID) -> tuple[UUID, bool]:
        """Keep the sheet and promise its rows; the batch's id, and whether it is new.

        The same idempotency key and file: the first batch again. Raises KeyReused for another file.
        """
        digest = hashlib.sha256(upload.data).hexdigest()
        found = await self._promised(upload, digest)
        if found is not None:
            return found, False
        sheet = await self._sheets.put(upload.tenant, batch, upload.data)
        async with self._pool.acquire() as tx, tx.transaction():
            new = await tx.fetchval(
                _PROMISE,
                batch,
                upload.tenant,
                upload.request,
                upload.filename[:200],
                digest,
                upload.actor,
                self._clock.now(),
                upload.rows,
                json.dumps(upload.notes, ensure_ascii=False),
                sheet,
            )
            await point("intake.before-commit")
        await point("intake.after-commit")
        if new is None:
            found = await self._promised(upload, digest)
            if found is not None:
                return found, False
        self._wake.set()
        return batch, True

    async def _promised(self, upload: Upload, digest: str) -> UUID | None:
        if upload.request is None:
            return None
        async with self._pool.acquire() as db:
            row = await db.fetchrow(
                "select batch, sha256 from intake.batch where tenant = $1 and request = $2",
                upload.tenant,
                upload.request,
            )
        if row is None:
            return None
        if row["sha256"] != digest:
            raise KeyReused(upload.request)
        found: UUID = row["batch"]
        return found

    # --- working off ----------------------------------------------------------------------------------------------

    async def run(self, until: asyncio.Event, idle: Callable[[asyncio.Event], Awaitable[None]] | None = None) -> None:
        """Work off whatever is unfinished, also what another process left, until `until` is set. Lost connections are waited out."""
        wait = idle or _a_second
        while not until.is_set():
            self._wake.clear()
            try:
                found = await self.turn()
            except Exception as error:
                if not is_lost(error):
                    log.exception("the batches stumbled; going on soon")
                else:
                    log.warning("the database went away; going on with the batches soon", extra={"error": repr(error)})
                found = False
            if not found and not until.is_set():
                await wait(self._wake)

    async def turn(self) -> bool:
        """One chunk of the batch whose turn it is. False when there is nothing to do."""
        async with self._pool.acquire() as db:
            unfinished = await db.fetch(_UNFINISHED, list(self._aside))
        row = self._whose_turn(unfinished)
        if row is None:
            self._aside.clear()  # tried again after the pause
            return False
        batch, position = row["batch"], row["position"]
        try:
            if row["state"] == "cancelling":
                await cancel_some(self._pool, self._log, batch)
            else:
                await self._chunk(row)
            self._failures.pop((batch, position), None)
        except HosoError as error:
            await self._fail(batch, str(error))
        except Exception as error:
            if is_lost(error):
                raise
            await self._stumbled(batch, position, error)
        return True

    def _whose_turn(self, unfinished: Sequence[Any]) -> Any | None:
        """Of each tenant's oldest batch the one whose tenant waits longest; a big sheet also waits for a place to be open in."""
        waiting = {row["batch"] for row in unfinished}
        for batch in set(self._readers) - waiting:
            del self._readers[batch]
        fits = [
            row
            for row in unfinished
            if row["state"] == "cancelling"
            or row["batch"] in self._readers
            or row["rows"] <= _SMALL
            or len(self._readers) < _OPEN
        ]
        if not fits:
            return None
        chosen = min(fits, key=lambda row: (self._served.get(row["tenant"], 0), row["at"]))
        self._turns += 1
        self._served[chosen["tenant"]] = self._turns
        return chosen

    async def _chunk(self, row: Any) -> None:
        """The next rows of a batch, taken in one transaction."""
        batch, tenant, position = row["batch"], row["tenant"], row["position"]
        reader = self._readers.pop(batch, None)  # until the chunk has committed, nobody may go on from here
        if reader is None or reader.position != position:
            reader = await self._opened(tenant, row["sheet"], position)
        chunk = await self._next(reader, tenant, CHUNK)
        end, state = reader.position, "done" if len(chunk) < CHUNK else "working"
        async with self._pool.acquire() as tx, tx.transaction():
            mine = await tx.fetchval(
                "update intake.batch set position = $3, state = $4 "
                "where batch = $1 and position = $2 and state = 'working' returning batch",
                batch,
                position,
                end,
                state,
            )
            if mine is None:
                return  # another process did this chunk meanwhile, or somebody said stop
            ring = await self._work(tx, tenant, batch, row["actor"], chunk)
            await point("intake.before-commit")
        await point("intake.after-commit")
        if state == "done":
            del reader
            gc.collect()  # as in `read_upload`
            log.info("a batch is worked off", extra={"batch": str(batch), "rows": end})
        elif row["rows"] > _SMALL or len(self._readers) < _OPEN:
            self._readers[batch] = reader
        ring()

    async def _opened(self, tenant: str, sheet: UUID, position: int) -> _Reader:
        """The sheet read from its beginning to `position`: this process was not the one that stopped there."""
        data = await self._sheets.get(sheet)
        rows = (await asyncio.to_thread(read_sheet, data)).rows
        reader = _Reader(0, rows, self._judge.sheet())
        while reader.position < position:
            if not await self._next(reader, tenant, min(CHUNK, position - reader.position)):
                break
        return reader

    async def _next(self, reader: _Reader, tenant: str, most: int) -> list[CheckedRow]:
        rows = await asyncio.to_thread(lambda: list(islice(reader.rows, most)))
        reader.position += len(rows)
        return await self._judge.rows(tenant, rows, reader.check)

    async def _stumbled(self, batch: UUID, position: int, error: Exception) -> None:
        """Nobody foresaw this. A chunk gets a few tries, for it may have been a passing conflict; then only its batch ends."""
        place = (batch, position)
        self._failures[place] = self._failures.get(place, 0) + 1
        log.error("a batch stumbled", exc_info=error, extra={"batch": str(batch), "position": position})
        if self._failures[place] >= _TRIES:
            del self._failures[place]
            await self._fail(
                batch,
                f"Lỗi trong hoso ở {CHUNK} dòng sau dòng thứ {position}; các dòng trước đó đã được nhận. "
                "Báo người vận hành; khi đã khắc phục, chạy tiếp bằng `hoso sheet resume`.",
            )

    async def _fail(self, batch: UUID, why: str) -> None:
        """Rows that are done stay done; the batch says why it went no further. One that is being given up
        stays so, and is tried again when nothing else is to be done."""
        self._aside.add(batch)
        log.error("a batch cannot go on", extra={"batch": str(batch), "error": why})
        async with self._pool.acquire() as db:
            await db.execute(
                "update intake.batch set state = 'failed', notes = notes || to_jsonb($2::text) where batch = $1 "
                "and state = 'working'",
                batch,
                why,
            )

    async def _work(
        self, tx: Tx, tenant: str, batch: UUID, actor: str, chunk: Sequence[CheckedRow]
    ) -> Callable[[], None]:
        requests = {
            item.row.number: Request(
                f"{batch}:{item.row.number}",
                item.checked.form,
                fingerprint(item.checked.form),
                actor,
                batch,
                item.row.number,
                item.checked.attachments,
                item.checked.org_unit,
            )
            for item in chunk
            if item.checked.form is not None
        }
        admission = await self._desk.admit(tx, tenant, list(requests.values()), self._clock.now())
        outcomes = dict(zip(requests, admission.outcomes, strict=True))
        await _write_rows(tx, batch, chunk, outcomes)
        return await self._log.admit_many(tx, admission.steps)


async def _a_second(wake: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(wake.wait(), 1.0)
    except TimeoutError:
        return


async def _write_rows(tx: Tx, batch: UUID, chunk: Sequence[CheckedRow], outcomes: dict[int, Outcome]) -> None:
    columns: list[list[Any]] = [[] for _ in range(6)]
    for item in chunk:
        outcome = outcomes.get(item.row.number)
        form = item.checked.form
        key = form.row_key if form is not None else item.row.fields.get("unit_code") or item.row.fields.get("branch_id")
        errors = outcome.errors if outcome else item.checked.errors
        notes = (*item.checked.notes, *(outcome.notes if outcome else ()))
        values = (
            item.row.number,
            (key or "")[:64].replace("\0", ""),
            outcome.word if outcome else "invalid",
            outcome.enrolment if outcome else None,
            json.dumps([error_json(error) for error in errors], ensure_ascii=False),
            json.dumps([note_json(note) for note in notes], ensure_ascii=False),
        )
        for column, value in zip(columns, values, strict=True):
            column.append(value)
    await tx.execute(_ROWS, batch, *columns)


def read_upload(data: bytes, filename: str) -> tuple[int, tuple[str, ...]]:
    """How many data rows a sheet has, and its notes. Raises SheetError. Slow for big sheets: run it in a thread."""
    sheet = read_sheet(data, filename)
    rows, notes = sum(1 for _ in sheet.rows), sheet.notes
    del sheet
    gc.collect()  # a workbook and its pages hold each other: a big one would stay until the collector comes by
    return rows, tuple(notes)

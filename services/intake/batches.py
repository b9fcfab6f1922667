"""Batches: an uploaded sheet, worked off in chunks of one transaction each.

The sheet's bytes are sealed before a batch is promised; `intake.batch.position` says how many of its rows are done and moves in
the chunk's own transaction. So a process may die anywhere: whoever comes next reads the sheet again and goes on at `position`, and
two processes on one batch take turns.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from hoso.points import point
from hoso.runtime.consumer import is_lost
from hoso.runtime.failures import HosoError
from hoso.runtime.steps import Tx
from services.intake.admission import Outcome, Request
from services.intake.desk import Desk
from services.intake.ports import Admitter, Clock, Pool, SheetStore
from services.intake.rows import CheckedRow, check_rows
from services.intake.sheets import read_sheet
from services.intake.validation import CellError, CellNote, fingerprint

log = logging.getLogger(__name__)

CHUNK = 500


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

    def __init__(self, pool: Pool, desk: Desk, log_: Admitter, sheets: SheetStore, clock: Clock) -> None:
        self._pool = pool
        self._desk = desk
        self._log = log_
        self._sheets = sheets
        self._clock = clock
        self._wake = asyncio.Event()
        self._reading: dict[UUID, tuple[int, Iterator[CheckedRow]]] = {}

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
                    raise
                log.warning("the database went away; going on with the batches soon", extra={"error": repr(error)})
                found = False
            if not found and not until.is_set():
                await wait(self._wake)

    async def turn(self) -> bool:
        """One chunk of the oldest unfinished batch. False when there is none, or its sheet cannot be read any more."""
        async with self._pool.acquire() as db:
            row = await db.fetchrow(
                "select batch, tenant, actor, position, sheet from intake.batch where state = 'working' order by at, batch limit 1"
            )
        if row is None:
            return False
        batch, position = row["batch"], row["position"]
        try:
            chunk = await self._chunk(batch, position, row["sheet"])
        except HosoError as error:
            await self._fail(batch, str(error))
            return True
        end, state = position + len(chunk), "done" if len(chunk) < CHUNK else "working"
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
                return True  # another process did this chunk meanwhile
            ring = await self._work(tx, row["tenant"], batch, row["actor"], chunk)
            await point("intake.before-commit")
        await point("intake.after-commit")
        self._reading[batch] = (end, self._reading[batch][1])
        if state == "done":
            del self._reading[batch]
            log.info("a batch is worked off", extra={"batch": str(batch), "rows": end})
        ring()
        return True

    async def _chunk(self, batch: UUID, position: int, sheet: UUID) -> list[CheckedRow]:
        """The next rows. Read from the beginning when this process was not the one that stopped at `position`."""
        at, rows = self._reading.get(batch, (-1, iter(())))
        if at != position:
            data = await self._sheets.get(sheet)
            rows = await asyncio.to_thread(_from, data, position)
        self._reading[batch] = (-1, rows)  # until the chunk has committed, nobody may go on from here
        return await asyncio.to_thread(lambda: list(islice(rows, CHUNK)))

    async def _fail(self, batch: UUID, why: str) -> None:
        """Rows that are done stay done; the batch says why it went no further."""
        log.error("a batch cannot go on", extra={"batch": str(batch), "error": why})
        async with self._pool.acquire() as db:
            await db.execute(
                "update intake.batch set state = 'failed', notes = notes || to_jsonb($2::text) where batch = $1",
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
            )
            for item in chunk
            if item.checked.form is not None
        }
        admission = await self._desk.admit(tx, tenant, list(requests.values()), self._clock.now())
        outcomes = dict(zip(requests, admission.outcomes, strict=True))
        await _write_rows(tx, batch, chunk, outcomes)
        return await self._log.admit_many(tx, admission.steps)


def _from(data: bytes, position: int) -> Iterator[CheckedRow]:
    rows = check_rows(read_sheet(data).rows)
    for _ in islice(rows, position):
        pass
    return rows


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


def error_json(error: CellError) -> dict[str, str]:
    """An error as the API and the tables show it."""
    return {"column": error.column, "message": error.message_vi, "cure": error.cure_vi}


def note_json(note: CellNote) -> dict[str, str]:
    """A note as the API and the tables show it."""
    return {"column": note.column, "message": note.message_vi}


def read_upload(data: bytes, filename: str) -> tuple[int, tuple[str, ...]]:
    """How many data rows a sheet has, and its notes. Raises SheetError. Slow for big sheets: run it in a thread."""
    sheet = read_sheet(data, filename)
    rows = sum(1 for _ in sheet.rows)
    return rows, tuple(sheet.notes)


async def dry_run(pool: Pool, desk: Desk, tenant: str, data: bytes, filename: str, now: datetime) -> dict[str, Any]:
    """What an upload would say about every row, without taking any. Raises SheetError."""
    sheet = await asyncio.to_thread(read_sheet, data, filename)
    checked = check_rows(sheet.rows)
    rows: list[dict[str, Any]] = []
    total = good = 0
    while chunk := await asyncio.to_thread(lambda: list(islice(checked, CHUNK))):
        total += len(chunk)
        forms = [(item, item.checked.form) for item in chunk if item.checked.form is not None]
        requests = [Request(str(item.row.number), form, "", "") for item, form in forms]
        async with pool.acquire() as tx:
            looks = await desk.look(tx, tenant, requests)
        missing = {item.row.number: look for (item, _), look in zip(forms, looks, strict=True) if look is not None}
        for item in chunk:
            look = missing.get(item.row.number)
            errors = look.errors if look else item.checked.errors
            good += not errors
            if errors or item.checked.notes:
                rows.append(
                    {
                        "row": item.row.number,
                        "errors": [error_json(error) for error in errors],
                        "notes": [note_json(note) for note in item.checked.notes],
                    }
                )
    return {
        "dry_run": True,
        "at": now.isoformat(),
        "rows": total,
        "good": good,
        "bad": total - good,
        "notes": sheet.notes,
        "row_remarks": rows,
    }

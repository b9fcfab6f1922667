"""Intake over HTTP: sheets and single requests in, progress and result sheets out. One tenant sees nothing of another.

Errors are RFC 9457 problems (`problems.py`). The API describes itself at /openapi.json.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import islice
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse

from services.intake import http_attachments, http_org, problems, views
from services.intake.admission import Outcome
from services.intake.admission import Request as EnrolRequest
from services.intake.batches import KeyReused, Upload, read_upload
from services.intake.bodies import idempotency_key, read_fields, read_sheet_body
from services.intake.cancelling import Order, say
from services.intake.cells import MAX_BYTES, SheetError
from services.intake.columns import COLUMNS
from services.intake.dry_run import dry_run as look_through
from services.intake.gate import gate
from services.intake.lingering import Lingering
from services.intake.ports import Principal
from services.intake.problems import Problem, not_found
from services.intake.rooms import READ, SUBMIT, Rooms
from services.intake.sheets import Row, read_sheet
from services.intake.sheets_out import ResultBook, RowResult, template
from services.intake.validation import fingerprint
from services.intake.views import error_json, note_json

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_PAGE = 500
_LAST_ROW = 2**31 - 1
_PIECE = 2_000
"""Rows of a result sheet written at once."""

_FIELDS_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        c.key: {"type": "string", "description": f"{c.header}. {c.help}", "maxLength": c.longest}
                        for c in COLUMNS
                    },
                    "required": [c.key for c in COLUMNS if c.required],
                },
                "example": {c.key: c.example for c in COLUMNS if c.example},
            }
        },
    }
}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_FORM = {"schema": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}}
_SHEET_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {XLSX: _BINARY, "text/csv": _BINARY, "multipart/form-data": _FORM}}
}


class InFlight:
    """Idempotency keys being worked on by this process. Across processes the second one waits and gets the first's answer."""

    def __init__(self) -> None:
        self._keys: set[tuple[str, str]] = set()

    @asynccontextmanager
    async def hold(self, tenant: str, key: str | None) -> AsyncIterator[None]:
        """Raises Problem 409 while the same key is held."""
        if key is None:
            yield
            return
        if (tenant, key) in self._keys:
            detail = "Một yêu cầu với khoá này đang được xử lý; chờ rồi gửi lại."
            raise Problem(409, "idempotency-key-in-flight", "Khoá đang được dùng", detail)
        self._keys.add((tenant, key))
        try:
            yield
        finally:
            self._keys.discard((tenant, key))


def build_app(rooms: Rooms) -> FastAPI:
    """The application. Nothing runs by itself: `rooms.batches.run` is started by whoever serves this."""
    app = FastAPI(title="hoso intake", version="1", docs_url=None, redoc_url=None)
    problems.install(app)
    for router in (_router(rooms), http_attachments.routes(rooms), http_org.routes(rooms)):
        app.include_router(router)
    app.add_middleware(Lingering)
    return app


def _router(rooms: Rooms) -> APIRouter:
    router = APIRouter(prefix="/v1")
    in_flight = InFlight()

    may = gate(rooms.keys)
    reader, sender = Depends(may(READ)), Depends(may(SUBMIT))

    @router.post("/batches", status_code=202, openapi_extra=_SHEET_BODY)
    async def post_batch(request: Request, dry_run: bool = False, who: Principal = sender) -> Response:
        """Upload a sheet (xlsx or csv, raw or as a form). Rows with errors are refused one by one; the others go on."""
        key = idempotency_key(request, required=False)
        held = in_flight.hold(who.tenant, f"batch:{key}" if key else None)
        async with held, rooms.bodies.turn(request, who.tenant):
            data, filename = await rooms.bodies.read(read_sheet_body(request, MAX_BYTES))
            return await _take_batch(rooms, who, data, filename, key, dry=dry_run)

    @router.get("/batches")
    async def get_batches(
        who: Principal = reader, before: UUID | None = None, limit: Annotated[int, Query(ge=1, le=_PAGE)] = 100
    ) -> dict[str, Any]:
        """Your batches, the newest first. `next` is the `before` of the next page."""
        async with rooms.pool.acquire() as db:
            found = await views.batches(db, who.tenant, before, limit)
        return {"batches": found, "next": found[-1]["batch"] if len(found) == limit else None}

    @router.get("/batches/{batch}")
    async def get_batch(
        batch: UUID,
        who: Principal = reader,
        after: Annotated[int, Query(ge=0, le=_LAST_ROW)] = 0,
        limit: Annotated[int, Query(ge=1, le=_PAGE)] = 100,
        errors_only: bool = False,
    ) -> dict[str, Any]:
        """How far a batch is, and a page of its rows. `next` is the `after` of the next page."""
        async with rooms.pool.acquire() as db:
            found = await views.batch(db, who.tenant, batch)
            if found is None:
                raise not_found("lô")
            rows = await views.batch_rows(db, who.tenant, batch, after=after, limit=limit, errors_only=errors_only)
        return {**found, "page": rows, "next": rows[-1]["row"] if len(rows) == limit else None}

    @router.get("/batches/{batch}/result.xlsx", responses={200: {"content": {XLSX: {}}}})
    async def get_result(batch: UUID, who: Principal = reader, bad_only: bool = False) -> Response:
        """Your sheet, columns and rows where they were, with what became of each row behind it and the cells to mend coloured.

        At any time. Mend it and send it in again: only what is new or corrected is taken. `bad_only`: the rows to mend alone.
        """
        body = await _result(rooms, who.tenant, batch, bad_only=bad_only)
        return _file(body, f"{'can-sua' if bad_only else 'ket-qua'}-{batch}.xlsx")

    @router.post("/batches/{batch}/{order}")
    async def post_order(
        batch: UUID, order: Order, who: Principal = sender, reason: Annotated[str, Query(max_length=500)] = ""
    ) -> dict[str, str]:
        """pause: rows not begun wait · resume · cancel: rows not begun are not begun, and every enrolment that the batch opened and
        that is still open is given up; what was filed runs to its outcome. Saying it again is harmless."""
        state = await say(rooms.pool, who.tenant, batch, order, who.actor, " ".join(reason.split()))
        if state is None:
            raise not_found("lô")
        rooms.batches.wake()
        return {"batch": str(batch), "state": state}

    @router.post("/enrolments", status_code=202, openapi_extra=_FIELDS_BODY)
    async def post_enrolment(request: Request, who: Principal = sender) -> Response:
        """Ask for one unit. The same Idempotency-Key and data: the same answer."""
        key = idempotency_key(request, required=True) or ""
        async with in_flight.hold(who.tenant, key):
            return await _take_one(rooms, who, key, await read_fields(request))

    @router.get("/enrolments/{enrolment}")
    async def get_enrolment(enrolment: UUID, who: Principal = reader) -> dict[str, Any]:
        """Where one enrolment stands."""
        async with rooms.pool.acquire() as db:
            found = await views.enrolment(db, who.tenant, enrolment)
        if found is None:
            raise not_found("hồ sơ đăng ký")
        return found

    @router.get("/enrolments")
    async def get_enrolments(
        who: Principal = reader,
        batch: UUID | None = None,
        after: UUID | None = None,
        limit: Annotated[int, Query(ge=1, le=_PAGE)] = 100,
    ) -> dict[str, Any]:
        """Enrolments, oldest first; of one batch when it is given."""
        async with rooms.pool.acquire() as db:
            found = await views.enrolments(db, who.tenant, batch, after, limit)
        return {"enrolments": found, "next": found[-1]["enrolment"] if len(found) == limit else None}

    @router.get("/sheet-template", responses={200: {"content": {XLSX: {}}}})
    async def get_template(_: Principal = reader) -> Response:
        """An empty sheet to fill in."""
        return _file(await asyncio.to_thread(template, rooms.judge.reasons), "hoso-mau.xlsx")

    return router


def _file(body: bytes, name: str) -> Response:
    return Response(body, media_type=XLSX, headers={"Content-Disposition": f'attachment; filename="{name}"'})


async def _take_batch(
    rooms: Rooms, who: Principal, data: bytes, filename: str, key: str | None, *, dry: bool
) -> JSONResponse:
    try:
        if dry:
            now = rooms.clock.now()
            return JSONResponse(
                await look_through(rooms.pool, rooms.desk, rooms.judge, who.tenant, data, filename, now)
            )
        rows, notes = await asyncio.to_thread(read_upload, data, filename)
        upload = Upload(who.tenant, who.actor, filename, data, rows, notes, key)
        batch, new = await rooms.batches.promise(upload, rooms.new_id())
    except SheetError as error:
        raise Problem(422, "unreadable-sheet", error.message, error.cure) from error
    except KeyReused as error:
        raise _key_reused() from error
    body = {"batch": str(batch), "rows": rows, "notes": list(notes), "repeated": not new}
    return JSONResponse(body, 202, {"Location": f"/v1/batches/{batch}"})


async def _take_one(rooms: Rooms, who: Principal, key: str, fields: dict[str, str]) -> JSONResponse:
    checked = await rooms.judge.one(who.tenant, fields)
    if checked.form is None:
        errors = [error_json(error) for error in checked.errors]
        raise Problem(422, "invalid-fields", "Dữ liệu chưa đúng", "Sửa các cột dưới đây rồi gửi lại.", errors=errors)
    request = EnrolRequest(
        key,
        checked.form,
        fingerprint(checked.form),
        who.actor,
        attachments=checked.attachments,
        org_unit=checked.org_unit,
    )
    outcome = await rooms.gatherer.take(who.tenant, request)
    if outcome.word == "refused":
        raise _refusal(outcome)
    body = {
        "enrolment": str(outcome.enrolment),
        "outcome": outcome.word,
        "notes": [note_json(note) for note in (*checked.notes, *outcome.notes)],
    }
    return JSONResponse(body, 202 if outcome.new else 200, {"Location": f"/v1/enrolments/{outcome.enrolment}"})


def _refusal(outcome: Outcome) -> Problem:
    if outcome.code == "key-reused":
        return _key_reused()
    status = 409 if outcome.code in ("already-filed", "later-refused") else 422
    more = {"enrolment": str(outcome.enrolment)} if outcome.enrolment else {}
    errors = [error_json(error) for error in outcome.errors]
    first = outcome.errors[0]
    return Problem(status, outcome.code, first.message_vi, first.cure_vi, errors=errors, **more)


def _key_reused() -> Problem:
    detail = "Dùng một khoá mới cho nội dung mới; khoá cũ chỉ để gửi lại đúng nội dung cũ."
    return Problem(422, "idempotency-key-reused", "Idempotency-Key đã dùng cho nội dung khác", detail)


async def _result(rooms: Rooms, tenant: str, batch: UUID, *, bad_only: bool) -> bytes:
    """The result sheet; what it was made from is let go at once."""
    body = await _written(rooms, tenant, batch, bad_only=bad_only)
    gc.collect()  # as in `batches.read_upload`
    return body


async def _written(rooms: Rooms, tenant: str, batch: UUID, *, bad_only: bool) -> bytes:
    """The result sheet, made a piece at a time: a big sheet needs no more memory than a small one."""
    async with rooms.pool.acquire() as db:
        found = await db.fetchrow(
            "select sheet, state from intake.batch where tenant = $1 and batch = $2", tenant, batch
        )
    if found is None:
        raise not_found("lô")
    waiting = views.NOT_BEGUN.get(found["state"], views.WAITING)
    sheet = await asyncio.to_thread(read_sheet, await rooms.sheets.get(found["sheet"]))
    book = ResultBook(sheet, compact=bad_only)
    while rows := await asyncio.to_thread(lambda: list(islice(sheet.rows, _PIECE))):
        first, last = rows[0].number - 1, rows[-1].number
        async with rooms.pool.acquire() as db:
            known = await views.batch_rows(db, tenant, batch, after=first, limit=_PIECE, errors_only=False, to=last)
        results = {row["row"]: views.row_result(row) for row in known}
        await asyncio.to_thread(_add, book, rows, results, waiting, bad_only)
    return await asyncio.to_thread(book.finish)


def _add(book: ResultBook, rows: list[Row], results: dict[int, RowResult], waiting: RowResult, bad_only: bool) -> None:
    for row in rows:
        result = results.get(row.number, waiting)
        if result.bad or not bad_only:
            book.add(row, result)

"""Intake over HTTP: sheets and single requests in, progress and result sheets out. One tenant sees nothing of another.

Errors are RFC 9457 problems (`problems.py`). The API describes itself at /openapi.json.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse

from services.intake import problems, views
from services.intake.admission import Outcome
from services.intake.admission import Request as EnrolRequest
from services.intake.batches import Batches, KeyReused, Upload, dry_run, error_json, note_json, read_upload
from services.intake.bodies import idempotency_key, read_fields, read_sheet_body
from services.intake.cells import MAX_BYTES, SheetError
from services.intake.columns import COLUMNS
from services.intake.desk import Desk
from services.intake.gate import gate
from services.intake.gather import Gatherer
from services.intake.ports import Clock, Keys, Pool, Principal, SheetStore
from services.intake.problems import Problem, not_found
from services.intake.sheets import read_sheet
from services.intake.sheets_out import RowResult, result_sheet, template
from services.intake.validation import fingerprint, validate

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
SUBMIT, READ = "submit", "read"
_PAGE = 500

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


@dataclass(frozen=True, slots=True)
class Rooms:
    """What the API stands on."""

    pool: Pool
    desk: Desk
    gatherer: Gatherer
    batches: Batches
    sheets: SheetStore
    keys: Keys
    clock: Clock
    new_id: Callable[[], UUID]


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
    app.include_router(_router(rooms))
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
        async with in_flight.hold(who.tenant, f"batch:{key}" if key else None):
            data, filename = await read_sheet_body(request, MAX_BYTES)
            return await _take_batch(rooms, who, data, filename, key, dry=dry_run)

    @router.get("/batches/{batch}")
    async def get_batch(
        batch: UUID,
        who: Principal = reader,
        after: int = 0,
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
    async def get_result(batch: UUID, who: Principal = reader) -> Response:
        """The uploaded rows with what became of each beside them."""
        body = await _result(rooms, who.tenant, batch)
        return _file(body, f"ket-qua-{batch}.xlsx")

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
        return _file(await asyncio.to_thread(template), "hoso-mau.xlsx")

    return router


def _file(body: bytes, name: str) -> Response:
    return Response(body, media_type=XLSX, headers={"Content-Disposition": f'attachment; filename="{name}"'})


async def _take_batch(
    rooms: Rooms, who: Principal, data: bytes, filename: str, key: str | None, *, dry: bool
) -> JSONResponse:
    try:
        if dry:
            return JSONResponse(await dry_run(rooms.pool, rooms.desk, who.tenant, data, filename, rooms.clock.now()))
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
    checked = await asyncio.to_thread(validate, fields) if len(fields) > 100 else validate(fields)
    if checked.form is None:
        errors = [error_json(error) for error in checked.errors]
        raise Problem(422, "invalid-fields", "Dữ liệu chưa đúng", "Sửa các cột dưới đây rồi gửi lại.", errors=errors)
    request = EnrolRequest(key, checked.form, fingerprint(checked.form), who.actor)
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


async def _result(rooms: Rooms, tenant: str, batch: UUID) -> bytes:
    results: dict[int, RowResult] = {}
    async with rooms.pool.acquire() as db:
        ref = await db.fetchval("select sheet from intake.batch where tenant = $1 and batch = $2", tenant, batch)
        if ref is None:
            raise not_found("lô")
        after = 0
        while rows := await views.batch_rows(db, tenant, batch, after=after, limit=5_000, errors_only=False):
            results.update((row["row"], views.row_result(row)) for row in rows)
            after = rows[-1]["row"]
    data = await rooms.sheets.get(ref)
    waiting = RowResult("Chờ xử lý")

    def write() -> bytes:
        sheet = read_sheet(data)
        return result_sheet(sheet.headers, sheet.rows, lambda number: results.get(number, waiting))

    return await asyncio.to_thread(write)

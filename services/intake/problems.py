"""RFC 9457 problems: every refusal over HTTP says what is wrong and how to mend it, under a stable type."""

from __future__ import annotations

import logging
from typing import Any

import asyncpg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from hoso.runtime.consumer import LOST

log = logging.getLogger(__name__)

_BODY_UNREAD = frozenset((400, 401, 403, 408, 409, 413, 415, 429))
"""Answers that may go out before the body has come in: the connection cannot be used again, and the client is told so."""

_AGAIN = {429: "10", 503: "2"}
"""Seconds after which to ask again."""


class Problem(Exception):
    """An answer that is not a success. `code` makes the type `urn:hoso:problem:<code>` and never changes its meaning."""

    def __init__(self, status: int, code: str, title: str, detail: str = "", **more: Any) -> None:
        super().__init__(f"{status} {code}: {title} {detail}")
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.more = more

    def response(self) -> JSONResponse:
        """The problem as application/problem+json."""
        headers = {"WWW-Authenticate": 'Bearer realm="hoso"'} if self.status == 401 else {}
        if self.status in _BODY_UNREAD:
            headers["Connection"] = "close"
        if self.status in _AGAIN:
            headers["Retry-After"] = _AGAIN[self.status]
        body = {
            "type": f"urn:hoso:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            **self.more,
        }
        return JSONResponse(body, self.status, headers, media_type="application/problem+json")


def not_found(what: str) -> Problem:
    """The same for what does not exist and for what belongs to somebody else."""
    return Problem(404, "not-found", "Không tìm thấy", f"Không có {what} này, hoặc nó không thuộc về bạn.")


def route_of(request: Request) -> str:
    """The route as it is declared: without what the caller wrote into it."""
    return str(getattr(request.scope.get("route"), "path", ""))


def install(app: FastAPI) -> None:
    """Answer every error of `app` with a problem."""

    @app.exception_handler(Problem)
    async def problem(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Problem)
        return error.response()

    @app.exception_handler(HTTPException)
    async def plain(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        codes = {404: "not-found", 405: "method-not-allowed", 413: "too-large"}
        return Problem(error.status_code, codes.get(error.status_code, "request"), str(error.detail)).response()

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        errors = [{"where": ".".join(map(str, e["loc"])), "message": e["msg"]} for e in error.errors()]
        return Problem(
            400, "bad-request", "Tham số không hợp lệ", "Sửa các tham số dưới đây.", errors=errors
        ).response()

    async def unstorable(request: Request, error: Exception) -> JSONResponse:
        told = {"method": request.method, "path": route_of(request), "status": 400}
        log.warning("the database cannot take what was sent", exc_info=error, extra=told)
        detail = "Có ký tự hoặc con số không lưu được (ví dụ U+0000, số quá lớn). Sửa rồi gửi lại."
        return Problem(400, "bad-value", "Giá trị không hợp lệ", detail).response()

    async def lost(request: Request, error: Exception) -> JSONResponse:
        if isinstance(error, ValueError):  # an InterfaceError too, yet nothing was lost: the driver refuses the value
            return await unstorable(request, error)
        detail = "Cơ sở dữ liệu tạm thời không trả lời; gửi lại với cùng Idempotency-Key."
        return Problem(503, "unavailable", "Tạm thời không phục vụ được", detail).response()

    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        told = {"method": request.method, "path": route_of(request), "status": 500}
        log.error("a request ended in an error of ours", exc_info=error, extra=told)
        detail = "Lỗi đã được ghi lại. Gửi lại với cùng Idempotency-Key; không có gì bị làm hai lần."
        return Problem(500, "internal", "Lỗi trong hoso", detail).response()

    app.add_exception_handler(Exception, unexpected)
    app.add_exception_handler(asyncpg.DataError, unstorable)
    for kind in LOST:
        app.add_exception_handler(kind, lost)

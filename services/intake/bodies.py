"""Bodies of requests, read with their limits counted while they stream in."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.types import Message

from services.intake.problems import Problem

_KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,198}[\x21-\x7e])?")
_FILENAME = re.compile(r"filename\*=UTF-8''([^;]+)|filename=\"?([^\";]+)\"?", re.IGNORECASE)
_FORM_OVERHEAD = 64 * 1024


def idempotency_key(request: Request, *, required: bool) -> str | None:
    """The Idempotency-Key (a bare or quoted string of up to 200 visible characters)."""
    key = request.headers.get("idempotency-key", "").strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not key and not required:
        return None
    if not _KEY.fullmatch(key):
        raise Problem(
            400,
            "idempotency-key-missing",
            "Thiếu hoặc sai Idempotency-Key",
            "Gửi tiêu đề Idempotency-Key: một chuỗi riêng cho mỗi yêu cầu, 1 đến 200 ký tự ASCII, và giữ nguyên khi gửi lại.",
        )
    return key


async def read_body(request: Request, limit: int) -> bytes:
    """The body, at most `limit` bytes. Raises Problem 413 and 415."""
    _refuse_encoding(request)
    _refuse_length(request, limit)
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > limit:
            raise _too_large(limit)
        pieces.append(piece)
    return b"".join(pieces)


async def read_json(request: Request, limit: int) -> Any:
    """What a JSON body of at most `limit` bytes says. Raises Problem 400, 413 and 415."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Problem(415, "unsupported-media-type", "Cần application/json", "Gửi Content-Type: application/json.")
    body = await read_body(request, limit)
    try:
        found: Any = json.loads(body)
        body.decode("utf-8")
        json.dumps(
            found, ensure_ascii=False
        ).encode()  # "\ud800" is JSON, and no text: nothing could store or repeat it
    except (ValueError, RecursionError) as error:
        raise Problem(400, "bad-json", "JSON không đọc được", "Gửi một đối tượng JSON bằng UTF-8.") from error
    return found


async def read_fields(request: Request, limit: int = 64 * 1024) -> dict[str, str]:
    """A JSON object of texts: column key -> text."""
    found = await read_json(request, limit)
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        detail = 'Gửi một đối tượng JSON, mọi giá trị là chuỗi, ví dụ {"tax_code": "0101234567"}.'
        raise Problem(400, "bad-json", "JSON không đúng dạng", detail)
    return found


async def read_sheet_body(request: Request, limit: int) -> tuple[bytes, str]:
    """An uploaded file and its name: the raw body, or the one file of a multipart form."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return await read_body(request, limit), _filename(request)
    _refuse_encoding(request)
    _refuse_length(request, limit + _FORM_OVERHEAD)
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await request.receive()
        size += len(message.get("body", b""))
        if size > limit + _FORM_OVERHEAD:
            raise _too_large(limit)
        return message

    try:
        async with Request(request.scope, counted).form(max_files=1, max_fields=8) as form:
            for value in form.values():
                if isinstance(value, UploadFile):
                    return await value.read(), _printable(value.filename or "")
    except (MultiPartException, HTTPException) as error:
        raise Problem(400, "bad-form", "Biểu mẫu multipart không đọc được", "Gửi đúng một tệp.") from error
    raise Problem(400, "bad-form", "Không có tệp", "Gửi tệp xlsx hoặc csv trong trường “file”.")


def _filename(request: Request) -> str:
    found = _FILENAME.search(request.headers.get("content-disposition", ""))
    return _printable(unquote(found.group(1) or found.group(2))) if found else ""


def _printable(name: str) -> str:
    return "".join(sign for sign in name if sign.isprintable())


def _refuse_encoding(request: Request) -> None:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise Problem(415, "unsupported-encoding", "Không nhận nội dung nén", "Gửi không có Content-Encoding.")


def _refuse_length(request: Request, limit: int) -> None:
    told = request.headers.get("content-length", "")
    if told.isdigit() and int(told) > limit:
        raise _too_large(limit)


def _too_large(limit: int) -> Problem:
    if limit < 1024 * 1024:
        return Problem(413, "too-large", "Nội dung quá lớn", f"Nhiều nhất là {limit // 1024} KB.")
    detail = f"Tệp nhiều nhất là {limit // (1024 * 1024)} MB. Xoá hình ảnh và phần thừa, hoặc chia thành nhiều tệp, rồi gửi lại."
    return Problem(413, "too-large", "Tệp quá lớn", detail)

"""Big bodies take turns: two at once in a process and one a tenant, so that memory is bounded however many are sent at once.

Who gets no turn in time is answered before his body is read. A body that dawdles loses its turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import TypeVar

from fastapi import Request

from services.intake.problems import Problem

T = TypeVar("T")
SMALL = 256 * 1024
"""Bytes. A body that says it is no longer than this needs no turn."""


class BigBodies:
    """One for all routes of a process. `wait`: seconds for a turn; `reading`: seconds for a body to come in."""

    def __init__(self, at_once: int = 2, wait: float = 20, reading: float = 120) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._tenants: dict[str, asyncio.Lock] = {}
        self._wait = wait
        self._reading = reading

    @asynccontextmanager
    async def turn(self, request: Request, tenant: str) -> AsyncIterator[None]:
        """Hold it while the body is read and worked on. Raises Problem 429."""
        told = request.headers.get("content-length", "")
        if told.isdigit() and int(told) <= SMALL:
            yield
            return
        own = self._tenants.setdefault(tenant, asyncio.Lock())
        try:
            async with asyncio.timeout(self._wait):
                await own.acquire()
                try:
                    await self._free.acquire()
                except BaseException:
                    own.release()
                    raise
        except TimeoutError as error:
            detail = "Đang có tệp lớn khác được nhận. Chờ số giây trong Retry-After rồi gửi lại; chưa có gì được nhận."
            raise Problem(429, "busy", "Máy chủ đang nhận tệp khác", detail) from error
        try:
            yield
        finally:
            self._free.release()
            own.release()

    async def read(self, body: Awaitable[T]) -> T:
        """What `body` reads. Raises Problem 408 when it does not come in."""
        try:
            async with asyncio.timeout(self._reading):
                return await body
        except TimeoutError as error:
            detail = f"Nội dung không đến đủ trong {self._reading:g} giây. Kiểm tra đường truyền rồi gửi lại; chưa có gì được nhận."
            raise Problem(408, "too-slow", "Gửi quá chậm", detail) from error

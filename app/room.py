"""Intake takes nothing new when the disk of HOSO_VAR is nearly full."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from app.disk import REFUSE_MIB
from services.intake.problems import Problem

_ADDING = frozenset(("/v1/batches", "/v1/enrolments"))


class RoomNeeded:
    """ASGI: refuses what would add work while there is no room; everything else passes."""

    def __init__(self, app: ASGIApp, free: Callable[[], int]) -> None:
        self._app = app
        self._free = free

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        adds = scope["type"] == "http" and scope["method"] == "POST" and scope["path"].rstrip("/") in _ADDING
        if adds and (free := self._free()) < REFUSE_MIB:
            detail = (
                f"Máy chủ chỉ còn {free} MiB trống (cần ít nhất {REFUSE_MIB} MiB): báo người vận hành giải phóng đĩa "
                "(`hoso check`), rồi gửi lại với cùng Idempotency-Key. Chưa có gì được nhận."
            )
            problem = Problem(503, "no-room", "Máy chủ gần hết dung lượng đĩa", detail)
            await problem.response()(scope, receive, send)
            return
        await self._app(scope, receive, send)

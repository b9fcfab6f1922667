"""What people can mend, as problems (RFC 9457)."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from app.failing import sentence
from hoso.runtime.failures import HosoError
from services.intake.problems import Problem
from services.ops.said import Unanswerable

T = TypeVar("T")
OVERTAKEN = ("closed", "not-waiting", "not-this-answer", "ended", "not-here", "not-enrolled")
"""Refusals of an answer that come from where things stand, not from what was said (409)."""


async def done(what: Awaitable[T]) -> T:
    """Do it; what a person can mend becomes a problem."""
    try:
        return await what
    except Unanswerable as error:
        if error.code == "not-found":
            raise Problem(404, "not-found", "Không tìm thấy", error.vi) from error
        status = 409 if error.code in OVERTAKEN else 422
        raise Problem(status, error.code, "Không nhận được câu trả lời này", error.vi) from error
    except HosoError as error:
        raise Problem(422, "refused", "Không thực hiện được", sentence(error, "vi")) from error

"""What people can mend, as problems (RFC 9457)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from app.failing import sentence
from hoso.runtime.failures import HosoError
from services.intake.problems import Problem
from services.ops.said import Unanswerable

T = TypeVar("T")
OVERTAKEN = ("closed", "not-waiting", "not-this-answer", "ended", "not-here", "not-enrolled")
"""Refusals of an answer that come from where things stand, not from what was said (409)."""

BEHIND_S, APART_S = 2.0, 0.1
"""How long what ops knows may be behind what GET has shown, and how often it is asked."""


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


async def taken(ask: Callable[[], Awaitable[T]]) -> T:
    """As `done`. GET shows what intake knows of an enrolment, and what is said to it is measured by what ops knows, which may be a
    moment behind: a refusal because of where it stands counts when it is the same BEHIND_S later."""
    for _ in range(round(BEHIND_S / APART_S)):
        try:
            return await ask()
        except Unanswerable as error:
            if error.code not in ("not-found", *OVERTAKEN):
                break
            await asyncio.sleep(APART_S)
    return await done(ask())

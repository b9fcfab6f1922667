"""Waiting for a condition instead of sleeping: a test that waits too long says for what."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(look: Callable[[], Awaitable[T]], what: str, seconds: float = 10.0) -> T:
    """The first truthy answer of `look`. Raises AssertionError naming `what` when there is none in time."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while True:
        found = await look()
        if found:
            return found
        assert loop.time() < until, f"waited {seconds:.0f} s for {what}"
        await asyncio.wait([loop.create_future()], timeout=0.02)

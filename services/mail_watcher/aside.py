"""Work on one mail beside the event loop, so that a slow one holds up neither health nor the other mailboxes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LIMIT_S = 5.0
"""Far above what any mail takes: parser and reading have limits of their own."""


class TookTooLong(Exception):
    """One mail used more of the processor than any mail may; its thread is left to itself."""


async def aside(job: Callable[[], T], limit_s: float = LIMIT_S) -> T:
    """What `job` gives, on a thread. Raises TookTooLong after `limit_s`.

    Counted is the process's time on the processor since the job began, not the time on the wall: after the machine
    slept, or while it is busy with something else, a good mail must not pass for a bad one.
    """
    began: float | None = None

    def run() -> T:
        nonlocal began
        began = time.process_time()
        return job()

    task = asyncio.create_task(asyncio.to_thread(run))
    try:
        while not (await asyncio.wait({task}, timeout=limit_s))[0]:
            if began is not None and time.process_time() - began > limit_s:
                raise TookTooLong
        return task.result()
    finally:
        task.cancel()

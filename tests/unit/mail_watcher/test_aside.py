"""Work beside the event loop."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from services.mail_watcher.aside import TookTooLong, aside

pytestmark = pytest.mark.asyncio


async def test_the_loop_goes_on_meanwhile() -> None:
    may_end = threading.Event()
    job = asyncio.create_task(aside(lambda: may_end.wait(10)))
    await asyncio.sleep(0)
    may_end.set()  # reached only because the loop is free
    assert await job


async def test_an_error_comes_through() -> None:
    def fails() -> None:
        raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        await aside(fails)


async def test_who_burns_the_processor_is_left_behind() -> None:
    done = threading.Event()

    def burns() -> None:
        while not done.is_set():
            sum(range(1000))

    with pytest.raises(TookTooLong):
        await aside(burns, 0.2)
    done.set()


async def test_who_only_waits_is_waited_for() -> None:
    began = time.monotonic()
    waited = threading.Event()
    assert await aside(lambda: not waited.wait(0.5), 0.1)
    assert time.monotonic() - began >= 0.5

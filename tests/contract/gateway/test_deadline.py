"""Nothing is sent after a call's deadline, also not by a process that stood still with the request in its hand."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from hoso.runtime.clock import boottime
from hoso.runtime.failures import OutcomeUnknown, Transient
from services.submitter.http_gateway import HttpAgencyGateway
from tests.contract.gateway.byhand import ByHand, one, receipt
from tests.contract.gateway.conftest import signed
from tests.contract.gateway.filer import BODY
from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[3]
BODIES = {"submit": BODY, "activate": b"SECRETCODE"}


@contextlib.asynccontextmanager
async def filer(url: str, call: str, seconds: float, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    words = ("-m", "tests.contract.gateway.filer", url, call, str(seconds), str(folder))
    child = await asyncio.create_subprocess_exec(sys.executable, *words, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


async def stands_still(pid: int) -> None:
    async def look() -> bool:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    await eventually(look, "the process to stop itself", 20)


async def said(child: asyncio.subprocess.Process) -> str:
    out, _ = await asyncio.wait_for(child.communicate(), 20)
    return out.decode().strip()


async def past(moment: float) -> None:
    async def look() -> bool:
        return boottime() > moment

    await eventually(look, "the deadline to pass", 20)


@pytest.mark.parametrize("call", ["submit", "activate"])
async def test_a_process_that_stood_still_past_the_deadline_sends_nothing(
    by_hand: ByHand, tmp_path: Path, call: str
) -> None:
    (tmp_path / f"agency-{call}.before-write").write_text("stop")
    by_hand.says(200, one(receipt()))
    async with filer(by_hand.url, call, 2.0, tmp_path) as child:
        await stands_still(child.pid)
        await past(boottime() + 2.1)
        os.kill(child.pid, signal.SIGCONT)
        assert await said(child) == "OutcomeUnknown"
    assert all(BODIES[call] not in came for came in by_hand.arrived), "the body was written after the deadline"


@pytest.mark.parametrize("call", ["submit", "activate"])
async def test_without_the_fence_it_would_send(by_hand: ByHand, tmp_path: Path, call: str) -> None:
    """The control: the same process with the fence taken out writes its body after the deadline."""
    (tmp_path / f"agency-{call}.before-write").write_text("stop")
    (tmp_path / "break-sleeper").touch()
    by_hand.says(200, one(receipt()))
    async with filer(by_hand.url, call, 2.0, tmp_path) as child:
        await stands_still(child.pid)
        await past(boottime() + 2.1)
        os.kill(child.pid, signal.SIGCONT)
        assert await said(child) == "received"
    assert BODIES[call] in by_hand.arrived[0]


async def test_a_process_that_stood_still_within_the_deadline_goes_on(by_hand: ByHand, tmp_path: Path) -> None:
    (tmp_path / "agency-submit.before-write").write_text("stop")
    by_hand.says(200, one(receipt()))
    async with filer(by_hand.url, "submit", 60.0, tmp_path) as child:
        await stands_still(child.pid)
        os.kill(child.pid, signal.SIGCONT)
        assert await said(child) == "received"
    assert BODY in by_hand.arrived[0]


@pytest.mark.parametrize(
    "point", ["agency-submit.before-write", "agency-submit.after-write", "agency-submit.after-answer"]
)
async def test_a_process_killed_around_the_write_has_sent_all_of_it_or_nothing(
    by_hand: ByHand, tmp_path: Path, point: str
) -> None:
    (tmp_path / point).write_text("kill")
    by_hand.says(200, one(receipt()))
    async with filer(by_hand.url, "submit", 60.0, tmp_path) as child:
        assert await asyncio.wait_for(child.wait(), 20) == -signal.SIGKILL
        await asyncio.wait_for(by_hand.ended.wait(), 5)
    whole = [came for came in by_hand.arrived if BODY in came]
    assert len(whole) == (point != "agency-submit.before-write")


@pytest.mark.parametrize("late", [0.0, -0.001, -60.0])
async def test_a_deadline_that_has_passed_sends_no_body(
    by_hand: ByHand, gateways: Callable[..., HttpAgencyGateway], late: float
) -> None:
    gateway, filed = gateways(by_hand.says(200, one(receipt())).url), signed("QC0002K")
    with pytest.raises((OutcomeUnknown, Transient)):
        await gateway.submit(filed, "k", boottime() + late)
    with pytest.raises((OutcomeUnknown, Transient)):
        await gateway.activate("GD1", "QC0002K", "SECRETCODE", boottime() + late)
    assert all(filed.data not in came and b"SECRETCODE" not in came for came in by_hand.arrived)

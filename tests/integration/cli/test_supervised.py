"""`hoso up` when something is wrong: killed with children that drain, a port in use, a terminal."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import socket
import sys
from typing import Any

from tests.integration.cli.command import ROOT, Cli
from tests.support.waiting import eventually


async def _up(cli: Cli, services: str, port: int, stderr: int = asyncio.subprocess.PIPE) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "app.main",
        "up",
        "--services",
        services,
        cwd=ROOT,
        env=cli.environment(HOSO_HTTP=f"127.0.0.1:{port}"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=stderr,
    )


async def _running(up: asyncio.subprocess.Process) -> bytes:
    assert up.stdout is not None
    said = b""
    while line := await asyncio.wait_for(up.stdout.readline(), 40):
        said += line
        if line.startswith(b"hoso is running"):
            break
    return said


async def test_the_next_supervisor_waits_for_children_of_a_killed_one(cli: Cli, unused_port: int) -> None:
    first = await _up(cli, "intake,ops", unused_port)
    await _running(first)
    facts: dict[str, Any] = json.loads((cli.var / "up.json").read_text())
    assert (cli.var / "up.json").stat().st_mode & 0o777 == 0o600
    stuck = facts["services"]["intake"]["pid"]
    os.kill(stuck, signal.SIGSTOP)  # it holds the port until it is told to go on
    first.kill()

    async def ended() -> bool:  # not wait(): its pipes stay open as long as its children live
        return first.returncode is not None

    await eventually(ended, "the first supervisor to be gone")
    second = await _up(cli, "intake,ops", unused_port)
    try:
        assert b"hoso is running" in await _running(second)
        now = json.loads((cli.var / "up.json").read_text())
        assert now["services"]["intake"]["http"] == facts["services"]["intake"]["http"]
        assert now["services"]["intake"]["pid"] != stuck
    finally:
        second.send_signal(signal.SIGTERM)
        await asyncio.wait_for(second.communicate(), 30)
    assert second.returncode == 0


async def test_on_a_terminal_a_service_says_itself_why_it_cannot_run(cli: Cli, unused_port: int) -> None:
    terminal, end = pty.openpty()
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", unused_port))
        holder.listen()
        up = await _up(cli, "intake", unused_port, end)
        os.close(end)
        said = b""
        while chunk := await asyncio.to_thread(_read, terminal):
            said += chunk
        assert await asyncio.wait_for(up.wait(), 30) == 2
        os.close(terminal)
    lines = said.decode().splitlines()
    assert any(line.startswith(f"hoso: HOSO_HTTP=127.0.0.1:{unused_port} cannot be used") for line in lines), lines
    assert lines[-1] == "hoso: intake cannot start with these settings"

    with socket.socket() as holder:
        holder.bind(("127.0.0.1", unused_port))
        holder.listen()
        up = await _up(cli, "intake", unused_port)
        _, err = await asyncio.wait_for(up.communicate(), 40)
    assert (up.returncode, err.count(b"\n"), b"cannot be used" in err) == (2, 1, True)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # everybody has closed the other end
        return b""

"""Fault points do nothing outside tests, and a fence can be taken away only there."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hoso import points


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    points.arm(None, "test")


def test_every_fence_stands_unless_it_was_taken_away_in_a_test(tmp_path: Path) -> None:
    for fence in points.FENCES:
        (tmp_path / f"break-{fence}").touch()
    points.arm(str(tmp_path), "production")
    assert all(points.holds(fence) for fence in points.FENCES)
    points.arm(str(tmp_path), "test")
    assert not any(points.holds(fence) for fence in points.FENCES)
    points.arm(None, "test")
    assert all(points.holds(fence) for fence in points.FENCES)


def test_one_fence_is_taken_away_by_itself(tmp_path: Path) -> None:
    (tmp_path / "break-position").touch()
    (tmp_path / "break-nothing-we-know").touch()
    points.arm(str(tmp_path), "test")
    assert [fence for fence in points.FENCES if not points.holds(fence)] == ["position"]


async def test_a_place_without_a_file_is_passed(tmp_path: Path) -> None:
    points.arm(str(tmp_path), "test")
    await points.point("echo.before-commit")
    assert list(tmp_path.iterdir()) == []


PASS = """
import asyncio, sys
from hoso import points
points.arm(sys.argv[1], sys.argv[2])
asyncio.run(points.point("here"))
print("passed")
"""


def test_one_file_is_one_fault(tmp_path: Path) -> None:
    (tmp_path / "here").write_text("kill\n")
    first = subprocess.run([sys.executable, "-c", PASS, str(tmp_path), "test"], capture_output=True)
    assert first.returncode == -signal.SIGKILL
    second = subprocess.run([sys.executable, "-c", PASS, str(tmp_path), "test"], capture_output=True)
    assert (second.returncode, second.stdout) == (0, b"passed\n")


def test_in_production_nobody_is_killed(tmp_path: Path) -> None:
    (tmp_path / "here").write_text("kill\n")
    done = subprocess.run([sys.executable, "-c", PASS, str(tmp_path), "production"], capture_output=True)
    assert (done.returncode, done.stdout) == (0, b"passed\n")

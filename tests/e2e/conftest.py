"""One world for all scenarios of a process: mail host, simulated agency and `hoso up`, all real processes.

SCENARIOS_RAN names a folder in which each process leaves how its scenarios went; `test_statements.py` reads all of them.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.chaos.arena import Arena
from tests.e2e.scene import Scene
from tests.e2e.town import Town, owners

PASSED = pytest.StashKey[dict[str, bool]]()
"""Test function -> whether everything of it that ran in this process passed."""
RAN = Path(os.environ["SCENARIOS_RAN"]) if "SCENARIOS_RAN" in os.environ else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What looks back on all scenarios comes after them, also after those that are run again with faults."""
    items.sort(key=lambda item: item.nodeid.startswith("tests/e2e/test_statements.py"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember how each scenario went."""
    report = yield
    passed = item.config.stash.setdefault(PASSED, {})
    name = item.nodeid.partition("[")[0].partition("@")[0].rpartition("/")[2]  # without parameters and xdist group
    if report.when == "call" or not report.passed:
        passed[name] = passed.get(name, True) and report.passed
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Leave how the scenarios of this process went."""
    passed = session.config.stash.get(PASSED, {})
    if RAN is not None and passed:
        RAN.mkdir(parents=True, exist_ok=True)
        (RAN / f"{os.getpid()}.json").write_text(json.dumps(passed))


@pytest.fixture
def scene(town: Town) -> Scene:
    """The hands and eyes of one scenario."""
    return Scene(town)


@pytest.fixture(scope="session")
def town() -> Iterator[Town]:
    """The world of all files that have none of their own."""
    yield from world()


def world() -> Iterator[Town]:
    """A world that runs; ended whatever happens. After its last scenario the judge finds nothing."""
    folder = Path(tempfile.mkdtemp(prefix="hoso-e2e-"))
    arena = Arena(folder, owners())
    try:
        asyncio.run(arena.start())
        asyncio.run(arena.until_working())
        yield Town(arena)
        assert asyncio.run(arena.until_working()) < 60
        assert asyncio.run(arena.judge()).everything == []
    finally:
        asyncio.run(arena.end())
        shutil.rmtree(folder, ignore_errors=True)

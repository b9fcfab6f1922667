"""One world for all scenarios of a session: mail host, simulated agency and `hoso up`, all real processes."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.arena import Arena
from tests.e2e.scene import Scene
from tests.e2e.town import Town, owners


@pytest.fixture
def scene(town: Town) -> Scene:
    """The hands and eyes of one scenario."""
    return Scene(town)


@pytest.fixture(scope="session")
def town() -> Iterator[Town]:
    """A world that runs; ended whatever happens."""
    folder = Path(tempfile.mkdtemp(prefix="hoso-e2e-"))
    arena = Arena(folder, owners())
    try:
        asyncio.run(arena.start())
        asyncio.run(arena.until_working())
        yield Town(arena)
    finally:
        asyncio.run(arena.end())
        shutil.rmtree(folder, ignore_errors=True)

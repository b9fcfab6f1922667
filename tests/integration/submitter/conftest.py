"""One submitter a test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from hoso.store.postgres import Database
from hoso.store.vault import KeyRing, Vault
from tests.integration.submitter.stage import Agency, Stage


@pytest.fixture
def agency() -> Agency:
    return Agency()


@pytest.fixture
def closed_stage(db: Database, tmp_path: Path, agency: Agency) -> Stage:
    """Not running yet."""
    KeyRing.make(tmp_path / "vault.key")
    return Stage(db, Vault(db.pool, KeyRing.read(tmp_path / "vault.key")), agency)


@pytest_asyncio.fixture
async def stage(closed_stage: Stage) -> AsyncIterator[Stage]:
    """Running."""
    async with closed_stage.open():
        yield closed_stage

"""One signer and one signing service a test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from hoso.store.postgres import Database
from tests.contract.signing.esign import esign
from tests.integration.signer.stage import Stage


@pytest_asyncio.fixture
async def stage(db: Database, tmp_path: Path) -> AsyncIterator[Stage]:
    """Not running yet."""
    (tmp_path / "var").mkdir()
    async with esign(tmp_path / "esign") as service:
        yield Stage(db, tmp_path / "var", service)

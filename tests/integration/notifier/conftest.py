"""One notifier a test, not running yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from hoso.store.postgres import Database
from hoso.store.vault import KeyRing, Vault
from tests.integration.notifier.stage import Stage


@pytest.fixture
def stage(db: Database, tmp_path: Path) -> Stage:
    KeyRing.make(tmp_path / "vault.key")
    return Stage(db, Vault(db.pool, KeyRing.read(tmp_path / "vault.key")))

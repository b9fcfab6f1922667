"""A command line on a fresh database, Dovecot, and a token service."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.mailbox.conftest import dovecot, token_service, tokens
from tests.integration.cli.command import Cli

__all__ = ["cli", "dovecot", "token_service", "tokens"]


@pytest.fixture
def cli(url: str, tmp_path: Path) -> Cli:
    return Cli(url, tmp_path / "var")

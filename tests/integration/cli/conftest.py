"""A command line on a fresh database."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.integration.cli.command import Cli


@pytest.fixture
def cli(url: str, tmp_path: Path) -> Cli:
    return Cli(url, tmp_path / "var")


@pytest.fixture
def unused_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])

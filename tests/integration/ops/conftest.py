"""A command line on a fresh database, as for the commands' own tests."""

from tests.integration.cli.conftest import cli, unused_port

__all__ = ["cli", "unused_port"]

"""Fixtures every test may use; and how the suite is shared between two processes."""

from __future__ import annotations

import pytest

from tests.support.postgres import db, server, url

__all__ = ["db", "server", "url"]

WORLDS = ("tests/e2e/", "tests/chaos/")


@pytest.hookimpl(tryfirst=True)  # before the groups are read
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A file is run by one process, from its first test to its last; all that shares the one world, too (`-n 2 --dist loadgroup`)."""
    for item in items:
        file = item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group("world" if file.startswith(WORLDS) else file))

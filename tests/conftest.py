"""Fixtures every test may use."""

from tests.support.postgres import db, server, url

__all__ = ["db", "server", "url"]

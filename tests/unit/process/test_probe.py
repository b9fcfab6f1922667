"""The health check of containers: what it asks, and what it makes of the answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from hoso.process.probe import healthy


class Answers(BaseHTTPRequestHandler):
    """Healthy for who shows the word; busy under another path."""

    def do_GET(self) -> None:
        known = self.headers.get("Authorization") == "Bearer word"
        self.send_response(404 if self.path != "/health" else 200 if known else 401)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])
def test_a_service_that_answers_is_healthy(port: int, host: str) -> None:
    assert healthy(f"{host}:{port}", "word")
    assert not healthy(f"{host}:{port}", "another")


def test_nobody_there_is_not_healthy(port: int) -> None:
    assert not healthy("", "")
    assert not healthy("127.0.0.1:1", "word", seconds=1)

"""Agencies and a mailbox for these tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.simulator.agency import Agency, Mailbox, free_port


@pytest.fixture(scope="session")
def mailbox() -> Iterator[Mailbox]:
    """One mailbox for all; tests look by unit code."""
    box = Mailbox(free_port())
    controller = box.start()
    yield box
    controller.stop()


@pytest.fixture(scope="session")
def agency(tmp_path_factory: pytest.TempPathFactory, mailbox: Mailbox) -> Iterator[Agency]:
    """One quick agency shared by tests that each take unit codes of their own."""
    made = Agency(tmp_path_factory.mktemp("agency"), mailbox.port, "--speed", "20").start()
    yield made
    assert made.stop() == 0


@pytest.fixture
def start_agency(tmp_path: Path, mailbox: Mailbox) -> Iterator[Callable[..., Agency]]:
    """Agencies of a test's own, for restarts and options."""
    made: list[Agency] = []

    def start(*options: str, smtp_port: int | None = None) -> Agency:
        made.append(Agency(tmp_path / f"agency-{len(made)}", smtp_port or mailbox.port, *options).start())
        return made[-1]

    yield start
    for one in made:
        one.stop()


_numbers = count(1)


@pytest.fixture
def unit_code() -> Callable[[str], str]:
    """A fresh unit code of a magic family (`C00`), or an ordinary one (empty)."""

    def make(family: str = "") -> str:
        number = next(_numbers)
        if family:
            return f"A{chr(65 + number // 260 % 26)}{family}{number % 10}{chr(65 + number // 10 % 26)}"
        return f"B{chr(65 + number % 26)}{number // 26 % 10}{number % 1000:03}A"

    return make

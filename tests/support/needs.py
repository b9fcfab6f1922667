"""What a test needs of the machine and does not find: a laptop goes on without that test, CI does not."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

IN_CI = os.environ.get("CI") == "true"
"""`.ci/run` says so; so do the usual CI services."""


def absent(sentence: str) -> NoReturn:
    """Skips the test with the sentence, which says what is missing and how it is installed; in CI fails it."""
    if IN_CI:
        pytest.fail(sentence, pytrace=False)
    pytest.skip(sentence)

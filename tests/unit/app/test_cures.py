"""What people are told to type can be typed."""

from __future__ import annotations

import re

import pytest

from app.main import commands
from hoso.domain.causes import CAUSES

SAID = sorted(
    {
        found
        for cause in CAUSES.values()
        for found in re.findall(r"hoso((?: [a-z][a-z-]*)+)", f"{cause.text} {cause.cure}")
    }
)


def exists(words: list[str]) -> bool:
    """Whether these are a command of hoso."""
    node = commands("en")
    for word in words:
        if word not in getattr(node, "commands", {}):
            return False
        node = node.commands[word]
    return not getattr(node, "commands", {})


@pytest.mark.parametrize("said", SAID)
def test_a_command_that_a_cure_names_exists(said: str) -> None:
    assert exists(said.split())


def test_commands_are_named_and_a_wrong_one_is_seen() -> None:
    assert " form print" in SAID
    assert not exists(["unit", "form"])
    assert not exists(["form"]), "a group is no command"

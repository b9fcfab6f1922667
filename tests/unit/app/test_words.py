"""What the commands say: in both languages, with the same holes; and help that suffices."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from typing import Any

import pytest

from app.help_vi import COMMANDS, OPTIONS
from app.main import commands
from app.telling import SENTENCES, told
from app.words import TEXTS, in_language
from hoso.domain.causes import CAUSES
from hoso.settings import markdown
from schemas.topics import TOPICS
from schemas.units import Stage
from services.notifier.english import CAUSES_EN

ROOT = Path(__file__).parents[3]


def holes(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}


@pytest.mark.parametrize("name", TEXTS)
def test_both_languages_have_the_same_holes(name: str) -> None:
    vi, en = TEXTS[name]
    assert vi
    assert en
    assert holes(vi) == holes(en)


def test_every_sentence_that_is_said_is_written_down() -> None:
    said = set()
    for file in [*(ROOT / "app").glob("*.py"), *(ROOT / "app" / "commands").glob("*.py")]:
        said |= set(re.findall(r'(?<![a-z_])text\(\s*"([a-z_.-]+)"', file.read_text("utf-8")))
    assert said - set(TEXTS) == set()


def test_every_stage_and_cause_has_words() -> None:
    assert {f"stage.{stage.value}" for stage in Stage} <= set(TEXTS)
    assert set(CAUSES_EN) == set(CAUSES)


def test_a_sentence_nobody_wrote_is_an_error() -> None:
    with pytest.raises(KeyError):
        in_language("en", "no.such.sentence")


# --- help -------------------------------------------------------------------------------------------------------


def below(command: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, one in getattr(command, "commands", {}).items():
        yield from below(one, f"{path} {name}".strip())


@pytest.fixture(scope="module")
def english() -> dict[str, Any]:
    return dict(below(commands("en")))


def test_every_command_has_an_example_and_vietnamese_help(english: dict[str, Any]) -> None:
    leaves = {path: one for path, one in english.items() if path and not hasattr(one, "commands")}
    assert len(leaves) > 40
    for path, one in leaves.items():
        assert "Example: " in one.help, path
        assert f"hoso {path}" in one.help, path
    assert {path for path in english if path} | {""} == set(COMMANDS)


def test_every_option_is_explained_in_both_languages(english: dict[str, Any]) -> None:
    helps = {p.help for one in english.values() for p in one.params if p.name != "help"}
    assert None not in helps
    assert helps == set(OPTIONS)


def test_the_translated_help_keeps_its_example() -> None:
    add = dict(below(commands("vi")))["tenant add"]
    assert add.help.startswith("Lập một khách hàng")
    assert 'hoso tenant add acme --title "Tập đoàn ACME"' in add.help


# --- timelines and settings -------------------------------------------------------------------------------------


def test_every_event_has_a_sentence_in_both_languages() -> None:
    types = {fact.TYPE for topic in TOPICS for fact in topic.facts}
    assert types == set(SENTENCES)
    for vi, en in SENTENCES.values():
        assert holes(vi) == holes(en)


def test_an_event_in_words() -> None:
    fact = {"kind": "stop", "attempt": 2, "accepted": False, "code": "CE007", "text": "đang dùng 00110"}
    said = told("en", "vn.hoso.agency.dossier-decided.v1", fact)
    assert said == "The agency refused it: stop (06/NG-IVAN), attempt 2: CE007 đang dùng 00110"
    assert told("vi", "vn.hoso.agency.dossier-decided.v1", fact).startswith("Cơ quan BHXH từ chối hồ sơ ngừng dịch vụ")
    assert told("vi", "vn.hoso.something.new.v1", "{}") == "vn.hoso.something.new.v1"


def test_the_settings_are_documented() -> None:
    assert (ROOT / "docs" / "settings.md").read_text("utf-8") == markdown(), "run `make docs`"

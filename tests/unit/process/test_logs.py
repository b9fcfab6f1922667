"""What a log file says of an exception: where it came from, and nothing that was in it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hoso.process import logs

SECRET = "079123456789"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    root = logging.getLogger()
    before = root.handlers, root.level
    logs.set_up("ops", tmp_path, "INFO")
    yield tmp_path
    for handler in root.handlers:
        handler.close()
    root.handlers, root.level = before


def written(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "ops.log").read_text("utf-8")
    assert SECRET not in text
    return [json.loads(line) for line in text.splitlines()]


def parse(citizen: str) -> int:
    raise ValueError(f"{citizen} is no citizen id")


def test_an_exception_is_its_type_and_frames(folder: Path) -> None:
    try:
        parse(SECRET)
    except ValueError:
        logging.getLogger("hoso.x").exception("a call stumbled", extra={"path": "/v1/keys", "pin": SECRET})
    (line,) = written(folder)
    assert line["path"] == "/v1/keys"
    first, *frames = line["exception"].split("\n")
    assert first == "builtins.ValueError"
    assert [frame.split()[1] for frame in frames] == ["test_an_exception_is_its_type_and_frames", "parse"]
    assert frames[1].strip().startswith("tests/unit/process/test_logs.py:")


def test_causes_and_groups_are_told_too(folder: Path) -> None:
    def group() -> None:
        raise ExceptionGroup(SECRET, [KeyError(SECRET), OSError(SECRET)])

    try:
        try:
            parse(SECRET)
        except ValueError as error:
            try:
                group()
            except ExceptionGroup as both:
                raise RuntimeError(SECRET) from both.with_traceback(both.__traceback__) if error else None
    except RuntimeError as error:
        logging.getLogger("hoso.x").error("stumbled", exc_info=error)
    (line,) = written(folder)
    kinds = [word for word in line["exception"].split("\n") if not word.startswith(" ")]
    assert kinds[:3] == ["builtins.RuntimeError", "from:", "builtins.ExceptionGroup"]
    assert {"builtins.KeyError", "builtins.OSError", "builtins.ValueError"} <= set(kinds)


def test_a_chain_in_a_circle_ends(folder: Path) -> None:
    one, other = ValueError(SECRET), KeyError(SECRET)
    one.__cause__, other.__cause__ = other, one
    logging.getLogger("hoso.x").error("stumbled", exc_info=one)
    assert written(folder)[0]["exception"].count("\n") < 20


def test_asyncio_s_own_words_do_not_repeat_the_message(folder: Path) -> None:
    said = f"Task exception was never retrieved\nfuture: <Task exception=ValueError('{SECRET}')>"
    logging.getLogger("asyncio").error(said, exc_info=ValueError(SECRET))
    assert [(line["event"], line["exception"]) for line in written(folder)] == [
        ("Task exception was never retrieved", "builtins.ValueError")
    ]

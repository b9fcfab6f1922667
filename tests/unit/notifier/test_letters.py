"""Mails: the same notices are the same mail, however many there are."""

from __future__ import annotations

import email
import email.policy
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest

from hoso.domain.causes import CAUSES
from schemas.units import Stage
from services.notifier.letters import LINES, Line, letter
from services.notifier.notices import MILESTONES, notice_of
from services.notifier.words import STAGES, Language
from tests.unit.ops.heard import MONDAY, SPACE, at, progressed, signed, waits

WHO = UUID(int=1)


def line(n: int, what: str = "stage", word: str = "filed", **more: Any) -> Line:
    id_ = uuid5(SPACE, f"{n} {word}")
    return Line(id_, what, word, MONDAY + timedelta(minutes=n), **{"enrolment": id_, "name": f"Chi nhánh {n}", **more})


def body(lines: list[Line], language: Language = "vi") -> str:
    made = letter(lines, "lan@acme.vn", "hoso@x.example", language, MONDAY)
    return str(email.message_from_bytes(made.body, policy=email.policy.default).get_content())


def test_the_same_notices_give_the_same_bytes() -> None:
    lines = [line(n) for n in range(3)]
    one, two = (letter(lines, "lan@acme.vn", "Hoso <hoso@x.example>", "vi", MONDAY) for _ in range(2))
    assert one == two
    assert one.message_id != letter(lines[1:], "lan@acme.vn", "hoso@x.example", "vi", MONDAY).message_id
    assert one.message_id != letter(lines, "minh@acme.vn", "hoso@x.example", "vi", MONDAY).message_id
    assert one.message_id.endswith("@x.example>")


def test_a_great_many_are_counted() -> None:
    text = body([line(n) for n in range(500)])
    assert f"{LINES}. " in text
    assert f"{LINES + 1}. " not in text
    assert f"… và {500 - LINES} mục khác" in text


def test_a_name_is_one_line() -> None:
    assert "Chi nhánh\r\nBcc: x" not in body([line(1, name="Chi nhánh\r\nBcc: x@y.z\n\n1. Giả")])


@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize("language", ["vi", "en"])
def test_every_cause_is_said_in_words(cause: str, language: Language) -> None:
    text = body([line(1, "task", cause)], language)
    assert f": {cause}" not in text


def test_every_stage_has_its_words() -> None:
    assert set(STAGES) == {stage.value for stage in Stage}


def test_what_is_worth_a_line() -> None:
    for stage in Stage:
        found = notice_of(at(0, progressed(stage.value, cause="data")))
        assert (found is not None) == (stage in MILESTONES or stage is Stage.WAITING_FOR_PERSON)
    assert notice_of(at(0, signed())) is None
    told = notice_of(at(0, waits("data", message="Mã AB12CD34EF")))
    assert told is not None
    assert "AB12CD34EF" not in repr(told)

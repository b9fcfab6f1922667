"""docs/tasks.md says what causes.py says."""

from __future__ import annotations

from typing import get_args

from hoso.domain.causes import CAUSES
from schemas.events import EnrolmentAnswered
from scripts import tasks


def test_the_page_is_what_make_docs_makes() -> None:
    assert tasks.PAGE.read_text("utf-8") == tasks.markdown(), "run `make docs`"


def test_every_answer_that_a_person_can_give_is_explained() -> None:
    given = {answer for cause in CAUSES.values() for answer in cause.answers}
    assert given <= set(tasks.ANSWERS)
    assert set(tasks.ANSWERS) == set(get_args(EnrolmentAnswered.model_fields["answer"].annotation))

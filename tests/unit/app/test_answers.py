"""What people may answer where, and in which words they are refused."""

from __future__ import annotations

from uuid import UUID

import pytest

from hoso.domain.causes import CAUSES
from services.ops.answers import ANSWERS, answers_to
from services.ops.views import Standing


def standing(stage: str, cause: str | None) -> Standing:
    return Standing(UUID(int=1), UUID(int=2), "acme", None, stage, cause)


@pytest.mark.parametrize("cause", CAUSES)
def test_what_a_cause_allows_is_what_can_be_answered(cause: str) -> None:
    assert answers_to(standing("waiting-for-person", cause)) == CAUSES[cause].answers
    assert set(CAUSES[cause].answers) <= set(ANSWERS)


def test_nothing_can_be_answered_elsewhere() -> None:
    assert answers_to(standing("filed", None)) == ()
    assert answers_to(standing("signing", "no-profile")) == ()
    assert answers_to(standing("waiting-for-person", "a-cause-of-tomorrow")) == ()


def test_closed_is_enrolled_or_cancelled() -> None:
    assert standing("enrolled", None).closed
    assert standing("cancelled", None).closed
    assert not standing("waiting-for-person", "no-profile").closed

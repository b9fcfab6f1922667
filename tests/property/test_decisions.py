"""The decisions under events in any order, doubled, late and stale: what must hold whatever happens."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from hoso.domain.decisions import decide
from hoso.domain.states import Cancelled, Enrolled, New, Stopped, Waiting
from schemas import events as e
from schemas.units import Stage
from tests.property.world import FORMS, World
from tests.support import stories as s

CHOICES = st.integers(0, 719)
TAPES = st.lists(CHOICES, max_size=60) | st.lists(CHOICES, min_size=100, max_size=220)
MOODS = st.integers(0, 10_000)


@settings(max_examples=400, deadline=None)
@given(tape=TAPES, mood=MOODS)
def test_whatever_the_world_does_every_enrolment_ends_or_waits_for_a_person(tape: list[int], mood: int) -> None:
    world = World(tape, mood)
    world.run()
    assert isinstance(world.story.state, Enrolled | Stopped | Cancelled | Waiting)


@settings(max_examples=200, deadline=None)
@given(mood=MOODS)
def test_a_world_that_always_does_the_same_is_no_treadmill(mood: int) -> None:
    """Always refused, never a mail, every code wrong …: the bounds end it without a single answer from a person."""
    world = World([0], mood)
    world.run()
    assert len(world.story.filings) <= 63


@settings(max_examples=100, deadline=None)
@given(tape=TAPES, mood=MOODS, again=st.data())
def test_what_has_happened_once_changes_nothing_the_second_time(
    tape: list[int], mood: int, again: st.DataObject
) -> None:
    """After the end every event comes once more, in any order: whoever is enrolled or cancelled stays so.

    The dossier's number may be learned late. Only a request that was refused may be made again: a cancelled unit is
    then free for it.
    """
    world = World(tape, mood)
    world.run()
    story = world.story
    if isinstance(story.state, Waiting):
        story.cancelled()
    before, filings = (story.at, story.case), len(story.filings)
    refused = {said.request for said in story.told_ever(e.EnrolmentProgressed) if said.stage is Stage.REFUSED_REQUEST}
    known = [fact for fact in world.delivered[-40:] if getattr(fact, "request", None) not in refused]
    for fact in again.draw(st.permutations(known)):
        story.hear(fact)
        # a code about a change that was given up may still be given, once; it moves nothing
        assert (story.at, replace(story.case, tried=before[1].tried)) == before
    assert len(story.filings) == filings


@settings(max_examples=200, deadline=None)
@given(tape=TAPES, mood=MOODS, form=st.sampled_from(FORMS))
def test_a_new_unit_hears_only_requests(tape: list[int], mood: int, form: object) -> None:
    """Whatever belongs to another enrolment changes nothing here, and is noted."""
    other = World(tape, mood)
    other.run()
    strangers = [fact for fact in other.delivered if not isinstance(fact, e.EnrolmentRequested)]
    for fact in strangers[:30]:
        event = s.envelope(fact, s.UNIT, s.MONDAY)
        state, said = decide(s.RULES, New(), event, s.MONDAY)
        assert state == New()
        assert [type(answer) for answer in said] == [e.NoteTaken]
    story = s.Story().requested(form=form)
    before = story.state
    for fact in strangers[:30]:
        story.hear(fact)
        assert story.only_noted()
        assert story.state == before

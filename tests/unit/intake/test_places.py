"""Keys and their places: a dict that keeps the first, in little memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.intake.places import Places


@given(st.lists(st.tuples(st.text(max_size=3), st.integers(0, 2**32 - 1)), max_size=200))
def test_it_is_a_dict_that_keeps_the_first(pairs: list[tuple[str, int]]) -> None:
    places, known = Places(), dict[str, int]()
    for text, number in pairs:
        assert places.get(text) == known.get(text)
        places.setdefault(text, number)
        known.setdefault(text, number)
    assert [places.get(text) for text in known] == list(known.values())
    assert len(places) == len(known)


def test_it_grows() -> None:
    places = Places()
    for number in range(20_000):
        places.setdefault(f"TZ{number}", number)
    assert all(places.get(f"TZ{number}") == number for number in range(20_000))
    assert places.get("TZ20000") is None

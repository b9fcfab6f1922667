"""The organisation feed, judged item by item; the tree stays a tree."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.intake.org import Item, keep_the_tree, read_items


def unit(id_: str, parent: str | None = None, **more: Any) -> dict[str, Any]:
    return {"id": id_, "parent": parent, "name": f"Chi nhánh {id_}", **more}


def judged(*given_: Any, known: dict[str, str | None] | None = None) -> list[Item]:
    items = read_items(given_)
    keep_the_tree(items, known or {})
    return items


def refused(*given_: Any, known: dict[str, str | None] | None = None) -> dict[str, list[str]]:
    return {i.id: [error.column for error in i.errors] for i in judged(*given_, known=known) if i.unit is None}


def test_children_may_come_before_their_parents() -> None:
    assert refused(unit("c", "b"), unit("b", "a"), unit("a")) == {}


def test_an_unknown_parent_is_refused_and_with_it_what_hangs_on_it() -> None:
    assert refused(unit("b", "a"), unit("c", "b"), unit("d")) == {"b": ["parent"], "c": ["parent"]}
    assert refused(unit("b", "a"), known={"a": None}) == {}


def test_a_circle_is_refused_and_shown() -> None:
    items = judged(unit("a", "c"), unit("b", "a"), unit("c", "b"), unit("d", "c"))
    assert [item.unit is None for item in items] == [True] * 4
    assert "a → c → b → a" in items[0].errors[0].message_vi
    assert refused(unit("a", "a")) == {"a": ["parent"]}


def test_a_circle_through_the_tree_as_it_stands_is_refused_too() -> None:
    known: dict[str, str | None] = {"a": None, "b": "a", "c": "b"}
    assert refused(unit("a", "c"), known=known) == {"a": ["parent"]}
    assert refused(unit("a", "c"), unit("b"), known=known) == {}, "b becomes a root at the same time"


def test_a_refused_item_stays_as_it_was_so_its_children_may_come() -> None:
    known: dict[str, str | None] = {"a": None}
    assert refused(unit("a", "nowhere"), unit("b", "a"), known=known) == {"a": ["parent"]}


def test_what_an_item_says_is_checked_like_a_row() -> None:
    assert refused(unit("a", tax_code="1", email="x", colour="red")) == {"a": ["tax_code", "email", ""]}
    assert refused({"parent": "a"}) == {"": ["id", "name"]}
    assert refused(unit("a", tax_code=9001234568)) == {"a": ["tax_code"]}
    assert refused(unit("x" * 65)) == {"": ["id"]}
    assert refused(unit("a"), unit("a", name="hai")) == {"a": ["id"]}
    assert refused("a", 3) == {"": [""]}


def test_an_item_keeps_only_what_it_says() -> None:
    (item,) = judged(unit("a", tax_code="9001234568", phone=""))
    assert item.unit is not None
    assert item.unit.fields == {"name": "Chi nhánh a", "tax_code": "9001234568"}


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("abcdef") | st.none()),
    st.lists(
        st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdefg") | st.none()), unique_by=lambda one: one[0]
    ),
)
def test_the_tree_stays_a_tree(tree: dict[str, str | None], feed: list[tuple[str, str | None]]) -> None:
    first = judged(*(unit(id_, parent) for id_, parent in tree.items()))
    known = {item.id: item.unit.parent for item in first if item.unit is not None}
    items = judged(*(unit(id_, parent) for id_, parent in feed), known=known)
    after = {**known, **{item.id: item.unit.parent for item in items if item.unit is not None}}
    for start in after:
        at, steps = after[start], 0
        while at is not None:
            assert at in after
            at, steps = after[at], steps + 1
            assert steps <= len(after)

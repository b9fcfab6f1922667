"""Runs last: each of the 53 statements has a scenario that ran and passed, and the pages made of them are true."""

from __future__ import annotations

import json

import pytest

from scripts import states
from tests.e2e import statements
from tests.e2e.conftest import PASSED, RAN
from tests.support.needs import absent

ROOT = statements.ROOT
SCENARIOS = statements.scenarios()


@pytest.fixture(scope="module")
def passed(request: pytest.FixtureRequest) -> dict[str, bool]:
    """Scenario -> whether all of it passed, here or in the processes before. Skips where only a part was asked for."""
    ran = dict(request.config.stash.get(PASSED, {}))
    for file in sorted(RAN.glob("*.json"), key=lambda one: one.stat().st_mtime) if RAN is not None else ():
        ran |= json.loads(file.read_text())  # what was run once more counts as it went then
    missing = [one for one in SCENARIOS if f"{one.file}::{one.function}" not in ran]
    if missing:
        said = f"{len(missing)} of {len(SCENARIOS)} scenarios were not part of this run (`make test` runs all of them)"
        if RAN is None:
            pytest.skip(said)
        absent(said)
    return ran


@pytest.mark.parametrize("statement", statements.STATEMENTS, ids=lambda one: one.name)
def test_the_statement_has_a_scenario_that_passed(statement: statements.Statement, passed: dict[str, bool]) -> None:
    proving = [one for one in SCENARIOS if statement.name in one.statements]
    assert proving, f"nothing proves {statement.name}: {statement.says}"
    failed = [one.words for one in proving if not passed[f"{one.file}::{one.function}"]]
    assert len(failed) < len(proving), f"{statement.name}: {failed}"


# --- what is written about them ----------------------------------------------------------------------------------


def test_there_are_24_and_29_statements_each_named_by_known_scenarios_at_most_four_on_one() -> None:
    names = [one.name for one in statements.STATEMENTS]
    assert names == [*(f"A{n}" for n in range(1, 25)), *(f"B{n}" for n in range(1, 30))]
    for one in SCENARIOS:
        assert set(one.statements) <= set(names), one
        assert len(one.statements) <= 4, one


@pytest.mark.parametrize("statement", statements.STATEMENTS, ids=lambda one: one.name)
def test_where_a_statement_says_the_code_is_it_is(statement: statements.Statement) -> None:
    for place in statement.where:
        path, _, name = place.partition(": ")
        assert name in (ROOT / path).read_text("utf-8"), place


def test_docs_statements_md_is_what_make_docs_writes() -> None:
    assert (ROOT / "docs/statements.md").read_text("utf-8") == statements.markdown(), "run `make docs`"


def test_docs_states_md_is_what_make_docs_writes() -> None:
    assert states.PAGE.read_text("utf-8") == states.markdown(), "run `make docs`"

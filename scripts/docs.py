"""Writes the pages that are made from the code: docs/statements.md, docs/states.md and docs/tasks.md. `make docs` calls it."""

from __future__ import annotations

from scripts import states, tasks
from tests.e2e import statements


def main() -> None:
    """Write them."""
    (statements.ROOT / "docs" / "statements.md").write_text(statements.markdown(), "utf-8")
    states.PAGE.write_text(states.markdown(), "utf-8")
    tasks.PAGE.write_text(tasks.markdown(), "utf-8")


if __name__ == "__main__":
    main()

"""Writes the pages that are made from the code: docs/statements.md, docs/states.md, docs/tasks.md,
docs/schemas/ and docs/asyncapi.yaml. `make docs` calls it; a breaking change to an event stops it."""

from __future__ import annotations

from scripts import compatibility, published, states, tasks
from tests.e2e import statements


def main() -> None:
    """Write them."""
    (statements.ROOT / "docs" / "statements.md").write_text(statements.markdown(), "utf-8")
    states.PAGE.write_text(states.markdown(), "utf-8")
    compatibility.release()
    published.write()
    tasks.PAGE.write_text(tasks.markdown(), "utf-8")


if __name__ == "__main__":
    main()

"""How far a batch is, drawn on a terminal; on a pipe one line whenever something changed."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

from app.commands.showing import warn
from app.sending import RESTING
from app.words import text

Report = Callable[[dict[str, Any]], None]


@contextlib.contextmanager
def progress(batch: dict[str, Any]) -> Iterator[Report]:
    """Give a function that is told how the batch stands. Everything goes to stderr."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    ) as drawn:
        taken = drawn.add_task(text("sheet.taken"), total=batch["rows"])
        rested = drawn.add_task(text("sheet.rested"), total=batch["rows"])

        def report(standing: dict[str, Any]) -> None:
            drawn.update(taken, completed=standing["rows_done"])
            drawn.update(rested, completed=resting(standing), total=max(1, sum(standing["stages"].values())))

        yield report


def resting(standing: dict[str, Any]) -> int:
    """Enrolments of a batch in which nothing more happens by itself."""
    return sum(count for stage, count in standing["stages"].items() if stage in RESTING)


def _lines() -> Report:
    said = ""

    def report(standing: dict[str, Any]) -> None:
        nonlocal said
        line = text(
            "sheet.progress",
            done=standing["rows_done"],
            rows=standing["rows"],
            rested=resting(standing),
            open=sum(standing["stages"].values()),
        )
        if line != said:
            warn(line)
        said = line

    return report

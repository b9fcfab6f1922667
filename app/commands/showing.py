"""How commands show things: JSON when asked, a table on a terminal, lines with tabs for a pipe."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any, NoReturn

import typer

from app.words import text

VIETNAM = timezone(timedelta(hours=7))
NOTHING = 1
"""Exit status of a command that found nothing, or whose answer is no."""

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def say(line: str = "") -> None:
    """A line for people, on stdout."""
    print(line, flush=True)


def warn(line: str) -> None:
    """A line for people that is not part of the answer, on stderr."""
    print(line, file=sys.stderr, flush=True)


def as_json(value: Any) -> None:
    """The answer as JSON."""
    print(json.dumps(value, ensure_ascii=False, indent=1, default=_plain), flush=True)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, set | frozenset | tuple):
        return sorted(value) if isinstance(value, set | frozenset) else list(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def cell(value: Any) -> str:
    """One cell for people: times in Vietnam's zone, nothing as nothing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return text("yes" if value else "no")
    if isinstance(value, datetime):
        return value.astimezone(VIETNAM).strftime("%d/%m/%Y %H:%M:%S") if value.year > 1 else ""
    if isinstance(value, float):
        return f"{value:.1f}"
    if isinstance(value, list | tuple | frozenset):
        return ", ".join(str(part) for part in value)
    return str(value)


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], title: str = "") -> None:
    """Rows under translated headers (`col.<key>`): drawn on a terminal, else one line a row, cells between tabs."""
    headers = [text(f"col.{key}") for key in columns]
    shown = [[cell(row.get(key)) for key in columns] for row in rows]
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        drawn = Table(title=title or None, title_justify="left", header_style="bold")
        for header in headers:
            drawn.add_column(header, overflow="fold")
        for line in shown:
            drawn.add_row(*(Text(value) for value in line))
        Console().print(drawn)
        return
    if title:
        say(f"# {title}")
    say("\t".join(headers))
    for line in shown:
        say("\t".join(value.replace("\t", " ").replace("\n", " ") for value in line))


def listed(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], json_: bool) -> None:
    """A whole list as an answer; exit 1 when it is empty."""
    if json_:
        as_json(list(rows))
    elif rows:
        table(rows, columns)
    else:
        warn(text("nothing"))
    if not rows:
        negative()


def negative() -> NoReturn:
    """End with "nothing found, or no"."""
    raise typer.Exit(NOTHING)

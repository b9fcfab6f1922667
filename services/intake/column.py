"""What is known of one column of a sheet."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its key in the API, its header in the template, what else people call it."""

    key: str
    header: str
    aliases: tuple[str, ...]
    required: bool
    example: str
    help: str
    longest: int = 200

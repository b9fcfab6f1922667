"""What a person types as an answer, for `hoso enrolment answer` and `hoso tasks answer`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.opening import read_bytes
from app.commands.showing import say
from app.words import text

if TYPE_CHECKING:
    from services.ops.said import Said

Answer = Annotated[
    str,
    typer.Argument(
        metavar="ANSWER",
        help="What hoso tasks show says can be answered, e.g. retry, data, unit-code, activation-code.",
    ),
]
Value = Annotated[
    str | None,
    typer.Argument(
        metavar="[VALUE]",
        help='Where the answer needs one. For data the mended columns: \'{"tax_code": "…"}\' or @FILE.',
    ),
]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the record.")]
ArrivedAt = Annotated[
    str | None,
    typer.Option(
        "--arrived-at",
        metavar="TIME",
        help="For activation-code: when its mail came, e.g. 2026-03-02T09:15 (Vietnam). Default: now.",
    ),
]


def given(
    answer: str, value: str | None, reason: str, arrived_at: str | None, possible: Callable[[], Sequence[str]]
) -> tuple[Said, dict[str, Any] | None]:
    """The answer, and the mended columns of `data`. An activation code is asked for, or read from stdin; never typed as an
    argument, and only where it is among the `possible` answers."""
    from services.ops.said import Said

    fields = None
    code = None
    if answer == "data":
        from app.mending import read_fields

        written = value or ""
        fields = read_fields(read_bytes(Path(written[1:])).decode("utf-8") if written.startswith("@") else written)
        value = None
    if answer == "activation-code":
        if value is not None:
            raise typer.BadParameter(text("answer.code-shown"))
        if answer not in (choices := possible()):
            from hoso.runtime.failures import HosoError

            raise HosoError(text("answer.not-here", answer=answer, choices=", ".join(choices) or "-"))
        code = str(typer.prompt(text("prompt.code"), hide_input=True))
    return Said(answer, value, reason, code, _time(arrived_at)), fields


def _time(written: str | None) -> Any:
    from datetime import datetime

    if written is None:
        return None
    try:
        return datetime.fromisoformat(written)
    except ValueError as error:
        raise typer.BadParameter(text("time.bad", given=written)) from error


def for_everybody(said: Said, code: str | None) -> None:
    """After a treatment for one case: how the code is given the same for all."""
    from app.answering import for_all

    row = for_all(said, code)
    if row:
        say(text("answer.for-all", row=row))

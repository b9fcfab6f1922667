"""`hoso form`: dossiers as paper, to read, to sign by hand, to post."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.opening import read_uuid, working, write_bytes
from app.commands.showing import Json, as_json, say, warn
from app.words import text

if TYPE_CHECKING:
    from app.house import House
    from app.papers import Paper

app = typer.Typer(
    no_args_is_help=True, help="Printed forms: a dossier as a PDF, the TK3-TS of the paper lane, many as one file."
)

Out = Annotated[Path, typer.Option("--out", help="The file to write; an existing one is replaced.")]


@app.command("print")
def print_(
    enrolment: Annotated[str, typer.Argument(help="The enrolment's id.")],
    out: Out = Path("to-khai.pdf"),
    json_: Json = False,
) -> None:
    """Print the newest dossier of an enrolment; for a unit of the paper lane its TK3-TS, to be signed by hand and posted.

    Example: hoso form print 0199a0de-3c1b-7c4e-8a55-000000000001 --out to-khai.pdf
    """
    _print(enrolment, None, out, json_)


@app.command("batch")
def batch(
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only this tenant's units.")] = None,
    out: Out = Path("to-khai.pdf"),
    after: Annotated[str | None, typer.Option("--after", help="Go on behind this enrolment.")] = None,
    json_: Json = False,
) -> None:
    """Print the TK3-TS of every unit that waits for its paper to be sent, as one file; at most 200, and how many are left.

    Example: hoso form batch --tenant hoaban --out to-khai.pdf
    """
    _print(None, tenant, out, json_, after)


def _print(enrolment: str | None, tenant: str | None, out: Path, json_: bool, after: str | None = None) -> None:
    id_ = None if enrolment is None else read_uuid(enrolment)
    behind = None if after is None else read_uuid(after)

    async def job(own: House) -> Paper:
        from datetime import UTC, datetime

        from app.papers import Papers
        from app.rules import rules
        from app.world import world_clock

        papers = Papers(rules(own.settings), own.vault)
        async with own.db.pool.acquire() as db:
            now = (await world_clock(own.clock or db)).world(datetime.now(UTC))
        if id_ is None:
            return await papers.waiting(own.db.pool, tenant, now, after=behind)
        return await papers.of(own.db.pool, id_, None, now)

    paper = working(job)
    write_bytes(out, paper.pdf)
    if json_:
        told = {"file": str(out), "form": paper.name, "bytes": len(paper.pdf)}
        as_json({**told, "left": paper.left, "next": paper.next, "left_out": list(map(str, paper.left_out))})
        return
    say(f"{out}: {paper.name}")
    if paper.next is not None:
        say(text("form.left", count=paper.left, next=paper.next))
    for one in paper.left_out:
        warn(text("form.left-out", enrolment=one))

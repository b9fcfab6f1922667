"""`hoso migrate`, `hoso settings`, `hoso check`: what an installation needs."""

from __future__ import annotations

from typing import Annotated

import typer

from app.commands.opening import running_database, settings, wait_for
from app.commands.showing import NOTHING, Json, as_json, say, table
from app.words import text


def register(app: typer.Typer) -> None:
    """Put the commands of this file on `app`."""
    app.command("migrate")(migrate)
    app.command("settings")(show_settings)
    app.command("check")(check)


def migrate(json_: Json = False) -> None:
    """Bring the database to the version of this code, and make the topics. Safe to repeat.

    An embedded database that nobody runs is started for it.

    Example: hoso migrate
    """

    async def job() -> list[str]:
        from app.house import key_ring
        from app.preparing import prepare

        known = settings()
        key_ring(known)
        async with running_database(known, make=True) as url:
            return await prepare(known, url)

    parts = wait_for(job())
    if json_:
        as_json(parts)
    else:
        say(text("migrate.done", parts=", ".join(parts)) if parts else text("migrate.none"))


def show_settings(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print docs/settings.md.")] = False,
    json_: Json = False,
) -> None:
    """Every setting, its value now, and what it means. Passwords and tokens are not shown.

    Example: hoso settings
    """
    from hoso import settings as module
    from hoso.store.postgres import redacted

    if markdown:
        print(module.markdown(), end="")
        return
    known = module.load()
    rows = []
    for name, field in module.Settings.model_fields.items():
        value = getattr(known, name)
        shown = "***" if value and field.repr is False else redacted(str(value)) if "://" in str(value) else value
        rows.append(
            {
                "variable": f"HOSO_{name.upper()}",
                "value": "" if shown is None else str(shown),
                "meaning": field.description,
            }
        )
    if json_:
        as_json(rows)
    else:
        table(rows, ("variable", "value", "meaning"))


def check(json_: Json = False) -> None:
    """What is missing and how to mend it. Exit 1 when something is.

    Example: hoso check
    """
    from app.checking import MISSING, findings

    found = wait_for(findings())
    rows = [{"state": f.state, "what": f.what, "message": f.text, "cure": f.cure} for f in found]
    if json_:
        as_json(rows)
    else:
        table([{**row, "state": text(f"state.{row['state']}")} for row in rows], ("state", "what", "message", "cure"))
    if any(f.state == MISSING for f in found):
        raise typer.Exit(NOTHING)

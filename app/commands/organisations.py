"""`hoso org`: the employer's own organisation, told to hoso so that rows may leave to it what it knows."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from app.commands.opening import read_bytes
from app.commands.sheets import KeyFile, Url, address, token
from app.commands.showing import NOTHING, Json, as_json, say, table
from app.words import text

app = typer.Typer(no_args_is_help=True, help="The employer's organisation: import its feed, show the tree.")

_AT_ONCE = 1_000


@app.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="JSON (a list of units) or CSV with the columns id, parent, name, …")
    ],
    key_file: KeyFile,
    url: Url = "",
    json_: Json = False,
) -> None:
    """Tell units by their id: new ones are added, others changed; again is harmless. Exit 1 when one was refused.

    Fields: id, parent, name, unit_code, tax_code, province, agency, address, email, phone, contact_name, profile.

    Example: hoso org import units.json --key-file acme.key
    """
    from app.sending import Intake

    units, key = read_units(read_bytes(file)), token(key_file)

    async def job() -> dict[str, Any]:
        told: dict[str, Any] = {"added": 0, "changed": 0, "unchanged": 0, "refused": 0, "units": []}
        async with Intake(address(url), key) as intake:
            for start in range(0, len(units), _AT_ONCE):
                found = await intake.put_org(units[start : start + _AT_ONCE])
                told = {name: told[name] + found[name] for name in told}
        return told

    found = asyncio.run(job())
    if json_:
        as_json(found)
    else:
        refused = [
            {"id": unit["id"], "column": error["field"], "message": error["message"], "cure": error["cure"]}
            for unit in found["units"]
            for error in unit["errors"]
        ]
        if refused:
            table(refused, ("id", "column", "message", "cure"))
        say(text("org.told", **{name: found[name] for name in ("added", "changed", "unchanged", "refused")}))
    if found["refused"]:
        raise typer.Exit(NOTHING)


@app.command("show")
def show(key_file: KeyFile, url: Url = "", json_: Json = False) -> None:
    """The organisation as a tree. Exit 1 when nothing was told yet.

    Example: hoso org show --key-file acme.key
    """
    from app.sending import Intake

    key = token(key_file)

    async def job() -> list[dict[str, Any]]:
        async with Intake(address(url), key) as intake:
            return await intake.org()

    units = asyncio.run(job())
    if json_:
        as_json(units)
    else:
        for line in drawn(units):
            say(line)
    if not units:
        raise typer.Exit(NOTHING)


def read_units(data: bytes) -> list[dict[str, Any]]:
    """The units of a file. Raises HosoError."""
    from hoso.runtime.failures import HosoError

    try:
        body = data.decode("utf-8-sig")
        if body.lstrip()[:1] in ("[", "{"):
            found = json.loads(body)
            units = found.get("units") if isinstance(found, dict) else found
        else:
            rows = csv.DictReader(io.StringIO(body, newline=""), strict=True)
            units = [{key: cell for key, cell in row.items() if key and cell} for row in rows]
    except (ValueError, csv.Error, RecursionError) as error:
        raise HosoError(text("org.unreadable", why=error)) from error
    if not isinstance(units, list) or not units or not all(isinstance(unit, dict) for unit in units):
        raise HosoError(text("org.unreadable", why="JSON [{…}], CSV id,parent,name"))
    return units


def drawn(units: list[dict[str, Any]]) -> list[str]:
    """The tree, each unit below its parent, in the order of ids."""
    below: dict[str | None, list[dict[str, Any]]] = {}
    for unit in units:
        below.setdefault(unit["parent"], []).append(unit)
    lines: list[str] = []
    waiting = [(unit, 0) for unit in reversed(below.get(None, []))]
    while waiting:
        unit, depth = waiting.pop()
        lines.append(f"{'  ' * depth}{unit['id']}  {unit['name']}")
        waiting += [(one, depth + 1) for one in reversed(below.get(unit["id"], []))]
    return lines

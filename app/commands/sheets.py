"""`hoso sheet`: the template, a dry run without any server, and sending a sheet over HTTP."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from app.commands.opening import read_bytes, read_uuid, settings, write_bytes
from app.commands.showing import NOTHING, Json, as_json, listed, say, table, warn
from app.words import stage_word, text

app = typer.Typer(no_args_is_help=True, help="Sheets of units: the template, a dry run, sending, results.")
Url = Annotated[str, typer.Option("--url", help="Where intake's API is. Default: HOSO_HTTP.")]
KeyFile = Annotated[
    Path, typer.Option("--key-file", metavar="FILE", help="A file with the API key (hoso key add … > FILE).")
]


@app.command("template")
def template(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Where the empty sheet is written, e.g. units.xlsx.")
    ] = None,
    columns: Annotated[bool, typer.Option("--columns", help="Only list the columns.")] = False,
    json_: Json = False,
) -> None:
    """Write an empty sheet to fill in, or list its columns.

    Example: hoso sheet template units.xlsx
    """
    from hoso.runtime.failures import SettingsError

    if columns or file is None:
        from services.intake.columns import COLUMNS

        if not columns:
            raise SettingsError(text("sheet.which"))
        rows = [
            {
                "key": c.key,
                "column": c.header,
                "required": c.required,
                "example": c.example,
                "help": c.help,
                "aliases": list(c.aliases),
            }
            for c in COLUMNS
        ]
        listed(rows, ("key", "column", "required", "example", "help"), json_)
        return
    from services.intake.sheets_out import template as made

    write_bytes(file, made())
    say(text("sheet.template", file=file))


@app.command("check")
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="xlsx or csv.")],
    json_: Json = False,
) -> None:
    """Read a sheet as intake would and say what is wrong with each row. Exit 1 when a row is wrong.

    Sends nothing and needs no server.

    Example: hoso sheet check units.xlsx
    """
    from hoso.runtime.failures import HosoError
    from services.intake.cells import SheetError
    from services.intake.rows import check_rows
    from services.intake.sheets import read_sheet

    data = read_bytes(file)
    wrong: list[dict[str, Any]] = []
    remarks: list[dict[str, Any]] = []
    rows = bad = 0
    try:
        sheet = read_sheet(data, file.name)
        for item in check_rows(sheet.rows):
            rows += 1
            bad += item.checked.form is None
            wrong += [
                {"row": item.row.number, "column": e.column, "message": e.message_vi, "cure": e.cure_vi}
                for e in item.checked.errors
            ]
            remarks += [
                {"row": item.row.number, "column": n.column, "message": n.message_vi} for n in item.checked.notes
            ]
    except SheetError as error:
        raise HosoError(f"{file}: {error.message} {error.cure}") from error
    if json_:
        as_json(
            {
                "rows": rows,
                "good": rows - bad,
                "bad": bad,
                "errors": wrong,
                "notes": remarks,
                "sheet_notes": list(sheet.notes),
            }
        )
    else:
        for note in sheet.notes:
            warn(note)
        if wrong:
            table(wrong, ("row", "column", "message", "cure"))
        for remark in remarks:
            say(text("sheet.remark", **remark))
        say(text("sheet.checked", rows=rows, good=rows - bad, bad=bad))
    if bad:
        raise typer.Exit(NOTHING)


@app.command("submit")
def submit(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="xlsx or csv.")],
    key_file: KeyFile,
    url: Url = "",
    wait: Annotated[
        bool, typer.Option("--wait", help="Until every unit is enrolled, cancelled, or waits for a person.")
    ] = False,
    request: Annotated[
        str, typer.Option("--request", metavar="KEY", help="Your own Idempotency-Key. Default: a new one.")
    ] = "",
    json_: Json = False,
) -> None:
    """Send a sheet and follow it until its rows are taken. Rows with errors are told; the others go on.

    Exit 0 when every row was taken (with --wait: enrolled), else 1. Nothing is enrolled twice when it is sent again.

    Example: hoso sheet submit units.xlsx --key-file acme.key --wait
    """
    from app.sending import Intake, follow

    data, token = read_bytes(file), _token(key_file)

    async def job() -> dict[str, Any]:
        from app.progress import progress

        async with Intake(_address(url), token) as intake:
            batch = await intake.send(data, file.name, request)
            with progress(batch) as report:
                standing = await follow(intake, str(batch["batch"]), wait, report)
            return {**standing, "errors": await intake.wrong_rows(str(batch["batch"]))}

    found = asyncio.run(job())
    _summary(found, json_)
    if found["errors"] or found["state"] != "done" or (wait and set(found["stages"]) - {"enrolled"}):
        raise typer.Exit(NOTHING)


def _summary(found: dict[str, Any], json_: bool) -> None:
    if json_:
        as_json(found)
        return
    if found["errors"]:
        table(
            [
                {"row": row["row"], "column": one["column"], "message": one["message"], "cure": one["cure"]}
                for row in found["errors"]
                for one in row["errors"]
            ],
            ("row", "column", "message", "cure"),
        )
    for stage, count in sorted(found["stages"].items()):
        say(f"{stage_word(stage)}: {count}")
    say(text("sheet.sent", batch=found["batch"], rows=found["rows"], bad=len(found["errors"])))


@app.command("result")
def result(
    batch: Annotated[str, typer.Argument(metavar="BATCH", help="The batch's id, as hoso sheet submit printed it.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the result sheet is written.")],
    key_file: KeyFile,
    url: Url = "",
) -> None:
    """Fetch your sheet with what became of each row beside it. It may be sent in again.

    Example: hoso sheet result 0192f0c1-7c1e-7000-8000-000000000001 result.xlsx --key-file acme.key
    """
    from app.sending import Intake

    id_, token = read_uuid(batch), _token(key_file)

    async def job() -> bytes:
        async with Intake(_address(url), token) as intake:
            return await intake.result(str(id_))

    write_bytes(file, asyncio.run(job()))
    say(text("sheet.result", file=file))


def _token(file: Path) -> str:
    return read_bytes(file).decode("utf-8", "replace").strip()


def _address(url: str) -> str:
    return url.rstrip("/") or f"http://{settings().http}"

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
Batch = Annotated[str, typer.Argument(metavar="BATCH", help="The batch's id, as hoso sheet submit printed it.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for the record.")]


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
    from services.intake.reasons import read_reasons
    from services.intake.sheets_out import template as made

    write_bytes(file, made(read_reasons(settings().stop_reasons)))
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
    from services.intake.reasons import read_reasons
    from services.intake.rows import check_rows
    from services.intake.sheets import read_sheet

    data, reasons = read_bytes(file), read_reasons(settings().stop_reasons)
    wrong: list[dict[str, Any]] = []
    remarks: list[dict[str, Any]] = []
    rows = bad = 0
    try:
        sheet = read_sheet(data, file.name)
        for item in check_rows(sheet.rows, reasons):
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
    attachments: Annotated[
        Path | None,
        typer.Option("--attachments", metavar="DIR", help="Send the pdf, docx and xlsx files of this folder first."),
    ] = None,
    json_: Json = False,
) -> None:
    """Send a sheet and follow it until its rows are taken. Rows with errors are told; the others go on.

    Exit 0 when every row was taken (with --wait: enrolled), else 1. Nothing is enrolled twice when it is sent again.

    Example: hoso sheet submit units.xlsx --key-file acme.key --wait
    """
    from app.sending import Intake, follow

    data, key = _sheet(file), token(key_file)
    files = attached_files(attachments, file)

    async def job() -> dict[str, Any]:
        from app.progress import progress

        async with Intake(address(url), key) as intake:
            for name, content in files:
                await intake.attach(name, content)
            batch = await intake.send(data, file.name, request)
            with progress(batch) as report:
                standing = await follow(intake, str(batch["batch"]), wait, report)
            return {**standing, "errors": await intake.wrong_rows(str(batch["batch"]))}

    found = asyncio.run(job())
    _summary(found, json_)
    if found["errors"] or found["state"] != "done" or (wait and set(found["stages"]) - {"enrolled", "stopped"}):
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
    batch: Batch,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the result sheet is written.")],
    key_file: KeyFile,
    url: Url = "",
    bad_only: Annotated[bool, typer.Option("--bad-only", help="Only the rows that are to be mended.")] = False,
) -> None:
    """Fetch your sheet with what became of each row behind it, the cells to mend coloured. It may be sent in again.

    Example: hoso sheet result 0192f0c1-7c1e-7000-8000-000000000001 result.xlsx --key-file acme.key
    """
    from app.sending import Intake

    id_, key = read_uuid(batch), token(key_file)

    async def job() -> bytes:
        async with Intake(address(url), key) as intake:
            return await intake.result(str(id_), bad_only)

    write_bytes(file, asyncio.run(job()))
    say(text("sheet.result", file=file))


@app.command("list")
def list_(key_file: KeyFile, url: Url = "", json_: Json = False) -> None:
    """Your batches, the newest first. Exit 1 when there is none.

    Example: hoso sheet list --key-file acme.key
    """
    from app.sending import Intake

    async def job() -> list[dict[str, Any]]:
        async with Intake(address(url), token(key_file)) as intake:
            return await intake.batches()

    listed(asyncio.run(job()), ("batch", "filename", "at", "state", "rows_done", "rows", "actor"), json_)


@app.command("pause")
def pause(batch: Batch, key_file: KeyFile, url: Url = "", reason: Reason = "", json_: Json = False) -> None:
    """Let the rows of a batch that nobody has come to wait. What was handed over goes on.

    Example: hoso sheet pause 0192f0c1-7c1e-7000-8000-000000000001 --key-file acme.key
    """
    _order(batch, "pause", key_file, url, reason, json_)


@app.command("resume")
def resume(batch: Batch, key_file: KeyFile, url: Url = "", reason: Reason = "", json_: Json = False) -> None:
    """Go on with a batch that was paused, or that failed.

    Example: hoso sheet resume 0192f0c1-7c1e-7000-8000-000000000001 --key-file acme.key
    """
    _order(batch, "resume", key_file, url, reason, json_)


@app.command("cancel")
def cancel(batch: Batch, key_file: KeyFile, url: Url = "", reason: Reason = "", json_: Json = False) -> None:
    """Give a batch up: no further row is begun, and its open enrolments are cancelled.

    What was filed at the agency runs to its outcome there. Not to be taken back; the sheet may be sent in again.

    Example: hoso sheet cancel 0192f0c1-7c1e-7000-8000-000000000001 --key-file acme.key --reason "wrong file"
    """
    _order(batch, "cancel", key_file, url, reason, json_)


def _order(batch: str, order: str, key_file: Path, url: str, reason: str, json_: bool) -> None:
    from app.sending import Intake

    id_, key = read_uuid(batch), token(key_file)

    async def job() -> dict[str, Any]:
        async with Intake(address(url), key) as intake:
            return await intake.say(str(id_), order, reason)

    found = asyncio.run(job())
    if json_:
        as_json(found)
    else:
        say(text("sheet.ordered", batch=found["batch"], state=text(f"sheet.state.{found['state']}")))


def attached_files(folder: Path | None, sheet: Path) -> list[tuple[str, bytes]]:
    """The files of a folder that may travel, by name; not the sheet itself. Raises HosoError."""
    from hoso.dossiers.attachments import media
    from hoso.dossiers.writing import InvalidDossier
    from hoso.runtime.failures import HosoError

    if folder is None:
        return []
    if not folder.is_dir():
        raise HosoError(text("file.unreadable", file=folder, why="not a directory"))
    found = []
    for file in sorted(folder.iterdir()):
        if file.suffix.lower() in (".pdf", ".docx", ".xlsx") and file.is_file() and file.resolve() != sheet.resolve():
            data = read_bytes(file)
            try:
                media(file.name, data)
            except InvalidDossier as error:
                raise HosoError(str(error)) from error
            found.append((file.name, data))
    return found


def _sheet(file: Path) -> bytes:
    """A sheet that is not too large to be sent. Raises HosoError."""
    from hoso.runtime.failures import HosoError
    from services.intake.cells import MAX_BYTES

    data = read_bytes(file)
    if len(data) > MAX_BYTES:
        raise HosoError(text("sheet.too-large", file=file, size=len(data) >> 20, most=MAX_BYTES >> 20))
    return data


def token(file: Path) -> str:
    """The API key in a file. Raises HosoError."""
    return read_bytes(file).decode("utf-8", "replace").strip()


def address(url: str) -> str:
    """Where intake's API is; with a port chosen at every start, where the `hoso up` of this folder said it is. Raises HosoError."""
    if url:
        return url.rstrip("/")
    known = settings()
    return running_at(known.var) if known.http.endswith(":0") else f"http://{known.http}"


def running_at(var: Path) -> str:
    """What the `hoso up` that runs wrote down. Raises HosoError."""
    import json

    from hoso.runtime.failures import HosoError

    try:
        return str(json.loads((var / "up.json").read_text("utf-8"))["services"]["intake"]["http"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HosoError(text("sheet.nobody", file=var / "up.json")) from error

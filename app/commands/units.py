"""`hoso unit`: looking up which code the agency gave a unit (B25)."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from app.commands.opening import settings, wait_for
from app.commands.showing import Json, listed
from app.words import text

app = typer.Typer(no_args_is_help=True, help="Unit codes of the agency.")


@app.command("lookup")
def lookup(
    tax_code: Annotated[str, typer.Option("--tax-code", help="The employer's tax code, 10 or 13 digits.")],
    name: Annotated[str, typer.Option("--name", help="Part of the unit's name, to narrow the list.")] = "",
    json_: Json = False,
) -> None:
    """Ask the directory of HOSO_UNIT_DIRECTORY which units a tax code has. Exit 1 when there is none.

    What it finds is a hint: compare name and address before you use a code.

    Example: hoso unit lookup --tax-code 0101243150 --name Huế
    """
    from services.submitter.directory import HttpUnitDirectory

    directory = HttpUnitDirectory(_address())
    found = wait_for(directory.look_up(_tax_code(tax_code), name))
    rows: list[dict[str, Any]] = [
        {
            "unit_code": unit.unit_code,
            "name": unit.name,
            "tax_code": unit.tax_code,
            "agency": unit.agency,
            "agency_name": unit.agency_name,
            "address": unit.address,
        }
        for unit in found
    ]
    listed(rows, ("unit_code", "name", "tax_code", "agency", "address"), json_)


def _address() -> str:
    from hoso.runtime.failures import SettingsError

    address = settings().unit_directory
    if not address:
        raise SettingsError(text("unit.no-directory"))
    return address


def _tax_code(given: str) -> str:
    from hoso.domain.identifiers import BadValue, read_tax_code

    try:
        return read_tax_code(given).value
    except BadValue as error:
        raise typer.BadParameter(str(error)) from error

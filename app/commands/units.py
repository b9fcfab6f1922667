"""`hoso unit`: looking up which code the agency gave a unit (B25), and freeing a code that was claimed wrongly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from app.commands.opening import Actor, audit, settings, wait_for, working
from app.commands.showing import Json, as_json, listed, say
from app.words import text

if TYPE_CHECKING:
    from app.house import House

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


@app.command("release")
def release(
    code: Annotated[str, typer.Argument(metavar="CODE", help="The unit code to free.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, for the record.")],
    actor: Actor = "",
    json_: Json = False,
) -> None:
    """Free a unit code that a tenant named by mistake: whoever names it next has it.

    Only while its unit has no open enrolment, and nothing was ever filed for it. What was done is audited.

    Example: hoso unit release TZ1234Z --reason "typed by mistake, see ticket 17"
    """
    from hoso.runtime.failures import HosoError

    wanted = "".join(code.split()).upper()
    if not reason.strip():
        raise typer.BadParameter(text("unit.no-reason"), param_hint="--reason")

    async def job(own: House) -> dict[str, Any]:
        async with own.db.pool.acquire() as tx, tx.transaction():
            held = await own.registry.holder(tx, wanted)
            if held is None:
                raise HosoError(text("unit.free", code=wanted))
            unit, tenant = held
            in_use = await _in_use(tx, unit)
            if in_use is not None:
                raise HosoError(text(in_use[0], code=wanted, enrolment=in_use[1]))
            told = {"unit_code": wanted, "unit": str(unit), "tenant": tenant, "reason": reason.strip()}
            await audit(tx, actor, tenant, "unit.release", **{k: v for k, v in told.items() if k != "tenant"})
            if not await own.registry.release(tx, unit, wanted):
                raise HosoError(text("unit.free", code=wanted))
        return told

    told = working(job)
    as_json(told) if json_ else say(text("unit.released", code=wanted, tenant=told["tenant"]))


_OVER = ("stopped", "cancelled", "refused-request")
"""Stages in which an enrolment needs its unit's code no more."""


async def _in_use(tx: Any, unit: UUID) -> tuple[str, UUID] | None:
    """Why a unit keeps its code: a sentence's name and the enrolment. Asked of intake, which knows of an enrolment from its
    first moment, of ops, and of the ledger of filings."""
    known = await tx.fetch(
        "select enrolment, stage, filed from ops.enrolment where unit = $1 "
        "union all select enrolment, stage, filed from intake.enrolment where unit = $1",
        unit,
    )
    filed = [row["enrolment"] for row in known if row["filed"]] or [
        row["enrolment"]
        for row in await tx.fetch(
            "select enrolment from submitter.filing where enrolment = any($1::uuid[])",
            [row["enrolment"] for row in known],
        )
    ]
    if filed:
        return "unit.filed", filed[0]
    still = [row["enrolment"] for row in known if row["stage"] not in _OVER]
    return ("unit.open", still[0]) if still else None


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

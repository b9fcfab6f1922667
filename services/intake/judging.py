"""Rows judged with what the house knows: the deployment's reasons, and the employer's organisation for cells left empty."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.intake.org import Organisation
from services.intake.reasons import StopReasons
from services.intake.rows import CheckedRow, RowCheck, org_unit_of
from services.intake.sheets import Row
from services.intake.validation import Checked


@dataclass(frozen=True, slots=True)
class Judge:
    """One for all tenants."""

    organisation: Organisation
    reasons: StopReasons

    def sheet(self) -> RowCheck:
        """A memory of which unit was taken by which row, for one sheet."""
        return RowCheck(self.reasons)

    async def rows(self, tenant: str, rows: Sequence[Row], check: RowCheck) -> list[CheckedRow]:
        """The next rows of a sheet, in order."""
        ids = {id_ for row in rows if (id_ := org_unit_of(row.fields))}
        known: dict[str, Mapping[str, str]] = {}
        if ids:
            async with self.organisation.pool.acquire() as db:
                known = await self.organisation.fields(db, tenant, ids)
        return await asyncio.to_thread(lambda: [check.check(row, known) for row in rows])

    async def one(self, tenant: str, fields: Mapping[str, str]) -> Checked:
        """A single request."""
        row, check = Row(0, dict(fields), (), ()), self.sheet()
        if len(fields) <= 100 and not org_unit_of(fields):
            return check.check(row).checked
        return (await self.rows(tenant, [row], check))[0].checked

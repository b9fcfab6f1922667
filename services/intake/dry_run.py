"""A dry run: what an upload would say about every row, without taking any."""

from __future__ import annotations

import asyncio
from datetime import datetime
from itertools import islice
from typing import Any

from services.intake.admission import Request
from services.intake.batches import CHUNK
from services.intake.desk import Desk
from services.intake.judging import Judge
from services.intake.ports import Pool
from services.intake.sheets import read_sheet
from services.intake.views import error_json, note_json


async def dry_run(
    pool: Pool, desk: Desk, judge: Judge, tenant: str, data: bytes, filename: str, now: datetime
) -> dict[str, Any]:
    """What an upload would say about every row, without taking any. Raises SheetError."""
    sheet = await asyncio.to_thread(read_sheet, data, filename)
    check = judge.sheet()
    rows: list[dict[str, Any]] = []
    total = good = 0
    while raw := await asyncio.to_thread(lambda: list(islice(sheet.rows, CHUNK))):
        chunk = await judge.rows(tenant, raw, check)
        total += len(chunk)
        forms = [(item, item.checked.form) for item in chunk if item.checked.form is not None]
        requests = [
            Request(str(item.row.number), form, "", "", attachments=item.checked.attachments) for item, form in forms
        ]
        async with pool.acquire() as tx:
            looks = await desk.look(tx, tenant, requests)
        missing = {item.row.number: look for (item, _), look in zip(forms, looks, strict=True) if look is not None}
        for item in chunk:
            look = missing.get(item.row.number)
            errors = look.errors if look else item.checked.errors
            good += not errors
            if errors or item.checked.notes:
                rows.append(
                    {
                        "row": item.row.number,
                        "errors": [error_json(error) for error in errors],
                        "notes": [note_json(note) for note in item.checked.notes],
                    }
                )
    return {
        "dry_run": True,
        "at": now.isoformat(),
        "rows": total,
        "good": good,
        "bad": total - good,
        "notes": sheet.notes,
        "row_remarks": rows,
    }

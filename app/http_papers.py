"""Printed forms over HTTP.

GET  /v1/enrolments/{id}/form.pdf      its newest dossier; of the paper lane its TK3-TS      scope setup or read
GET  /v1/forms.pdf                     the TK3-TS of every unit that waits for its paper     scope setup or read
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from app.http_refusals import done
from app.papers import Paper, Papers
from services.intake.gate import gate
from services.intake.ports import Principal

if TYPE_CHECKING:
    from app.http_setup import Counter


def add_papers(made: APIRouter, counter: Counter, papers: Papers) -> None:
    """Put the routes on `made`."""
    reader = Depends(gate(counter.keys)("setup", "read"))
    pdf: dict[int | str, dict[str, Any]] = {200: {"content": {"application/pdf": {}}}}
    one_at_a_time = asyncio.Lock()  # printing is processor time; the requests of others go first

    @made.get("/enrolments/{enrolment}/form.pdf", responses=pdf)
    async def get_form(enrolment: UUID, who: Principal = reader) -> Response:
        """The newest dossier of an enrolment as a PDF; for a unit of the paper lane its TK3-TS."""
        async with one_at_a_time, counter.pool.acquire() as db:
            return _file(await done(papers.of(db, enrolment, who.tenant, counter.now())))

    @made.get("/forms.pdf", responses=pdf)
    async def get_forms(who: Principal = reader) -> Response:
        """The TK3-TS of every unit of the tenant that waits for its paper to be sent, as one file."""
        async with one_at_a_time, counter.pool.acquire() as db:
            return _file(await done(papers.waiting(db, who.tenant, counter.now())))


def _file(paper: Paper) -> Response:
    name = f"inline; filename*=UTF-8''{quote(paper.name)}"
    return Response(paper.pdf, media_type="application/pdf", headers={"Content-Disposition": name})

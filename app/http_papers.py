"""Printed forms over HTTP.

GET  /v1/enrolments/{id}/form.pdf      its newest dossier; of the paper lane its TK3-TS      scope setup or read
GET  /v1/forms.pdf?after=              the TK3-TS of units that wait for their paper         scope setup or read

One printing a tenant at a time: the second is answered 429.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from app.http_refusals import done
from app.papers import MOST, Paper, Papers
from services.intake.gate import gate
from services.intake.ports import Principal
from services.intake.problems import Problem

if TYPE_CHECKING:
    from app.http_counter import Counter

_NAMED = 20
"""Forms left out that a header names."""


def add_papers(made: APIRouter, counter: Counter, papers: Papers, most: int = MOST) -> None:
    """Put the routes on `made`. `most`: forms in one file."""
    reader = Depends(gate(counter.keys)("setup", "read"))
    pdf: dict[int | str, dict[str, Any]] = {200: {"content": {"application/pdf": {}}}}
    printing = Printing()

    @made.get("/enrolments/{enrolment}/form.pdf", responses=pdf)
    async def get_form(enrolment: UUID, who: Principal = reader) -> Response:
        """The newest dossier of an enrolment as a PDF; for a unit of the paper lane its TK3-TS."""
        with printing.of(who.tenant):
            return _file(await done(papers.of(counter.pool, enrolment, who.tenant, counter.now())))

    @made.get("/forms.pdf", responses=pdf)
    async def get_forms(who: Principal = reader, after: UUID | None = None) -> Response:
        """The TK3-TS of the units of the tenant that wait for their paper to be sent, the oldest first, 200 in a file.

        `Link: rel="next"` is the next file, `Hoso-Forms-Left` how many forms it and those behind it have.
        `Hoso-Forms-Left-Out`: the enrolments whose form could not be printed.
        """
        with printing.of(who.tenant):
            asked = papers.waiting(counter.pool, who.tenant, counter.now(), after=after, most=most)
            return _file(await done(asked))


class Printing:
    """Which tenants are printing in this process."""

    def __init__(self) -> None:
        self._tenants: set[str] = set()

    @contextmanager
    def of(self, tenant: str) -> Iterator[None]:
        """Raises Problem 429 while the same tenant prints something else."""
        if tenant in self._tenants:
            detail = "Một bản in khác của bạn đang được làm. Chờ số giây trong Retry-After rồi gửi lại."
            raise Problem(429, "printing", "Đang in", detail)
        self._tenants.add(tenant)
        try:
            yield
        finally:
            self._tenants.discard(tenant)


def _file(paper: Paper) -> Response:
    headers = {"Content-Disposition": f"inline; filename*=UTF-8''{quote(paper.name)}"}
    if paper.next is not None:
        headers["Link"] = f'</v1/forms.pdf?after={paper.next}>; rel="next"'
        headers["Hoso-Forms-Left"] = str(paper.left)
    if paper.left_out:
        more = len(paper.left_out) - _NAMED
        named = [str(one) for one in paper.left_out[:_NAMED]]
        headers["Hoso-Forms-Left-Out"] = ", ".join([*named, f"+{more}"] if more > 0 else named)
    return Response(paper.pdf, media_type="application/pdf", headers=headers)

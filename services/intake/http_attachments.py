"""Files over HTTP, sent ahead of the rows that name them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from services.intake.attachments import MAX_BYTES
from services.intake.bodies import read_body
from services.intake.gate import gate
from services.intake.ports import Principal
from services.intake.problems import not_found
from services.intake.rooms import READ, SUBMIT, Rooms

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def routes(rooms: Rooms) -> APIRouter:
    """PUT, GET and DELETE of a tenant's files."""
    router = APIRouter(prefix="/v1/attachments")
    may = gate(rooms.keys)
    reader, sender = Depends(may(READ)), Depends(may(SUBMIT))

    @router.put("/{name}", openapi_extra=_BODY)
    async def put_attachment(name: str, request: Request, who: Principal = sender) -> Response:
        """Send a file (pdf, docx or xlsx) that rows name in “Tệp đính kèm”. The same name again is a new version for later rows."""
        async with rooms.bodies.turn(request, who.tenant):
            data = await rooms.bodies.read(read_body(request, MAX_BYTES))
            found, new = await rooms.files.put(who.tenant, name, data, who.actor, rooms.new_id(), rooms.clock.now())
        return JSONResponse(found, 201 if new else 200)

    @router.get("")
    async def get_attachments(who: Principal = reader) -> dict[str, Any]:
        """The newest version of each file, without its bytes."""
        return {"attachments": await rooms.files.all(who.tenant)}

    @router.delete("/{name}", status_code=204)
    async def delete_attachment(name: str, who: Principal = sender) -> Response:
        """Forget a file's name. What requests took of it stays with them."""
        if not await rooms.files.remove(who.tenant, name):
            raise not_found("tệp")
        return Response(status_code=204)

    return router

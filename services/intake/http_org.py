"""The organisation feed over HTTP (B6)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from services.intake.bodies import read_json
from services.intake.gate import gate
from services.intake.org import FIELDS, MOST, shown
from services.intake.ports import Principal
from services.intake.problems import Problem
from services.intake.rooms import READ, SUBMIT, Rooms

_MOST_BYTES = 8 * 1024 * 1024
_TEXT = {"type": "string"}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["units"],
                    "properties": {
                        "units": {
                            "type": "array",
                            "maxItems": MOST,
                            "items": {
                                "type": "object",
                                "required": ["id", "name"],
                                "properties": dict.fromkeys(("id", "parent", *FIELDS), _TEXT),
                            },
                        }
                    },
                }
            }
        },
    }
}


def routes(rooms: Rooms) -> APIRouter:
    """PUT and GET of a tenant's organisation."""
    router = APIRouter(prefix="/v1/org")
    may = gate(rooms.keys)
    reader, sender = Depends(may(READ)), Depends(may(SUBMIT))

    @router.put("/units", openapi_extra=_BODY)
    async def put_units(request: Request, who: Principal = sender) -> dict[str, Any]:
        """Upsert units by their id; what is told of one replaces what was known of it. One answer an item, in order."""
        async with rooms.bodies.turn(request, who.tenant):
            return await _put(request, who)

    async def _put(request: Request, who: Principal) -> dict[str, Any]:
        body = await rooms.bodies.read(read_json(request, _MOST_BYTES))
        given = body.get("units") if isinstance(body, dict) else None
        if not isinstance(given, list) or len(given) > MOST:
            detail = f'Gửi {{"units": [{{"id": …, "parent": …, "name": …}}]}}, nhiều nhất {MOST:,} đơn vị một lần.'
            raise Problem(400, "bad-json", "JSON không đúng dạng", detail.replace(",", "."))
        items = await rooms.organisation.upsert(who.tenant, given, who.actor, rooms.clock.now())
        outcomes = [item.outcome for item in items]
        counts = {word: outcomes.count(word) for word in ("added", "changed", "unchanged", "refused")}
        return {**counts, "units": [shown(item) for item in items]}

    @router.get("/units")
    async def get_units(
        who: Principal = reader, after: str = "", limit: Annotated[int, Query(ge=1, le=1_000)] = 500
    ) -> dict[str, Any]:
        """The units by id, each with its parent's. `next` is the `after` of the next page."""
        found = await rooms.organisation.page(who.tenant, after, limit)
        return {"units": found, "next": found[-1]["id"] if len(found) == limit else None}

    return router

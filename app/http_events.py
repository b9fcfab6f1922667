"""Public events and webhooks of one tenant over HTTP.

GET                /v1/events?after=CURSOR                        scope read or setup
GET, POST          /v1/webhooks                                   scope setup
DELETE             /v1/webhooks/{id}
POST               /v1/webhooks/{id}/replay?after=CURSOR
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from app.http_bodies import Body, described, given
from app.http_refusals import done
from hoso.runtime.ids import uuid7
from services.intake.ports import Principal
from services.intake.problems import Problem, not_found
from services.notifier.endpoints import Endpoints, events_after
from services.notifier.receivers import BadUrl, read_url

if TYPE_CHECKING:
    from app.http_counter import Counter


_LAST = 2**63 - 1
"""The greatest cursor there can be."""


class NewWebhook(Body):
    """A receiver to tell."""

    url: str = Field(min_length=1, max_length=2000)


def add_events(made: APIRouter, counter: Counter, setter: Any, reader: Any) -> None:
    """Put the routes on `made`."""
    endpoints = Endpoints(counter.pool, counter.vault, uuid7)

    @made.get("/events")
    async def get_events(
        who: Principal = reader,
        after: Annotated[int, Query(ge=0, le=_LAST)] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> Response:
        """What happened after a cursor, oldest first, as webhooks tell it. `next` is the `after` of the next page."""
        async with counter.pool.acquire() as db:
            bodies = await events_after(db, who.tenant, after, limit)
        last = after if not bodies else None
        return Response(_page(bodies, last), media_type="application/json")

    @made.get("/webhooks")
    async def get_webhooks(who: Principal = setter) -> dict[str, Any]:
        """The tenant's webhooks; never their secrets."""
        return {"webhooks": [_webhook(row) for row in await endpoints.webhooks(who.tenant)]}

    @made.post("/webhooks", status_code=201, openapi_extra=described(NewWebhook))
    async def post_webhook(request: Request, who: Principal = setter) -> Response:
        """Tell a receiver from now on. Its secret is in this answer only."""
        body = await given(request, NewWebhook)
        try:
            url = read_url(body.url, loopback=counter.settings.webhook_loopback)
        except BadUrl as error:
            raise Problem(422, "webhook-url", "Địa chỉ webhook không dùng được", error.vi) from error
        id_, secret = await done(endpoints.add(who.tenant, url, who.actor))
        return JSONResponse({"id": str(id_), "url": url, "secret": secret}, 201, {"Cache-Control": "no-store"})

    @made.delete("/webhooks/{id_}", status_code=204)
    async def delete_webhook(id_: UUID, who: Principal = setter) -> Response:
        """Tell a receiver no more."""
        await _known(endpoints, id_, who)
        await done(endpoints.remove(id_, who.actor, who.tenant))
        return Response(status_code=204)

    @made.post("/webhooks/{id_}/replay", status_code=202)
    async def post_replay(
        id_: UUID, who: Principal = setter, after: Annotated[int | None, Query(ge=0, le=_LAST)] = None
    ) -> dict[str, str]:
        """Tell a receiver again what came after a cursor; without one, from the first it did not take."""
        await _known(endpoints, id_, who)
        return {"id": str(id_), "after": str(await done(endpoints.replay(id_, after, who.actor, who.tenant)))}


async def _known(endpoints: Endpoints, id_: UUID, who: Principal) -> None:
    if id_ not in [row["endpoint"] for row in await endpoints.webhooks(who.tenant)]:
        raise not_found("webhook")


def _page(bodies: list[str], last: int | None) -> str:
    """The bodies as they were written down, joined: what a webhook signs and what is read here are the same bytes."""
    next_ = str(last) if last is not None else json.loads(bodies[-1])["cursor"]
    return f'{{"events": [{", ".join(bodies)}], "next": "{next_}"}}'


def _webhook(row: Mapping[str, Any]) -> dict[str, Any]:
    shown = {
        name: row[name].isoformat() if isinstance(row[name], datetime) else row[name]
        for name in ("url", "behind", "refused", "failing_since", "status", "error", "delivered_at", "disabled_at")
    }
    return {"id": str(row["endpoint"]), "cursor": str(row["cursor"]), **shown}

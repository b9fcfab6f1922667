"""Messages of the remote signing service: a hint to look, never a signature (domain.md §5.2).

They are not signed. A message counts when its clientId is one that we ask as and its transaction is one that waits; or when it
names documents that we asked for and got no answer about, then its number is looked up at the service itself. Each message
counts once. Nothing else of it is read, so whoever forges one makes us ask a question that we were to ask anyway.
"""

from __future__ import annotations

import json
import logging
from typing import Any

import asyncpg
from aiohttp import web

MAX_BODY = 256 * 1024
MAX_DOCUMENTS = 200
MAX_MESSAGES = 100
"""About one prompt; more are not listened to."""
PATH = "/esign/messages"

log = logging.getLogger(__name__)


class EsignMessages:
    """Takes messages in."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    def app(self) -> web.Application:
        """POST /esign/messages: 204 taken, 400 no message of the service, 403 not for us, 413 too large."""
        made = web.Application(client_max_size=MAX_BODY)
        made.add_routes([web.post(PATH, self._post)])
        return made

    async def _post(self, request: web.Request) -> web.Response:
        try:
            body = json.loads(await request.read())
            message, client, number = (_word(body, name) for name in ("messageId", "clientId", "transactionId"))
            listed = body.get("signatures") or []
            documents = [str(one["documentId"])[:36] for one in listed[:MAX_DOCUMENTS]]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return web.Response(status=400)
        known = await self._pool.fetchval("select true from signer.prompt where client = $1 limit 1", client)
        if not known:
            return web.Response(status=403)
        await self._hint(message, client, number, documents)
        return web.Response(status=204)

    async def _hint(self, message: str, client: str, number: str, documents: list[str]) -> None:
        async with self._pool.acquire() as tx, tx.transaction():
            waiting = await tx.fetchval(
                "select id from signer.prompt where client = $1 and number = $2 and state = 'pending'", client, number
            )
            lost = None if waiting is not None else await self._lost(tx, client, documents)
            if waiting is None and lost is None:
                return
            fresh = await tx.fetchval(
                "insert into signer.hint(prompt, message) select $1, $2 where (select count(*) from signer.hint where prompt = $1) < $3 "
                "on conflict do nothing returning true",
                waiting or lost,
                message,
                MAX_MESSAGES,
            )
            if not fresh:
                return
            if waiting is not None:
                await tx.execute("update signer.prompt set poll_at = least(poll_at, now()) where id = $1", waiting)
            else:
                await tx.execute("update signer.prompt set hinted = $2 where id = $1 and state = 'asked'", lost, number)
        log.info("the signing service sent a message", extra={"number": number})

    async def _lost(self, tx: Any, client: str, documents: list[str]) -> Any:
        """The prompt without a number that asks for exactly these documents."""
        if not documents:
            return None
        return await tx.fetchval(
            "select p.id from signer.prompt p where p.client = $1 and p.state = 'asked' and (select array_agg(d order by d) "
            "from signer.question q, unnest(q.documents) d where q.prompt = p.id) = $2 limit 1",
            client,
            sorted(set(documents)),
        )


def _word(body: dict[str, Any], name: str) -> str:
    value = body[name]
    if not isinstance(value, str) or not 0 < len(value) <= 200 or not value.isprintable():
        raise ValueError(name)
    return value

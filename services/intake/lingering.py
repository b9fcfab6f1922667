"""An answer that goes out before the request's body has come in reaches its client.

Closing a connection on which unread bytes lie resets it, and the client, which is still sending, never sees why it was refused. So the
answer is sent at once, and what still comes is read and dropped for a moment before the connection is closed (RFC 9112, 9.6).
"""

from __future__ import annotations

import asyncio
import contextlib

from starlette.types import ASGIApp, Message, Receive, Scope, Send

LINGER_S = 2.0


class Lingering:
    """ASGI: answers at once, ends when the body has come in or after LINGER_S."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        names = {name for name, _ in scope["headers"]} if scope["type"] == "http" else set()
        if b"expect" in names or not names & {b"content-length", b"transfer-encoding"}:
            await self._app(scope, receive, send)  # there is no body, or none is sent before it is asked for
            return
        whole = False

        async def heard() -> Message:
            nonlocal whole
            message = await receive()
            whole = not message.get("more_body")
            return message

        async def told(message: Message) -> None:
            last = message["type"] == "http.response.body" and not message.get("more_body")
            if last and not whole:
                await send({**message, "more_body": True})
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LINGER_S):
                        while not whole:
                            await heard()
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        await self._app(scope, heard, told)

"""Answers on the wire, whole and spoiled."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from typing import Any

from aiohttp import web

from simulator.mails import windows_1258

PROXY_PAGE = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1>"
    b"</center>\r\n</body>\r\n</html>\r\n"
)
BUSY_PAGE = b"<html><body>Service Unavailable</body></html>\r\n"


SHOWN = {
    "A2": "lost",
    "A3P": "hang",
    "A4": "lost",
    "A8-502P": "502",
    "A8-TRUNCP": "truncated",
    "A8-CHARSETP": "charset",
    "503-BAREP": "503",
}
"""The ledger's word for what the caller of a processed filing got."""


def reply_xml(body: bytes, status: int = 200) -> web.Response:
    """An XML answer; without a body, an empty one."""
    return web.Response(body=body, status=status, headers={"Content-Type": "application/xml; charset=utf-8"})


def reply_json(value: Any, status: int = 200) -> web.Response:
    """A JSON answer."""
    body = json.dumps(value, ensure_ascii=False).encode()
    return web.Response(body=body, status=status, headers={"Content-Type": "application/json; charset=utf-8"})


def _page(status: int, body: bytes) -> web.Response:
    return web.Response(body=body, status=status, headers={"Content-Type": "text/html; charset=utf-8"})


def _bytes(reply: web.Response) -> bytes:
    return reply.body if isinstance(reply.body, bytes) else b""


def unprocessed(fault: str, reply: web.Response) -> web.Response:
    """The answer to a request that was not processed. `reply` is what a processed one might have got."""
    if fault == "A6":
        return reply_xml(b"", 409)
    if fault == "A7":
        return web.Response(status=429, headers={"Retry-After": "1"})
    if fault == "503":
        return web.Response(body=BUSY_PAGE, status=503, headers={"Content-Type": "text/html", "X-Processed": "no"})
    return spoil(fault, reply)


def spoil(fault: str, reply: web.Response) -> web.Response:
    """An answer as the fault lets it through."""
    if fault in ("A8-502", "A8-502P"):
        return _page(502, PROXY_PAGE)
    if fault in ("503-BARE", "503-BAREP"):
        return _page(503, BUSY_PAGE)
    if fault in ("A7", "503"):
        return unprocessed(fault, reply)
    body = _bytes(reply)
    if fault in ("A8-TRUNC", "A8-TRUNCP"):
        body = body[: len(body) * 3 // 5]
    elif fault in ("A8-CHARSET", "A8-CHARSETP"):
        body = windows_1258(body.decode())  # and still says UTF-8
    return web.Response(body=body, status=reply.status, headers={"Content-Type": reply.headers["Content-Type"]})


def reset(request: web.BaseRequest) -> web.StreamResponse:
    """Reset the connection. The answer returned goes nowhere."""
    transport = request.transport
    if transport is not None:
        link = transport.get_extra_info("socket")
        if link is not None:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()


async def gone(request: web.BaseRequest, at_most: float) -> None:
    """Return when the caller has given up, or after some seconds."""
    try:
        async with asyncio.timeout(at_most):
            while (transport := request.transport) is not None and not transport.is_closing():
                await asyncio.sleep(0.02)
    except TimeoutError:
        pass

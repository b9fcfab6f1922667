"""/health and /metrics of one process, on loopback unless a token is set."""

from __future__ import annotations

import hmac
import ipaddress
import logging
import os
import time
from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import generate_latest

from hoso.process.gauges import Gauges
from hoso.process.lag import Ends
from hoso.runtime.consumer import LOST
from hoso.runtime.failures import SettingsError
from hoso.runtime.kernel import Kernel

log = logging.getLogger(__name__)

STALE_S = 15.0


def split_address(text: str) -> tuple[str, int]:
    """'127.0.0.1:0' -> host and port. Raises SettingsError."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise SettingsError(f"'{text}' is no address: write host:port, e.g. 127.0.0.1:0")
    return host.strip("[]"), int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def serve(kernel: Kernel, address: str, token: str, ends: Ends | None = None) -> tuple[web.AppRunner, str]:
    """Serve until the runner is cleaned up; returns it and the real address. Raises SettingsError when it may or can not.

    `ends`: with Kafka, what tells how far its partitions go."""
    host, port = split_address(address)
    if not is_loopback(host) and not token:
        raise SettingsError(f"HOSO_OPS={address} listens beyond this machine: set HOSO_OPS_TOKEN, or use 127.0.0.1")
    gauges = Gauges(kernel.metrics.registry)

    def guarded(
        handler: Callable[[web.Request], Awaitable[web.Response]],
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def guard(request: web.Request) -> web.Response:
            given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
            if token and not hmac.compare_digest(given, f"Bearer {token}".encode()):
                return web.Response(status=401, text="a bearer token is needed\n")
            return await handler(request)

        return guard

    async def health(_request: web.Request) -> web.Response:
        silent = time.monotonic() - kernel.alive_at
        healthy = silent < STALE_S and not kernel.drained.is_set()
        return web.json_response(
            {
                "healthy": healthy,
                "group": kernel.group,
                "pid": os.getpid(),
                "member": str(kernel.member),
                "database_seen_seconds_ago": round(silent, 1),
            },
            status=200 if healthy else 503,
        )

    async def metrics(_request: web.Request) -> web.Response:
        try:
            await gauges.measure(kernel, ends)
        except LOST:
            pass
        except Exception:  # the process's own numbers are told all the same
            log.exception("lag and what waits could not be measured")
        return web.Response(
            body=generate_latest(kernel.metrics.registry),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )

    app = web.Application()
    app.add_routes([web.get("/health", guarded(health)), web.get("/metrics", guarded(metrics))])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise SettingsError(
            f"{address} cannot be used ({error.strerror}): another program holds the port; choose one with HOSO_OPS, 0 lets the system choose"
        ) from error
    return runner, f"{host}:{runner.addresses[0][1]}"

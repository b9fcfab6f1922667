"""The desk of the workstations, served by the signer's process: where it listens, and with which certificate."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

from app.adapters import SigningProfiles
from app.house import House
from hoso.process.ops_http import is_loopback, split_address
from hoso.runtime.failures import SettingsError
from hoso.runtime.kernel import Kernel
from hoso.settings import Settings
from services.signer.desk import Desk


def listening(settings: Settings) -> tuple[socket.socket, str]:
    """The open socket and the address workstations use. Raises SettingsError.

    Two processes of the signer may share one port: the desk is in the database, so either may be asked.
    """
    host, port = split_address(settings.agent_http)
    tls = settings.agent_tls_certificate is not None and settings.agent_tls_key is not None
    if not is_loopback(host) and not tls:
        raise SettingsError(
            f"HOSO_AGENT_HTTP={settings.agent_http} listens beyond this machine without TLS: "
            "set HOSO_AGENT_TLS_CERTIFICATE and HOSO_AGENT_TLS_KEY, or use 127.0.0.1"
        )
    open_ = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    open_.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if port and hasattr(socket, "SO_REUSEPORT"):
        open_.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        open_.bind((host, port))
        open_.listen(256)
    except OSError as error:
        open_.close()
        raise SettingsError(
            f"HOSO_AGENT_HTTP={settings.agent_http} cannot be used ({error.strerror}): choose another port, 0 lets the system choose"
        ) from error
    shown = f"[{host}]" if ":" in host else host
    return open_, f"{'https' if tls else 'http'}://{shown}:{open_.getsockname()[1]}"


def tls_files(settings: Settings) -> dict[str, str]:
    """What uvicorn is given; {} without TLS. Raises SettingsError when only one file is named or they do not fit."""
    certificate, key = settings.agent_tls_certificate, settings.agent_tls_key
    if certificate is None and key is None:
        return {}
    if certificate is None or key is None:
        raise SettingsError("HOSO_AGENT_TLS_CERTIFICATE and HOSO_AGENT_TLS_KEY go together: set both, or neither")
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"HOSO_AGENT_TLS_CERTIFICATE={certificate} and HOSO_AGENT_TLS_KEY={key} cannot be used together: {error}"
        ) from error
    return {"ssl_certfile": str(certificate), "ssl_keyfile": str(key)}


def serve(own: House, kernel: Kernel, desk: Desk) -> tuple[Callable[[], Awaitable[None]], dict[str, Any]]:
    """The job that serves the desk until the process drains, and where it is. Raises SettingsError."""
    files = tls_files(own.settings)
    open_, address = listening(own.settings)

    async def job() -> None:
        import uvicorn

        from services.signer.desk_agents import Agents
        from services.signer.desk_http import build_app

        agents = Agents(own.db.pool, SigningProfiles(own.set_up), own.set_up, kernel.clock.now)
        config = uvicorn.Config(
            build_app(desk, agents),
            log_config=None,
            lifespan="off",
            timeout_graceful_shutdown=2,
            limit_concurrency=1000,
            **files,  # type: ignore[arg-type]
        )
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await desk.tidy()
        serving = asyncio.create_task(server.serve([open_]))
        await asyncio.wait([serving, asyncio.create_task(kernel.drained.wait())], return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        await serving

    return job, {"agents": address}

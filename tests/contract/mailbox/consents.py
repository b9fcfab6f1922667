"""A token service on this machine: hands out access tokens for refresh tokens, and tells a mail server whose they are."""

from __future__ import annotations

import asyncio
import itertools
import threading
from typing import Any

from aiohttp import web

CLIENT, SECRET = "hoso-test", "cl1ent s&cret"


class TokenService:
    """Runs in a thread of its own, so that a mail server can ask it while a test waits.

    What is asked is counted in `asked`; `answers`, when not empty, are given instead, first in first out.
    """

    def __init__(self) -> None:
        self.refresh: dict[str, str] = {}
        """Refresh token → user."""
        self.access: dict[str, str] = {}
        """Access token → user, as long as it is good."""
        self.asked: list[dict[str, str]] = []
        self.answers: list[tuple[int, Any]] = []
        self.lifetime: Any = 3600
        self.rotates = False
        self._numbers = itertools.count(1)
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.port = 0
        self._thread.start()
        assert self._ready.wait(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/token"

    def consent(self, user: str) -> str:
        """A refresh token for `user`."""
        token = f"refresh-{next(self._numbers)}"
        self.refresh[token] = user
        return token

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._start())
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._runner.cleanup())
        self._loop.close()

    async def _start(self) -> None:
        app = web.Application()
        app.router.add_post("/token", self._token)
        app.router.add_get("/introspect", self._introspect)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _token(self, request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.asked.append(form)
        if self.answers:
            status, body = self.answers.pop(0)
            if isinstance(body, bytes):
                return web.Response(status=status, body=body)
            headers = {"Location": self.url} if status in (302, 307) else None
            return web.json_response(body, status=status, headers=headers)
        if (form.get("client_id"), form.get("client_secret"), form.get("grant_type")) != (
            CLIENT,
            SECRET,
            "refresh_token",
        ):
            return web.json_response({"error": "invalid_client"}, status=401)
        user = self.refresh.get(form.get("refresh_token", ""))
        if user is None:
            return web.json_response({"error": "invalid_grant", "error_description": "secret words"}, status=400)
        token = f"access-{next(self._numbers)}"
        self.access[token] = user
        said = {"access_token": token, "token_type": "Bearer", "expires_in": self.lifetime}
        if self.rotates:
            del self.refresh[form["refresh_token"]]
            said["refresh_token"] = self.consent(user)
        return web.json_response(said)

    async def _introspect(self, request: web.Request) -> web.StreamResponse:
        user = self.access.get(request.query.get("token", ""))
        return web.json_response({"active": user is not None, "username": user or ""})

"""hoso's HTTP API as a tenant's people and programs use it in the demo, and the other servers of the made-up world."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any
from urllib.parse import quote

import aiohttp

from hoso.runtime.failures import HosoError

TRIES = 4


class Api:
    """A client of one address. Every method raises HosoError with what the server said."""

    def __init__(self, url: str, key: str = "") -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Api:
        self._session = aiohttp.ClientSession(headers=self._headers, timeout=aiohttp.ClientTimeout(total=60))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def try_(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and body: JSON, or bytes where it is none. A server that is busy for a moment is asked again."""
        assert self._session is not None
        given: dict[str, Any] = (
            {} if body is None else {"data": body} if isinstance(body, bytes | aiohttp.FormData) else {"json": body}
        )
        last = ""
        for turn in range(TRIES):
            try:
                async with self._session.request(method, self._url + path, headers=headers, **given) as answer:
                    if answer.status not in (429, 502, 503) or turn == TRIES - 1:
                        is_json = answer.content_type.endswith("json")
                        return answer.status, await (answer.json() if is_json else answer.read())
                    last = str(answer.status)
            except (aiohttp.ClientError, TimeoutError) as error:
                last = repr(error)
            await asyncio.sleep(0.3 * 2**turn)
        raise HosoError(f"{method} {self._url}{path}: {last}")

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The body of a good answer."""
        status, said = await self.try_(method, path, body)
        if status >= 300:
            raise HosoError(f"{method} {path}: {status} {told(said)}")
        return said

    async def attach(self, name: str, data: bytes) -> str:
        """Send a file that rows name; empty, or why it was not taken."""
        status, said = await self.try_("PUT", f"/v1/attachments/{quote(name, safe='')}", data)
        return "" if status < 300 else told(said)


def told(said: Any) -> str:
    """What a problem says to people."""
    if not isinstance(said, dict):
        return str(said)[:200]
    return str(said.get("detail") or said.get("title") or said.get("error") or said)[:400]

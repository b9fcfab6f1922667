"""Intake's API as `hoso sheet` uses it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import aiohttp

from app.words import text
from hoso.runtime.failures import HosoError

TRIES = 5
RESTING = frozenset(("enrolled", "stopped", "cancelled", "waiting-for-person", "refused-request"))
"""Stages in which nothing more happens by itself."""
_ENDED = ("failed", "paused", "cancelling", "cancelled")
"""States of a batch that somebody has to change."""


class Intake:
    """A client of one tenant. Every method raises HosoError with what the server said."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Intake:
        self._session = aiohttp.ClientSession(headers=self._headers, timeout=aiohttp.ClientTimeout(total=120))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(self, data: bytes, name: str, key: str) -> dict[str, Any]:
        """Upload a sheet. The same key for every try, so it is taken once."""
        headers = {
            "Idempotency-Key": key or str(uuid4()),
            "Content-Type": "application/octet-stream",
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}",
        }
        return dict(await self._json("POST", "/v1/batches", data=data, headers=headers))

    async def batch(self, batch: str) -> dict[str, Any]:
        """How far it is."""
        return dict(await self._json("GET", f"/v1/batches/{batch}", params={"limit": "1"}))

    async def wrong_rows(self, batch: str) -> list[dict[str, Any]]:
        """Every row that was not taken."""
        rows: list[dict[str, Any]] = []
        after: int | None = 0
        while after is not None:
            found = await self._json(
                "GET", f"/v1/batches/{batch}", params={"errors_only": "true", "limit": "500", "after": str(after)}
            )
            rows += found["page"]
            after = found["next"]
        return rows

    async def result(self, batch: str, bad_only: bool = False) -> bytes:
        """The result sheet, or only its rows to mend."""
        params = {"bad_only": "true"} if bad_only else {}
        return bytes(await self._ask("GET", f"/v1/batches/{batch}/result.xlsx", params=params))

    async def batches(self) -> list[dict[str, Any]]:
        """The hundred newest."""
        return list((await self._json("GET", "/v1/batches"))["batches"])

    async def say(self, batch: str, order: str, reason: str = "") -> dict[str, Any]:
        """pause, resume or cancel a batch."""
        return dict(await self._json("POST", f"/v1/batches/{batch}/{order}", params={"reason": reason}))

    async def attach(self, name: str, data: bytes) -> dict[str, Any]:
        """Send a file that rows name."""
        headers = {"Content-Type": "application/octet-stream"}
        return dict(await self._json("PUT", f"/v1/attachments/{quote(name, safe='')}", data=data, headers=headers))

    async def put_org(self, units: list[dict[str, str]]) -> dict[str, Any]:
        """Tell units of the organisation."""
        return dict(await self._json("PUT", "/v1/org/units", json={"units": units}))

    async def org(self) -> list[dict[str, Any]]:
        """Every unit of the organisation."""
        units: list[dict[str, Any]] = []
        after: str | None = ""
        while after is not None:
            found = await self._json("GET", "/v1/org/units", params={"after": after, "limit": "1000"})
            units += found["units"]
            after = found["next"]
        return units

    async def _json(self, method: str, path: str, **more: Any) -> Any:
        import json

        try:
            return json.loads(await self._ask(method, path, **more))
        except ValueError as error:
            raise HosoError(text("http.strange", url=self._url)) from error

    async def _ask(self, method: str, path: str, **more: Any) -> bytes:
        """Ask; a server that is away or busy for a moment is asked again."""
        assert self._session is not None
        last = ""
        for turn in range(TRIES):
            if turn:
                await asyncio.sleep(min(0.25 * 2**turn, 4.0))
            try:
                async with self._session.request(method, self._url + path, **more) as answer:
                    body = await answer.read()
                    if answer.status < 400:
                        return body
                    if answer.status not in (429, 502, 503, 504):
                        raise HosoError(_problem(answer.status, body))
                    last = _problem(answer.status, body)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                last = text("http.away", url=self._url, error=str(error) or type(error).__name__)
        raise HosoError(last)


def _problem(status: int, body: bytes) -> str:
    """An RFC 9457 problem as a sentence."""
    import json

    try:
        found = json.loads(body)
        parts = [str(found.get("title", "")), str(found.get("detail", ""))]
        return f"{status}: " + " – ".join(part for part in parts if part)
    except (ValueError, AttributeError):
        return f"{status}: {body[:200].decode('utf-8', 'replace')}"


async def follow(intake: Intake, batch: str, wait: bool, report: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Until the rows are taken; with `wait` until every enrolment rests. Asks ever less often, at last every 2 s."""
    pause = 0.1
    while True:
        standing = await intake.batch(batch)
        report(standing)
        if standing["state"] in _ENDED or (
            standing["state"] == "done" and (not wait or not set(standing["stages"]) - RESTING)
        ):
            return standing
        await asyncio.sleep(pause)
        pause = min(pause * 1.3, 2.0)

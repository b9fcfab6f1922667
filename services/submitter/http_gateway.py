"""The gateway of docs/gateway.md over HTTP: what the simulator serves."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp

from hoso.points import holds, point
from hoso.runtime.clock import seconds_left
from hoso.runtime.failures import Invalid, OutcomeUnknown, Transient
from services.submitter.gateway import Capabilities, Dossier, Receipt, RosterPage
from services.submitter.note_of_receipt import MAX_REPLY_BYTES, listed, one, receipt

log = logging.getLogger(__name__)

REMEMBERED_S = 60.0
"""How long the gateway's capabilities are believed without asking again."""


class Late(Exception):
    """The deadline passed before the request was written: nothing was sent."""


class HttpAgencyGateway:
    """One session, connections reused. After a 429 that operation, for everybody, waits until its Retry-After has passed;
    the others go on: an agency that counts filings may still answer questions."""

    def __init__(
        self, url: str, sender: str, *, connections: int = 200, read_timeout: timedelta = timedelta(seconds=10)
    ) -> None:
        self._url = url.rstrip("/")
        self._sender = sender
        self._read_timeout = read_timeout.total_seconds()
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None
        self._paused_until: dict[str, float] = {}
        self._capabilities: Capabilities | None = None
        self._capabilities_until = 0.0
        self._learning = asyncio.Lock()

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections),
                auto_decompress=False,
                headers={"Accept-Encoding": "identity"},
            )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def capabilities(self) -> Capabilities:
        """As the gateway says; asked again after a minute, and while it does not answer the last word counts. Raises
        Transient when it never answered."""
        if self._capabilities is not None and time.monotonic() < self._capabilities_until:
            return self._capabilities
        async with self._learning:
            if self._capabilities is None or time.monotonic() >= self._capabilities_until:
                try:
                    self._capabilities = _capabilities(await self._read("/v1/capabilities", None, missing=b"{}"))
                except (Transient, OutcomeUnknown, Invalid) as error:
                    if self._capabilities is None:
                        raise Transient(f"what the gateway can do is not known yet: {error}") from error
                    log.warning("the gateway does not say what it can do", extra={"error": str(error)[:300]})
                self._capabilities_until = time.monotonic() + REMEMBERED_S
            return self._capabilities

    async def submit(self, dossier: Dossier, key: str, deadline: float) -> Receipt:
        headers = {
            "Content-Type": "application/xml",
            "Content-Length": str(len(dossier.data)),
            "X-Procedure": dossier.procedure,
            "X-Unit-Code": dossier.unit_code,
            "X-Tax-Code": dossier.tax_code,
            "X-Sender": self._sender,
            "X-Contact": dossier.contact,
            "Idempotency-Key": key,
        }
        if dossier.agency:
            headers["X-Agency"] = dossier.agency
        body = await self._write("/v1/dossiers", headers, dossier.data, deadline, "agency-submit")
        return one(body)

    async def activate(self, transaction: str, unit_code: str, code: str, deadline: float) -> Receipt:
        data = json.dumps({"transaction": transaction, "unit_code": unit_code, "code": code}).encode()
        headers = {"Content-Type": "application/json", "Content-Length": str(len(data))}
        try:
            return one(await self._write("/v1/activations", headers, data, deadline, "agency-activate"))
        except Invalid as error:
            raise Invalid(
                str(error).replace(code, "…")
            ) from None  # the agency may repeat the code; an event never does

    async def find(self, dossier: Dossier, key: str) -> Sequence[Receipt]:
        query = {"unit_code": dossier.unit_code, "procedure": dossier.procedure}
        if dossier.sha256:
            query["sha256"] = dossier.sha256
        if not dossier.unit_code:
            query["tax_code"] = dossier.tax_code
        return [receipt(node) for node in listed(await self._read("/v1/dossiers", query))]

    async def replies(self, transactions: Sequence[str]) -> dict[str, Receipt]:
        found: dict[str, Receipt] = {}
        for node in listed(await self._read("/v1/replies", [("transaction", t) for t in transactions])):
            try:
                reply = receipt(node)
            except OutcomeUnknown as error:
                log.warning("a reply nobody can read is left out, the others count", extra={"error": str(error)[:300]})
                continue
            found[reply.transaction] = reply
        return found

    async def activated(self, transaction: str, unit_code: str) -> bool:
        query = {"unit_code": unit_code, "transaction": transaction}
        return one(await self._read("/v1/activations", query)).code == "00"

    async def roster(self, unit_code: str, page: int, size: int) -> RosterPage:
        body = await self._read("/v1/roster", {"unit_code": unit_code, "page": str(page), "size": str(size)})
        try:
            answer = json.loads(body)
            page_ = RosterPage(int(answer["TotalRecords"]), list(answer["employees"]))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise OutcomeUnknown(f"the roster is not the JSON it should be: {error!r}") from error
        if page_.total < 0 or not all(isinstance(employee, dict) for employee in page_.employees):
            raise OutcomeUnknown("the roster is not the JSON it should be: an employee is no object")
        return page_

    async def _write(self, path: str, headers: Mapping[str, str], data: bytes, deadline: float, name: str) -> bytes:
        """Send a request that has effects. The deadline is looked at in the last moment before the body goes out: a
        process that was stopped in between sends a request without a body, which nobody processes."""
        operation = f"POST {path}"
        self._refuse_while_paused(operation)

        async def body() -> AsyncIterator[bytes]:
            await point(f"{name}.before-write")
            if holds("sleeper") and seconds_left(deadline) <= 0:
                raise Late
            yield data
            await point(f"{name}.after-write")

        total = max(0.001, seconds_left(deadline)) if holds("sleeper") else None
        try:
            async with self._client().post(
                self._url + path,
                data=body(),
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=total),
                allow_redirects=False,
            ) as answer:
                text = await _limited(answer)
                await point(f"{name}.after-answer")
                return self._judge(operation, answer, text)
        except aiohttp.ClientConnectorError as error:
            raise Transient(f"the gateway refused the connection: {error}") from error
        except (Late, aiohttp.ClientError, TimeoutError, OSError) as error:
            raise OutcomeUnknown(f"no answer that counts: {type(error).__name__} {error}") from error

    async def _read(self, path: str, query: Any, missing: bytes | None = None) -> bytes:
        """Ask without effects. A question that was cut off was no look at all: it is asked again (Transient).

        `missing`: what a gateway that has no such call is taken to have said."""
        operation = f"GET {path}"
        self._refuse_while_paused(operation)
        try:
            async with self._client().get(
                self._url + path,
                params=query,
                timeout=aiohttp.ClientTimeout(total=self._read_timeout),
                allow_redirects=False,
            ) as answer:
                body = await _limited(answer)
                return missing if missing is not None and answer.status == 404 else self._judge(operation, answer, body)
        except aiohttp.ClientConnectorError as error:
            raise Transient(f"the gateway refused the connection: {error}") from error
        except TimeoutError as error:
            raise OutcomeUnknown(f"no answer that counts: {type(error).__name__} {error}") from error
        except (aiohttp.ClientConnectionError, ConnectionError) as error:
            raise Transient(f"the question was cut off: {type(error).__name__} {error}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise OutcomeUnknown(f"no answer that counts: {type(error).__name__} {error}") from error

    def _refuse_while_paused(self, operation: str) -> None:
        left = self._paused_until.get(operation, 0.0) - time.monotonic()
        if left > 0:
            raise Transient("the gateway asked to wait", timedelta(seconds=left))

    def _judge(self, operation: str, answer: aiohttp.ClientResponse, body: bytes) -> bytes:
        status = answer.status
        if status == 200:
            return body
        wait = _retry_after(answer.headers.get("Retry-After"))
        if status == 429 or (status == 503 and answer.headers.get("X-Processed") == "no"):
            until = time.monotonic() + (wait or timedelta(seconds=1)).total_seconds()
            self._paused_until[operation] = max(self._paused_until.get(operation, 0.0), until)
            raise Transient(f"the gateway answered {status}: not processed", wait)
        if not 400 <= status < 500 or status in (
            408,
            409,
        ):  # also 201, 202, a redirect: none of them says "not processed"
            raise OutcomeUnknown(f"the gateway answered {status}")
        said = "".join(sign if sign.isprintable() else " " for sign in body[:200].decode(errors="replace"))
        raise Invalid(f"the gateway answered {status}: {said}")


def _capabilities(body: bytes) -> Capabilities:
    """Words it does not know are left out; one that is no true or false makes the answer unreadable."""
    try:
        said = json.loads(body)
        words = {field.name: said[field.name] for field in fields(Capabilities) if field.name in said}
    except (ValueError, TypeError, RecursionError) as error:
        raise OutcomeUnknown(f"the capabilities are not the JSON they should be: {error!r}") from error
    if not all(isinstance(value, bool) for value in words.values()):
        raise OutcomeUnknown("the capabilities are not the JSON they should be: true or false")
    return Capabilities(**words)


def _retry_after(text: str | None) -> timedelta | None:
    """RFC 9110 §10.2.3: seconds, or a date; at most an hour is believed."""
    said = (text or "").strip()
    if re.fullmatch(r"[0-9]{1,9}", said):
        return timedelta(seconds=min(int(said), 3600))
    try:
        left = parsedate_to_datetime(said) - datetime.now(UTC)
    except (TypeError, ValueError):
        return None
    return min(max(left, timedelta(0)), timedelta(hours=1))


async def _limited(answer: aiohttp.ClientResponse) -> bytes:
    body = b""
    async for chunk in answer.content.iter_chunked(65_536):
        body += chunk
        if len(body) > MAX_REPLY_BYTES:
            raise OutcomeUnknown("the answer is larger than any answer should be")
    return body

"""The gateway of docs/gateway.md over HTTP: what the simulator serves."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Literal

import aiohttp
from lxml import etree

from hoso.dossiers.safexml import HostileXml, parse
from hoso.points import holds, point
from hoso.runtime.clock import seconds_left
from hoso.runtime.failures import Invalid, OutcomeUnknown, Transient
from schemas.events import StepResult
from services.submitter.gateway import Dossier, Receipt, RosterPage

log = logging.getLogger(__name__)

MAX_REPLY_BYTES = 2_000_000
MAX_NAME = 64
"""Of a transaction, a dossier number or a code: what does not fit is no receipt, and must not grow an event beyond the log."""
_OUTCOMES: dict[str, Literal["received", "accepted", "refused"]] = {
    "TIEP_NHAN": "received",
    "CHAP_NHAN": "accepted",
    "TU_CHOI": "refused",
}


class Late(Exception):
    """The deadline passed before the request was written: nothing was sent."""


class HttpAgencyGateway:
    """One session, connections reused. After a 429 nothing is sent to the gateway until its Retry-After has passed."""

    def __init__(
        self, url: str, sender: str, *, connections: int = 200, read_timeout: timedelta = timedelta(seconds=10)
    ) -> None:
        self._url = url.rstrip("/")
        self._sender = sender
        self._read_timeout = read_timeout.total_seconds()
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None
        self._paused_until = 0.0

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
        return _one(body)

    async def activate(self, transaction: str, unit_code: str, code: str, deadline: float) -> Receipt:
        data = json.dumps({"transaction": transaction, "unit_code": unit_code, "code": code}).encode()
        headers = {"Content-Type": "application/json", "Content-Length": str(len(data))}
        try:
            return _one(await self._write("/v1/activations", headers, data, deadline, "agency-activate"))
        except Invalid as error:
            raise Invalid(
                str(error).replace(code, "…")
            ) from None  # the agency may repeat the code; an event never does

    async def find(self, dossier: Dossier, key: str) -> Sequence[Receipt]:
        query = {"unit_code": dossier.unit_code, "procedure": dossier.procedure, "sha256": dossier.sha256}
        return [_receipt(node) for node in _listed(await self._read("/v1/dossiers", query))]

    async def replies(self, transactions: Sequence[str]) -> dict[str, Receipt]:
        found: dict[str, Receipt] = {}
        for node in _listed(await self._read("/v1/replies", [("transaction", t) for t in transactions])):
            try:
                receipt = _receipt(node)
            except OutcomeUnknown as error:
                log.warning("a reply nobody can read is left out, the others count", extra={"error": str(error)[:300]})
                continue
            found[receipt.transaction] = receipt
        return found

    async def activated(self, transaction: str, unit_code: str) -> bool:
        return (
            _one(await self._read("/v1/activations", {"unit_code": unit_code, "transaction": transaction})).code == "00"
        )

    async def roster(self, unit_code: str, page: int, size: int) -> RosterPage:
        body = await self._read("/v1/roster", {"unit_code": unit_code, "page": str(page), "size": str(size)})
        try:
            answer = json.loads(body)
            return RosterPage(int(answer["TotalRecords"]), list(answer["employees"]))
        except (ValueError, KeyError, TypeError) as error:
            raise OutcomeUnknown(f"the roster is not the JSON it should be: {error!r}") from error

    async def _write(self, path: str, headers: Mapping[str, str], data: bytes, deadline: float, name: str) -> bytes:
        """Send a request that has effects. The deadline is looked at in the last moment before the body goes out: a
        process that was stopped in between sends a request without a body, which nobody processes."""
        self._refuse_while_paused()

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
                return self._judge(answer, text)
        except aiohttp.ClientConnectorError as error:
            raise Transient(f"the gateway refused the connection: {error}") from error
        except (Late, aiohttp.ClientError, TimeoutError, OSError) as error:
            raise OutcomeUnknown(f"no answer that counts: {type(error).__name__} {error}") from error

    async def _read(self, path: str, query: Any) -> bytes:
        """Ask without effects. A question that was cut off was no look at all: it is asked again (Transient)."""
        self._refuse_while_paused()
        try:
            async with self._client().get(
                self._url + path,
                params=query,
                timeout=aiohttp.ClientTimeout(total=self._read_timeout),
                allow_redirects=False,
            ) as answer:
                return self._judge(answer, await _limited(answer))
        except aiohttp.ClientConnectorError as error:
            raise Transient(f"the gateway refused the connection: {error}") from error
        except TimeoutError as error:
            raise OutcomeUnknown(f"no answer that counts: {type(error).__name__} {error}") from error
        except (aiohttp.ClientConnectionError, ConnectionError) as error:
            raise Transient(f"the question was cut off: {type(error).__name__} {error}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise OutcomeUnknown(f"no answer that counts: {type(error).__name__} {error}") from error

    def _refuse_while_paused(self) -> None:
        left = self._paused_until - time.monotonic()
        if left > 0:
            raise Transient("the gateway asked to wait", timedelta(seconds=left))

    def _judge(self, answer: aiohttp.ClientResponse, body: bytes) -> bytes:
        status = answer.status
        if status == 200:
            return body
        wait = _retry_after(answer.headers.get("Retry-After"))
        if status == 429 or (status == 503 and answer.headers.get("X-Processed") == "no"):
            self._paused_until = max(
                self._paused_until, time.monotonic() + (wait or timedelta(seconds=1)).total_seconds()
            )
            raise Transient(f"the gateway answered {status}: not processed", wait)
        if not 400 <= status < 500 or status in (
            408,
            409,
        ):  # also 201, 202, a redirect: none of them says "not processed"
            raise OutcomeUnknown(f"the gateway answered {status}")
        said = "".join(sign if sign.isprintable() else " " for sign in body[:200].decode(errors="replace"))
        raise Invalid(f"the gateway answered {status}: {said}")


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


def _tree(body: bytes) -> etree._Element:
    try:
        root = parse(body, max_bytes=MAX_REPLY_BYTES)
    except HostileXml as error:
        raise OutcomeUnknown(f"the answer is not the XML it should be: {error}") from error
    if root.tag != "BHXH":
        raise OutcomeUnknown(f"the answer is a <{root.tag}>, not a reply of the agency")
    return root


def _one(body: bytes) -> Receipt:
    found = _tree(body).findall("XACNHAN_GDICH")
    if len(found) != 1:
        raise OutcomeUnknown(f"the answer holds {len(found)} receipts, not one")
    return _receipt(found[0])


def _listed(body: bytes) -> list[etree._Element]:
    """The receipts of a list. A list is named as one: an answer without it does not say that there is nothing."""
    found = _tree(body).find("DANH_SACH")
    if found is None:
        raise OutcomeUnknown("the answer holds no list of receipts")
    return found.findall("XACNHAN_GDICH")


def _receipt(node: etree._Element) -> Receipt:
    def text(path: str, within: etree._Element = node) -> str:
        return (within.findtext(path) or "").strip()

    outcome = _OUTCOMES.get(text("TTGDICH/KQUA"))
    if outcome is None:
        raise OutcomeUnknown(f"a receipt says KQUA={text('TTGDICH/KQUA')[:40]!r}, which means nothing to us")
    code = text("TTGDICH/MA_LOI") if outcome == "refused" else text("TTGDICH/MA_KQUA")
    names = text("TTGDICH/MA_GDICH"), text("TTGDICH/SO_HSO"), code
    if not names[0] and outcome != "refused":
        raise OutcomeUnknown("a receipt names no transaction, so nobody could ask what became of it")
    if max(map(len, names)) > MAX_NAME:
        raise OutcomeUnknown("a receipt has a transaction, number or code longer than any should be")
    steps = tuple(
        StepResult(
            step=text("TEN", s)[:100],
            result=text("KET_QUA", s)[:150],
            code=text("MA_KET_QUA", s)[:MAX_NAME],
            at=_time(text("THOI_GIAN", s)),
        )
        for s in node.findall("BUOC")
    )
    return Receipt(outcome, names[0], names[1] or None, code, text("TTGDICH/MOTA_LOI")[:2000], steps)


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


class ReplyCollector:
    """Gathers questions about replies for a moment and asks for up to 200 at once."""

    def __init__(self, gateway: Any, window: float = 0.01) -> None:
        self._gateway = gateway
        self._window = window
        self._asked: dict[str, asyncio.Future[Receipt | None]] = {}
        self._asking: set[asyncio.Task[None]] = set()

    async def reply(self, transaction: str) -> Receipt | None:
        """Where one filing stands; None when the agency does not know it (yet)."""
        future = self._asked.get(transaction)
        if future is None:
            future = self._asked[transaction] = asyncio.get_running_loop().create_future()
            if len(self._asked) in (1, 200):
                task = asyncio.create_task(self._ask(0 if len(self._asked) == 200 else self._window))
                self._asking.add(task)
                task.add_done_callback(self._asking.discard)
        return await asyncio.shield(future)

    async def _ask(self, wait: float) -> None:
        await asyncio.sleep(wait)
        asked, self._asked = self._asked, {}
        for start in range(0, len(asked), 200):
            names = list(asked)[start : start + 200]
            try:
                found = await self._gateway.replies(names)
            except Exception as error:
                for name in names:
                    if not asked[name].done():
                        asked[name].set_exception(error)
                        asked[name].exception()
                continue
            for name in names:
                if not asked[name].done():
                    asked[name].set_result(found.get(name))

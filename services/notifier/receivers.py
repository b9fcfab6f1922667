"""Webhook receivers over HTTP (aiohttp): other people's servers, so everything about them is bounded.

The address is checked when the socket is made, for every address that a name has and for names that are addresses: what a
name meant a moment ago does not count (DNS rebinding). Redirects are not followed, answers are not read beyond 1 KB,
nothing takes longer than the total time.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from hoso.process.addresses import is_loopback, is_public

MAX_ANSWER = 1024
MAX_URL = 2000


class Forbidden(OSError):
    """A receiver's address is not one of the internet's: nothing is sent there."""


class BadUrl(ValueError):
    """No address for a webhook. `vi` says why, str() in English."""

    def __init__(self, vi: str, en: str) -> None:
        super().__init__(en)
        self.vi = vi


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one delivery. `status` None: nothing was answered, `error` says why."""

    status: int | None
    error: str = ""

    @property
    def taken(self) -> bool:
        """2xx, and nothing else."""
        return self.status is not None and 200 <= self.status < 300


def read_url(written: str, *, loopback: bool) -> str:
    """An https address without a user; with `loopback` also http to this machine. Raises BadUrl."""
    text = written.strip()
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host, parts = "", urlsplit("")
    if not host or len(text) > MAX_URL or not text.isascii() or any(c.isspace() for c in text) or parts.fragment:
        raise BadUrl(f"“{text[:80]}” không phải địa chỉ; ghi dạng https://may.chu/duong-dan.",
                     f"'{text[:80]}' is no address: give https://host/path")  # fmt: skip
    if parts.username is not None or parts.password is not None:
        raise BadUrl("Không ghi tên hay mật khẩu trong địa chỉ; webhook đã được ký.",
                     "no user or password in the address: webhooks are signed")  # fmt: skip
    if parts.scheme != "https" and not (loopback and parts.scheme == "http" and _names_loopback(host)):
        raise BadUrl("Webhook chỉ đi qua https.", "webhooks go over https only")
    if not (loopback and _names_loopback(host)) and _names_inner(host):
        raise BadUrl(f"{host} là máy nội bộ; webhook chỉ đi tới máy chủ trên Internet.",
                     f"{host} is not an address of the internet")  # fmt: skip
    return text


def _names_inner(host: str) -> bool:
    """Whether a host is written as an address that is not the internet's, in any of the ways a socket takes (0x7f.1 too).
    What a name means is looked at when the socket is made."""
    plain = host.rstrip(".").partition("%")[0]
    if plain == "localhost" or plain.endswith(".localhost"):
        return True
    try:
        return not is_public(plain)
    except ValueError:
        pass
    try:
        return not is_public(socket.inet_ntoa(socket.inet_aton(plain)))
    except OSError:
        return False


def _names_loopback(host: str) -> bool:
    try:
        return host == "localhost" or is_loopback(host)
    except ValueError:
        return False


class Receivers:
    """One session for all of them."""

    def __init__(self, *, loopback: bool = False, timeout: timedelta = timedelta(seconds=10)) -> None:
        """`loopback`: this machine may be told too (in `test`); other private addresses never."""
        self._loopback = loopback
        self._timeout = timeout.total_seconds()
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Tell once. Whatever goes wrong is an Answer."""
        try:
            async with asyncio.timeout(self._timeout):
                request = self._client().post(
                    url, data=body, headers={**headers, "Content-Type": "application/json"}, allow_redirects=False
                )
                async with request as response:
                    await response.content.read(MAX_ANSWER)  # what is left is not waited for
                    response.close()
                    return Answer(response.status, _said(response.status))
        except Forbidden as error:
            return Answer(None, str(error))
        except aiohttp.ClientConnectorError as error:
            return Answer(None, str(error.os_error) if isinstance(error.os_error, Forbidden) else _short(error))
        except TimeoutError:
            return Answer(None, f"no answer within {self._timeout:.0f} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(None, _short(error))

    async def close(self) -> None:
        """End all connections."""
        if self._session is not None:
            await self._session.close()

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=100, limit_per_host=4, use_dns_cache=False, socket_factory=self._socket
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=self._timeout),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                headers={"User-Agent": "hoso-webhooks/1", "Accept-Encoding": "identity"},
            )
        return self._session

    def _socket(self, address: tuple[Any, ...]) -> socket.socket:
        """The socket for one address of the receiver; the last look before anything leaves."""
        family, kind, protocol, _, where = address
        host = str(where[0])
        if not (is_public(host) or self._loopback and is_loopback(host)):
            raise Forbidden(f"{host} is not an address of the internet: nothing is sent there")
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made


def _said(status: int) -> str:
    if 200 <= status < 300:
        return ""
    return f"HTTP {status}" + (": redirects are not followed" if 300 <= status < 400 else "")


def _short(error: BaseException) -> str:
    return (str(error) or type(error).__name__)[:300]

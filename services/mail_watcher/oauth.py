"""Access tokens for XOAUTH2 out of a refresh token (RFC 6749 §6), as Microsoft 365 and Google give them."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from services.mail_watcher.mailbox import ConsentNeeded, MailboxDown, MailboxRefused, is_loopback
from services.mail_watcher.secret import Secret

log = logging.getLogger(__name__)

TIMEOUT_S = 15.0
MAX_ANSWER = 65_536
EARLY_S = 300.0
"""How long before its end a token is replaced."""
_NEEDS_PERSON = ("invalid_grant", "interaction_required", "consent_required", "login_required")


@dataclass(frozen=True, slots=True)
class Grant:
    """What a person's consent gave us."""

    token_url: str
    client_id: str
    client_secret: Secret
    """Empty for a public client."""
    refresh_token: Secret
    scope: str = ""


class BadGrant(Exception):
    """The consent cannot be used: {0}."""


def checked_url(url: str) -> str:
    """A token service's address: https, or anything on this machine. Raises BadGrant."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise BadGrant("token_url is no address") from None
    if not host or parts.username or parts.scheme not in ("https", "http"):
        raise BadGrant("token_url is no address of a token service")
    if parts.scheme == "http" and not is_loopback(host):
        raise BadGrant("token_url has to begin with https://")
    return url


class OauthTokens:
    """`Tokens` of one mailbox. A new refresh token, when the service gives one, goes to `rotated` before it is relied on."""

    def __init__(self, grant: Grant, rotated: Callable[[Secret], Awaitable[None]] | None = None) -> None:
        self._grant = grant
        self._refresh = grant.refresh_token
        self._rotated = rotated
        self._unsaved = False
        self._lock = asyncio.Lock()
        self._token: Secret | None = None
        self._until = 0.0

    async def bearer(self, anew: bool = False) -> Secret:
        async with self._lock:
            if anew or self._token is None or asyncio.get_running_loop().time() >= self._until:
                await self._renew()
            assert self._token is not None
            return self._token

    async def _renew(self) -> None:
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        said = await self._ask()
        token, lasts = said.get("access_token"), said.get("expires_in", 3600)
        if not isinstance(token, str) or not token:
            raise MailboxRefused("the token service gave no access token")
        seconds = (
            float(lasts) if isinstance(lasts, int | float | str) and re.fullmatch(r"\d{1,9}", str(lasts)) else 600.0
        )
        self._token = Secret(token)
        self._until = asked_at + max(seconds - EARLY_S, seconds / 2)
        refresh = said.get("refresh_token")
        if isinstance(refresh, str) and refresh and refresh != self._refresh.reveal():
            self._refresh, self._unsaved = Secret(refresh), True
        if self._unsaved and self._rotated is not None:
            await self._rotated(self._refresh)
            self._unsaved = False

    async def _ask(self) -> dict[str, Any]:
        grant = self._grant
        form = {
            "grant_type": "refresh_token",
            "refresh_token": self._refresh.reveal(),
            "client_id": grant.client_id,
            "client_secret": grant.client_secret.reveal(),
            "scope": grant.scope,
        }
        times = aiohttp.ClientTimeout(total=TIMEOUT_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=times, trust_env=False, auto_decompress=False) as session,
                session.post(
                    grant.token_url,
                    data={name: value for name, value in form.items() if value},
                    headers={"Accept": "application/json", "Accept-Encoding": "identity"},
                    allow_redirects=False,
                ) as answer,
            ):
                status, body = answer.status, await answer.content.read(MAX_ANSWER + 1)
                while len(body) <= MAX_ANSWER and (more := await answer.content.read(MAX_ANSWER + 1 - len(body))):
                    body += more
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise MailboxDown(f"the token service cannot be reached ({type(error).__name__})") from None
        return _understood(status, body)


def _understood(status: int, body: bytes) -> dict[str, Any]:
    """The answer's fields. What the service writes is not repeated, but for the name of an error."""
    if status == 429 or status >= 500:
        raise MailboxDown(f"the token service does not answer now (HTTP {status})")
    try:
        said = json.loads(body) if len(body) <= MAX_ANSWER else None
    except (ValueError, RecursionError):
        said = None
    if status == 200 and isinstance(said, dict):
        return said
    error = said.get("error") if isinstance(said, dict) else None
    name = error if isinstance(error, str) and re.fullmatch(r"[a-z_]{1,40}", error) else f"HTTP {status}"
    if name in _NEEDS_PERSON:
        raise ConsentNeeded(
            f"the token service wants a person's consent again ({name}): give it, then declare the mailbox anew"
        )
    raise MailboxRefused(f"the token service refuses us ({name}): look at token_url, client_id and client_secret")

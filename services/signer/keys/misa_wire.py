"""MISA eSign RemoteSigning V2 on the wire (domain.md §5.2): one request a method, bounded in size and time.

Paths, headers and the fields named in §5.2 are found. [inferred]: refreshtoken takes {refreshToken}; Certificates/by-userId
lists {userId, keyAlias, keyStatus, certificate}; Signing/status answers {status, signatures: [{documentId, signature}]}.

What an answer means for what was asked:
    Transient            certainly not processed: no connection, 429
    Unauthorised         401: the token is too old; nothing was processed
    RefusedByService     400 to 499 in the service's words: not processed, and will not be
    OutcomeUnknown       everything else: may have been processed
"""

from __future__ import annotations

import asyncio
import json
import ssl
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import aiohttp

from hoso.runtime.failures import OutcomeUnknown, Transient
from services.signer.keys.misa_account import Account

AUTH = "/api/auth/api/v1/auth"
CERTIFICATES = "/external/esrm/service/general/api/v1/Certificates/by-userId"
SIGN = "/external/esrm/service/signing/api/v1/Signing/hash"
STATUS = "/external/esrm/service/signing/api/v1/Signing/status"
CODE_NEEDED = 122
"""errorCode of a log-in that wants its second factor."""
MAX_ANSWER = 1024 * 1024
REQUEST_S = 12.0
"""Connecting, sending and reading together."""
MAX_DISPLAY = 250
"""DataToBeDisplayed [invented]: no limit is published."""


class Unauthorised(Exception):
    """The token is not good any more."""


class RefusedByService(Exception):
    """The service will not do this; the message is its own, cut and in one line."""

    def __init__(self, status: int, code: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code


class CodeNeeded(Exception):
    """A one-time code was sent to the account's owner and has to be given."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a log-in gives."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class RemoteCertificate:
    """One certificate of the account."""

    alias: str
    user_id: str
    active: bool
    der: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One document of a request to sign."""

    id: str
    """At most 36 characters; ours, the same whenever the same thing is asked."""
    name: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Standing:
    """How a request to sign stands."""

    word: str
    """PENDING, SUCCESS, FAILED, CANCELLED, EXPIRED, ..."""
    text: str
    signatures: dict[str, bytes]
    """By document id; PENDING answers may list documents without a signature."""
    documents: tuple[str, ...]


class Line:
    """Connections to signing services, for one event loop; `async with`, or `close` at the end.

    No connection is used twice: a request on one that the other side just closed would look as if its answer was lost. What
    is compressed stays so, and is no JSON.
    """

    def __init__(self) -> None:
        self.http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True), auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
        )
        self.in_flight = 0

    async def close(self, patience: float = 3.0) -> None:
        """What is under way gets so many seconds to be answered: a lost answer costs somebody a quarter of an hour."""
        until = asyncio.get_running_loop().time() + patience
        while self.in_flight and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(0.05)
        await self.http.close()

    async def __aenter__(self) -> Line:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close(0)


class MisaWire:
    """One account's requests over a shared session."""

    def __init__(self, account: Account, line: Line) -> None:
        self._account = account
        self._line = line

    async def login(self) -> Tokens:
        """Raises CodeNeeded, RefusedByService."""
        return await self._tokens("login-api", {"userName": self._account.user, "password": self._account.password})

    async def give_code(self, code: str) -> Tokens:
        """The second factor. Raises RefusedByService for a wrong one."""
        body = {"userName": self._account.user, "code": code, "otpType": 0, "remember": True}
        return await self._tokens("two-factor-auth", body)

    async def resend_code(self) -> None:
        await self._ask("POST", f"{AUTH}/resend-otp-auth", {"userName": self._account.user})

    async def refresh(self, token: str) -> Tokens:
        """Raises RefusedByService or Unauthorised when it is too old."""
        return await self._tokens("refreshtoken", {"refreshToken": token})

    async def _tokens(self, call: str, body: dict[str, Any]) -> Tokens:
        try:
            answer = await self._ask("POST", f"{AUTH}/{call}", body)
        except RefusedByService as error:
            if error.code == CODE_NEEDED:
                raise CodeNeeded from None
            raise
        try:
            return Tokens(_word(answer, "remoteSigningAccessToken"), _word(answer, "refreshToken"))
        except (KeyError, TypeError) as error:
            raise OutcomeUnknown(f"the answer of {call} has no tokens") from error

    async def certificates(self, access: str) -> list[RemoteCertificate]:
        """All of the account, also those that are not in use."""
        answer = await self._ask("GET", CERTIFICATES, None, access)
        try:
            return [
                RemoteCertificate(
                    _word(one, "keyAlias"),
                    _word(one, "userId"),
                    one.get("keyStatus") == "ACTIVE",
                    b64decode(_word(one, "certificate"), validate=True),
                )
                for one in answer
            ]
        except (KeyError, TypeError, AttributeError, NotBase64) as error:
            raise OutcomeUnknown("the list of certificates is not what was expected") from error

    async def sign(self, access: str, certificate: RemoteCertificate, display: str, documents: Sequence[Wanted]) -> str:
        """Ask for one approval of all documents; the number the service gives it."""
        body = {
            "DataToBeDisplayed": display[:MAX_DISPLAY],
            "UserId": certificate.user_id,
            "CertAlias": certificate.alias,
            "Documents": [
                {"DocumentId": one.id, "FileToSign": b64encode(one.digest).decode(), "DocumentName": one.name[:100]}
                for one in documents
            ],
        }
        answer = await self._ask("POST", SIGN, body, access)
        try:
            return _word(answer, "transactionId")[:200]
        except (KeyError, TypeError) as error:
            raise OutcomeUnknown("the answer has no transactionId") from error

    async def status(self, access: str, number: str) -> Standing:
        answer = await self._ask("GET", f"{STATUS}/{quote(number, safe='')}", None, access)
        try:
            listed = answer.get("signatures") or []
            return Standing(
                _word(answer, "status").upper(),
                _said(answer),
                {
                    str(one["documentId"]): b64decode(one["signature"], validate=True)
                    for one in listed
                    if one["signature"]
                },
                tuple(str(one["documentId"]) for one in listed),
            )
        except (KeyError, TypeError, AttributeError, NotBase64) as error:
            raise OutcomeUnknown("the status is not what was expected") from error

    async def _ask(self, method: str, path: str, body: Any, access: str = "") -> Any:
        """The JSON of a good answer."""
        headers = {
            "x-clientid": self._account.client_id,
            "x-clientkey": self._account.client_key,
            "Accept-Encoding": "identity",  # what is bounded is what is read
        }
        if access:
            headers["AuthorizationRM"] = f"Bearer {access}"
        self._line.in_flight += 1
        try:
            async with (
                asyncio.timeout(REQUEST_S),
                self._line.http.request(
                    method, self._account.host + path, json=body, headers=headers, allow_redirects=False
                ) as answer,
            ):
                data = await answer.content.read(MAX_ANSWER + 1)
                while len(data) <= MAX_ANSWER and (more := await answer.content.read(MAX_ANSWER + 1 - len(data))):
                    data += more
                return _read(answer.status, answer.headers.get("Retry-After", ""), data)
        except (aiohttp.ClientConnectorError, ssl.SSLError) as error:
            raise Transient(f"the signing service cannot be reached: {error}") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise OutcomeUnknown(f"the signing service did not answer: {error!r}") from error
        finally:
            self._line.in_flight -= 1


def _read(status: int, retry_after: str, data: bytes) -> Any:
    if len(data) > MAX_ANSWER:
        raise OutcomeUnknown("the answer is too large")
    if status == 401:
        raise Unauthorised
    if status == 429:
        seconds = int(retry_after) if retry_after.isascii() and retry_after.isdigit() else 5
        raise Transient("the signing service asks for patience", timedelta(seconds=min(seconds, 60)))
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError):
        answer = None
    if 300 <= status < 500:
        code = _code(answer)
        raise RefusedByService(status, code, _said(answer) or f"HTTP {status}")
    if status != 200 or answer is None:
        raise OutcomeUnknown(f"the signing service answered {status}")
    if isinstance(answer, dict) and answer.get("error") and _code(answer):
        raise RefusedByService(status, _code(answer), _said(answer) or f"errorCode {_code(answer)}")
    return answer


def _code(answer: Any) -> int:
    code = answer.get("errorCode") if isinstance(answer, dict) else None
    return int(code) if isinstance(code, int | str) and str(code).isdecimal() else 0


def _said(answer: Any) -> str:
    """userMsg, in one line, at most 200 characters."""
    said = answer.get("userMsg") if isinstance(answer, dict) else None
    return " ".join(said.split())[:200] if isinstance(said, str) else ""


def _word(answer: Any, name: str) -> str:
    value = answer[name]
    if not isinstance(value, str) or not value:
        raise TypeError(name)
    return value

"""The partner's side of the service (domain.md §5.2), faults included.

Paths, header names and the fields named there are found; the certificate's and the answers' other fields are [invented].
"""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Awaitable, Callable
from datetime import UTC
from typing import Any

from aiohttp import web
from cryptography import x509

from simulator.esign.ledger import Ledger
from simulator.esign.people import People
from simulator.esign.phones import Asked, Phones

AUTH = "/api/auth/api/v1/auth"
CERTIFICATES = "/external/esrm/service/general/api/v1/Certificates/by-userId"
SIGN = "/external/esrm/service/signing/api/v1/Signing/hash"
STATUS = "/external/esrm/service/signing/api/v1/Signing/status"
MAX_BODY = 1024 * 1024
CALLS = ("login", "two-factor", "resend", "refresh", "certificates", "sign", "status", "webhook")
FAULTS = (
    "500",
    "500-after",
    "429",
    "401",
    "lost-request",
    "lost-answer",
    "slow",
    "refuse",
    "garbage",
    "redirect",
    "huge",
)
MESSAGE_FAULTS = ("never", "twice")
Handler = Callable[[web.Request, dict[str, Any], str], Awaitable[web.StreamResponse]]


def problem(status: int, code: int, text: str) -> web.Response:
    """An error in the service's shape."""
    return web.json_response({"error": True, "errorCode": code, "devMsg": text, "userMsg": text}, status=status)


class Service:
    """Answers partners."""

    def __init__(self, ledger: Ledger, people: People, phones: Phones, clients: dict[str, str], slow: float) -> None:
        self._ledger, self._people, self._phones = ledger, people, phones
        self._clients = clients
        """x-clientid -> x-clientkey."""
        self._slow = slow
        """Real seconds a slow answer takes."""

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post(f"{AUTH}/login-api", self._call("login", self._login, token=False)),
            web.post(f"{AUTH}/two-factor-auth", self._call("two-factor", self._two_factor, token=False)),
            web.post(f"{AUTH}/resend-otp-auth", self._call("resend", self._resend, token=False)),
            web.post(f"{AUTH}/refreshtoken", self._call("refresh", self._refresh, token=False)),
            web.get(CERTIFICATES, self._call("certificates", self._certificates)),
            web.post(SIGN, self._call("sign", self._sign)),
            web.get(f"{STATUS}/{{number}}", self._call("status", self._status)),
        ]

    def _call(
        self, call: str, handler: Handler, token: bool = True
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def answer(request: web.Request) -> web.StreamResponse:
            client = request.headers.get("x-clientid", "")
            key = self._clients.get(client)
            if key is None or request.headers.get("x-clientkey", "") != key:
                return self._noted(call, client, problem(403, 403, "Unknown client"))
            person = ""
            if token:
                bearer = request.headers.get("AuthorizationRM", "").removeprefix("Bearer ")
                person = self._people.holder(bearer) or ""
                if not person:
                    return self._noted(call, "", problem(401, 401, "Token is expired"))
            fault = self._ledger.fire(call)
            if (early := await self._before(request, fault)) is not None:
                return self._noted(call, person, early, fault or "")
            try:
                body = json.loads(await request.read()) if request.method == "POST" else {}
                reply = await handler(request, body if isinstance(body, dict) else {}, person)
            except (ValueError, KeyError, TypeError, NotBase64) as error:
                reply = problem(400, 400, f"Bad request: {error!r}")
            if fault in ("lost-answer", "500-after"):
                reply = self._cut(request) if fault == "lost-answer" else problem(500, 500, "Internal error")
            return self._noted(call, person, reply, fault or "")

        return answer

    async def _before(self, request: web.Request, fault: str | None) -> web.StreamResponse | None:
        """What a fault answers instead of doing anything."""
        match fault:
            case "slow":
                await asyncio.sleep(self._slow)
                return None
            case "lost-request":
                return self._cut(request)
            case "500":
                return problem(500, 500, "Internal error")
            case "429":
                return web.json_response({"error": True, "errorCode": 429}, status=429, headers={"Retry-After": "1"})
            case "401":
                return problem(401, 401, "Token is expired")
            case "refuse":
                return problem(400, 212, "Chứng thư số chưa được kết nối với ứng dụng.")
            case "garbage":
                return web.Response(text="<html>200 OK</html>", content_type="text/html")
            case "redirect":
                return web.Response(status=302, headers={"Location": str(request.url)})
            case "huge":
                return web.Response(text='{"transactionId": "' + "x" * (8 * MAX_BODY) + '"}')
            case _:
                return None

    @staticmethod
    def _cut(request: web.Request) -> web.Response:
        """The connection ends without an answer."""
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    def _noted(self, call: str, person: str, reply: web.StreamResponse, fault: str = "") -> web.StreamResponse:
        self._ledger.write(
            "insert into request(at, call, person, outcome) values (?, ?, ?, ?)",
            self._ledger.now(),
            call,
            person,
            fault or str(reply.status),
        )
        return reply

    # --- who is it --------------------------------------------------------------------------------------------------

    async def _login(self, request: web.Request, body: dict[str, Any], _: str) -> web.Response:
        name = str(body["userName"])
        match self._people.check(name, str(body["password"])):
            case "in":
                return web.json_response(self._people.tokens(name))
            case "code":
                return problem(400, 122, "Vui lòng nhập mã xác thực hai lớp.")
            case "locked":
                return problem(400, 131, "Tài khoản đã bị khoá do nhập sai mật khẩu nhiều lần.")
            case _:
                return problem(400, 120, "Tên đăng nhập hoặc mật khẩu không đúng.")

    async def _two_factor(self, request: web.Request, body: dict[str, Any], _: str) -> web.Response:
        name = str(body["userName"])
        if body["otpType"] not in (0, 1) or not isinstance(body["remember"], bool):
            return problem(400, 400, "otpType, remember")
        if not self._people.check_code(name, str(body["code"]), body["remember"]):
            return problem(400, 123, "Mã xác thực không đúng hoặc đã hết hạn.")
        return web.json_response(self._people.tokens(name))

    async def _resend(self, request: web.Request, body: dict[str, Any], _: str) -> web.Response:
        self._people.send_code(str(body["userName"]))
        return web.json_response({"success": True})

    async def _refresh(self, request: web.Request, body: dict[str, Any], _: str) -> web.Response:
        name = self._people.holder(str(body["refreshToken"]), "refresh")
        if name is None:
            return problem(400, 124, "Refresh token is expired")
        return web.json_response(self._people.tokens(name))

    # --- signing ----------------------------------------------------------------------------------------------------

    async def _certificates(self, request: web.Request, body: dict[str, Any], person: str) -> web.Response:
        shown = []
        for row in self._people.certificates(person):
            read = x509.load_der_x509_certificate(row["der"])
            shown.append(
                {
                    "userId": self._user_id(person),
                    "keyAlias": row["alias"],
                    "keyStatus": row["status"],
                    "certificate": b64encode(row["der"]).decode(),
                    "effectiveDate": read.not_valid_before_utc.astimezone(UTC).isoformat(),
                    "expirationDate": read.not_valid_after_utc.astimezone(UTC).isoformat(),
                    "isAutoSign": bool(row["auto"]),
                }
            )
        return web.json_response(shown)

    def _user_id(self, person: str) -> str:
        row = self._ledger.row("select user_id from person where name = ?", person)
        return str(row["user_id"]) if row else ""

    async def _sign(self, request: web.Request, body: dict[str, Any], person: str) -> web.Response:
        if body["UserId"] != self._user_id(person):
            return problem(400, 210, "UserId")
        certificate = self._people.certificate(person, str(body["CertAlias"]))
        if certificate is None or certificate["status"] != "ACTIVE":
            return problem(400, 211, "Chứng thư số không hoạt động.")
        documents = [
            Asked(str(one["DocumentId"]), str(one["DocumentName"]), b64decode(one["FileToSign"], validate=True))
            for one in body["Documents"]
        ]
        if not documents or any(
            not 0 < len(one.id) <= 36 or not 0 < len(one.name) <= 100 or len(one.digest) != 32 for one in documents
        ):
            return problem(400, 213, "DocumentId ≤ 36, DocumentName ≤ 100, FileToSign = SHA-256")
        if len({one.id for one in documents}) < len(documents):
            return problem(400, 214, "DocumentId")
        number = self._phones.show(
            person,
            request.headers["x-clientid"],
            certificate["alias"],
            str(body["DataToBeDisplayed"]),
            documents,
        )
        return web.json_response({"transactionId": number})

    async def _status(self, request: web.Request, body: dict[str, Any], person: str) -> web.Response:
        number = request.match_info["number"]
        mine = self._ledger.row("select 1 from prompt where number = ? and person = ?", number, person)
        if mine is None:
            return problem(404, 404, "Transaction not found")
        self._phones.polled(number)
        return web.json_response(self._phones.status(number))

"""The desk over HTTPS. Three requests, all POST, all signed by the workstation but the first (docs/agent.md)."""

from __future__ import annotations

import asyncio
import binascii
from base64 import b64decode
from collections import OrderedDict
from typing import Annotated, TypeVar

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hoso.runtime.failures import HosoError
from services.signer.desk import Agent, Desk, NotAsked, Status, WrongSignature
from services.signer.desk_agents import Agents, Enrolling, NotEnrolled, NotKnown, Proof, Replayed

MAX_BODY = 256 * 1024
MAX_WAIT = 30.0
_PER_MINUTE, _PER_MINUTE_ALL = 10, 60

Text = Annotated[str, Field(max_length=500)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore")


B = TypeVar("B", bound=_Body)


class _Enrolment(_Body):
    code: Annotated[str, Field(max_length=64)]
    public_key: Annotated[str, Field(max_length=64)]
    certificate: Annotated[str, Field(max_length=16_384)]
    proof: Annotated[str, Field(max_length=2_048)]
    host: Annotated[str, Field(max_length=100)] = ""


class _Next(_Body):
    status: Status
    unattended: bool = False
    wait: Annotated[float, Field(ge=0)] = 0
    later: Annotated[list[Annotated[str, Field(max_length=300)]], Field(max_length=500)] = []


class _Answer(_Body):
    question: Annotated[str, Field(max_length=300)]
    signatures: Annotated[list[Annotated[str, Field(max_length=2_048)]], Field(max_length=100)] | None = None
    declined: Text | None = None
    refused: Text | None = None


class _No(Exception):
    """An answer that is no."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


class Slowly:
    """At most so many tries a minute from one address, and from all together. In this process only: what protects a code
    is its 100 bits; this keeps the noise down."""

    def __init__(self, each: int = _PER_MINUTE, together: int = _PER_MINUTE_ALL) -> None:
        self._each, self._together = each, together
        self._tries: OrderedDict[float, str] = OrderedDict()

    def again(self, who: str, at: float) -> bool:
        """Whether `who` may try at `at` (seconds of a steady clock)."""
        while self._tries and next(iter(self._tries)) < at - 60:
            self._tries.popitem(last=False)
        if len(self._tries) >= self._together or list(self._tries.values()).count(who) >= self._each:
            return False
        while at in self._tries:
            at += 1e-6
        self._tries[at] = who
        return True


def build_app(desk: Desk, agents: Agents, slowly: Slowly | None = None) -> FastAPI:
    """The HTTP application of the desk."""
    app = FastAPI(title="hoso agent desk", docs_url=None, redoc_url=None, openapi_url=None)
    slow = slowly or Slowly()

    @app.exception_handler(_No)
    async def no(_request: Request, error: _No) -> JSONResponse:
        return JSONResponse({"detail": error.detail}, error.status)

    @app.post("/agent/v1/enrolments")
    async def enrol(request: Request) -> JSONResponse:
        who = request.client.host if request.client else ""
        if not slow.again(who, asyncio.get_running_loop().time()):
            raise _No(429, "Quá nhiều lần thử; hãy chờ một phút.")
        given = _read(_Enrolment, await _limited(request))
        try:
            enrolling = Enrolling(
                given.code, _bytes(given.public_key), _bytes(given.certificate), _bytes(given.proof), given.host
            )
            agent, profile = await agents.enrol(enrolling)
        except NotEnrolled as error:
            raise _No(403, str(error)) from None
        except HosoError as error:
            raise _No(409, str(error)) from None
        return JSONResponse({"agent": agent, "profile": profile})

    async def signed(request: Request) -> tuple[Agent, bytes]:
        body = await _limited(request)
        head = request.headers
        try:
            counter = int(head.get("hoso-counter", ""))
            if not 0 < counter < 2**63:
                raise ValueError
            proof = Proof(
                head.get("hoso-agent", "")[:64],
                counter,
                b64decode(head.get("hoso-signature", ""), validate=True),
                request.method,
                request.url.path,
                body,
            )
            return await agents.known(proof), body
        except (ValueError, binascii.Error):
            raise _No(401, "Yêu cầu không có chữ ký của máy trạm.") from None
        except NotKnown as error:
            raise _No(401, str(error)) from None
        except Replayed:
            raise _No(409, "Yêu cầu này đã được nhận một lần rồi.") from None

    @app.post("/agent/v1/next")
    async def upcoming(request: Request) -> JSONResponse:
        agent, body = await signed(request)
        given = _read(_Next, body)
        found = await desk.next(agent, given.status, given.unattended, given.later, min(given.wait, MAX_WAIT))
        return JSONResponse({"questions": found})

    @app.post("/agent/v1/answers")
    async def answer(request: Request) -> JSONResponse:
        agent, body = await signed(request)
        given = _read(_Answer, body)
        try:
            if given.signatures is not None:
                await desk.answered(agent, given.question, [_bytes(value) for value in given.signatures])
            elif given.refused is not None:
                await desk.declined(agent, given.question, f"Máy trạm không ký: {given.refused}")
            else:
                await desk.declined(agent, given.question, given.declined or "")
        except NotAsked:
            raise _No(404, "Không có câu hỏi này cho máy trạm này.") from None
        except WrongSignature:
            raise _No(422, "Chữ ký không khớp với hồ sơ hoặc chứng thư số.") from None
        return JSONResponse({})

    return app


async def _limited(request: Request) -> bytes:
    """The body, at most MAX_BODY; more is not read."""
    got = bytearray()
    async for part in request.stream():
        got += part
        if len(got) > MAX_BODY:
            raise _No(413, f"Yêu cầu dài quá {MAX_BODY} byte.")
    return bytes(got)


def _read(model: type[B], body: bytes) -> B:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise _No(422, f"Yêu cầu không đúng dạng: {error.errors()[0]['loc']}") from None


def _bytes(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise _No(422, "Yêu cầu có base64 không đúng.") from None

"""JSON bodies of the set-up routes. FastAPI would read a declared body before it looks at the key; here the route reads it,
counted while it comes in, after its dependencies have let the request through.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from services.intake.bodies import read_body
from services.intake.problems import Problem
from services.ops.said import Said

MAX_BODY = 16 * 1024


class Body(BaseModel):
    """Nothing but what is declared, and in no text U+0000, which the database cannot keep."""

    model_config = ConfigDict(extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _storable(cls, value: Any) -> Any:
        if _has_nul(value):
            raise PydanticCustomError("nul", "không được có ký tự U+0000; bỏ ký tự đó rồi gửi lại")
        return value


def _has_nul(value: Any) -> bool:
    """Looks into lists and objects; a body is short and no deeper than the parser let it be."""
    if isinstance(value, dict):
        return any(map(_has_nul, (*value, *value.values())))
    if isinstance(value, list):
        return any(map(_has_nul, value))
    return isinstance(value, str) and "\0" in value


B = TypeVar("B", bound=Body)


class NewKey(Body):
    """An API key to make."""

    name: str = Field(min_length=1, max_length=80, pattern=r"\S")
    scopes: list[Literal["submit", "read", "setup"]] = Field(default=["submit", "read"], min_length=1)


class NewMailbox(Body):
    """A mailbox to read; the same address again replaces its settings."""

    address: str = Field(min_length=3, max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")
    host: str = Field(min_length=1, max_length=253)
    port: int = Field(default=993, ge=1, le=65535)
    user: str = Field(default="", max_length=254, description="Empty: the address.")
    password: SecretStr = Field(max_length=1000)
    tls: Literal["implicit", "starttls", "none"] = "implicit"
    policy: Literal["dkim", "auth-results", "sender-only"] = "dkim"
    authserv_id: str = Field(default="", max_length=253)
    client: Literal["aioimaplib", "imapclient"] = "aioimaplib"
    folder: str = Field(default="INBOX", min_length=1, max_length=200)
    contact: Literal["shared", "own", "catch-all"] = "shared"


class NewEsign(Body):
    """A MISA eSign account to sign with; the same name again replaces it."""

    name: str = Field(min_length=1, max_length=100)
    user: str = Field(min_length=1, max_length=254)
    password: SecretStr = Field(min_length=1, max_length=1000)
    client_id: str = Field(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")
    client_key: SecretStr = Field(min_length=1, max_length=1000)
    serial: str = Field(
        default="", max_length=200, description="Serial number or SHA-256, where the account has several."
    )
    host: str = Field(default="https://esignapp.misa.vn", max_length=300)
    prompt_minutes: int = Field(default=15, ge=1, le=1440, description="After so long a prompt can not be approved.")
    code: SecretStr | None = Field(default=None, max_length=40, description="The one-time code, after 409 code-needed.")


class EsignLogIn(Body):
    """What a MISA eSign profile needs of a person: one of the three."""

    code: SecretStr | None = Field(default=None, max_length=40, description="The one-time code.")
    resend: bool = Field(default=False, description="Have a new code sent.")
    anew: bool = Field(default=False, description="Try the log-in again although it was refused.")


class NewAnswer(Body):
    """What a person says to an enrolment that waits, or to a task."""

    answer: str = Field(max_length=40)
    value: str | None = Field(default=None, max_length=500)
    reason: str = Field(default="", max_length=500, description="Why, for the record.")
    fields: dict[str, str] | None = Field(default=None, description="For `data`: mended columns, key -> text.")
    code: SecretStr | None = Field(default=None, max_length=40, description="For `activation-code`; kept sealed.")
    arrived_at: datetime | None = Field(default=None, description="When the code's mail reached you.")

    def said(self) -> Said:
        """For the desk."""
        code = self.code.get_secret_value() if self.code is not None else None
        return Said(self.answer, self.value, self.reason, code, self.arrived_at)


class Cancellation(Body):
    """Giving an enrolment up."""

    reason: str = Field(default="", max_length=500)


async def given(request: Request, shape: type[B]) -> B:
    """The body in its shape. Raises Problem 413 and 415, RequestValidationError (400)."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Problem(415, "unsupported-media-type", "Cần application/json", "Gửi Content-Type: application/json.")
    body = await read_body(request, MAX_BODY)
    try:
        return shape.model_validate_json(body)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise RequestValidationError([{**e, "loc": ("body", *e["loc"])} for e in found]) from None


def described(shape: type[Body]) -> dict[str, Any]:
    """`openapi_extra` of a route that reads this body itself."""
    schema = shape.model_json_schema()
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}

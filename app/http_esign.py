"""Remote signing over HTTP: what `hoso profile add-esign` and `hoso profile login` do, for one tenant.

POST               /v1/profiles/esign            declare an account; 409 `code-needed`: the same again with the one-time code
POST               /v1/profiles/{name}/login     give the one-time code, have a new one sent, or try the log-in anew
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Request

from app.hosts import must_be_public
from app.http_bodies import EsignLogIn, NewEsign, described, given
from app.http_refusals import done
from app.remote_signing import BACKEND, CodeWanted, Wish, remote
from hoso.domain.certificates import CertificateFacts
from hoso.runtime.failures import HosoError
from services.intake.ports import Principal
from services.intake.problems import Problem, not_found
from services.signer.keys.misa_account import Account, checked_host

if TYPE_CHECKING:
    from app.http_counter import Counter


def add_esign(made: APIRouter, counter: Counter, setter: Any) -> None:
    """Put the routes on `made`."""

    @made.post("/profiles/esign", status_code=201, openapi_extra=described(NewEsign))
    async def post_esign(request: Request, who: Principal = setter) -> dict[str, Any]:
        """Declare an account of MISA eSign; its secrets are sealed. The same name again replaces it."""
        body = await given(request, NewEsign)
        password, key = body.password.get_secret_value(), body.client_key.get_secret_value()
        account = Account(
            await _host(counter, body.host), body.client_id, key, body.user, password, body.prompt_minutes
        )
        code = body.code.get_secret_value().strip() if body.code is not None else ""

        async def declare() -> CertificateFacts:
            async with remote(counter.set_up, counter.pool, counter.vault, counter.now) as found:
                try:
                    return await found.declare(who.tenant, Wish(body.name, account, body.serial), code, who.actor)
                except CodeWanted as error:
                    detail = f"MISA eSign đã gửi mã cho {body.user}; gửi lại yêu cầu này kèm `code`."
                    raise Problem(409, "code-needed", "Cần mã xác thực hai lớp", detail) from error

        known = await done(declare())
        return {
            "name": body.name,
            "serial": known.serial,
            "tax_codes": list(known.tax_codes),
            "not_after": known.not_after.isoformat(),
            "days_left": (known.not_after - counter.now()).days,
        }

    @made.post("/profiles/{name}/login", openapi_extra=described(EsignLogIn))
    async def post_login(name: str, request: Request, who: Principal = setter) -> dict[str, Any]:
        """Give the one-time code of a MISA eSign profile, or have a new one sent. What waits for it goes on by itself."""
        body = await given(request, EsignLogIn)
        if not any(one.name == name and one.backend == BACKEND for one in await counter.set_up.profiles(who.tenant)):
            raise not_found("chữ ký số MISA eSign")
        code = body.code.get_secret_value().strip() if body.code is not None else ""
        if not code and not body.resend and not body.anew:
            raise Problem(422, "refused", "Không thực hiện được", "Gửi code, hoặc resend, hoặc anew.")

        async def log_in() -> bool:
            async with remote(counter.set_up, counter.pool, counter.vault, counter.now) as found:
                return await found.log_in(who.tenant, name, code, body.resend)

        return {"name": name, "logged_in": await done(log_in())}


async def _host(counter: Counter, url: str) -> str:
    """The service's address, which a tenant may only choose among those of the internet. Raises Problem."""
    wrong = "Máy chủ ký số không được phép"
    try:
        host = checked_host(url)
    except HosoError as error:
        raise Problem(422, "host-not-public", wrong, f"{url}: cần địa chỉ https:// của dịch vụ ký số.") from error
    parts = urlsplit(host)
    try:
        await must_be_public(parts.hostname or "", parts.port or 443, counter.settings.environment)
    except Problem as error:
        detail = f"{parts.hostname} không phải máy chủ trên Internet; kiểm tra lại địa chỉ dịch vụ ký số."
        raise Problem(422, "host-not-public", wrong, detail) from error
    return host

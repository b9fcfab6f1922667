"""Set-up and answers over HTTP: what `hoso key | mailbox | profile` and `hoso enrolment` do, for one tenant.

Mounted beside intake's API. The tenant is always the key's; what belongs to another tenant does not exist.

    GET, POST          /v1/keys, /v1/mailboxes, /v1/profiles          scope setup
    DELETE             /v1/keys/{id}, /v1/mailboxes/{address}, /v1/profiles/{name}
    POST               /v1/mailboxes/{address}/test, /v1/profiles/{name}/test
    POST               /v1/enrolments/{id}/answers, …/cancellation, …/employees
    GET                /v1/tenant, /v1/enrolments/{id}/timeline        scope setup or read
    remote signing                                                    http_esign.py
    tasks; public events and webhooks                                 http_tasks.py, http_events.py

Tenants are made by the operator's command line only (`hoso tenant add`).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.types import Message

from app.demo_keys import refuse_demo_key
from app.hosts import must_be_public
from app.http_bodies import Cancellation, NewAnswer, NewKey, NewMailbox, described, given
from app.http_counter import Counter
from app.http_esign import add_esign
from app.http_events import add_events
from app.http_refusals import done, taken
from app.http_tasks import add_tasks, task_json
from app.probing import probe_mailbox, probe_profile
from app.remote_signing import remote
from app.story import attempts, story
from hoso.setup.declarations import MailboxSettings
from services.intake.gate import gate
from services.intake.ports import Principal
from services.intake.problems import Problem, not_found
from services.ops import checklist_views, task_views, views
from services.ops.checklist import as_shown

SETUP, READ = "setup", "read"
MAX_PKCS12 = 256 * 1024


_PROFILE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "name": {"type": "string"},
                        "password": {"type": "string", "format": "password"},
                        "pkcs12": {"type": "string", "format": "binary"},
                    },
                    "required": ["name", "password", "pkcs12"],
                }
            }
        },
    }
}


def router(counter: Counter) -> APIRouter:
    """The routes, to be mounted into intake's application."""
    made = APIRouter(prefix="/v1")
    may = gate(counter.keys)
    _tenant(made, counter, Depends(may(SETUP, READ)))
    _keys(made, counter, Depends(may(SETUP)))
    _mailboxes(made, counter, Depends(may(SETUP)))
    _profiles(made, counter, Depends(may(SETUP)))
    add_esign(made, counter, Depends(may(SETUP)))
    _enrolments(made, counter, Depends(may(SETUP)), Depends(may(SETUP, READ)))
    add_events(made, counter, Depends(may(SETUP)), Depends(may(SETUP, READ)))
    add_tasks(made, counter, Depends(may(SETUP)), Depends(may(SETUP, READ)))
    return made


# --- the tenant itself ------------------------------------------------------------------------------------------


def _tenant(made: APIRouter, counter: Counter, reader: Any) -> None:
    @made.get("/tenant")
    async def get_tenant(who: Principal = reader) -> dict[str, Any]:
        """Whom the key stands for, and how much is set up for it."""
        found = next((row for row in await counter.set_up.tenants() if row["name"] == who.tenant), None)
        if found is None:
            raise not_found("khách hàng")
        return {
            **_shown(found, "name", "title", "made_at"),
            "environment": counter.settings.environment,
            "keys": len(await counter.set_up.keys(who.tenant)),
            "mailboxes": len(await counter.set_up.mailboxes(who.tenant)),
            "profiles": len(await counter.set_up.profiles(who.tenant)),
        }


# --- keys -------------------------------------------------------------------------------------------------------


def _keys(made: APIRouter, counter: Counter, setter: Any) -> None:
    @made.get("/keys")
    async def get_keys(who: Principal = setter) -> dict[str, Any]:
        """The tenant's keys in force; never their tokens."""
        return {
            "keys": [_shown(row, "id", "name", "scopes", "made_at") for row in await counter.set_up.keys(who.tenant)]
        }

    @made.post("/keys", status_code=201, openapi_extra=described(NewKey))
    async def post_key(request: Request, who: Principal = setter) -> Response:
        """Make a key. Its token is in this answer only."""
        key = await given(request, NewKey)
        token = await done(counter.set_up.add_key(who.tenant, key.name, key.scopes, who.actor))
        body = {"id": token.split("_")[1], "name": key.name, "scopes": key.scopes, "token": token}
        return JSONResponse(body, 201, {"Cache-Control": "no-store"})

    @made.delete("/keys/{id_}", status_code=204)
    async def delete_key(id_: str, who: Principal = setter) -> Response:
        """Revoke a key, at once."""
        if not any(row["id"] == id_ for row in await counter.set_up.keys(who.tenant)):
            raise not_found("khoá")
        await done(counter.set_up.remove_key(id_, who.actor, who.tenant))
        return Response(status_code=204)


# --- mailboxes --------------------------------------------------------------------------------------------------


def _mailboxes(made: APIRouter, counter: Counter, setter: Any) -> None:
    @made.get("/mailboxes")
    async def get_mailboxes(who: Principal = setter) -> dict[str, Any]:
        """The tenant's mailboxes; never their passwords."""
        return {"mailboxes": [_mailbox(one) for one in await counter.set_up.mailboxes(who.tenant)]}

    @made.post("/mailboxes", status_code=201, openapi_extra=described(NewMailbox))
    async def post_mailbox(request: Request, who: Principal = setter) -> dict[str, Any]:
        """Declare a mailbox. In force within seconds. Its host is one of the internet's, except in `test`."""
        box = await given(request, NewMailbox)
        await must_be_public(box.host, box.port, counter.settings.environment)
        user = box.user or box.address
        wanted = MailboxSettings(box.host, box.port, user, box.tls, box.policy, box.authserv_id, box.client, box.folder)
        password = box.password.get_secret_value()
        id_ = await done(counter.set_up.add_mailbox(who.tenant, box.address, box.contact, wanted, password, who.actor))
        return {"id": str(id_), "address": box.address}

    @made.post("/mailboxes/{address}/test")
    async def test_mailbox(address: str, who: Principal = setter) -> dict[str, Any]:
        """Connect as the mail watcher does. Changes and marks nothing."""
        known = await counter.set_up.mailboxes(who.tenant)
        found = next((one for one in known if one.address.lower() == address.lower()), None)
        if found is None:
            raise not_found("hộp thư")
        await must_be_public(found.settings.host, found.settings.port, counter.settings.environment)
        opened = await done(counter.set_up.mailbox_with_password(found.id))
        if opened is None:
            raise not_found("hộp thư")
        good, line = await probe_mailbox(opened, counter.settings)
        return {"address": found.address, "ok": good, "message": line}

    @made.delete("/mailboxes/{address}", status_code=204)
    async def delete_mailbox(address: str, who: Principal = setter) -> Response:
        """Stop reading a mailbox."""
        if not any(one.address.lower() == address.lower() for one in await counter.set_up.mailboxes(who.tenant)):
            raise not_found("hộp thư")
        await done(counter.set_up.remove_mailbox(address, who.actor, who.tenant))
        return Response(status_code=204)


def _mailbox(one: Any) -> dict[str, Any]:
    settings = {name: getattr(one.settings, name) for name in one.settings.__dataclass_fields__}
    return {"id": str(one.id), "address": one.address, "contact": one.contact_mode, **settings}


# --- profiles ---------------------------------------------------------------------------------------------------


def _profiles(made: APIRouter, counter: Counter, setter: Any) -> None:
    @made.get("/profiles")
    async def get_profiles(who: Principal = setter) -> dict[str, Any]:
        """The tenant's signing profiles; never their keys."""
        return {"profiles": [_profile(one) for one in await counter.set_up.profiles(who.tenant)]}

    @made.post("/profiles", status_code=201, openapi_extra=_PROFILE_BODY)
    async def post_profile(request: Request, who: Principal = setter) -> dict[str, Any]:
        """Keep a key from a PKCS#12 file, sealed; its password is forgotten. The same name again replaces it."""
        name, password, data = await _pkcs12_form(request)

        async def add() -> Any:
            refuse_demo_key(data, password, counter.settings.environment)
            return await counter.set_up.add_pkcs12(who.tenant, name, data, password, who.actor)

        known = await done(add())
        return {
            "name": name,
            "serial": known.serial,
            "tax_codes": list(known.tax_codes),
            "not_after": known.not_after.isoformat(),
            "days_left": (known.not_after - datetime.now(UTC)).days,
        }

    @made.post("/profiles/{name}/test")
    async def test_profile(name: str, who: Principal = setter) -> dict[str, Any]:
        """Sign a sample and verify it."""
        found = next((one for one in await counter.set_up.profiles(who.tenant) if one.name == name), None)
        opened = await done(counter.set_up.profile_with_key(who.tenant, found.id)) if found is not None else None
        if opened is None:
            raise not_found("chữ ký số")
        async with remote(counter.set_up, counter.pool, counter.vault, counter.now) as signing:
            good, line, facts = await probe_profile(opened, counter.now(), signing.check)
        return {"name": name, "ok": good, "message": line, **facts}

    @made.delete("/profiles/{name}", status_code=204)
    async def delete_profile(name: str, who: Principal = setter) -> Response:
        """Remove a profile and destroy its key."""
        if not any(one.name == name for one in await counter.set_up.profiles(who.tenant)):
            raise not_found("chữ ký số")
        await done(counter.set_up.remove_profile(who.tenant, name, who.actor))
        return Response(status_code=204)


def _profile(one: Any) -> dict[str, Any]:
    return {
        "id": str(one.id),
        "name": one.name,
        "backend": one.backend,
        "tax_codes": list(one.tax_codes),
        "serial": one.serial,
        "not_after": one.not_after.isoformat(),
    }


async def _pkcs12_form(request: Request) -> tuple[str, str, bytes]:
    """Name, password and file of a multipart form, its bytes counted while they come in. Raises Problem."""
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await request.receive()
        size += len(message.get("body", b""))
        if size > MAX_PKCS12:
            raise Problem(413, "too-large", "Nội dung quá lớn", f"Nhiều nhất là {MAX_PKCS12 // 1024} KB.")
        return message

    wrong = Problem(400, "bad-form", "Biểu mẫu multipart không đúng", "Gửi name, password và tệp pkcs12.")
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise Problem(415, "unsupported-media-type", "Cần multipart/form-data", "Gửi name, password và tệp pkcs12.")
    try:
        async with Request(request.scope, counted).form(max_files=1, max_fields=4) as form:
            name, password, file = form.get("name"), form.get("password"), form.get("pkcs12")
            if not isinstance(name, str) or not isinstance(password, str) or not isinstance(file, UploadFile):
                raise wrong
            if not 0 < len(name.strip()) <= 100:
                raise wrong
            return name.strip(), password, await file.read()
    except MultiPartException as error:
        raise wrong from error


# --- enrolments -------------------------------------------------------------------------------------------------


def _enrolments(made: APIRouter, counter: Counter, setter: Any, reader: Any) -> None:
    @made.post("/enrolments/{enrolment}/answers", status_code=202, openapi_extra=described(NewAnswer))
    async def post_answer(enrolment: UUID, request: Request, who: Principal = setter) -> dict[str, str]:
        """Answer what an enrolment waits for. Taken is not yet decided: look at the timeline."""
        body = await given(request, NewAnswer)
        await taken(
            lambda: counter.desk.answer(enrolment, body.said(), body.fields, actor=who.actor, tenant=who.tenant)
        )
        return {"enrolment": str(enrolment), "answer": body.answer}

    @made.post("/enrolments/{enrolment}/cancellation", status_code=202, openapi_extra=described(Cancellation))
    async def post_cancellation(enrolment: UUID, request: Request, who: Principal = setter) -> dict[str, str]:
        """Give an enrolment up. What was begun at the agency runs to its outcome."""
        reason = (await given(request, Cancellation)).reason
        await taken(lambda: counter.desk.answers.cancel(enrolment, reason, actor=who.actor, tenant=who.tenant))
        return {"enrolment": str(enrolment)}

    @made.post("/enrolments/{enrolment}/employees", status_code=202)
    async def post_employees(enrolment: UUID, who: Principal = setter) -> dict[str, str]:
        """Fetch the employees of an enrolled unit again. What comes of it is in the timeline and in the enrolment."""
        await taken(lambda: counter.desk.answers.fetch_employees(enrolment, actor=who.actor, tenant=who.tenant))
        return {"enrolment": str(enrolment)}

    @made.get("/enrolments/{enrolment}/timeline")
    async def get_timeline(enrolment: UUID, who: Principal = reader) -> dict[str, Any]:
        """Everything that happened to an enrolment, in order and in words."""
        async with _connection(counter.pool) as db:
            found = await views.find(db, str(enrolment), who.tenant)
            if not found:
                raise not_found("hồ sơ đăng ký")
            events = await views.timeline(db, enrolment)
            tasks = await task_views.of_enrolment(db, enrolment)
        return {
            "enrolment": str(enrolment),
            "stage": found[0]["stage"],
            "timeline": _told(events),
            "attempts": jsonable_encoder(attempts("vi", events)),
            "tasks": [task_json(row) for row in tasks],
        }

    @made.get("/enrolments/{enrolment}/checklist")
    async def get_checklist(enrolment: UUID, who: Principal = reader) -> dict[str, Any]:
        """The five steps of the unit, each with its state, and how far they are together, in per cent."""
        async with _connection(counter.pool) as db:
            found = await views.find(db, str(enrolment), who.tenant)
            made_of = await checklist_views.of_enrolment(db, enrolment, counter.now()) if found else None
        if made_of is None:
            raise not_found("hồ sơ đăng ký")
        return {"enrolment": str(enrolment), **as_shown(made_of)}


def _connection(pool: Any) -> AbstractAsyncContextManager[Any]:
    return pool.acquire()  # type: ignore[no-any-return]


def _told(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without the events' data: the sentence says what a tenant may know."""
    return [
        {
            "at": row["at"].isoformat(),
            "type": row["type"],
            "event": str(row["event"]),
            "who": row["who"],
            "text": row["text"],
            "details": row["details"],
        }
        for row in story("vi", events)
    ]


def _shown(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: row[name].isoformat() if isinstance(row[name], datetime) else row[name] for name in names}

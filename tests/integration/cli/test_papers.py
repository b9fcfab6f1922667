"""Printing over HTTP: nobody waits for another tenant's forms, and one bad form does not spoil the file."""

from __future__ import annotations

import asyncio
import io
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import aiohttp
import pytest_asyncio
import uvicorn
from fastapi import APIRouter, FastAPI
from pypdf import PdfReader

from app.adapters import ApiKeys
from app.http_papers import add_papers
from app.papers import Papers
from hoso.setup.registry import SetUp
from hoso.store.postgres import Database
from hoso.store.vault import KeyRing, Vault
from schemas.events import EnrolmentRequested
from services.intake import problems
from tests.integration.cli.command import Cli
from tests.support.stories import RULES, SPACE, a_first_form, a_form, a_request

MOST = 4


@dataclass(frozen=True)
class Counter:
    """What printing stands on."""

    keys: ApiKeys
    pool: Any

    def now(self) -> datetime:
        return datetime(2026, 3, 2, 2, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Printer:
    url: str
    keys: dict[str, str]
    session: aiohttp.ClientSession

    async def __call__(self, path: str, tenant: str = "acme") -> tuple[int, Any, bytes]:
        headers = {"Authorization": f"Bearer {self.keys[tenant]}"}
        async with self.session.get(self.url + path, headers=headers) as answer:
            return answer.status, answer.headers, await answer.read()


@pytest_asyncio.fixture
async def printer(db: Database, tmp_path: Path) -> AsyncIterator[Printer]:
    KeyRing.make(tmp_path / "vault.key")
    vault = Vault(db.pool, KeyRing.read(tmp_path / "vault.key"))
    set_up = SetUp(db.pool, vault)
    keys = {}
    for tenant in ("acme", "globex"):
        await set_up.add_tenant(tenant, tenant, "test")
        keys[tenant] = await set_up.add_key(tenant, "erp", ["read"], "test")
    app, made = FastAPI(), APIRouter(prefix="/v1")
    problems.install(app)
    add_papers(made, Counter(ApiKeys(set_up), db.pool), Papers(RULES, vault), MOST)  # type: ignore[arg-type]
    app.include_router(made)
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve([listening]))
    async with aiohttp.ClientSession() as session:
        yield Printer(f"http://127.0.0.1:{listening.getsockname()[1]}", keys, session)
    server.should_exit = True
    await serving


async def newcomers(db: Database, tenant: str, count: int, bad: int = -1) -> list[UUID]:
    """Units of the paper lane that wait; the `bad`-th has nothing to print."""
    made = [uuid5(SPACE, f"{tenant} {n}") for n in range(count)]
    for n, enrolment in enumerate(made):
        form = a_form() if n == bad else a_first_form(branch_id=f"HN-{n}")
        fact = a_request(f"batch:{n}", enrolment=enrolment, form=form)
        await db.pool.execute(
            "insert into ops.enrolment(enrolment, unit, tenant, request, stage, cause, opened_at, changed_at) "
            "values ($1, $1, $2, $3, 'waiting-for-person', 'paper-form', now(), now())",
            enrolment, tenant, fact.request,
        )  # fmt: skip
        await db.pool.execute(
            "insert into ops.timeline(enrolment, unit, tenant, at, type, event, data) values ($1, $1, $2, now(), $3, $4, $5)",
            enrolment, tenant, EnrolmentRequested.TYPE, uuid5(enrolment, "event"), fact.model_dump_json(),
        )  # fmt: skip
    return sorted(made)


def pages(pdf: bytes) -> int:
    return len(PdfReader(io.BytesIO(pdf)).pages)


async def test_the_second_printing_of_a_tenant_is_refused_and_another_s_is_not(db: Database, printer: Printer) -> None:
    (one, *_) = await newcomers(db, "acme", 4)
    await newcomers(db, "globex", 1)
    answers = await asyncio.gather(
        printer("/v1/forms.pdf"), printer("/v1/forms.pdf"), printer("/v1/forms.pdf", "globex")
    )
    assert sorted(status for status, _, _ in answers[:2]) == [200, 429]
    assert answers[2][0] == 200
    (refused,) = [answer for answer in answers if answer[0] == 429]
    assert refused[1]["Retry-After"] == "10"
    assert b"urn:hoso:problem:printing" in refused[2]
    status, _, pdf = await printer(f"/v1/enrolments/{one}/form.pdf")
    assert (status, pages(pdf) > 0) == (200, True), "and the next is taken"
    assert (await printer(f"/v1/enrolments/{one}/form.pdf", "globex"))[0] == 404


async def test_while_one_prints_others_are_answered(db: Database, printer: Printer) -> None:
    await newcomers(db, "acme", 4)
    printing = asyncio.create_task(printer("/v1/forms.pdf"))
    assert (await printer("/v1/forms.pdf", "globex"))[0] == 422
    assert not printing.done()
    assert (await printing)[0] == 200


async def test_more_than_a_file_holds_goes_on_in_the_next(db: Database, printer: Printer) -> None:
    waiting = await newcomers(db, "acme", 6)
    status, headers, first = await printer("/v1/forms.pdf")
    assert (status, headers["Hoso-Forms-Left"]) == (200, "2")
    assert headers["Link"] == f'</v1/forms.pdf?after={waiting[3]}>; rel="next"'
    status, headers, rest = await printer(f"/v1/forms.pdf?after={waiting[3]}")
    assert (status, "Link" in headers) == (200, False)
    assert pages(first) == 2 * pages(rest)
    assert (await printer(f"/v1/forms.pdf?after={waiting[5]}"))[0] == 422


async def test_a_form_that_cannot_be_printed_is_left_out_and_named(
    db: Database, printer: Printer, cli: Cli, tmp_path: Path
) -> None:
    await newcomers(db, "acme", 3, bad=1)
    bad = uuid5(SPACE, "acme 1")
    await db.pool.execute("update ops.timeline set data = data - 'form' where enrolment = $1", uuid5(SPACE, "acme 2"))
    status, headers, pdf = await printer("/v1/forms.pdf")
    assert status == 200
    named = headers["Hoso-Forms-Left-Out"].split(", ")
    assert sorted(named) == sorted([str(bad), str(uuid5(SPACE, "acme 2"))])
    status, _, one = await printer(f"/v1/enrolments/{uuid5(SPACE, 'acme 0')}/form.pdf")
    assert pages(pdf) == pages(one)

    printed = await cli("form", "batch", "--tenant", "acme", "--out", str(tmp_path / "all.pdf"), "--json")
    assert (printed.status, printed.json["left"], sorted(printed.json["left_out"])) == (0, 0, sorted(named))
    said = await cli("form", "batch", "--tenant", "acme", "--out", str(tmp_path / "all.pdf"))
    assert str(bad) in said.err

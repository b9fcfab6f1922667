"""What the database cannot keep is refused with a problem, on every route and never with 500."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest_asyncio
import uvicorn

from hoso.store.postgres import Database
from services.intake import problems
from tests.integration.cli.command import Cli
from tests.integration.cli.made import waits

Ask = Any


@pytest_asyncio.fixture
async def ask(cli: Cli) -> AsyncIterator[Ask]:
    """One request to intake's own process: status, and the problem or answer."""
    await cli("tenant", "add", "acme")
    key = (await cli("key", "add", "acme", "all", "--scopes", "submit,read,setup")).out.strip()
    intake = await cli.run("intake")
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as session:

        async def one(method: str, path: str, **more: Any) -> tuple[int, Any]:
            from yarl import URL

            url = URL(intake.facts["http"] + path, encoded=True)
            async with session.request(method, url, **more) as answer:
                return answer.status, await answer.json(content_type=None) if answer.status != 204 else None

        yield one
    assert await intake.stop() == 0


async def test_nul_is_refused_in_every_text(ask: Ask, db: Database) -> None:
    enrolment = await waits(db, "system-error")
    box = {"address": "bhxh@acme.vn", "host": "imap.acme.vn", "password": "x"}
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("/v1/keys", {"name": "a\0b"}),
        *(("/v1/mailboxes", {**box, name: "a@b\0.vn"}) for name in ("address", "host", "user", "password", "folder")),
        ("/v1/webhooks", {"url": "https://acme.vn/\0"}),
        (f"/v1/enrolments/{enrolment}/cancellation", {"reason": "\0"}),
        (f"/v1/enrolments/{enrolment}/answers", {"answer": "retry", "value": "\0"}),
        (f"/v1/enrolments/{enrolment}/answers", {"answer": "retry", "reason": "\0"}),
        (f"/v1/enrolments/{enrolment}/answers", {"answer": "data", "fields": {"name": "a\0"}}),
        (f"/v1/enrolments/{enrolment}/answers", {"answer": "data", "fields": {"a\0": "name"}}),
    ]
    for path, body in bodies:
        status, problem = await ask("POST", path, json=body)
        assert (status, problem["type"]) == (400, "urn:hoso:problem:bad-request"), (path, body, problem)
        assert "U+0000" in problem["errors"][0]["message"], problem


async def test_nul_and_endless_numbers_in_an_address_are_refused(ask: Ask, cli: Cli) -> None:
    sheet = "Mã đơn vị,Tên đơn vị,Mã số thuế,Tỉnh/TP,Địa chỉ,Email,Điện thoại\nTZ1,,,,,,\n".encode()
    status, batch = await ask("POST", "/v1/batches", data=sheet, headers={"Content-Type": "text/csv"})
    assert status == 202, batch
    nobody = "00000000-0000-7000-8000-000000000000"
    for method, path in (
        ("GET", "/v1/tasks?cause=%00"),
        ("GET", "/v1/org/units?after=%00"),
        ("GET", f"/v1/events?after={2**63}"),
        ("GET", "/v1/events?after=-1"),
        ("GET", f"/v1/batches/{batch['batch']}?after={2**31}"),
        ("GET", f"/v1/batches/{batch['batch']}?after={10**30}"),
        ("POST", f"/v1/webhooks/{nobody}/replay?after={2**63}"),
        ("POST", f"/v1/batches/{batch['batch']}/cancel?reason=%00"),
    ):
        status, problem = await ask(method, path)
        assert status == 400, (path, problem)
        assert problem["type"] in ("urn:hoso:problem:bad-value", "urn:hoso:problem:bad-request")
    for method, path in (
        ("DELETE", "/v1/keys/%00"),
        ("DELETE", "/v1/mailboxes/%00"),
        ("POST", "/v1/profiles/%00/test"),
        ("DELETE", "/v1/attachments/%00"),
        ("GET", "/v1/unit-codes?tax_code=%00"),
        ("PUT", "/v1/attachments/a%00.pdf"),
    ):
        status, problem = await ask(method, path, **({"data": b"%PDF-1.7 x"} if method == "PUT" else {}))
        assert 400 <= status < 500, (path, problem)
    log = [json.loads(line) for line in (cli.var / "log" / "intake.log").read_text("utf-8").splitlines()]
    refused = [line for line in log if line.get("status") == 400]
    assert "/v1/tasks" in {line["path"] for line in refused}, "a value of our own making is not lost in silence"
    assert all(line["exception"].startswith("asyncpg.") for line in refused)
    assert 500 not in {line.get("status") for line in log}
    assert (await ask("GET", "/v1/events?after=0"))[0] == 200


async def test_the_form_of_a_profile(ask: Ask) -> None:
    form = aiohttp.FormData()
    form.add_field("name", "a\0b")
    form.add_field("password", "x")
    form.add_field("pkcs12", b"x", filename="x.p12")
    status, problem = await ask("POST", "/v1/profiles", data=form)
    assert 400 <= status < 500, problem


async def test_an_error_of_ours_is_logged_with_its_route_and_no_value(tmp_path: Path) -> None:
    """Over real HTTP, with a log file: what a caller wrote into the address does not get into it."""
    import asyncio
    import logging
    import socket

    from fastapi import FastAPI

    from hoso.process import logs

    app = FastAPI()
    problems.install(app)

    @app.get("/v1/things/{thing}")
    async def fails(thing: str) -> None:
        raise RuntimeError(f"no such thing: {thing}")

    root = logging.getLogger()
    before = root.handlers, root.level
    logs.set_up("intake", tmp_path, "INFO")
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve([listening]))
    try:
        async with aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1/things/079123456789"
            async with session.get(url) as answer:
                assert (answer.status, (await answer.json(content_type=None))["status"]) == (500, 500)
    finally:
        server.should_exit = True
        await serving
        for handler in root.handlers:
            handler.close()
        root.handlers, root.level = before
    text = (tmp_path / "intake.log").read_text("utf-8")
    assert "079123456789" not in text
    told = [json.loads(line) for line in text.splitlines()]
    (line,) = [one for one in told if one.get("status") == 500]
    assert (line["method"], line["path"]) == ("GET", "/v1/things/{thing}")
    assert line["exception"].startswith("builtins.RuntimeError\n")
    assert line["exception"].endswith(" fails")

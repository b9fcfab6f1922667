"""Set-up and answers over HTTP, sheets by the command line: against intake's own process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest_asyncio

from hoso.store.postgres import Database
from tests.contract.signing.pki import employer
from tests.integration.cli.command import Cli
from tests.integration.cli.made import on_the_log, waits


@dataclass(frozen=True)
class Api:
    """Intake's API, with a key of each tenant that may set things up."""

    url: str
    keys: dict[str, str]
    session: aiohttp.ClientSession

    async def __call__(self, method: str, path: str, tenant: str = "acme", **more: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.keys[tenant]}", **more.pop("headers", {})}
        async with self.session.request(method, self.url + path, headers=headers, **more) as answer:
            return answer.status, await answer.json(content_type=None) if answer.status != 204 else None


@pytest_asyncio.fixture
async def api(cli: Cli) -> AsyncIterator[Api]:
    keys = {}
    for tenant in ("acme", "globex"):
        await cli("tenant", "add", tenant)
        keys[tenant] = (await cli("key", "add", tenant, "setup", "--scopes", "submit,read,setup")).out.strip()
    intake = await cli.run("intake")
    async with aiohttp.ClientSession() as session:
        yield Api(intake.facts["http"], keys, session)
    assert await intake.stop() == 0


async def test_set_up_of_one_tenant_is_nothing_to_another(api: Api) -> None:
    status, key = await api("POST", "/v1/keys", json={"name": "payroll"})
    assert (status, key["scopes"]) == (201, ["submit", "read"])
    status, keys = await api("GET", "/v1/keys")
    assert status == 200
    assert {row["name"] for row in keys["keys"]} == {"setup", "payroll"}
    assert key["token"] not in str(keys)

    wanted = {"address": "bhxh@acme.vn", "host": "imap.acme.vn", "password": "geheim"}
    status, made = await api("POST", "/v1/mailboxes", json=wanted)
    assert status == 201, made
    status, boxes = await api("GET", "/v1/mailboxes")
    assert [box["address"] for box in boxes["mailboxes"]] == ["bhxh@acme.vn"]
    assert "geheim" not in str(boxes)

    form = {"name": "main", "password": "pw", "pkcs12": employer().pkcs12("pw")}
    status, profile = await api("POST", "/v1/profiles", data=_multipart(form))
    assert (status, profile["tax_codes"]) == (201, ["0101234567"])

    # The other tenant sees nothing of it, and gets the same answer as for what does not exist.
    for path, name in (("keys", "keys"), ("mailboxes", "mailboxes"), ("profiles", "profiles")):
        status, seen = await api("GET", f"/v1/{path}", "globex")
        assert [row for row in seen[name] if row.get("name") != "setup"] == []
    for path in (f"keys/{key['id']}", "mailboxes/bhxh@acme.vn", "profiles/main"):
        status, problem = await api("DELETE", f"/v1/{path}", "globex")
        assert (status, problem["type"]) == (404, "urn:hoso:problem:not-found")
    status, problem = await api("POST", "/v1/mailboxes", "globex", json=wanted)
    assert (status, "acme" in problem["detail"].replace("bhxh@acme.vn", "")) == (422, False)
    for path in (f"keys/{key['id']}", "mailboxes/bhxh@acme.vn", "profiles/main"):
        assert (await api("DELETE", f"/v1/{path}"))[0] == 204
    assert (await api("GET", "/v1/profiles"))[1] == {"profiles": []}


async def test_what_is_refused_is_a_problem(api: Api, cli: Cli) -> None:
    api.keys["reader"] = (await api("POST", "/v1/keys", json={"name": "r", "scopes": ["read"]}))[1]["token"]
    status, problem = await api("GET", "/v1/keys", "reader")
    assert (status, problem["type"]) == (403, "urn:hoso:problem:forbidden")
    api.keys["nobody"] = "hoso_0_0"
    assert (await api("GET", "/v1/keys", "nobody"))[0] == 401
    assert (await api("POST", "/v1/keys", json={"name": "x", "scopes": ["everything"]}))[0] == 400
    bad = {"name": "main", "password": "wrong", "pkcs12": employer().pkcs12("pw")}
    status, problem = await api("POST", "/v1/profiles", data=_multipart(bad))
    assert (status, problem["status"]) == (422, 422)
    big = {"name": "main", "password": "x", "pkcs12": b"0" * 263_000}
    assert (await api("POST", "/v1/profiles", data=_multipart(big)))[0] == 413
    assert (await api("POST", "/v1/profiles", data=_multipart({"name": "main", "file": b"x"})))[0] == 400
    assert (await api("POST", "/v1/profiles", json={}))[0] == 415
    door = {"address": "a@b.vn", "host": "imap.b.vn", "password": "x", "tls": "none"}
    assert (await api("POST", "/v1/mailboxes", json=door))[0] == 422


async def test_trying_out_what_was_set_up(api: Api, unused_port: int) -> None:
    closed = {"address": "bhxh@acme.vn", "host": "127.0.0.1", "port": unused_port, "password": "geheim", "tls": "none"}
    assert (await api("POST", "/v1/mailboxes", json=closed))[0] == 201  # loopback in `test` only
    status, tried = await api("POST", "/v1/mailboxes/BHXH@acme.vn/test")
    assert (status, tried["ok"], "cannot be reached" in tried["message"]) == (200, False, True)
    form = {"name": "main", "password": "pw", "pkcs12": employer().pkcs12("pw")}
    assert (await api("POST", "/v1/profiles", data=_multipart(form)))[0] == 201
    status, tried = await api("POST", "/v1/profiles/main/test")
    assert (status, tried["ok"], tried["tax_codes"]) == (200, True, ["0101234567"])
    for path in ("mailboxes/bhxh@acme.vn/test", "profiles/main/test"):
        assert (await api("POST", f"/v1/{path}", "globex"))[0] == 404
    status, tenant = await api("GET", "/v1/tenant")
    assert (status, tenant["name"], tenant["mailboxes"], tenant["profiles"]) == (200, "acme", 1, 1)
    assert (await api("GET", "/v1/tenant", "globex"))[1]["name"] == "globex"


async def test_the_key_is_looked_at_before_the_body_is_read(api: Api) -> None:
    size = 5_000_000
    for path in ("keys", "mailboxes", f"enrolments/{uuid4()}/answers", f"enrolments/{uuid4()}/cancellation"):
        # Not a byte of the body has been sent: whoever answers has not waited for it.
        assert await _head_only(api.url, f"/v1/{path}", size) == 401
        assert await _head_only(api.url, f"/v1/{path}", size, api.keys["acme"]) == 413

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b" " * 1024

    told = {"Content-Type": "application/json"}
    assert (await api("POST", "/v1/keys", data=endless(), headers=told))[0] == 413
    assert (await api("POST", "/v1/keys", data=b"{", headers=told))[0] == 400
    assert (await api("POST", "/v1/keys", data=b"name=x"))[0] == 415
    status, problem = await api("POST", "/v1/mailboxes", json={"password": "geheim", "host": 7})
    assert (status, "geheim" in str(problem)) == (400, False)
    assert "body.address" in {e["where"] for e in problem["errors"]}


async def _head_only(url: str, path: str, size: int, key: str = "") -> int:
    """The status that answers a request of which only the head was sent."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    known = f"Authorization: Bearer {key}\r\n" if key else ""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{known}Content-Length: {size}\r\n\r\n"
    writer.write(head.encode())
    answer = await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    return int(answer.split()[1])


async def test_answers_over_http(api: Api, db: Database) -> None:
    enrolment = await waits(db, "system-error")
    where = f"/v1/enrolments/{enrolment}"
    assert (await api("POST", f"{where}/answers", "globex", json={"answer": "retry"}))[0] == 404
    assert (await api("GET", f"{where}/timeline", "globex"))[0] == 404
    status, problem = await api("POST", f"{where}/answers", json={"answer": "filed"})
    assert (status, problem["type"]) == (409, "urn:hoso:problem:not-this-answer")
    assert "retry" in problem["detail"]
    status, taken = await api("POST", f"{where}/answers", json={"answer": "retry"})
    assert (status, taken) == (202, {"enrolment": str(enrolment), "answer": "retry"})
    status, _ = await api("POST", f"{where}/cancellation", json={"reason": "twice"})
    assert status == 202
    first, second = await on_the_log(db)
    assert (first.data.answer, first.data.actor, first.source) == ("retry", "key:setup", "hoso/hoso.intake")
    assert second.data.reason == "twice"
    status, shown = await api("GET", f"{where}/timeline")
    assert (status, shown["stage"], shown["timeline"]) == (200, "waiting-for-person", [])
    assert (await api("POST", f"/v1/enrolments/{uuid4()}/cancellation", json={}))[0] == 404


async def test_a_sheet_by_the_command_line(api: Api, cli: Cli, tmp_path: Path) -> None:
    template = tmp_path / "mẫu.xlsx"
    assert (await cli("sheet", "template", str(template))).status == 0
    empty = await cli("sheet", "check", str(template))
    assert (empty.status, empty.err.count("\n")) == (2, 1)  # nothing but the example row: one sentence
    header = "Mã đơn vị,Tên đơn vị,Mã số thuế,Tỉnh/Thành phố,Địa chỉ,Email,Điện thoại"
    good = "TZ1234Z,CÔNG TY TNHH Ô MAI,0101234567,Hà Nội,Số 1 phố Huế,bhxh@acme.vn,0912345678"
    bad = "TZ1235Z,CÔNG TY TNHH Ô MAI,0101234568,Hà Nội,Số 1 phố Huế,bhxh@acme.vn,0912345678"
    sheet = tmp_path / "units.csv"
    sheet.write_text("\n".join((header, good.replace("0101234567", _tax_code()), bad)), "utf-8")
    checked = await cli("sheet", "check", str(sheet), "--json")
    assert (checked.status, checked.json["good"], checked.json["bad"]) == (1, 1, 1)

    (tmp_path / "key").write_text(api.keys["acme"] + "\n")
    to = ("--url", api.url, "--key-file", str(tmp_path / "key"))
    await api("POST", "/v1/mailboxes", json={"address": "bhxh@acme.vn", "host": "imap.acme.vn", "password": "x"})
    sent = await cli("sheet", "submit", str(sheet), *to, "--json")
    assert sent.status == 1, sent.err  # one row was not taken
    assert sent.json["outcomes"] == {"accepted": 1, "invalid": 1}
    assert [row["row"] for row in sent.json["errors"]] == [3]
    result = tmp_path / "result.xlsx"
    assert (await cli("sheet", "result", sent.json["batch"], str(result), *to)).status == 0
    again = await cli("sheet", "check", str(result))
    assert (again.status, "1 good, 1 with errors" in again.out) == (1, True)
    stranger = await cli("sheet", "result", str(uuid4()), str(result), *to)
    assert (stranger.status, stranger.err.startswith("hoso: 404")) == (2, True)


def _tax_code() -> str:
    from hoso.domain.identifiers import tax_check_digit

    return f"010123456{tax_check_digit('010123456')}"


def _multipart(fields: dict[str, Any]) -> aiohttp.FormData:
    form = aiohttp.FormData()
    for name, value in fields.items():
        if isinstance(value, bytes):
            form.add_field(name, value, filename="main.p12")
        else:
            form.add_field(name, value)
    return form

"""Bodies nobody should send: answered with a problem before they cost anything, and the next request goes on."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket

import pytest

from tests.integration.intake.house import House, fields, line, sheet


async def raw(
    house: House, path: str, headers: dict[str, str], body: bytes = b"", method: str = "POST"
) -> tuple[int, bytes]:
    """A request as its bytes, whose body may end before it should: the status, and all that came back."""
    host, _, port = house.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    told = {"Host": host, "Authorization": f"Bearer {house.door().token}", "Connection": "close", **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    return int(answer.split(b" ")[1]), answer


async def test_a_length_that_is_too_great_is_refused_before_the_body(house: House) -> None:
    for path, kind in (("/v1/batches", "text/csv"), ("/v1/batches", "multipart/form-data; boundary=x")):
        status, answer = await raw(house, path, {"Content-Type": kind, "Content-Length": str(40_000_000)})
        assert (status, b"urn:hoso:problem:too-large" in answer) == (413, True)
    headers = {"Content-Type": "application/json", "Content-Length": "70000", "Idempotency-Key": "a"}
    status, answer = await raw(house, "/v1/enrolments", headers)
    assert (status, b"too-large" in answer) == (413, True)
    assert b"connection: close" in answer.lower()


async def test_who_sends_everything_before_reading_is_told_why_it_was_refused(house: House) -> None:
    body, host, port = b" " * 8_000_000, *house.url.removeprefix("http://").split(":")
    head = f"POST /v1/enrolments HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {house.door().token}\r\n"
    head += f"Content-Type: application/json\r\nIdempotency-Key: a\r\nContent-Length: {len(body)}\r\n\r\n"

    def sent_then_read() -> bytes:
        with socket.create_connection((host, int(port)), timeout=10) as plain:
            plain.sendall(head.encode() + body)
            return b"".join(iter(lambda: plain.recv(65_536), b""))

    for _ in range(3):
        answer = await asyncio.to_thread(sent_then_read)
        assert answer.startswith(b"HTTP/1.1 413 "), answer
        assert b"urn:hoso:problem:too-large" in answer


async def test_a_body_that_hides_its_length_is_counted(house: House) -> None:
    piece = b"%x\r\n%s\r\n" % (70_000, b" " * 70_000)
    headers = {"Content-Type": "application/json", "Transfer-Encoding": "chunked", "Idempotency-Key": "a"}
    status, answer = await raw(house, "/v1/enrolments", headers, piece)

    assert (status, b"too-large" in answer) == (413, True)


async def test_a_sheet_of_more_than_thirty_megabytes_is_counted_while_it_comes(house: House) -> None:
    async def endless():  # type: ignore[no-untyped-def]
        for _ in range(31):
            yield b"x" * 1_048_576

    answer = await house.door().upload(endless())  # type: ignore[arg-type]
    assert (answer.status, answer.problem) == (413, "too-large")
    assert await house.db.pool.fetchval("select count(*) from intake.batch") == 0


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate, gzip"])
async def test_packed_bodies_are_not_unpacked(house: House, encoding: str) -> None:
    packed = gzip.compress(sheet([line(1)]))
    answer = await house.door().upload(packed, Content_Encoding=encoding)
    assert (answer.status, answer.problem) == (415, "unsupported-encoding")
    plain = await house.door().upload(sheet([line(1)]), Content_Encoding="identity")
    assert plain.status == 202
    await house.door().finished(plain.json["batch"])


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"{", id="torn"),
        pytest.param(b"[]", id="a-list"),
        pytest.param(b'{"name": 1}', id="a-number"),
        pytest.param(b"[" * 30_000, id="deep"),
        pytest.param(b'{"name": "\xff"}', id="not-utf8"),
        pytest.param(json.dumps(fields()).encode("utf-16"), id="utf-16"),
        pytest.param(json.dumps({**fields(), "\ud800": "x"}).encode(), id="half-a-character-in-a-key"),
        pytest.param(json.dumps({**fields(), "contact_name": "\udc80"}).encode(), id="half-a-character"),
        pytest.param(b"9" * 5_000, id="a-long-number"),
    ],
)
async def test_what_is_no_object_of_texts_is_refused(house: House, body: bytes) -> None:
    headers = {"Content_Type": "application/json", "Idempotency_Key": "a"}
    answer = await house.door().ask("POST", "/v1/enrolments", body, **headers)

    assert (answer.status, answer.problem) == (400, "bad-json")
    assert await house.requested() == []


async def test_control_characters_are_an_error_of_their_column(house: House) -> None:
    answer = await house.door().enrol("a", {**fields(), "name": "Hoa\0Ban", "unit\0": "x"})

    assert (answer.status, answer.problem) == (422, "invalid-fields")
    assert [error["column"] for error in answer.json["errors"]] == ["name"]


async def test_another_kind_of_content_is_refused(house: House) -> None:
    answer = await house.door().ask("POST", "/v1/enrolments", b"a=b", Content_Type="text/plain", Idempotency_Key="a")

    assert (answer.status, answer.problem) == (415, "unsupported-media-type")


async def test_strange_addresses_are_problems_too(house: House) -> None:
    door = house.door()
    assert (await door.get("/v1/nothing")).problem == "not-found"
    assert (await door.get("/v1/enrolments/not-a-uuid")).problem == "bad-request"
    assert (await door.get("/v1/enrolments?limit=501")).problem == "bad-request"
    assert (await door.ask("DELETE", "/v1/enrolments")).problem == "method-not-allowed"


async def test_the_api_describes_itself_and_gives_the_template(house: House) -> None:
    described = (await house.door(token="").get("/openapi.json")).json
    assert {"/v1/batches", "/v1/enrolments"} <= described["paths"].keys()
    template = await house.door().get("/v1/sheet-template")
    refused = await house.door().upload(template.body)
    assert refused.problem == "unreadable-sheet", "the example row is nobody's request"

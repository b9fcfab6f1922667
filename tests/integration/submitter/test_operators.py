"""What operators see of the submitter: the unit look-up by command and over HTTP, and whether decisions are believed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.serialization import Encoding

from app.checking import MISSING, OK, SOON, belief
from hoso.settings import Settings
from tests.contract.gateway.byhand import ByHand
from tests.integration.cli.command import Cli
from tests.unit.submitter.agency_paper import agency

HUE = {"ma_don_vi": "TZ0001Z", "ten_don_vi": "Chi nhánh Huế", "ma_so_thue": "0101243150", "ma_co_quan": "04601"}
FOUND = json.dumps({"units": [HUE]}).encode()
ASKED = ["unit", "lookup", "--tax-code", "0101243150"]


@pytest_asyncio.fixture
async def directory() -> AsyncIterator[ByHand]:
    async with ByHand().says(200, FOUND).open() as server:
        yield server


@pytest.fixture
def cli(url: str, tmp_path: Path) -> Cli:
    return Cli(url, tmp_path / "var")


async def test_the_command_asks_only_the_directory_that_was_named(cli: Cli, directory: ByHand) -> None:
    silent = await cli(*ASKED)
    assert (silent.status, silent.err.count("\n"), directory.requests) == (2, 1, [])
    assert "HOSO_UNIT_DIRECTORY is not set" in silent.err
    found = await cli(*ASKED, "--json", HOSO_UNIT_DIRECTORY=directory.url)
    assert (found.status, found.json[0]["unit_code"], found.json[0]["name"]) == (0, "TZ0001Z", "Chi nhánh Huế")
    wrong = await cli("unit", "lookup", "--tax-code", "0101243151", HOSO_UNIT_DIRECTORY=directory.url)
    assert (wrong.status, "Mã số thuế" in wrong.err) == (2, True)
    assert len(directory.requests) == 1
    directory.says(200, b'{"units": []}')
    assert (await cli(*ASKED, HOSO_UNIT_DIRECTORY=directory.url)).status == 1
    directory.says(200, b"<html>captcha</html>")
    away = await cli(*ASKED, HOSO_UNIT_DIRECTORY=directory.url)
    assert (away.status, away.err.count("\n"), "Traceback" in away.err) == (2, 1, False)


async def test_over_http_for_who_may_read(cli: Cli, directory: ByHand) -> None:
    await cli("tenant", "add", "acme")
    key = (await cli("key", "add", "acme", "look", "--scopes", "read")).out.strip()
    intake = await cli.run("intake", HOSO_UNIT_DIRECTORY=directory.url)
    try:
        async with aiohttp.ClientSession(intake.facts["http"]) as session:
            path, may = "/v1/unit-codes?tax_code=0101243150&name=Huế", {"Authorization": f"Bearer {key}"}
            async with session.get(path) as answer:
                assert answer.status == 401
            async with session.get(path, headers=may) as answer:
                assert (answer.status, [one["unit_code"] for one in (await answer.json())["units"]]) == (
                    200,
                    ["TZ0001Z"],
                )
            async with session.get("/v1/unit-codes?tax_code=12", headers=may) as answer:
                assert (answer.status, (await answer.json(content_type=None))["type"]) == (
                    422,
                    "urn:hoso:problem:bad-tax-code",
                )
            directory.says(500)
            async with session.get(path, headers=may) as answer:
                assert (answer.status, (await answer.json(content_type=None))["type"]) == (
                    502,
                    "urn:hoso:problem:directory-away",
                )
    finally:
        assert await intake.stop() == 0


def test_check_says_who_is_believed(tmp_path: Path) -> None:
    now, file = datetime.now(UTC), tmp_path / "agency.pem"
    file.write_bytes(agency()[1].public_bytes(Encoding.PEM))
    pinning = Settings(environment="production", agency_certificates=file)

    assert belief(Settings(environment="test"), now) == []
    (unsigned,) = belief(Settings(environment="production"), now)
    assert (unsigned.state, "HOSO_AGENCY_CERTIFICATES" in unsigned.cure) == (SOON, True)
    states = [belief(pinning, now + timedelta(days=days))[0].state for days in (-40, 1, 31)]
    assert states == [OK, SOON, MISSING]
    file.write_text("khac")
    assert belief(pinning, now)[0].state == MISSING

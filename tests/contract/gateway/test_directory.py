"""The unit code look-up: candidates as they are, and a sentence for everything that is none."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from services.submitter.directory import Candidate, DirectoryAway, HttpUnitDirectory
from services.submitter.gateway import Dossier
from services.submitter.http_gateway import HttpAgencyGateway
from tests.contract.gateway.byhand import ByHand
from tests.contract.gateway.conftest import soon
from tests.simulator.agency import Agency, free_port

HUE = {
    "ma_don_vi": "tz0001z",
    "ten_don_vi": "Chi nhánh\u0007 Huế",
    "ma_so_thue": "0101243150",
    "ma_co_quan": "04601",
    "ten_co_quan": "BHXH cơ sở Huế",
    "dia_chi": "1 Lê Lợi",
    "thu_khac": 1,
}


def units(*found: object) -> bytes:
    return json.dumps({"units": found}).encode()


async def test_who_is_found_is_shown_as_the_directory_says(by_hand: ByHand) -> None:
    by_hand.says(200, units(HUE, {"ma_don_vi": "TZ0002Z"}))
    found = await HttpUnitDirectory(by_hand.url).look_up("0101243150", "Huế")

    assert list(found) == [
        Candidate("TZ0001Z", "Chi nhánh  Huế", "0101243150", "04601", "BHXH cơ sở Huế", "1 Lê Lợi"),
        Candidate("TZ0002Z", "", ""),
    ]
    assert by_hand.requests == [b"GET /v1/units?tax_code=0101243150&name=Hu%E1%BA%BF HTTP/1.1"]


async def test_nobody_is_an_answer(by_hand: ByHand) -> None:
    assert list(await HttpUnitDirectory(by_hand.says(200, units()).url).look_up("0101243150")) == []


async def test_no_more_than_fifty(by_hand: ByHand) -> None:
    by_hand.says(200, units(*[{"ma_don_vi": f"TZ{n:04}Z"} for n in range(80)]))

    assert len(await HttpUnitDirectory(by_hand.url).look_up("0101243150")) == 50


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>captcha</html>"),
        (200, b"[]"),
        (200, b'{"units": null}'),
        (200, b'{"units": [1]}'),
        (200, b"[" * 100_000),
        (200, b'{"units": ["' + b"x" * 600_000 + b'"]}'),
        (302, b""),
        (400, b"{}"),
        (500, b""),
    ],
)
async def test_whatever_else_it_says_is_one_sentence(by_hand: ByHand, status: int, body: bytes) -> None:
    with pytest.raises(DirectoryAway, match="HOSO_UNIT_DIRECTORY"):
        await HttpUnitDirectory(by_hand.says(status, body).url).look_up("0101243150")


async def test_nobody_listens() -> None:
    nobody = HttpUnitDirectory(f"http://127.0.0.1:{free_port()}", timedelta(seconds=2))
    with pytest.raises(DirectoryAway, match="HOSO_UNIT_DIRECTORY"):
        await nobody.look_up("0101243150")


# --- the simulated agency's ---------------------------------------------------------------------------------------


async def test_the_simulated_agency_knows_units_of_a_tax_code(
    agency: Agency, gateway: HttpAgencyGateway, dossier: Callable[..., Dossier]
) -> None:
    filed = dossier()
    await gateway.submit(filed, "k", soon())
    directory = HttpUnitDirectory(f"http://{agency.host}:{agency.port}")
    found = await directory.look_up("0101243150")

    assert filed.unit_code in [unit.unit_code for unit in found]
    assert all(unit.unit_code and unit.name and unit.tax_code[:10] == "0101243150" for unit in found)
    part = found[0].name.lower()[-6:]
    narrowed = await directory.look_up("0101243150", part)
    assert found[0] in narrowed
    assert list(await directory.look_up("0101243150", "không ai tên thế này")) == []

"""From a sheet to activated units, and what disturbs it. In this order, on one world of their own."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import openpyxl
import pytest

from tests.chaos.sheets import Maker, sheet, tenants
from tests.e2e.conftest import world
from tests.e2e.town import DEMO, EXAMPLE, OTHER, ROOT, Town

WAITING = {"unknown-code": 2, "no-unit-code": 2, "signing": 1, "certificate": 3, "data": 2}
"""And four that wait for `provider` or `stop-refused`: gateway and mail tell of a refused stop in either order."""
ENROLLED = 54
"""Of the example sheet when nobody answers a task, no file was sent ahead and no organisation was told."""


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    """A world in which nobody has sent a file ahead or used a code of the example sheet."""
    yield from world()


async def test_the_example_sheet_left_alone_ends_with_every_unit_enrolled_stopped_waiting_or_refused(
    town: Town,
) -> None:
    rows = await town.example_rows()

    accepted = [row for row in rows if row["outcome"] in ("accepted", "amended")]
    refused = [row for row in rows if row not in accepted]
    assert Counter(row["stage"] for row in accepted) == {"enrolled": ENROLLED, "stopped": 3, "waiting-for-person": 14}
    causes = Counter(row["cause"] for row in accepted if row["stage"] == "waiting-for-person")
    assert causes.pop("provider", 0) + causes.pop("stop-refused", 0) == 4
    assert causes == WAITING
    assert (
        len(refused) == 29
    )  # 7 wrong rows, 21 newcomers whose licence was not sent, 1 whose place in the organisation is unknown
    assert all(row["errors"] and row["errors"][0]["cure"] for row in refused)
    active = {
        row["unit_code"] for row in town.agency("select unit_code from units where active_transaction is not null")
    }
    assert active == {row["row_key"] for row in accepted if row["stage"] == "enrolled"}


async def test_the_same_sheet_again_enrols_nobody_twice(town: Town) -> None:
    first = await town.example_rows()
    registered = "select count(*) as n from arrivals where procedure <> '06_NG-IVAN'"
    arrivals = town.agency(registered)[0]["n"]

    again = await town.arena.hand_in(DEMO, EXAMPLE.read_bytes(), name=EXAMPLE.name)
    assert await town.arena.until_ended(60, jumps=False), await town.arena.stuck()

    rows = await town.rows(DEMO, again)
    assert Counter(row["outcome"] for row in rows)["already-enrolled"] == ENROLLED
    stopped = {row["row_key"] for row in first if row["stage"] == "stopped"}
    taken = [row for row in rows if row["outcome"] in ("accepted", "amended")]
    assert {row["row_key"] for row in taken} <= stopped  # a unit that was only stopped may be asked for again
    known = {row["enrolment"] for row in (*first, *taken) if row["enrolment"]}
    taken = [row for row in rows if row["enrolment"] and row["stage"] != "refused-request"]
    assert {row["enrolment"] for row in taken} <= known
    assert town.agency(registered)[0]["n"] == arrivals
    book = openpyxl.load_workbook(io.BytesIO(await town.result_sheet(DEMO, again)))
    assert "Đã đăng ký từ trước" in {cell.value for line in book.worksheets[0].iter_rows() for cell in line}


async def test_another_tenant_who_asks_for_an_enrolled_unit_waits_and_learns_nothing(town: Town) -> None:
    taken = next(row for row in await town.example_rows() if row["stage"] == "enrolled")
    arrivals = town.arrivals()
    owner = next(t for t in town.arena.tenants if t.name == OTHER)
    row = Maker(99, [owner]).row("")
    row.fields["unit_code"] = taken["row_key"]

    batch = await town.arena.hand_in(OTHER, sheet([row]))
    assert await town.arena.until_ended(30, jumps=False), await town.arena.stuck()

    [mine] = await town.rows(OTHER, batch)
    assert (mine["stage"], mine["cause"]) == ("waiting-for-person", "unit-code-held")
    told = json.dumps(mine)
    assert DEMO not in told
    assert taken["enrolment"] not in told
    assert (await town.get(OTHER, f"/v1/enrolments/{taken['enrolment']}"))[0] == 404
    assert town.arrivals() == arrivals


async def test_naming_the_provider_on_the_command_line_moves_a_waiting_unit_on(town: Town) -> None:
    waiting = next(row for row in await town.example_rows() if row["cause"] == "provider")

    status, said = await town.cli("enrolment", "answer", waiting["enrolment"], "provider", "00040", "--actor", "lan")
    assert status == 0, said
    assert await town.arena.until_ended(60), await town.arena.stuck()

    _, found = await town.get(DEMO, f"/v1/enrolments/{waiting['enrolment']}")
    assert found["stage"] == "enrolled"
    stops = town.agency(
        "select state from filings where unit_code = ? and procedure = '06_NG-IVAN'", waiting["row_key"]
    )
    assert [row["state"] for row in stops] == ["CHAP_NHAN"]


async def test_an_outage_of_the_agency_loses_nothing(town: Town) -> None:
    gateway = town.arena.world.settings().gateway
    outage = {"outage_seconds": 10, "mode": "refuse"}
    async with aiohttp.ClientSession() as session, session.post(f"{gateway}/script", json=outage) as answer:
        assert answer.status == 200
    batch = await town.straight(DEMO, 8)
    assert await town.arena.until_ended(60, jumps=False), await town.arena.stuck()

    assert _not_enrolled(await town.rows(DEMO, batch)) == []


async def test_a_restart_of_the_mail_host_loses_nothing(town: Town) -> None:
    batch = await town.straight(DEMO, 8)
    await town.arena.kill("post")
    assert await town.arena.until_ended(60, jumps=False), await town.arena.stuck()

    assert _not_enrolled(await town.rows(DEMO, batch)) == []


async def test_sigterm_drains_within_seconds_and_the_next_start_goes_on(town: Town) -> None:
    batch = await town.straight(DEMO, 20)
    hoso = town.arena.world.processes["hoso"]
    began = time.monotonic()
    hoso.send_signal(signal.SIGTERM)
    status = await asyncio.to_thread(hoso.wait, 30)
    took = time.monotonic() - began

    assert status == 0
    assert took < 10
    await town.arena.start_again("hoso")
    await town.arena.world.until("hoso/up.json", "hoso", 60)
    await town.arena.until_working()
    assert await town.arena.until_ended(60, jumps=False), await town.arena.stuck()
    assert _not_enrolled(await town.rows(DEMO, batch)) == []


async def test_after_all_that_the_judge_finds_nothing_and_no_code_or_pin_stands_in_any_log(town: Town) -> None:
    findings = await town.arena.judge()
    assert findings.everything == []
    assert findings.enrolled >= 88
    assert len(town.agency("select code from codes")) >= 88


async def test_the_demo_ends_well_and_its_summary_adds_up(tmp_path: Path) -> None:
    maker = Maker(5, tenants(1))
    rows = [maker.row(flow) for flow in ("", "C00", "C06")]
    file = tmp_path / "ba dòng.csv"
    file.write_bytes(sheet([*rows, rows[0]]))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "demo.run",
        str(file),
        "--var",
        str(tmp_path / "thử nghiệm"),
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 120)

    assert process.returncode == 0, out.decode()
    summary = json.loads((tmp_path / "thử nghiệm" / "summary.json").read_text())
    seconds = summary.pop("seconds")
    assert 0 < seconds < 90
    seen = summary.pop("statements")
    assert {"A8", "A14", "A20", "A23", "B27", "B29"} <= set(seen)  # CE007, stopped, registered; and one straight on
    assert not {"A9", "A10", "B3", "B9", "B11", "B21"} & set(seen)  # of which the three rows have nothing
    assert summary == {"rows": 4, "accepted": 3, "rejected_rows": 1, "enrolled": 2, "waiting_for_person": 1, "open": 0, "lost": 0,
                       "filed_twice": 0, "log": os.environ.get("LOG") or "postgres"}  # fmt: skip


def _not_enrolled(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(row["row_key"], row["stage"], row["cause"], row["message"]) for row in rows if row["stage"] != "enrolled"]

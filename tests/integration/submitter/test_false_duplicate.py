"""A6 to its end: the simulated agency, a process, says 409 for ever to what it has never seen (unit codes with F16)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from schemas.events import FilingUncertain
from services.submitter.http_gateway import HttpAgencyGateway
from services.submitter.service import Bounds
from tests.integration.submitter.stage import QUICK, Stage
from tests.simulator import dossiers
from tests.simulator.agency import Agency as Simulated
from tests.simulator.agency import Mailbox, free_port

UNIT = "QAF160K"


@pytest.fixture
def simulated(tmp_path: Path) -> Iterator[Simulated]:
    box = Mailbox(free_port())
    controller = box.start()
    agency = Simulated(tmp_path / "agency", box.port, "--fast").start()
    yield agency
    agency.stop()
    controller.stop()


async def test_a_false_duplicate_is_tried_five_times_and_then_a_person_is_asked(
    closed_stage: Stage, simulated: Simulated
) -> None:
    gateway = HttpAgencyGateway(f"http://{simulated.host}:{simulated.port}", "00110")
    closed_stage.gateway = gateway
    dossier = dossiers.Dossier(unit_code=UNIT)
    bounds = Bounds(timedelta(seconds=0.7), timedelta(0), QUICK.keep_trying, QUICK.poll)
    try:
        async with closed_stage.open(bounds) as stage:
            ask = await stage.filing(dossier.body(), unit_code=UNIT, tax_code=dossier.tax_code, agency="00101")
            await stage.say(ask)
            (uncertain,) = await stage.answered(seconds=40)
            await stage.at_rest()
            outcomes, (row,) = await stage.outcomes(), await stage.ledger()
    finally:
        await gateway.close()

    assert isinstance(uncertain, FilingUncertain)
    assert uncertain.reached == "never", "every look proved it absent"
    assert "lần nào tra cứu cũng không thấy" in uncertain.text
    ledger = await asyncio.to_thread(simulated.ledger, UNIT)
    asked = [(one["call"], one["kind"]) for one in ledger["non_arrivals"]]
    assert asked == [("submit", "A6")] * 5
    assert (ledger["arrivals"], ledger["filings"]) == ([], [])
    assert [outcome for outcome in outcomes if outcome != "absent-early"] == ["unknown", "absent"] * 4 + [
        "unknown",
        "gave-up",
    ]
    assert row["state"] == "never"

"""What the submitter keeps beyond the ledger: evidence of what it did not believe, the newest rosters, codes for people."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from lxml import etree

from hoso.runtime.ids import uuid7
from hoso.store.vault import Erased
from schemas.events import (
    ActivationAnswered,
    DossierDecided,
    DossierReceived,
    RosterFetched,
    StatusAnswered,
    StatusAsked,
)
from services.submitter.believing import BelievingGateway
from services.submitter.gateway import Capabilities, Receipt, RosterPage
from services.submitter.ledger import EVIDENCE
from services.submitter.note_of_receipt import receipt as read
from services.submitter.signed_reply import keys_of
from tests.integration.submitter.stage import Agency, Stage
from tests.support.waiting import eventually
from tests.unit.submitter import world
from tests.unit.submitter.agency_paper import agency as paper
from tests.unit.submitter.agency_paper import note, signed


def shown(sha256: str, number: int = 0) -> Receipt:
    """An accepted receipt as a signing gateway shows it."""
    one = note(sha256=sha256)
    return replace(read(etree.fromstring(one)), document=signed(one, number))


async def test_a_forged_decision_is_no_answer_and_the_true_one_counts(closed_stage: Stage, agency: Agency) -> None:
    """Somebody in between signs with a key of his own: awaited on, evidence kept, people told once; then the agency's word."""
    closed_stage.gateway = BelievingGateway(agency, keys_of((paper(0)[1],)))
    async with closed_stage.open() as stage:
        ask = await stage.filing()
        forged = shown(ask.sha256, number=1)
        agency.standing = {"GD1": forged}
        await stage.say(ask)

        async def kept() -> list[Any]:
            rows = await stage.db.quick.fetch("select * from submitter.disbelieved order by n")
            return rows if len(rows) == EVIDENCE and len(agency.asked) > EVIDENCE + 1 else []

        rows = await eventually(kept, "the evidence")
        assert {(row["dossier"], row["attempt"], row["transaction"]) for row in rows} == {(ask.dossier, 1, "GD1")}
        assert await stage.vault.get(rows[0]["document"]) == forged.document
        told = await stage.told()
        assert [type(fact) for fact in told] == [DossierReceived, StatusAnswered], "one warning, no decision"
        assert isinstance(told[1], StatusAnswered)
        assert (told[1].go, told[1].status) == (0, "unknown")
        count = stage.kernel.metrics.registry.get_sample_value("hoso_submitter_disbelieved_total")
        assert count is not None
        assert count > EVIDENCE

        agency.standing = {"GD1": shown(ask.sha256)}
        decided = (await stage.answered(3))[2]
        assert isinstance(decided, DossierDecided)
        assert decided.accepted
        assert [row["state"] for row in await stage.ledger()] == ["accepted"]


async def test_a_status_question_finds_a_first_time_dossier_by_its_bytes(stage: Stage, agency: Agency) -> None:
    """The agency never answered the filing; the ledger still knows which bytes it was about."""
    agency.gate = None
    ask = await stage.filing(b"<Hoso>lan dau</Hoso>", kind="first_code", unit_code="")
    agency.able = Capabilities(replies=False)
    unit = await stage.say(ask)
    await stage.answered()
    agency.found = [Receipt("accepted", "GD1", "00001", "00", unit_code="TZ0009Z", sha256=ask.sha256)]
    question = StatusAsked(
        enrolment=ask.enrolment, dossier=ask.dossier, attempt=1, kind="first_code", unit_code="", transaction=None, go=1
    )
    await stage.say(question, unit=unit)
    _, decided, answer = await stage.answered(3)

    assert isinstance(decided, DossierDecided)
    assert isinstance(answer, StatusAnswered)
    assert (decided.unit_code, answer.unit_code, answer.status) == ("TZ0009Z", "TZ0009Z", "accepted")
    looked = agency.looked[-1][0]
    assert (looked.data, looked.tax_code) == (b"<Hoso>lan dau</Hoso>", ask.tax_code)
    assert [(row["state"], row["tax_code"]) for row in await stage.ledger()] == [("accepted", ask.tax_code)]


async def test_a_code_no_gateway_takes_stays_sealed(stage: Stage, agency: Agency) -> None:
    agency.able = Capabilities(activation=False)
    enrolment = uuid7()
    ref = await stage.vault.put("hoaban", enrolment, "code", b"A1B2C3D4E5")
    await stage.say(
        world.activation(enrolment=enrolment, code=ref, expires_at=stage.kernel.clock.now() + timedelta(hours=1))
    )
    (answered,) = await stage.answered()
    await stage.at_rest()

    assert isinstance(answered, ActivationAnswered)
    assert (answered.outcome, agency.given) == ("unsupported", [])
    assert await stage.vault.get(ref) == b"A1B2C3D4E5"


# --- rosters ------------------------------------------------------------------------------------------------------


async def fetched(stage: Stage, agency: Agency, unit: Any, go: int, *names: str) -> RosterFetched:
    """The unit's employees are fetched once more."""
    agency.pages = [RosterPage(len(names), [{"id": name[0], "ho_ten": name} for name in names])]
    before = len(await stage.told())
    await stage.say(
        world.roster().model_copy(update={"enrolment": uuid7() if unit is None else unit, "go": go}), unit=unit
    )
    fact = (await stage.answered(before + 1))[-1]
    await stage.at_rest()
    assert isinstance(fact, RosterFetched)
    return fact


async def test_the_newest_roster_replaces_the_one_before(stage: Stage, agency: Agency) -> None:
    unit = uuid7()
    first = await fetched(stage, agency, unit, 1, "1 Hoa", "2 Lan", "3 Mai")
    second = await fetched(stage, agency, unit, 2, "2 Lan", "3 Mai Anh", "4 Cúc", "5 Đào")

    assert (first.employees, first.added) == (3, 0), "there was nothing to compare with"
    assert (second.employees, second.added, second.changed, second.gone) == (4, 2, 1, 1)
    assert first.roster is not None
    assert second.roster is not None
    with pytest.raises(Erased):
        await stage.vault.get(first.roster)
    assert len(json.loads(await stage.vault.get(second.roster))) == 4
    (row,) = await stage.db.quick.fetch("select * from submitter.roster")
    assert (row["unit"], row["document"], row["employees"], row["tenant"]) == (unit, second.roster, 4, "hoaban")
    again = await fetched(stage, agency, unit, 3, "2 Lan", "3 Mai Anh", "4 Cúc", "5 Đào")
    assert (again.roster, again.added, again.changed, again.gone) == (second.roster, 0, 0, 0)
    assert await stage.vault.get(second.roster)


async def test_old_rosters_are_erased_and_then_fetched_anew(stage: Stage, agency: Agency) -> None:
    unit = uuid7()
    first = await fetched(stage, agency, unit, 1, "1 Hoa")
    assert first.roster is not None
    now = stage.kernel.clock.now()

    assert await stage.filings.erase_rosters(now + timedelta(days=89), timedelta(days=90), ["hoaban"]) == 0
    assert await stage.filings.erase_rosters(now + timedelta(days=9_999), None, ["hoaban"]) == 0, (
        "until the contract ends"
    )
    assert await stage.vault.get(first.roster)
    assert await stage.filings.erase_rosters(now + timedelta(days=91), timedelta(days=90), ["hoaban"]) == 1
    assert await stage.filings.erase_rosters(now + timedelta(days=91), timedelta(days=90), ["hoaban"]) == 0
    with pytest.raises(Erased):
        await stage.vault.get(first.roster)
    second = await fetched(stage, agency, unit, 2, "1 Hoa", "2 Lan")
    assert (second.employees, second.added, second.gone) == (2, 0, 0), "nothing is left to compare with"
    assert second.roster is not None
    assert await stage.vault.get(second.roster)


async def test_with_the_customer_the_rosters_go(stage: Stage, agency: Agency) -> None:
    first = await fetched(stage, agency, uuid7(), 1, "1 Hoa")
    assert first.roster is not None
    assert await stage.filings.erase_rosters(stage.kernel.clock.now(), None, ["khac"]) == 1
    with pytest.raises(Erased):
        await stage.vault.get(first.roster)

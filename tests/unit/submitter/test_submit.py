"""Filing: each answer becomes steps, each doubt is looked up, and nothing is filed a second time on a guess."""

from __future__ import annotations

from hashlib import sha256

import asyncpg
import pytest

from hoso.domain.rejections import rejections
from hoso.dossiers.catalog import KINDS
from hoso.runtime.failures import Invalid, OutcomeUnknown, Transient
from schemas.events import DossierDecided, DossierReceived, FilingUncertain, MailNumbered, StepResult
from schemas.units import Kind
from services.submitter.asks import RepliesWanted
from services.submitter.gateway import Capabilities, Receipt
from services.submitter.handlers import key_of
from services.submitter.performers import SubmitDossier
from tests.unit.submitter.world import (
    DOCUMENT,
    DOSSIER,
    SIGNED,
    AgencyByHand,
    FilingsByHand,
    VaultByHand,
    attempt,
    called,
    filing,
    told,
)

DUPLICATE = Receipt("refused", "GD1", code="SIM010", text="Hồ sơ trùng với hồ sơ đã nộp")


def performer(
    agency: AgencyByHand, vault: VaultByHand | None = None, filings: FilingsByHand | None = None
) -> SubmitDossier:
    return SubmitDossier(agency, vault or VaultByHand(), filings or FilingsByHand(), rejections())


async def test_what_is_filed_is_the_signed_bytes_under_the_stable_key_until_the_deadline() -> None:
    agency, this = AgencyByHand(), attempt()
    await performer(agency).perform(filing(), this)

    ((dossier, key, deadline),) = agency.filed
    assert (dossier.data, dossier.sha256) == (SIGNED, sha256(SIGNED).hexdigest())
    assert (dossier.procedure, dossier.unit_code, dossier.agency) == ("04_DK-IVAN", "TZ0001Z", "04601")
    assert (key, deadline) == (key_of(filing()), this.deadline)


@pytest.mark.parametrize(
    ("kind", "procedure"),
    [("register", "04_DK-IVAN"), ("change", "05_SD-IVAN"), ("stop", "06_NG-IVAN"), ("first_code", "604")],
)
async def test_each_kind_goes_under_its_own_procedure(kind: Kind, procedure: str) -> None:
    agency = AgencyByHand()
    await performer(agency).perform(filing(kind=kind), attempt())

    assert agency.filed[0][0].procedure == procedure == KINDS[kind].procedure


async def test_a_first_time_dossier_is_filed_and_found_without_a_unit_code() -> None:
    ask = filing(kind="first_code", unit_code="")
    agency = AgencyByHand(found=[Receipt("received", "GD1", "00001")])
    await performer(agency).perform(ask, attempt())
    steps = await performer(agency).reconcile(ask, attempt(unsure=True))

    sent, looked = agency.filed[0][0], agency.looked[0][0]
    assert (sent.unit_code, looked.unit_code, looked.tax_code, looked.sha256) == ("", "", ask.tax_code, ask.sha256)
    assert steps is not None
    received = told(steps)[0]
    assert isinstance(received, DossierReceived)
    assert received.kind == "first_code"


@pytest.mark.parametrize(
    ("kind", "accepted", "granted"),
    [("first_code", True, "TZ0001Z"), ("first_code", False, None), ("register", True, None)],
)
async def test_only_an_accepted_first_time_dossier_brings_a_unit_code(
    kind: Kind, accepted: bool, granted: str | None
) -> None:
    receipt = Receipt("accepted" if accepted else "refused", "GD1", code="00", unit_code="TZ0001Z")
    decided = told(await performer(AgencyByHand(receipt)).perform(filing(kind=kind), attempt()))[-1]

    assert isinstance(decided, DossierDecided)
    assert decided.unit_code == granted


# --- what is not believed, and what a gateway lacks ---------------------------------------------------------------


async def test_an_answer_that_is_not_believed_is_a_doubt_and_is_kept() -> None:
    agency = AgencyByHand(Receipt("received", "GD1", document=b"<x/>", doubt="chứng thư số lạ"))
    filings = FilingsByHand()
    with pytest.raises(OutcomeUnknown, match="không được tin: chứng thư số lạ"):
        await performer(agency, filings=filings).perform(filing(), attempt())

    (kept,) = filings.doubts
    assert (kept.dossier, kept.why, kept.document) == (DOSSIER, "chứng thư số lạ", b"<x/>")


async def test_what_is_found_and_not_believed_is_inconclusive_unless_something_else_is_there() -> None:
    doubted = Receipt("received", "GD1", doubt="không có chữ ký")
    with pytest.raises(OutcomeUnknown, match="không được tin"):
        await performer(AgencyByHand(found=[doubted])).reconcile(filing(), attempt(unsure=True))
    steps = await performer(AgencyByHand(found=[doubted, Receipt("received", "GD2")])).reconcile(
        filing(), attempt(unsure=True)
    )
    received = told(steps)[0]
    assert isinstance(received, DossierReceived)
    assert received.transaction == "GD2"


async def test_where_nobody_can_look_a_doubt_goes_to_a_person_at_once() -> None:
    agency = AgencyByHand(able=Capabilities(find=False))
    (uncertain,) = told(await performer(agency).reconcile(filing(), attempt(unsure=True)))

    assert isinstance(uncertain, FilingUncertain)
    assert (uncertain.reached, agency.looked) == ("unknown", [])


async def test_where_nobody_can_ask_for_replies_nobody_asks() -> None:
    steps = await performer(AgencyByHand(able=Capabilities(replies=False))).perform(filing(), attempt())

    assert [type(fact) for fact in told(steps)] == [DossierReceived]
    assert called(steps) == {}


def test_filed_again_and_again_and_never_there_is_said_in_words() -> None:
    (uncertain,) = told(performer(AgencyByHand()).give_up(filing(), attempt(), False, "proved absent 5 times"))

    assert isinstance(uncertain, FilingUncertain)
    assert uncertain.reached == "never"
    assert "lần nào tra cứu cũng không thấy" in uncertain.text


async def test_received_without_a_number_is_told_and_polled() -> None:
    steps = await performer(AgencyByHand()).perform(filing(), attempt())

    (received,) = told(steps)
    assert isinstance(received, DossierReceived)
    assert (received.transaction, received.number, received.kind) == ("GD1", None, "register")
    poll = called(steps)["agency.replies"]
    assert poll.name == f"replies:{DOSSIER}:1"
    assert isinstance(poll.ask, RepliesWanted)
    assert (poll.ask.transaction, poll.ask.number) == ("GD1", None)


async def test_received_with_a_number_tells_the_mail_watcher_too() -> None:
    steps = await performer(AgencyByHand(Receipt("received", "GD1", "00001"))).perform(filing(), attempt())

    assert [type(fact) for fact in told(steps)] == [DossierReceived, MailNumbered]
    assert called(steps).keys() == {"agency.replies"}


async def test_accepted_at_once_is_received_and_decided() -> None:
    done = (StepResult(step="Kiểm tra", result="Thành công", code="00"),)
    receipt = Receipt("accepted", "GD1", "00001", "00", "", done)
    steps = await performer(AgencyByHand(receipt)).perform(filing(), attempt())

    received, numbered, decided = told(steps)
    assert isinstance(received, DossierReceived)
    assert isinstance(numbered, MailNumbered)
    assert isinstance(decided, DossierDecided)
    assert (decided.accepted, decided.number, decided.steps) == (True, "00001", done)
    assert called(steps) == {}


@pytest.mark.parametrize("code", ["CE007", "CE044", "SIM006", "SIM099", "CE999"])
async def test_refused_at_the_gate_is_decided_in_the_agencys_own_words(code: str) -> None:
    """What follows from a code is the enrolment's business; here only a duplicate is special."""
    receipt = Receipt("refused", "GD1", None, code, "vì sao")
    (decided,) = told(await performer(AgencyByHand(receipt)).perform(filing(), attempt()))

    assert isinstance(decided, DossierDecided)
    assert (decided.accepted, decided.code, decided.text) == (False, code, "vì sao")


async def test_a_duplicate_is_a_doubt_and_the_earlier_filing_is_looked_up() -> None:
    agency = AgencyByHand(DUPLICATE, found=[Receipt("received", "GD0", "00007")])
    with pytest.raises(OutcomeUnknown, match="SIM010"):
        await performer(agency).perform(filing(), attempt())
    steps = await performer(agency).reconcile(filing(), attempt(unsure=True))

    assert steps is not None
    received, numbered = told(steps)
    assert isinstance(received, DossierReceived)
    assert isinstance(numbered, MailNumbered)
    assert (received.transaction, numbered.number) == ("GD0", "00007")
    ((dossier, key),) = agency.looked
    assert (dossier.data, key) == (SIGNED, key_of(filing()))
    assert len(agency.filed) == 1


async def test_what_a_duplicate_is_called_is_data() -> None:
    """A real gateway's own code for it is a row of the deployment's table."""
    own = rejections({"codes": [{"code": "X9", "treatment": "duplicate"}]})
    agency = AgencyByHand(Receipt("refused", "GD1", code="X9"))
    with pytest.raises(OutcomeUnknown, match="X9"):
        await SubmitDossier(agency, VaultByHand(), FilingsByHand(), own).perform(filing(), attempt())


async def test_among_duplicates_the_oldest_real_filing_counts() -> None:
    found = [DUPLICATE, Receipt("accepted", "GD0", code="00"), Receipt("received", "GD5"), DUPLICATE]
    steps = await performer(AgencyByHand(found=found)).reconcile(filing(), attempt(unsure=True))

    received = told(steps)[0]
    assert isinstance(received, DossierReceived)
    assert received.transaction == "GD0"


async def test_nothing_but_duplicates_is_inconclusive_and_in_the_end_a_person_decides() -> None:
    made = performer(AgencyByHand(found=[DUPLICATE]))
    with pytest.raises(OutcomeUnknown, match="shows nothing"):
        await made.reconcile(filing(), attempt(unsure=True))
    (uncertain,) = told(made.give_up(filing(), attempt(), True, "x" * 600))

    assert isinstance(uncertain, FilingUncertain)
    assert (uncertain.reached, len(uncertain.text)) == ("unknown", 500)


async def test_absent_is_none_and_files_nothing() -> None:
    agency = AgencyByHand(found=[])

    assert await performer(agency).reconcile(filing(), attempt(unsure=True)) is None
    assert agency.filed == []


async def test_what_was_refused_unseen_is_decided_when_it_is_found() -> None:
    agency = AgencyByHand(found=[Receipt("refused", "GD1", code="CE007", text="đã có")])
    (decided,) = told(await performer(agency).reconcile(filing(), attempt(unsure=True)))

    assert isinstance(decided, DossierDecided)
    assert (decided.accepted, decided.code) == (False, "CE007")


@pytest.mark.parametrize("failure", [Transient("429"), OutcomeUnknown("reset"), Invalid("400")])
async def test_the_gateways_failures_are_the_kernels(failure: Exception) -> None:
    with pytest.raises(type(failure)):
        await performer(AgencyByHand(failure)).perform(filing(), attempt())
    with pytest.raises(type(failure)):
        await performer(AgencyByHand(found=failure)).reconcile(filing(), attempt(unsure=True))


def test_given_up_before_it_ever_reached_the_agency_says_never() -> None:
    (uncertain,) = told(performer(AgencyByHand()).give_up(filing(), attempt(), False, "no answer for a day"))

    assert isinstance(uncertain, FilingUncertain)
    assert (uncertain.reached, uncertain.text) == ("never", "no answer for a day")


async def test_other_bytes_than_were_signed_are_never_filed() -> None:
    agency = AgencyByHand()
    with pytest.raises(Invalid, match="not the one"):
        await performer(agency, VaultByHand({DOCUMENT: b"<Khac/>"})).perform(filing(), attempt())
    assert agency.filed == []


async def test_a_document_that_was_erased_is_never_filed() -> None:
    """Certainly not sent: the enrolment hears `never`, not that somebody has to find out."""
    agency = AgencyByHand()
    with pytest.raises(Invalid, match="cannot be filed"):
        await performer(agency, VaultByHand({})).perform(filing(), attempt())
    assert agency.filed == []


@pytest.mark.parametrize(
    "away", [ConnectionRefusedError(), asyncpg.CannotConnectNowError(), asyncpg.InterfaceError("closed")]
)
async def test_while_the_vault_is_away_nothing_is_sent_and_nothing_is_lost(away: Exception) -> None:
    agency = AgencyByHand()
    with pytest.raises(Transient, match="vault"):
        await performer(agency, VaultByHand(away=away)).perform(filing(), attempt())
    assert agency.filed == []

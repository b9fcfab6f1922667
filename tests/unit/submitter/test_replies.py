"""Asking until the agency has decided: many filings in one question, no tries spent, nobody stopped by another."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from hoso.runtime.failures import Invalid, OutcomeUnknown, Transient
from hoso.runtime.steps import NotYet
from schemas.events import DossierDecided, MailNumbered, StatusAnswered, StepResult
from services.submitter.asks import RepliesWanted
from services.submitter.collecting import ReplyCollector
from services.submitter.gateway import Receipt
from services.submitter.performers import PollReplies
from tests.unit.submitter.world import AgencyByHand, FilingsByHand, attempt, called, told, wanted

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    "standing", [{}, {"GD1": Receipt("received", "GD1")}, {"GD1": Receipt("received", "GD1", "00001")}]
)
async def test_until_it_is_decided_it_is_not_yet(standing: dict[str, Receipt]) -> None:
    found = await PollReplies(AgencyByHand(standing=standing), FilingsByHand(), MINUTE).perform(wanted(), attempt())

    assert found == NotYet(MINUTE)


async def test_accepted_tells_number_and_decision() -> None:
    steps = (StepResult(step="Kiểm tra", result="Thành công", code="00"),)
    agency = AgencyByHand(standing={"GD1": Receipt("accepted", "GD1", "00001", "00", "", steps)})
    numbered, decided = told(await PollReplies(agency, FilingsByHand(), MINUTE).perform(wanted(), attempt()))

    assert isinstance(numbered, MailNumbered)
    assert isinstance(decided, DossierDecided)
    assert (numbered.number, decided.number, decided.accepted, decided.steps) == ("00001", "00001", True, steps)


async def test_refused_without_a_number_keeps_the_one_from_the_first_answer() -> None:
    agency = AgencyByHand(standing={"GD1": Receipt("refused", "GD1", None, "CE007", "x" * 3_000)})
    (decided,) = told(await PollReplies(agency, FilingsByHand(), MINUTE).perform(wanted(number="00001"), attempt()))

    assert isinstance(decided, DossierDecided)
    assert (decided.accepted, decided.code, decided.number, len(decided.text)) == (False, "CE007", "00001", 1_000)


async def test_no_more_than_fifty_steps_are_told() -> None:
    steps = tuple(StepResult(step=str(n), result="", code="") for n in range(80))
    agency = AgencyByHand(standing={"GD1": Receipt("accepted", "GD1", None, "00", "", steps)})
    (decided,) = told(await PollReplies(agency, FilingsByHand(), MINUTE).perform(wanted(), attempt()))

    assert isinstance(decided, DossierDecided)
    assert len(decided.steps) == 50


DOUBTED = Receipt("received", "GD1", document=b"<x/>", doubt="nội dung đã bị sửa sau khi ký")


async def test_what_is_not_believed_is_told_once_and_asked_again() -> None:
    agency, filings = AgencyByHand(standing={"GD1": DOUBTED}), FilingsByHand()
    steps = await PollReplies(agency, filings, MINUTE).perform(wanted(), attempt())

    assert isinstance(steps, list)
    (warning,) = told(steps)
    assert isinstance(warning, StatusAnswered)
    assert (warning.go, warning.status) == (0, "unknown")
    assert "đã bị sửa" in warning.text
    poll = called(steps)["agency.replies"]
    assert isinstance(poll.ask, RepliesWanted)
    assert poll.ask == wanted(warned=True)
    assert await PollReplies(agency, filings, MINUTE).perform(poll.ask, attempt()) == NotYet(MINUTE)
    assert [one.document for one in filings.doubts] == [b"<x/>", b"<x/>"]
    agency.standing = {"GD1": Receipt("accepted", "GD1", code="00")}
    (decided,) = told(await PollReplies(agency, filings, MINUTE).perform(poll.ask, attempt()))
    assert isinstance(decided, DossierDecided), "the true answer counts when it comes"


async def test_a_decision_about_other_bytes_is_not_ours() -> None:
    agency = AgencyByHand(standing={"GD1": Receipt("accepted", "GD1", code="00", sha256="cd" * 32)})
    filings = FilingsByHand()
    found = await PollReplies(agency, filings, MINUTE).perform(wanted(sha256="ab" * 32, warned=True), attempt())

    assert found == NotYet(MINUTE)
    assert "SHA-256" in filings.doubts[0].why
    agency.standing = {"GD1": Receipt("accepted", "GD1", code="00", sha256="ab" * 32)}
    assert told(await PollReplies(agency, filings, MINUTE).perform(wanted(sha256="ab" * 32), attempt()))


async def test_a_granted_code_comes_with_the_decision() -> None:
    agency = AgencyByHand(standing={"GD1": Receipt("accepted", "GD1", code="00", unit_code="TZ0009Z")})
    (decided,) = told(await PollReplies(agency, FilingsByHand(), MINUTE).perform(wanted(kind="first_code"), attempt()))

    assert isinstance(decided, DossierDecided)
    assert decided.unit_code == "TZ0009Z"


async def test_a_question_has_no_effects_so_no_doubt_is_kept_about_it() -> None:
    for failure in (OutcomeUnknown("502"), Transient("429"), Invalid("403")):
        with pytest.raises(Transient):
            await PollReplies(AgencyByHand(standing=failure), FilingsByHand(), MINUTE).perform(wanted(), attempt())
    assert await PollReplies(AgencyByHand(), FilingsByHand(), MINUTE).reconcile(wanted(), attempt(unsure=True)) is None


def test_never_decided_is_never_told_as_a_refusal() -> None:
    assert (
        list(
            PollReplies(AgencyByHand(), FilingsByHand(), MINUTE).give_up(
                wanted(number="00001"), attempt(), True, "30 ngày"
            )
        )
        == []
    )


@pytest.mark.parametrize(("count", "questions"), [(1, 1), (200, 1), (201, 2), (450, 3)])
async def test_many_are_asked_about_at_once_two_hundred_at_most(count: int, questions: int) -> None:
    names = [f"GD{n}" for n in range(count)]
    agency = AgencyByHand(standing={name: Receipt("received", name) for name in names[::2]})
    collector = ReplyCollector(agency)
    found = await asyncio.gather(*(collector.reply(name) for name in names))

    assert [one.transaction if one else None for one in found] == [
        n if i % 2 == 0 else None for i, n in enumerate(names)
    ]
    assert len(agency.asked) == questions
    assert max(map(len, agency.asked)) <= 200
    assert sorted(name for asked in agency.asked for name in asked) == sorted(names)


async def test_one_filing_asked_about_twice_is_asked_about_once() -> None:
    agency = AgencyByHand(standing={"GD1": Receipt("received", "GD1")})
    collector = ReplyCollector(agency)
    one, two = await asyncio.gather(collector.reply("GD1"), collector.reply("GD1"))

    assert one == two
    assert agency.asked == [["GD1"]]


async def test_whoever_gives_up_waiting_takes_nobody_with_him() -> None:
    agency = AgencyByHand(standing={"GD1": Receipt("received", "GD1")})
    collector = ReplyCollector(agency)
    gone, stays = (asyncio.create_task(collector.reply("GD1")) for _ in range(2))
    await asyncio.wait([gone, stays], timeout=0)
    gone.cancel()

    assert await stays == Receipt("received", "GD1")
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_a_failure_reaches_all_who_asked_and_the_next_question_is_a_new_one() -> None:
    agency = AgencyByHand(standing=Transient("429"))
    collector = ReplyCollector(agency)
    found = await asyncio.gather(collector.reply("GD1"), collector.reply("GD2"), return_exceptions=True)
    assert [type(one) for one in found] == [Transient, Transient]
    agency.standing = {"GD1": Receipt("received", "GD1")}
    assert await collector.reply("GD1") == Receipt("received", "GD1")

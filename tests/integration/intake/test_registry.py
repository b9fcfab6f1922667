"""What the registry answers: one first-time dossier of a name at a time in a mailbox, and whose a granted code is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from hoso.runtime.ids import uuid7
from hoso.runtime.steps import NotYet, Tell, Try
from hoso.setup.units import PostgresUnitRegistry, RowKey
from hoso.store.postgres import Database
from schemas.events import TurnAsked, TurnEnded, TurnGranted, UnitCodeGranted, UnitCodeNoted
from services.intake.turns import AskRegistry, note_turns
from tests.integration.intake.house import House, code
from tests.support.waiting import eventually

MAILBOX = uuid7()
NAME = "CÔNG TY TNHH Hoa Ban"


class Waiter:
    """A unit whose first-time dossier wants a turn."""

    def __init__(self, house: House, name: str = NAME, contact: str = "a@hoaban.example") -> None:
        self.unit, self.enrolment, self.dossier = uuid7(), uuid7(), uuid7()
        self._house, self._name, self._contact = house, name, contact

    async def ask(self) -> Waiter:
        fact = TurnAsked(
            enrolment=self.enrolment, dossier=self.dossier, mailbox=MAILBOX, contact=self._contact, unit_name=self._name
        )
        await self._house.say(fact, self.unit, correlation=self.enrolment)
        return self

    async def end(self) -> None:
        fact = TurnEnded(enrolment=self.enrolment, dossier=self.dossier)
        await self._house.say(fact, self.unit, correlation=self.enrolment)


async def granted(house: House) -> list[UUID]:
    """The dossiers that have got their turn, in order."""
    return [e.data.dossier for e in await house.events("registry.answered") if isinstance(e.data, TurnGranted)]


async def until(house: House, what: str, true: Callable[[list[UUID]], bool]) -> list[UUID]:
    async def look() -> bool:
        return true(await granted(house))

    await eventually(look, what)
    return await granted(house)


async def all_answered(house: House) -> None:
    """Everything said so far was read, and every call has ended."""

    async def look() -> bool:
        behind = await house.db.pool.fetchval(
            "select count(*) from log.head h join log.position p using (topic, part) "
            "where p.grp = 'hoso.intake' and h.topic = 'registry.asked' and p.off < h.next"
        )
        return not behind and not await house.db.pool.fetchval("select count(*) from log.call")

    await eventually(look, "every answer")


async def test_of_one_name_one_waits_at_a_time_and_the_first_to_ask_is_next(listening_house: House) -> None:
    house = listening_house
    first, second, third = [await Waiter(house).ask() for _ in range(3)]
    assert await until(house, "the first turn", lambda found: len(found) >= 1) == [first.dossier]
    await all_answered(house)
    assert await granted(house) == [first.dossier], "the others wait"
    await first.end()
    await until(house, "the second turn", lambda found: len(found) >= 2)
    await second.end()
    found = await until(house, "the third turn", lambda found: len(found) >= 3)

    assert found == [first.dossier, second.dossier, third.dossier]
    events = [e for e in await house.events("registry.answered") if isinstance(e.data, TurnGranted)]
    assert [(e.subject, e.correlationid) for e in events] == [
        (one.unit, one.enrolment) for one in (first, second, third)
    ], "each is told under its own unit"


async def test_other_names_addresses_and_mailboxes_do_not_wait(listening_house: House) -> None:
    house = listening_house
    waiters = [
        await Waiter(house).ask(),
        await Waiter(house, "Công ty TNHH Hoa Mai").ask(),
        await Waiter(house, contact="b@hoaban.example").ask(),
    ]
    found = await until(house, "three turns", lambda found: len(found) >= 3)
    assert set(found) == {one.dossier for one in waiters}


async def test_spelling_and_case_make_no_other_name(listening_house: House) -> None:
    house = listening_house
    first = await Waiter(house).ask()
    await Waiter(house, "cong ty tnhh HOA BAN", "A@hoaban.example").ask()
    await until(house, "the first turn", lambda found: len(found) >= 1)
    await all_answered(house)
    assert await granted(house) == [first.dossier]


async def test_who_has_ended_before_its_turn_gets_none(listening_house: House) -> None:
    house = listening_house
    first, second, third = [await Waiter(house).ask() for _ in range(3)]
    await until(house, "the first turn", lambda found: len(found) >= 1)
    await second.end()
    await first.end()
    found = await until(house, "the next turn", lambda found: len(found) >= 2)
    await all_answered(house)
    assert found == await granted(house) == [first.dossier, third.dossier]


async def test_a_call_repeated_after_a_crash_says_the_same_again(db: Database) -> None:
    """The grant was committed and its event was not: the repeated call tells it, another call grants nobody."""
    unit, other = uuid7(), uuid7()
    asked = [
        (unit, _at(1), TurnAsked(enrolment=uuid7(), dossier=uuid7(), mailbox=MAILBOX, contact="A@b.vn", unit_name=NAME)),
        (other, _at(2), TurnAsked(enrolment=uuid7(), dossier=uuid7(), mailbox=MAILBOX, contact="a@B.vn", unit_name=NAME)),
    ]  # fmt: skip
    async with db.pool.acquire() as tx, tx.transaction():
        await note_turns(tx, asked, [])
    performer = AskRegistry(db.pool, PostgresUnitRegistry())
    calls = [(fact, _try(f"turn:{fact.dossier}", subject)) for subject, _, fact in asked]
    once = await _told(performer, *calls[1])
    again = await _told(performer, *calls[1])
    nobody = await _told(performer, *calls[0])

    assert [fact.dossier for fact in once] == [asked[0][2].dossier], "whoever asked first"
    assert again == once
    assert nobody == []


async def test_a_granted_code_is_noted_unless_another_unit_holds_it(listening_house: House) -> None:
    house, registry = listening_house, PostgresUnitRegistry()
    async with house.db.pool.acquire() as tx, tx.transaction():
        (mine,) = await registry.claim(tx, "hoaban", [RowKey(None, "CN-1")])
        (twin,) = await registry.claim(tx, "hoaban", [RowKey(None, "CN-2")])
        await registry.claim(tx, "lienminh", [RowKey(code(7), None)])
    for unit, given in ((mine, code(5)), (twin, code(5)), (twin, code(7))):
        fact = UnitCodeGranted(enrolment=uuid7(), unit_code=given)
        await house.say(fact, unit.unit)
        await all_answered(house)
    noted = [e for e in await house.events("registry.answered") if isinstance(e.data, UnitCodeNoted)]

    assert {(e.subject, e.data.unit_code, e.data.foreign) for e in noted} == {
        (mine.unit, code(5), False), (twin.unit, code(5), True), (twin.unit, code(7), True),
    }  # fmt: skip
    ask = UnitCodeGranted(enrolment=uuid7(), unit_code=code(5))
    (again,) = await _told(AskRegistry(house.db.pool, registry), ask, _try("again", mine.unit))
    assert not again.foreign, "its own code is no surprise"
    async with house.db.pool.acquire() as tx, tx.transaction():
        (later,) = await registry.claim(tx, "hoaban", [RowKey(code(5), None)])
    assert later.unit == mine.unit, "a row with the code means the unit that got it"


async def test_the_registry_may_live_in_a_database_of_its_own(db: Database) -> None:
    registry = PostgresUnitRegistry(db.quick)
    async with db.pool.acquire() as tx, tx.transaction():
        (mine,) = await registry.claim(tx, "hoaban", [RowKey(None, "CN-1")])
    ask = UnitCodeGranted(enrolment=uuid7(), unit_code=code(9))
    (told,) = await _told(AskRegistry(db.pool, registry), ask, _try("x", mine.unit))
    assert not told.foreign


async def _told(performer: AskRegistry, ask: Any, this: Try) -> list[Any]:
    """What one try says."""
    steps = await performer.perform(ask, this)
    assert not isinstance(steps, NotYet)
    return [step.fact for step in steps if isinstance(step, Tell)]


def _try(name: str, subject: UUID) -> Try:
    return Try(name, 1, False, 1e12, "hoaban", _at(3), subject, subject)


def _at(second: int) -> datetime:
    return datetime(2026, 11, 22, 1, 0, second, tzinfo=UTC)

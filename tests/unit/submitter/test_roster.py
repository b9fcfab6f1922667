"""Employees: all pages as one sealed document, each once, and none is normal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from hoso.runtime.failures import Invalid, OutcomeUnknown, Transient
from hoso.runtime.steps import Call
from schemas.events import RosterFailed, RosterFetched
from services.submitter.asks import RosterReplaced
from services.submitter.gateway import Capabilities, RosterPage
from services.submitter.rosters import KEPT, FetchRoster
from tests.unit.submitter.world import CODE, ENROLMENT, AgencyByHand, FilingsByHand, VaultByHand, attempt, roster, told


def person(number: int, **other: str) -> dict[str, str]:
    return {"id": f"NV{number:05}", "ho_ten": "Nguyễn Thị Hoa", **other}


def pages(*employees: Sequence[dict[str, Any]], total: int | None = None) -> AgencyByHand:
    count = sum(map(len, employees)) if total is None else total
    return AgencyByHand(pages=[RosterPage(count, page) for page in employees])


async def fetched(agency: AgencyByHand) -> tuple[RosterFetched, list[dict[str, Any]], VaultByHand]:
    vault = VaultByHand()
    (fact,) = told(await FetchRoster(agency, vault, FilingsByHand()).perform(roster(), attempt()))
    assert isinstance(fact, RosterFetched)
    return fact, json.loads(vault.items[fact.roster]) if fact.roster else [], vault


async def test_all_pages_are_one_document_sealed_under_the_enrolment() -> None:
    agency = pages([person(n) for n in range(200)], [person(n) for n in range(200, 400)], [person(400)])
    fact, sealed, vault = await fetched(agency)

    assert (fact.employees, len(sealed)) == (401, 401)
    assert [one["id"] for one in sealed] == sorted(one["id"] for one in sealed)
    assert sealed[0]["ho_ten"] == "Nguyễn Thị Hoa"
    assert vault.sealed == [("hoasen", ENROLMENT, "personal")]
    assert agency.fetched == [("TZ0001Z", page, 200) for page in (1, 2, 3)]


async def test_no_employees_is_normal_and_seals_nothing() -> None:
    fact, _, vault = await fetched(pages([]))

    assert (fact.employees, fact.roster) == (0, None)
    assert vault.sealed == []


async def test_doubles_between_pages_are_one_employee_and_the_later_row_counts() -> None:
    """Somebody was hired while the pages were read: the last of one page comes again as the first of the next."""
    agency = pages([person(n) for n in range(200)], [person(199, tinh_trang="nghỉ"), person(200)], total=202)
    fact, sealed, _ = await fetched(agency)

    assert fact.employees == 201
    assert [one.get("tinh_trang") for one in sealed if one["id"] == "NV00199"] == ["nghỉ"]


async def test_employees_without_an_id_are_not_taken_for_one_another() -> None:
    fact, sealed, _ = await fetched(pages([{"ho_ten": "A"}, {"ho_ten": "B", "id": ""}, {"ho_ten": "C", "id": None}]))

    assert fact.employees == 3
    assert sorted(one["ho_ten"] for one in sealed) == ["A", "B", "C"]


async def test_a_list_that_is_shorter_than_it_says_counts_when_it_says_so_twice() -> None:
    agency = pages([person(1)], [], total=3)
    fact, _, _ = await fetched(agency)

    assert fact.employees == 1
    assert agency.fetched == [("TZ0001Z", page, 200) for page in (1, 2, 1, 2)]


async def test_a_list_that_changes_while_it_is_read_is_read_again() -> None:
    """Between the pages somebody left: the first page's total is no longer true, and one person was jumped over."""
    everybody = [person(n) for n in range(202)]

    class Moving(AgencyByHand):
        async def roster(self, unit_code: str, page: int, size: int) -> RosterPage:
            self.fetched.append((unit_code, page, size))
            now = everybody if len(self.fetched) == 1 else everybody[1:]
            return RosterPage(len(now), now[(page - 1) * size : page * size])

    fact, sealed, _ = await fetched(Moving())
    assert fact.employees == 201
    assert {one["id"] for one in sealed} == {one["id"] for one in everybody[1:]}


async def test_a_list_that_never_stands_still_is_asked_for_later() -> None:
    class Restless(AgencyByHand):
        async def roster(self, unit_code: str, page: int, size: int) -> RosterPage:
            self.fetched.append((unit_code, page, size))
            return RosterPage(3, [person(len(self.fetched)), person(len(self.fetched))])

    with pytest.raises(Transient, match="changes"):
        await fetched(Restless())


async def test_pages_without_end_end() -> None:
    with pytest.raises(Invalid, match="at most 100000"):
        await fetched(pages([person(1)], total=10**9))
    agency = AgencyByHand(pages=[RosterPage(90_000, [person(1)])] * 3_000)
    with pytest.raises(Invalid, match="does not end"):
        await fetched(agency)
    assert len(agency.fetched) == 2_000


async def test_only_what_is_needed_of_a_person_is_kept() -> None:
    """Law 91/2025: what the purpose does not need is dropped unread."""
    told_all = person(
        1,
        ma_so_bhxh="0123456789",
        ngay_sinh="1990-01-01",
        gioi_tinh="Nữ",
        tinh_trang="Đang tham gia",
        ngay_bat_dau="2020-01-01",
        chuc_vu="Kế toán",
        cccd="001190000001",
        luong="12000000",
        dien_thoai="0900000000",
        email="hoa@hoasen.example",
        dia_chi="Hà Nội",
    )
    fact, (sealed,), vault = await fetched(pages([told_all]))

    assert fact.roster is not None
    assert (
        set(sealed)
        == set(KEPT)
        == {"id", "ho_ten", "ma_so_bhxh", "ngay_sinh", "gioi_tinh", "tinh_trang", "ngay_bat_dau"}
    )
    assert b"001190000001" not in vault.items[fact.roster]


async def test_without_an_id_the_insurance_number_names_a_person() -> None:
    rows = [{"ho_ten": "A", "ma_so_bhxh": "1"}, {"ho_ten": "A", "ma_so_bhxh": "2"}, {"ho_ten": "A", "ma_so_bhxh": "1"}]
    fact, _, _ = await fetched(pages(rows))

    assert fact.employees == 2


async def again(
    before: Sequence[dict[str, str]], now: Sequence[dict[str, str]]
) -> tuple[RosterFetched, list[RosterReplaced]]:
    """The unit's roster is fetched, and fetched again."""
    vault = VaultByHand()
    first = told(await FetchRoster(pages(before), vault, FilingsByHand()).perform(roster(), attempt()))[0]
    assert isinstance(first, RosterFetched)
    known = FilingsByHand(newest=(first.roster, first.employees))
    steps = await FetchRoster(pages(now), vault, known).perform(roster(), attempt())
    (fact,) = told(steps)
    assert isinstance(fact, RosterFetched)
    return fact, [step.ask for step in steps if isinstance(step, Call) and isinstance(step.ask, RosterReplaced)]


async def test_who_came_who_changed_and_who_is_gone() -> None:
    before = [person(1), person(2), person(3, tinh_trang="Đang tham gia")]
    fact, replaced = await again(before, [person(2), person(3, tinh_trang="Nghỉ"), person(4), person(5)])

    assert (fact.employees, fact.added, fact.changed, fact.gone) == (4, 2, 1, 1)
    assert len(replaced) == 1, "the list before is destroyed"
    assert replaced[0].document != fact.roster


async def test_nothing_new_replaces_nothing() -> None:
    fact, replaced = await again([person(1)], [person(1, chuc_vu="Thủ kho")])

    assert (fact.added, fact.changed, fact.gone, replaced) == (0, 0, 0, []), "what is not kept is no change"


async def test_from_nobody_to_somebody_and_back() -> None:
    fact, _ = await again([], [person(1)])
    assert (fact.added, fact.gone) == (1, 0)
    fact, replaced = await again([person(1)], [])
    assert (fact.employees, fact.gone, fact.roster, len(replaced)) == (0, 1, None, 1)


async def test_a_roster_that_was_erased_is_nothing_to_compare_with() -> None:
    agency, known = pages([person(1)]), FilingsByHand(newest=(CODE, 7))
    (fact,) = told(await FetchRoster(agency, VaultByHand({}), known).perform(roster(), attempt()))[:1]

    assert isinstance(fact, RosterFetched)
    assert (fact.employees, fact.added, fact.gone) == (1, 0, 0)


async def test_a_gateway_without_rosters_says_so() -> None:
    agency = AgencyByHand(able=Capabilities(roster=False))
    (fact,) = told(await FetchRoster(agency, VaultByHand(), FilingsByHand()).perform(roster(), attempt()))

    assert isinstance(fact, RosterFailed)
    assert agency.fetched == []


async def test_asking_again_is_harmless_so_no_doubt_is_kept() -> None:
    agency = AgencyByHand(pages=[OutcomeUnknown("truncated")])
    with pytest.raises(Transient):
        await FetchRoster(agency, VaultByHand(), FilingsByHand()).perform(roster(), attempt())
    again = await FetchRoster(pages([person(1)]), VaultByHand(), FilingsByHand()).reconcile(
        roster(), attempt(unsure=True)
    )
    (fact,) = told(again)
    assert isinstance(fact, RosterFetched)
    assert fact.employees == 1


async def test_a_unit_that_is_not_activated_has_no_roster() -> None:
    agency = AgencyByHand(pages=[Invalid("403")])
    with pytest.raises(Invalid):
        await FetchRoster(agency, VaultByHand(), FilingsByHand()).perform(roster(), attempt())
    (fact,) = told(
        FetchRoster(agency, VaultByHand(), FilingsByHand()).give_up(roster(), attempt(), False, "403 " * 300)
    )
    assert isinstance(fact, RosterFailed)
    assert len(fact.text) == 500


async def test_the_same_employees_again_are_the_same_document() -> None:
    first, _, _ = await fetched(pages([person(1), person(2)]))
    again, _, _ = await fetched(pages([person(2), person(1)]))

    assert first.roster == again.roster

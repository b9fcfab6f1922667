"""Employees: all pages as one sealed document, each once, and none is normal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from hoso.runtime.failures import Invalid, OutcomeUnknown, Transient
from schemas.events import RosterFailed, RosterFetched
from services.submitter.gateway import RosterPage
from services.submitter.performers import FetchRoster
from tests.unit.submitter.world import ENROLMENT, AgencyByHand, VaultByHand, attempt, roster, told


def person(number: int, **other: str) -> dict[str, str]:
    return {"id": f"NV{number:05}", "ho_ten": "Nguyễn Thị Hoa", **other}


def pages(*employees: Sequence[dict[str, Any]], total: int | None = None) -> AgencyByHand:
    count = sum(map(len, employees)) if total is None else total
    return AgencyByHand(pages=[RosterPage(count, page) for page in employees])


async def fetched(agency: AgencyByHand) -> tuple[RosterFetched, list[dict[str, Any]], VaultByHand]:
    vault = VaultByHand()
    (fact,) = told(await FetchRoster(agency, vault).perform(roster(), attempt()))
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


async def test_an_empty_page_ends_it_whatever_the_total_says() -> None:
    fact, _, _ = await fetched(pages([person(1)], [], total=10**9))

    assert fact.employees == 1


async def test_pages_without_end_end() -> None:
    agency = AgencyByHand(pages=[RosterPage(10**9, [person(1)])] * 600)
    fact, _, _ = await fetched(agency)

    assert fact.employees == 1
    assert len(agency.fetched) == FetchRoster.LIMIT // FetchRoster.PAGE


async def test_asking_again_is_harmless_so_no_doubt_is_kept() -> None:
    agency = AgencyByHand(pages=[OutcomeUnknown("truncated")])
    with pytest.raises(Transient):
        await FetchRoster(agency, VaultByHand()).perform(roster(), attempt())
    again = await FetchRoster(pages([person(1)]), VaultByHand()).reconcile(roster(), attempt(unsure=True))
    (fact,) = told(again)
    assert isinstance(fact, RosterFetched)
    assert fact.employees == 1


async def test_a_unit_that_is_not_activated_has_no_roster() -> None:
    agency = AgencyByHand(pages=[Invalid("403")])
    with pytest.raises(Invalid):
        await FetchRoster(agency, VaultByHand()).perform(roster(), attempt())
    (fact,) = told(FetchRoster(agency, VaultByHand()).give_up(roster(), attempt(), False, "403 " * 300))
    assert isinstance(fact, RosterFailed)
    assert len(fact.text) == 500


async def test_the_same_employees_again_are_the_same_document() -> None:
    first, _, _ = await fetched(pages([person(1), person(2)]))
    again, _, _ = await fetched(pages([person(2), person(1)]))

    assert first.roster == again.roster

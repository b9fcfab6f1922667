"""Employees from a real process, in every mood of its list: each once, and against the list before."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import pytest

from schemas.events import RosterFetched
from services.submitter.gateway import Dossier
from services.submitter.http_gateway import HttpAgencyGateway
from services.submitter.rosters import KEPT, FetchRoster
from tests.contract.gateway.conftest import soon
from tests.contract.gateway.test_agency import activated
from tests.simulator.agency import Agency, Mailbox
from tests.unit.submitter.world import FilingsByHand, VaultByHand, attempt, roster, told

Make = Callable[..., Dossier]
Activated = Callable[[str], Awaitable[str]]


@pytest.fixture
def unit(agency: Agency, gateway: HttpAgencyGateway, mailbox: Mailbox, dossier: Make) -> Activated:
    async def make(family: str) -> str:
        """An activated unit of a family."""
        filed = dossier(family)
        transaction, code = await activated(agency, gateway, mailbox, filed)
        assert (await gateway.activate(transaction, filed.unit_code, code, soon())).outcome == "accepted"
        return filed.unit_code

    return make


async def fetched(
    gateway: HttpAgencyGateway, unit_code: str, vault: VaultByHand, filings: FilingsByHand
) -> RosterFetched:
    ask = roster().model_copy(update={"unit_code": unit_code})
    fact = told(await FetchRoster(gateway, vault, filings).perform(ask, attempt()))[0]
    assert isinstance(fact, RosterFetched)
    filings.newest = (fact.roster, fact.employees)
    return fact


@pytest.mark.parametrize(("family", "employees"), [("R01", 450), ("R03", 0), ("R04", 450), ("R05", 450)])
async def test_each_employee_once(gateway: HttpAgencyGateway, unit: Activated, family: str, employees: int) -> None:
    """On two pages, none at all, many, and one more while it is paged."""
    unit_code = await unit(family)
    vault, filings = VaultByHand(), FilingsByHand()
    first = await fetched(gateway, unit_code, vault, filings)
    again = await fetched(gateway, unit_code, vault, filings)

    assert first.employees == employees
    assert (again.roster, again.added, again.changed, again.gone) == (first.roster, 0, 0, 0)
    rows = json.loads(vault.items[first.roster]) if first.roster is not None else []
    assert len({one["id"] for one in rows}) == len(rows) == employees
    assert all(set(one) == set(KEPT) for one in rows)


async def test_who_came_and_who_left(gateway: HttpAgencyGateway, unit: Activated) -> None:
    unit_code = await unit("R02")
    vault, filings = VaultByHand(), FilingsByHand()
    first = await fetched(gateway, unit_code, vault, filings)
    second = await fetched(gateway, unit_code, vault, filings)

    assert second.employees == first.employees
    assert (second.added, second.gone) == (1, 1)
    assert second.changed == 0, "the agency changed a post, which is not kept"

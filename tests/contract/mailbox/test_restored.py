"""After a restore the mailbox knows more than the database: mails are read again before their attempts are remembered."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from simulator.looks import Look
from simulator.wordings import worded
from tests.contract.mailbox.house import House
from tests.unit.mail_watcher.mails import NAME, UNIT, activation, stop_result

pytestmark = pytest.mark.asyncio
BY_CODE, BY_NAME = Look("stop-result", NAME, UNIT), Look("stop-result", NAME, bare=True)


@pytest_asyncio.fixture
async def restored(house: House) -> AsyncIterator[House]:
    """A house in which a recovery is open."""
    opened = "insert into log.recovery(lane, since, known_until) values ('agency.submit', now(), now())"
    await house.pool.execute(opened)
    yield house
    await house.pool.execute("delete from log.recovery")


@pytest.mark.parametrize("look", [BY_CODE, BY_NAME], ids=["by code", "by name"])
@pytest.mark.parametrize("n", range(4))  # ids are made of what is in a mail: some of these sort the wrong way
async def test_a_later_mail_waits_for_what_an_earlier_one_of_the_same_second_leads_to(
    restored: House, look: Look, n: int
) -> None:
    """A refused registration, the stop after it, and the code of the registration that came then and is forgotten."""
    house = restored
    unit, refused = house.expected()
    stop = refused.model_copy(update={"kind": "stop", "dossier": house.expected()[1].dossier})
    again = refused.model_copy(update={"dossier": house.expected()[1].dossier})
    for fact in (refused, stop):
        await house.consume(unit, fact)
    await house.scan([stop_result(worded(look, "").plain, message_id=f"<s{n}@x>"), activation(message_id=f"<a{n}@x>")])
    assert await house.matcher.round() == 1
    assert [fact.dossier for fact in house.facts()] == [stop.dossier], "the earlier mail alone"
    await house.consume(unit, again)  # what it led to
    assert await house.matcher.round() == 1
    assert [fact.dossier for fact in house.facts()] == [stop.dossier, again.dossier]

"""The simulated agency as a process, gateways that speak to it, and an agency made by hand for what no other does."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from hashlib import sha256
from itertools import count

import pytest
import pytest_asyncio

from hoso.runtime.clock import boottime
from services.submitter.gateway import Dossier
from services.submitter.http_gateway import HttpAgencyGateway
from tests.contract.gateway.byhand import ByHand
from tests.simulator import dossiers
from tests.simulator.agency import Agency, Mailbox, free_port

OURS = "00110"


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Mailbox]:
    """Where the agency's mails go."""
    box = Mailbox(free_port())
    controller = box.start()
    yield box
    controller.stop()


@pytest.fixture(scope="module")
def agency(tmp_path_factory: pytest.TempPathFactory, mailbox: Mailbox) -> Iterator[Agency]:
    """One quick agency; each test files for units of its own."""
    made = Agency(
        tmp_path_factory.mktemp("agency"), mailbox.port, "--fast", "--late-seconds", "0.5", "--hang-seconds", "20"
    )
    made.start()
    yield made
    assert made.stop() == 0


@pytest_asyncio.fixture
async def gateways() -> AsyncIterator[Callable[..., HttpAgencyGateway]]:
    """Gateways to any address, closed at the end."""
    made: list[HttpAgencyGateway] = []

    def one(url: str, *, read_timeout: float = 5) -> HttpAgencyGateway:
        made.append(HttpAgencyGateway(url, OURS, read_timeout=timedelta(seconds=read_timeout)))
        return made[-1]

    yield one
    for gateway in made:
        await gateway.close()


@pytest.fixture
def gateway(agency: Agency, gateways: Callable[..., HttpAgencyGateway]) -> HttpAgencyGateway:
    """The gateway under test, at the simulated agency."""
    return gateways(f"http://{agency.host}:{agency.port}")


@pytest_asyncio.fixture
async def by_hand() -> AsyncIterator[ByHand]:
    """A server that answers with exactly the bytes it is given, and keeps what arrives."""
    async with contextlib.AsyncExitStack() as stack:
        yield await stack.enter_async_context(ByHand().open())


_numbers = count(1)


@pytest.fixture
def dossier() -> Callable[..., Dossier]:
    """A signed registration for a unit of a magic family (`F02`), or an ordinary one; never the same unit twice."""

    def make(family: str = "", procedure: str = dossiers.REGISTER) -> Dossier:
        number = next(_numbers)
        unit = f"{chr(65 + number // 26 % 26)}{chr(65 + number % 26)}"
        unit_code = f"{unit}{family}{number % 10}K" if family else f"{unit}0{number % 1000:03}K"
        return signed(unit_code, procedure)

    return make


def signed(unit_code: str, procedure: str = dossiers.REGISTER, nonce: str = "") -> Dossier:
    """What the submitter files for a unit."""
    made = dossiers.Dossier(unit_code=unit_code, procedure=procedure, nonce=nonce)
    data = made.body()
    contact = f"{unit_code.lower()}@branches.example"
    return Dossier(data, sha256(data).hexdigest(), procedure, unit_code, made.tax_code, "00101", contact)


def soon(seconds: float = 5) -> float:
    """A deadline."""
    return boottime() + seconds

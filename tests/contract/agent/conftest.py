"""A desk, a reader with a token in it, and a workstation for each test."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from hoso.store.postgres import Database
from hoso.store.vault import KeyRing, Vault
from tests.contract.agent.house import DeskHouse, Workstation
from tests.contract.agent.tokens import Reader
from tests.contract.signing.pki import Employer, employer


@pytest.fixture
def owner() -> Employer:
    """Whose token it is."""
    return employer(key="token")


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Reader, Path]:
    """A reader with the owner's token, made once: making keys and tokens takes a second."""
    reader = Reader.made(tmp_path_factory.mktemp("reader"))
    return reader, reader.plug_in(employer(key="token"), "token")


@pytest.fixture
def reader(planted: tuple[Reader, Path], tmp_path: Path) -> Reader:
    """A copy of it, the test's own."""
    made, _ = planted
    folder = tmp_path / "reader"
    shutil.copytree(made.folder / "tokens", folder / "tokens")
    conf = (made.folder / "softhsm2.conf").read_text().replace(str(made.folder), str(folder))
    (folder / "softhsm2.conf").write_text(conf)
    return Reader(folder, made.module, made.spy)


@pytest.fixture
def token(planted: tuple[Reader, Path], reader: Reader) -> Path:
    """The folder of the token that is plugged in."""
    return reader.folder / "tokens" / planted[1].name


@pytest_asyncio.fixture
async def house(db: Database, tmp_path: Path) -> AsyncIterator[DeskHouse]:
    folder = tmp_path / "desk"
    folder.mkdir()
    own = DeskHouse(db, Vault(db.pool, KeyRing({"k1": os.urandom(32)})), folder)
    await own.open()
    yield own
    await own.close()


@pytest_asyncio.fixture
async def workstation(house: DeskHouse, reader: Reader, tmp_path: Path) -> AsyncIterator[Workstation]:
    own = Workstation(house, reader, tmp_path / "workstation")
    yield own
    await own.stop()


@pytest_asyncio.fixture
async def enrolled(house: DeskHouse, workstation: Workstation) -> Workstation:
    """The workstation, enrolled for acme's profile main."""
    status, said = await workstation.enrol(await house.code())
    assert status == 0, said
    return workstation

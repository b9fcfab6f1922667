"""The servers and the adapters under test. A missing server skips with a sentence here and fails in CI."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from hoso.process.embedded import EmbeddedServer
from hoso.store.migrations import migrate
from services.mail_watcher import store
from services.mail_watcher.aioimaplib_mailbox import AioimaplibMailbox
from services.mail_watcher.imapclient_mailbox import ImapclientMailbox
from services.mail_watcher.mailbox import Access, Mailbox
from services.mail_watcher.secret import Secret
from tests.contract.mailbox.consents import TokenService
from tests.contract.mailbox.house import House
from tests.contract.mailbox.servers import PASSWORD, Dovecot, Pymap, Server
from tests.support.needs import absent

Open = Callable[..., Mailbox]


@pytest.fixture(scope="session")
def token_service() -> Iterator[TokenService]:
    service = TokenService()
    yield service
    service.stop()


@pytest.fixture
def tokens(token_service: TokenService) -> Iterator[TokenService]:
    """The service as new, but for its address."""
    yield token_service
    token_service.answers.clear()
    token_service.asked.clear()
    token_service.lifetime, token_service.rotates = 3600, False


@pytest.fixture(scope="session")
def dovecot(token_service: TokenService) -> Iterator[Dovecot]:
    if Dovecot.binary() is None:
        absent("Dovecot is missing: apt-get install --no-install-recommends dovecot-imapd")
    server = Dovecot(f"http://127.0.0.1:{token_service.port}/introspect?token=")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def pymap() -> Iterator[Pymap]:
    server = Pymap()
    yield server
    server.stop()


@pytest.fixture(params=["dovecot", "pymap"])
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=[AioimaplibMailbox, ImapclientMailbox], ids=["aioimaplib", "imapclient"])
def adapter(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest_asyncio.fixture
async def opened(adapter: Any) -> AsyncIterator[Open]:
    """Makes mailboxes of the adapter under test, and closes them."""
    made: list[Mailbox] = []

    def make(port: int, user: str = "demo", password: str = PASSWORD, **settings: Any) -> Mailbox:
        settings = {"tls": "none", "timeout_s": 5.0, **settings}
        mailbox: Mailbox = adapter(Access("127.0.0.1", port, user, Secret(password), **settings))
        made.append(mailbox)
        return mailbox

    yield make
    for mailbox in made:
        await mailbox.close()


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("pg")
    server = EmbeddedServer(folder)
    server.start()
    yield server.url
    server.stop()


@pytest_asyncio.fixture
async def house(database: str) -> AsyncIterator[House]:
    pool = await asyncpg.create_pool(database, min_size=1, max_size=6)
    async with pool.acquire() as db:
        await migrate(db, "test")
        await db.execute("delete from log.head where topic = $1", store.TOPIC)
        await db.execute("delete from log.position where grp = $1", store.GROUP)
    yield House(pool)
    await pool.close()

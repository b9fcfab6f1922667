"""How the mail watcher is wired: a consumer of mail.expected, a watcher a mailbox, one matcher."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NoReturn
from uuid import UUID

import asyncpg

from hoso.runtime.consumer import LOST, is_lost
from hoso.runtime.steps import Service
from schemas.topics import topics_read_by
from services.mail_watcher import store
from services.mail_watcher.handlers import Awaited, handle
from services.mail_watcher.matcher import Matcher
from services.mail_watcher.ports import Admit, Clock, Vault
from services.mail_watcher.records import KeyRecords
from services.mail_watcher.settings import MailboxSettings
from services.mail_watcher.store import GROUP, ExpectationStates
from services.mail_watcher.watcher import Watcher

log = logging.getLogger(__name__)

HEARTBEAT_S = 2.0
RELOAD_S = 3.0


def service() -> Service[Awaited]:
    """The consumer, ready to be run; it has no lanes."""
    return Service(GROUP, topics_read_by(GROUP), ExpectationStates(), handle, {})


class MailRoom:
    """Watches all mailboxes that people have set up, and follows what they change, without a restart."""

    def __init__(
        self,
        mailboxes: Callable[[], Awaitable[Sequence[MailboxSettings]]],
        pool: asyncpg.Pool,
        vault: Vault,
        clock: Clock,
        records: KeyRecords,
        admit: Admit,
        owner: str,
    ) -> None:
        """`mailboxes` is asked every few seconds. `owner` names this process and must stay the same when it is
        restarted and differ between processes that run at once. `pool` needs two connections and one for
        every few mailboxes."""
        self._read_mailboxes = mailboxes
        self._pool = pool
        self._vault = vault
        self._clock = clock
        self._records = records
        self._owner = owner
        self._settings: dict[UUID, MailboxSettings] = {}
        self._watchers: dict[UUID, asyncio.Task[NoReturn]] = {}
        self.matcher = Matcher(lambda: self._settings, pool, vault, admit, clock)

    async def run(self, drained: asyncio.Event) -> None:
        """Until `drained` is set. A failure that is not a lost database ends it, and with it the process."""
        jobs = [asyncio.create_task(_lasting(job)) for job in (self._follow, self._beat, self.matcher.run)]
        stop = asyncio.create_task(drained.wait())
        try:
            while not stop.done():
                await asyncio.wait(
                    [stop, *jobs, *self._watchers.values()], timeout=RELOAD_S, return_when=asyncio.FIRST_COMPLETED
                )
                for task in (*jobs, *self._watchers.values()):
                    if task.done() and not task.cancelled():
                        task.result()
        finally:
            tasks: list[asyncio.Task[Any]] = [stop, *jobs, *self._watchers.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._release()

    async def _follow(self) -> None:
        """Start a watcher for each new mailbox, a new one for a changed one, end those of removed ones."""
        while True:
            wanted = {settings.id: settings for settings in await self._read_mailboxes()}
            for id_ in [id_ for id_, known in self._settings.items() if wanted.get(id_) != known]:
                task = self._watchers.pop(id_)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            for id_ in [id_ for id_ in wanted if id_ not in self._watchers]:
                watcher = Watcher(
                    wanted[id_],
                    self._pool,
                    self._vault,
                    self._clock,
                    self._records,
                    self._owner,
                    self.matcher.wake,
                    self.matcher.remember,
                )
                self._watchers[id_] = asyncio.create_task(_lasting(watcher.run))
            self._settings = wanted
            await asyncio.sleep(RELOAD_S)

    async def _beat(self) -> None:
        while True:
            async with self._pool.acquire() as tx:
                await store.keep(tx, self._owner)
            await asyncio.sleep(HEARTBEAT_S)

    async def _release(self) -> None:
        try:
            async with self._pool.acquire() as tx:
                await store.release(tx, self._owner)
        except LOST:
            log.info("the mailboxes could not be released; another process takes them after their lease")


async def _lasting(job: Callable[[], Awaitable[None]]) -> NoReturn:
    """Runs `job` for ever, over the times when the database is away or has ended a transaction of ours."""
    while True:
        try:
            await job()
        except Exception as error:
            if not is_lost(error):
                raise
            log.warning("the database went away", extra={"error": type(error).__name__})
        await asyncio.sleep(1.0)

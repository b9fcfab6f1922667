"""One provocation a fence: the very moment in which the fence of docs/kernel.md §3 matters, made with a second process.

Each of them starts a second process of a service as another machine would, stops it in the worst place until everybody
takes it for dead, lets the first one do the work, and then wakes the second one. With its fence the sleeper does no harm.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from hoso.points import FENCES
from tests.chaos.arena import AWAY, Arena
from tests.chaos.sheets import Maker, sheets

ROWS = 12
MARKS = {
    "position": "an event was taken",
    "outcome": "a call had its outcome",
    "mailbox": "its cursor stands at",
    "sleeper": "the same bytes arrived",
}
"""What the judge says when a fence is missing."""


async def _until(what: str, look: Callable[[], Awaitable[bool]] | Callable[[], bool], seconds: float = 40) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            found = look()
            if found if isinstance(found, bool) else await found:
                return
        except AWAY:
            pass
        if time.monotonic() > until:
            raise AssertionError(f"waited {seconds:.0f} s for {what}")
        await asyncio.sleep(0.05)


class Provocation:
    """A second process of a service, stopped at a point, declared dead, and woken again."""

    def __init__(self, arena: Arena, maker: Maker, fence: str, broken: bool, place: str = "before-write") -> None:
        self._arena = arena
        self._maker = maker
        self._fence = fence
        self._place = place
        self.tag = f"{fence}-{'broken' if broken else 'stands'}-{place}-{secrets.token_hex(2)}"
        self._broken = broken
        self._pid = 0

    async def run(self) -> None:
        """Everything, until the woken process has had its say. Raises AssertionError when the situation cannot be made."""
        try:
            await {
                "position": self._position,
                "outcome": self._outcome,
                "mailbox": self._mailbox,
                "sleeper": self._sleeper,
            }[self._fence]()
        finally:
            self._end()

    async def _start(self, service: str, group: str) -> Path:
        points = self._arena.extra(self.tag, service, self._fence if self._broken else "")
        self._pid = self._arena.pid(f"extra-{self.tag}")
        await _until(f"a second {service}", lambda: self._member(group))
        return points

    async def _member(self, group: str) -> bool:
        return await self._count("select count(*) from log.member where grp = $1 and pid = $2", group, self._pid) > 0

    async def _count(self, sql: str, *values: object) -> int:
        import asyncpg

        db = await asyncpg.connect(self._arena.url, timeout=15)
        try:
            return int(await db.fetchval(sql, *values) or 0)
        finally:
            await db.close(timeout=1)

    async def _hand_in(self, count: int = ROWS) -> None:
        for tenant, data, _ in sheets([self._maker.row("") for _ in range(count)], 1000):
            await self._arena.hand_in(tenant, data)

    def _stopped(self) -> bool:
        return Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()[0] in ("T", "t")

    async def _dead_to_others(self, group: str) -> None:
        await _until(f"{self.tag} to be declared dead", lambda: self._gone(group), 20)

    async def _gone(self, group: str) -> bool:
        return not await self._member(group)

    def _wake(self) -> None:
        os.kill(self._pid, signal.SIGCONT)

    def _end(self) -> None:
        process = self._arena.world.processes[f"extra-{self.tag}"]
        if process.poll() is None:
            self._wake()
            process.terminate()
            try:
                process.wait(15)
            except Exception:
                process.kill()
                process.wait(5)

    async def _settled(self) -> None:
        if not await self._arena.until_ended(90, jumps=False):
            raise AssertionError(f"{self.tag}: what was handed in did not end")

    # --- the four ----------------------------------------------------------------------------------------------

    async def _position(self) -> None:
        """A consumer sleeps between two batches, others go on with its partitions; it wakes and knows an old position."""
        points = await self._start("enrolment", "hoso.enrolment")
        (points / "enrolment.after-commit").write_text("stop")
        await self._hand_in()
        await _until("the second enrolment to stop", self._stopped)
        await self._dead_to_others("hoso.enrolment")
        await self._settled()
        self._wake()
        await _until("the woken process to join again", lambda: self._member("hoso.enrolment"))
        await self._hand_in(2)  # whoever owns the partitions now
        await self._settled()

    async def _outcome(self) -> None:
        """A performer sleeps with the agency's answer in its hand; others ask what became of it and write it down."""
        await self._sleeping_submitter("agency-submit.before-outcome")

    async def _sleeper(self) -> None:
        """A performer sleeps right before (or after) it writes a filing; others ask, hear "absent", file; it wakes."""
        await self._sleeping_submitter(f"agency-submit.{self._place}")

    async def _sleeping_submitter(self, point: str) -> None:
        points = await self._start("submitter", "hoso.submitter")
        (points / point).write_text("stop")
        first = self._arena.pid("submitter")
        os.kill(first, signal.SIGSTOP)  # so that the second one gets to claim something
        try:
            await self._hand_in()
            await _until("the second submitter to stop", self._stopped)
        finally:
            os.kill(first, signal.SIGCONT)
        await self._dead_to_others("hoso.submitter")
        await self._settled()
        before = await self._tries()
        self._wake()
        await _until("the woken process to write what it knows", lambda: self._more_tries(before))
        await self._settled()

    async def _tries(self) -> int:
        return await self._count("select count(*) from submitter.try where outcome = 'lost' or $1", self._broken)

    async def _more_tries(self, before: int) -> bool:
        return await self._tries() > before

    async def _mailbox(self) -> None:
        """A mail watcher sleeps with mails in its hand; another takes the mailbox and reads on; the first wakes and writes."""
        points = await self._start("mail_watcher", "hoso.mail-watcher")
        first = self._arena.pid("mail_watcher")
        box = "select count(*) from mail_watcher.mailbox_cursor where owner like '%' || $1 and seen_at > now() - interval '3 seconds'"
        os.kill(first, signal.SIGSTOP)
        try:
            await _until("the second mail watcher to take the mailbox", lambda: self._all_owned(box), 20)
            (points / "mail.fetched").write_text("stop")
        finally:
            os.kill(first, signal.SIGCONT)
        await self._hand_in(1)
        await _until("the second mail watcher to stop", self._stopped)
        await self._hand_in()
        await self._settled()  # the first has taken the mailbox over and read all of it
        (points / "mail.after-commit").write_text("kill")  # the sleeper's write is the last that anybody makes
        self._wake()
        await _until("the woken process to have its say", lambda: self._said(points))

    async def _all_owned(self, sql: str) -> bool:
        return await self._count(sql, f"extra-{self.tag}") == len(self._arena.tenants)

    async def _said(self, points: Path) -> bool:
        """It committed and was killed, or it was told that the mailbox is another's."""
        if self._arena.world.processes[f"extra-{self.tag}"].poll() is not None:
            return True
        log = self._arena.world.folder / f"extra-{self.tag}" / "log" / "mail_watcher.log"
        return "another process reads this mailbox now" in log.read_text()


async def provoke(arena: Arena, maker: Maker, *fences: str, broken: bool, place: str = "before-write") -> list[str]:
    """Provoke the situations of some fences at once, with them or without; what the judge says that he did not say before.

    `place` is where the sleeper sleeps: before-write or after-write."""
    assert set(fences) <= set(FENCES)
    before = (await arena.judge()).everything
    await asyncio.gather(*(Provocation(arena, maker, fence, broken, place).run() for fence in fences))
    return [fault for fault in (await arena.judge()).everything if fault not in before]

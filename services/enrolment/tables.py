"""The deployment's tables, followed while the service runs: a code that is given a class has it at once, also for those
that wait because nobody knew it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from hoso.domain.decisions import Rules
from hoso.domain.rejections import Treatment
from hoso.domain.states import New, Waiting, refusal_of
from hoso.runtime.consumer import LOST
from hoso.runtime.failures import SettingsError
from hoso.runtime.steps import Step, Tell, Tx
from schemas.events import EnrolmentAnswered
from services.enrolment.service import STATE

LOOK_S = 2.0
ACTOR = "HOSO_REJECTIONS"
"""Who answered: the table, not a person."""

_UNKNOWN = "select subject, body from enrolment.state where position('\"unknown-code\"'::bytea in body) > 0"

log = logging.getLogger(__name__)


class Log(Protocol):
    """The edge of the kernel."""

    async def admit(
        self, tx: Tx, steps: Sequence[Step], *, tenant: str, subject: UUID, correlation: UUID
    ) -> Callable[[], None]:
        """Write the steps; call what comes back after the commit."""
        ...


class Tables:
    """The rules as the files say them now. A file that cannot be read leaves the rules as they were, and says so."""

    def __init__(self, read: Callable[[], Rules], files: Sequence[Path | None]) -> None:
        self._read = read
        self._files = [file for file in files if file is not None]
        self._seen = self._look()
        self.rules = read()

    def changed(self) -> bool:
        """Read again what was written since; whether the rules are new."""
        seen = self._look()
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            self.rules = self._read()
        except SettingsError as error:
            log.error("a table was changed and is not read: %s", error)
            return False
        log.info("the tables were changed and are in force")
        return True

    def _look(self) -> list[tuple[int, int]]:
        seen = []
        for file in self._files:
            with contextlib.suppress(OSError):
                known = file.stat()
                seen.append((known.st_mtime_ns, known.st_size))
        return seen

    async def follow(
        self, drained: asyncio.Event, pool: Any, log_: Log, tenant_of: Callable[[Any, UUID], Awaitable[str | None]]
    ) -> None:
        """Until drained: take in what changes, and answer those that wait for a code that has a class now."""
        due = True  # also what was classified while nobody ran
        while not drained.is_set():
            if due and self._files:
                try:
                    await self._answer(pool, log_, tenant_of)
                except LOST as error:
                    log.warning("those that wait for a class are answered later: %r", error)
                    due = await self._pause(drained)
                    continue
            await self._pause(drained)
            due = self.changed()

    async def _pause(self, drained: asyncio.Event) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(drained.wait(), LOOK_S)
        return True

    async def _answer(self, pool: Any, log_: Log, tenant_of: Callable[[Any, UUID], Awaitable[str | None]]) -> None:
        async with pool.acquire() as db:
            rows = await db.fetch(_UNKNOWN)
        for row in rows:
            try:
                state = STATE.validate_json(row["body"])
            except ValueError:
                log.error("a state cannot be read, its unit waits on", extra={"unit": str(row["subject"])})
                continue
            refused = refusal_of(state) if isinstance(state, Waiting) and state.cause == "unknown-code" else None
            if refused is None or isinstance(state, New):
                continue
            treatment = self.rules.rejections.treatment(*refused)
            if treatment is Treatment.HOLD:
                continue
            enrolment = state.case.enrolment
            fact = EnrolmentAnswered(
                enrolment=enrolment, answer="treatment", value=treatment, cause="unknown-code", actor=ACTOR
            )
            async with pool.acquire() as tx:
                tenant = await tenant_of(tx, row["subject"])
                if tenant is None:
                    continue
                async with tx.transaction():
                    ring = await log_.admit(
                        tx, [Tell(fact)], tenant=tenant, subject=row["subject"], correlation=enrolment
                    )
                ring()

"""A command's way onto the log: writes like a service's edge, and wakes the others itself after the commit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from app.world import world_clock
from hoso.log.postgres import Bell
from hoso.runtime.clock import WorldClock
from hoso.runtime.outgoing import Cause, Environment, Source, write
from hoso.runtime.steps import Step, Tx

GROUP = "hoso.ops-cli"


class Edge:
    """`admit_many` in a transaction, `announce` after it."""

    def __init__(self, pool: Any, environment: Environment, clock: WorldClock) -> None:
        self._pool = pool
        self._source = Source(GROUP, environment, {})
        self._clock = clock
        self._words: set[str] = set()

    @classmethod
    async def open(cls, pool: Any, environment: Environment) -> Edge:
        """With the world's clock as it stands."""
        return cls(pool, environment, await world_clock(pool))

    async def admit_many(self, tx: Tx, steps: Sequence[tuple[Cause, Step]]) -> Callable[[], None]:
        """Write the steps. Call what comes back after the commit, then `announce`."""
        words = await write(tx, self._source, steps, self._clock.now())
        return lambda: self._words.update(words)

    async def announce(self) -> None:
        """Wake whoever waits for what was committed."""
        words, self._words = self._words, set()
        if words:
            await announce(self._pool, words)


async def announce(db: Any, words: set[str]) -> None:
    """Ring the bell of every process. Never inside a transaction (docs/kernel.md §5)."""
    await db.execute("select pg_notify($1, $2)", Bell.CHANNEL, " ".join(sorted(words)))

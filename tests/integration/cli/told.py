"""A whole enrolment as ops heard it: the decisions are the real ones, the world is made up. For tests only."""

from __future__ import annotations

from typing import Any
from uuid import uuid5

from hoso.store.postgres import Database
from schemas.envelope import Event, Fact
from services.ops.projection import Projection
from tests.support.stories import ENROLMENT, UNIT, Story, envelope


class Heard(Story):
    """A story that remembers everything that was on the log, in order: what was heard and what was answered."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.log: list[Event[Any]] = []

    def hear(self, fact: Fact) -> Any:
        said = super().hear(fact)
        heard, now = self.heard[-1]
        self.log.append(heard)
        for n, answer in enumerate(said):
            if isinstance(answer, Fact):
                told = envelope(answer, uuid5(heard.id, str(n)), now)
                self.log.append(told.model_copy(update={"causationid": heard.id}))
        return said


async def tell_ops(db: Database, story: Heard) -> None:
    """Ops has read it all."""
    async with db.pool.acquire() as tx, tx.transaction():
        for event in story.log:
            await Projection().save(tx, {event.subject: (event,)})


__all__ = ["ENROLMENT", "UNIT", "Heard", "tell_ops"]

"""Whose turn it is in a mailbox, and whose a granted unit code is: what only the registry of all units can answer.

Every first-time mail says DKTGLD instead of a unit code, so of one name only one dossier may wait at a contact address. The
consumer notes who asked and who has ended (`note_turns`, in the order of the log); the lane `intake.registry` gives the turn to
whoever asked first. Nobody polls: the end of one turn grants the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from hoso.domain.identifiers import fold
from hoso.points import point
from hoso.runtime.steps import NotYet, Step, Tell, Try, Tx
from schemas.events import TurnAsked, TurnEnded, TurnGranted, UnitCodeGranted, UnitCodeNoted
from services.intake.ports import Pool, UnitRegistry

Asked = tuple[UUID, datetime, TurnAsked]
"""The unit, when it asked, what it asked."""

_ASK = """
insert into intake.turn(dossier, enrolment, unit, mailbox, contact, name, asked_at)
select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::timestamptz[])
on conflict do nothing
"""

_QUEUE = "select mailbox, contact, name from intake.turn where dossier = $1"

_LOCK = "select pg_advisory_xact_lock(hashtextextended($1::uuid::text || '/' || $2 || '/' || $3, 4044))"

_GRANTED_HERE = """
select dossier, enrolment, unit from intake.turn
where (mailbox, contact, name) = ($1, $2, $3) and granted_by = $4 and ended_at is null
"""

_GRANT = """
update intake.turn set granted_at = $4, granted_by = $5 where dossier = (
  select dossier from intake.turn where (mailbox, contact, name) = ($1, $2, $3) and ended_at is null
  order by asked_at, dossier limit 1)
and not exists (
  select 1 from intake.turn
  where (mailbox, contact, name) = ($1, $2, $3) and granted_at is not null and ended_at is null)
returning dossier, enrolment, unit
"""


async def note_turns(tx: Tx, asked: Sequence[Asked], ended: Sequence[tuple[UUID, datetime]]) -> None:
    """Write who asked and who has ended. One dossier asks once; who has ended asks no more."""
    if asked:
        facts = sorted(asked, key=lambda one: one[2].dossier)
        await tx.execute(
            _ASK,
            [fact.dossier for _, _, fact in facts],
            [fact.enrolment for _, _, fact in facts],
            [unit for unit, _, _ in facts],
            [fact.mailbox for _, _, fact in facts],
            [fact.contact.lower() for _, _, fact in facts],
            [fold(fact.unit_name) for _, _, fact in facts],
            [at for _, at, _ in facts],
        )
    if ended:
        rows = sorted(ended)
        await tx.execute(
            "update intake.turn t set ended_at = e.at from unnest($1::uuid[], $2::timestamptz[]) as e(dossier, at) "
            "where t.dossier = e.dossier and t.ended_at is null",
            [dossier for dossier, _ in rows],
            [at for _, at in rows],
        )


class AskRegistry:
    """The performer of the lane `intake.registry`. Everything it does stays in the house and may be done twice."""

    def __init__(self, pool: Pool, registry: UnitRegistry) -> None:
        self._pool = pool
        self._registry = registry

    async def perform(self, ask: TurnAsked | TurnEnded | UnitCodeGranted, this: Try) -> Sequence[Step] | NotYet:
        """Grant the turn that is free, if it is; or note the code."""
        if isinstance(ask, UnitCodeGranted):
            return [await self._code(ask, this)]
        async with self._pool.acquire() as tx, tx.transaction():
            granted = await _grant(tx, ask.dossier, this)
            await point("intake.before-commit")
        await point("intake.after-commit")
        return granted

    async def reconcile(self, ask: TurnAsked | TurnEnded | UnitCodeGranted, this: Try) -> Sequence[Step] | None:
        """Asking again is harmless."""
        return None

    def give_up(
        self, ask: TurnAsked | TurnEnded | UnitCodeGranted, this: Try, reached: bool, error: str
    ) -> Sequence[Step]:
        """Nothing can be said: the enrolment goes on waiting, and its timeline shows what it asked."""
        return []

    async def _code(self, ask: UnitCodeGranted, this: Try) -> Tell:
        async with self._pool.acquire() as tx, tx.transaction():
            ours = await self._registry.give_code(tx, this.subject, ask.unit_code)
        return Tell(UnitCodeNoted(enrolment=ask.enrolment, unit_code=ask.unit_code, foreign=not ours))


async def _grant(tx: Tx, dossier: UUID, this: Try) -> list[Step]:
    queue = await tx.fetchrow(_QUEUE, dossier)
    if queue is None:
        return []
    await tx.execute(_LOCK, *queue)
    row = await tx.fetchrow(_GRANTED_HERE, *queue, this.name)
    if row is None:
        row = await tx.fetchrow(_GRANT, *queue, this.now, this.name)
    if row is None:
        return []
    fact = TurnGranted(enrolment=row["enrolment"], dossier=row["dossier"])
    return [Tell(fact, subject=row["unit"], correlation=row["enrolment"])]

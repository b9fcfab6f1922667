"""Where every enrolment stands, written in bulk from what the log said."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from hoso.runtime.steps import Tx
from services.intake.handlers import News, Refusal, Standing
from services.intake.turns import note_turns

_STAND = """
update intake.enrolment e set stage = t.stage, filed = e.filed or t.filed, cause = t.cause, message = t.message,
  number = coalesce(t.number, e.number), employees = coalesce(t.employees, e.employees), at = t.at
from unnest($1::uuid[], $2::text[], $3::text[], $4::bool[], $5::text[], $6::text[], $7::text[], $8::int[], $9::timestamptz[])
  as t(enrolment, tenant, stage, filed, cause, message, number, employees, at)
where e.enrolment = t.enrolment and e.tenant = t.tenant
"""

_REFUSE = """
update intake.request r set outcome = 'refused', message = t.message
from unnest($1::text[], $2::text[], $3::text[]) as t(tenant, request, message)
where (r.tenant, r.request) = (t.tenant, t.request)
"""

_TAKE_BACK = """
update intake.enrolment e set
  stage = case when k.request is null then 'refused-request' else e.stage end,
  message = case when k.request is null then t.message else e.message end,
  request = coalesce(k.request, e.request), fingerprint = coalesce(k.fingerprint, e.fingerprint)
from unnest($1::text[], $2::text[], $3::text[]) as t(tenant, request, message)
join intake.request q on (q.tenant, q.request) = (t.tenant, t.request)
left join lateral (
  select r.request, r.fingerprint from intake.request r
  where r.enrolment = q.enrolment and r.outcome in ('accepted', 'amended') order by r.at desc limit 1) k on true
where e.enrolment = q.enrolment and e.tenant = t.tenant and e.request = t.request
"""
"""A refused request's data no longer stand: those of the last request that was taken do; without one the enrolment never was."""


class Projection:
    """The `States` of intake's consumer."""

    async def load(self, tx: Tx, subjects: Sequence[UUID]) -> dict[UUID, News]:
        """Nothing is known before a batch."""
        return {subject: News() for subject in subjects}

    async def save(self, tx: Tx, states: dict[UUID, News]) -> None:
        """Enrolments in order of their id, then requests, then turns."""
        standings = {id_: s for news in states.values() for id_, s in news.standings.items()}
        refusals = {key: r for news in states.values() for key, r in news.refusals.items()}
        if standings:
            await _stand(tx, [standings[id_] for id_ in sorted(standings)])
        if refusals:
            await _refuse(tx, sorted(refusals.items()))
        asked = [turn for news in states.values() for turn in news.turns]
        ended = [turn for news in states.values() for turn in news.ended]
        await note_turns(tx, asked, ended)


async def _stand(tx: Tx, standings: Sequence[Standing]) -> None:
    ids = [s.progress.enrolment for s in standings]
    await tx.execute("select 1 from intake.enrolment where enrolment = any($1::uuid[]) order by unit for update", ids)
    await tx.execute(
        _STAND,
        ids,
        [s.tenant for s in standings],
        [str(s.progress.stage) for s in standings],
        [s.progress.filed for s in standings],
        [s.progress.cause for s in standings],
        [s.progress.message for s in standings],
        [s.progress.number for s in standings],
        [s.progress.employees for s in standings],
        [s.at for s in standings],
    )


async def _refuse(tx: Tx, refusals: Sequence[tuple[str, Refusal]]) -> None:
    columns = [r.tenant for _, r in refusals], [key for key, _ in refusals], [r.message for _, r in refusals]
    await tx.execute(_REFUSE, *columns)
    await tx.execute(_TAKE_BACK, *columns)

"""The timeline and the list of enrolments, written in bulk in the consumer's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from schemas.envelope import Event
from schemas.events import DossierPrepared, EnrolmentProgressed, EnrolmentRequested
from schemas.units import Stage
from services.ops import task_views
from services.ops.handlers import Seen
from services.ops.tasks import abouts, fold, matters


class Projection:
    """Loads nothing; saving writes what was seen. An event seen again (a rebuilt group) is written once."""

    async def load(self, tx: Any, subjects: Sequence[UUID]) -> dict[UUID, Seen]:
        return dict.fromkeys(subjects, ())

    async def save(self, tx: Any, states: dict[UUID, Seen]) -> None:
        events = [event for unit in sorted(states) for event in states[unit]]
        await tx.execute(
            "insert into ops.timeline(enrolment, unit, tenant, at, type, event, cause, data) "
            "select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::text[], $6::uuid[], $7::uuid[], $8::jsonb[]) "
            "on conflict (event) do nothing",
            [e.correlationid for e in events],
            [e.subject for e in events],
            [e.tenant for e in events],
            [e.time for e in events],
            [e.type for e in events],
            [e.id for e in events],
            [e.causationid for e in events],
            [e.data.model_dump_json() for e in events],
        )
        await self._enrolments(tx, events)
        await _tasks(tx, [event for event in events if matters(event)])

    async def _enrolments(self, tx: Any, events: Sequence[Event[Any]]) -> None:
        requested = {e.data.enrolment: e for e in events if isinstance(e.data, EnrolmentRequested)}
        if requested:
            rows = [requested[key] for key in sorted(requested)]
            await tx.execute(
                "insert into ops.enrolment(enrolment, unit, tenant, unit_code, name, request, batch, row, profile, purpose, stage, opened_at, changed_at) "
                "select e, u, t, c, n, q, b, r, p, w, 'requested', a, a from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], "
                "$6::text[], $7::uuid[], $8::int[], $9::uuid[], $10::text[], $11::timestamptz[]) as x(e, u, t, c, n, q, b, r, p, w, a) "
                "on conflict (enrolment) do update set name = excluded.name, profile = excluded.profile, purpose = excluded.purpose",
                [e.data.enrolment for e in rows],
                [e.subject for e in rows],
                [e.tenant for e in rows],
                [e.data.form.unit_code for e in rows],
                [e.data.form.name for e in rows],
                [e.data.request for e in rows],
                [e.data.batch for e in rows],
                [e.data.row for e in rows],
                [e.data.profile for e in rows],
                [e.data.form.purpose for e in rows],
                [e.time for e in rows],
            )
        progressed = {
            e.data.enrolment: e
            for e in events
            if isinstance(e.data, EnrolmentProgressed) and e.data.stage is not Stage.REFUSED_REQUEST
        }
        if progressed:
            rows = [progressed[key] for key in sorted(progressed)]
            await tx.execute(
                "insert into ops.enrolment(enrolment, unit, tenant, unit_code, request, batch, row, stage, cause, message, number, attempt, kind, "
                "filed, employees, answers, until, method, progress, opened_at, changed_at) "
                "select enrolment, unit, tenant, unit_code, request, batch, line, stage, cause, message, number, attempt, kind, filed, employees, "
                "string_to_array(answers, ' '), until, method, progress, opened, opened from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::int[], $8::text[], $9::text[], "
                "$10::text[], $11::text[], $12::int[], $13::text[], $14::bool[], $15::int[], $16::text[], $17::timestamptz[], $18::text[], $19::int[], $20::timestamptz[]) "
                "as x(enrolment, unit, tenant, unit_code, request, batch, line, stage, cause, message, number, attempt, kind, filed, employees, "
                "answers, until, method, progress, opened) "
                "on conflict (enrolment) do update set stage = excluded.stage, cause = excluded.cause, message = excluded.message, "
                "unit_code = coalesce(excluded.unit_code, ops.enrolment.unit_code), number = coalesce(excluded.number, ops.enrolment.number), "
                "attempt = excluded.attempt, kind = excluded.kind, filed = excluded.filed, employees = excluded.employees, "
                "answers = excluded.answers, until = excluded.until, method = coalesce(excluded.method, ops.enrolment.method), "
                "progress = excluded.progress, request = excluded.request, "
                "changed_at = greatest(ops.enrolment.changed_at, excluded.changed_at)",
                [e.data.enrolment for e in rows],
                [e.subject for e in rows],
                [e.tenant for e in rows],
                [e.data.unit_code for e in rows],
                [e.data.request for e in rows],
                [e.data.batch for e in rows],
                [e.data.row for e in rows],
                [e.data.stage.value for e in rows],
                [e.data.cause for e in rows],
                [e.data.message for e in rows],
                [e.data.number for e in rows],
                [e.data.attempt for e in rows],
                [e.data.kind for e in rows],
                [e.data.filed for e in rows],
                [e.data.employees for e in rows],
                [" ".join(e.data.answers) for e in rows],
                [e.data.until for e in rows],
                [e.data.method for e in rows],
                [e.data.progress for e in rows],
                [e.time for e in rows],
            )
        await self._refused(tx, events)
        await self._profiles(tx, events)

    async def _refused(self, tx: Any, events: Sequence[Event[Any]]) -> None:
        """Requests that opened nothing: the unit's enrolment did not take them."""
        facts = [e.data for e in events if isinstance(e.data, EnrolmentProgressed)]
        refused = {fact.enrolment: fact for fact in facts if fact.stage is Stage.REFUSED_REQUEST}
        if refused:
            rows = [refused[key] for key in sorted(refused)]
            await tx.execute(
                "update ops.enrolment e set stage = 'refused-request', cause = x.cause, message = x.message "
                "from unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) as x(enrolment, request, cause, message) "
                "where e.enrolment = x.enrolment and e.request = x.request and e.stage = 'requested'",
                [fact.enrolment for fact in rows],
                [fact.request for fact in rows],
                [fact.cause for fact in rows],
                [fact.message for fact in rows],
            )

    async def _profiles(self, tx: Any, events: Sequence[Event[Any]]) -> None:
        """Which signing profile an enrolment signs with: the one its newest attempt was prepared for."""
        prepared = {e.data.enrolment: e.data.profile for e in events if isinstance(e.data, DossierPrepared)}
        if prepared:
            await tx.execute(
                "update ops.enrolment e set profile = p.profile from unnest($1::uuid[], $2::uuid[]) as p(enrolment, profile) "
                "where e.enrolment = p.enrolment and e.profile is distinct from p.profile",
                sorted(prepared),
                [prepared[key] for key in sorted(prepared)],
            )


async def _tasks(tx: Any, events: Sequence[Event[Any]]) -> None:
    """In the order of their times: a batch holds each topic's events apart, and an answer comes on another than the wait."""
    if events:
        events = sorted(events, key=lambda event: event.time)
        changed = fold(await task_views.known(tx, abouts(events)), events)
        await task_views.write(tx, await task_views.with_answers(tx, changed))

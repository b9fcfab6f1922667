"""What is to be told, written in bulk in the consumer's transaction. An event heard again is told once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from schemas.envelope import Event
from schemas.events import EnrolmentRequested
from services.notifier.handlers import Heard
from services.notifier.notices import PUBLIC, Notice, notice_of, public_body

_WHO = """
insert into notifier.enrolment(enrolment, tenant, unit_code, name, email)
select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[])
on conflict (enrolment) do update set unit_code = excluded.unit_code, name = excluded.name, email = excluded.email
"""

_NOTICES = """
insert into notifier.notice(tenant, recipient, event, enrolment, what, word, until, at)
select t.tenant, r.recipient, t.event, t.enrolment, t.what, t.word, t.until, t.at
from unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[])
  as t(tenant, event, enrolment, what, word, until, at)
join notifier.setting s on s.tenant = t.tenant
left join notifier.enrolment e on e.enrolment = t.enrolment
cross join lateral (
  select distinct lower(a) as recipient
  from unnest(s.addresses || case when s.to_unit and e.email is not null then array[e.email] else '{}'::text[] end) as a) r
order by t.at, t.event, r.recipient
on conflict (event, recipient) do nothing
"""

_EVENTS = """
insert into notifier.event(tenant, n, event, at, body)
select * from unnest($1::text[], $2::bigint[], $3::uuid[], $4::timestamptz[], $5::text[])
"""

_NUMBERS = """
insert into notifier.head as h(tenant, next) select * from unnest($1::text[], $2::bigint[]) order by 1
on conflict (tenant) do update set next = h.next + excluded.next returning h.tenant, h.next
"""
"""The row stays locked until the transaction ends, so cursors commit in order: who has read n has seen all before it."""


class Projection:
    """Loads nothing; saving writes what was heard. `mails`: whether notices are kept at all."""

    def __init__(self, mails: bool) -> None:
        self._mails = mails

    async def load(self, tx: Any, subjects: Sequence[UUID]) -> dict[UUID, Heard]:
        return dict.fromkeys(subjects, ())

    async def save(self, tx: Any, states: dict[UUID, Heard]) -> None:
        events = [event for unit in sorted(states) for event in states[unit]]
        await _who(tx, {e.data.enrolment: e for e in events if isinstance(e.data, EnrolmentRequested)})
        if self._mails:
            await write_notices(tx, [found for event in events if (found := notice_of(event)) is not None])
        await _publish(tx, [event for event in events if isinstance(event.data, PUBLIC)])


async def _who(tx: Any, requested: dict[UUID, Event[Any]]) -> None:
    if requested:
        rows = [requested[key] for key in sorted(requested)]
        await tx.execute(
            _WHO,
            [e.data.enrolment for e in rows],
            [e.tenant for e in rows],
            [e.data.form.unit_code for e in rows],
            [e.data.form.name for e in rows],
            [e.data.form.email for e in rows],
        )


async def write_notices(tx: Any, notices: Sequence[Notice]) -> None:
    """One row a notice and address of its tenant; nothing for a tenant that named nobody."""
    if notices:
        await tx.execute(
            _NOTICES,
            [n.tenant for n in notices],
            [n.event for n in notices],
            [n.enrolment for n in notices],
            [n.what for n in notices],
            [n.word for n in notices],
            [n.until for n in notices],
            [n.at for n in notices],
        )


async def _publish(tx: Any, events: Sequence[Event[Any]]) -> None:
    if not events:
        return
    known = {
        r["event"]
        for r in await tx.fetch("select event from notifier.event where event = any($1)", [e.id for e in events])
    }
    fresh = sorted((e for e in events if e.id not in known), key=lambda e: (e.time, e.id))
    counts: dict[str, int] = {}
    for event in fresh:
        counts[event.tenant] = counts.get(event.tenant, 0) + 1
    tenants = sorted(counts)
    ends = {r["tenant"]: r["next"] for r in await tx.fetch(_NUMBERS, tenants, [counts[t] for t in tenants])}
    number = {tenant: ends[tenant] - counts[tenant] for tenant in tenants}
    rows = []
    for event in fresh:
        number[event.tenant] += 1
        body = public_body(event, number[event.tenant])
        rows.append((event.tenant, number[event.tenant], event.id, event.time, json.dumps(body, ensure_ascii=False)))
    if rows:
        await tx.execute(_EVENTS, *(list(column) for column in zip(*rows, strict=True)))

"""Writing steps: calls and timers first, events last, so that the heads of the log are the last locks taken.

One function, `write`, serves the consumer loop, the lanes' outcomes and the edges (HTTP, sheets, mailboxes).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from hoso.log.partitions import partition_of
from hoso.log.port import Entry
from hoso.log.postgres import append
from hoso.runtime.ids import trace_of, uuid7
from hoso.runtime.steps import Call, Step, Tell, Timer
from hoso.store.postgres import columns
from schemas.envelope import MAX_EVENT_BYTES, encode, envelope_of
from schemas.topics import TOPIC_OF

Environment = Literal["test", "production"]


@dataclass(frozen=True, slots=True)
class Cause:
    """What a step answers to: where its unit, enrolment and tenant come from when it does not say."""

    subject: UUID
    tenant: str
    correlation: UUID
    id: UUID | None
    """The event or call answered; None at an edge."""


@dataclass(frozen=True, slots=True)
class Source:
    """Who writes."""

    group: str
    environment: Environment
    keep_trying: dict[str, timedelta]
    """Per lane, how long a call that never reached the world is kept; other groups' lanes get a day."""


Because = tuple[Cause, Step]


def entry_of(source: Source, cause: Cause, tell: Tell, now: datetime) -> Entry:
    """The event a Tell becomes. Raises ValueError when it is larger than an event may be."""
    fact = tell.fact
    topic = TOPIC_OF[type(fact)]
    subject = tell.subject or cause.subject
    correlation = tell.correlation or cause.correlation
    id_ = uuid7()
    event = envelope_of(type(fact)).model_construct(
        specversion="1.0",
        id=id_,
        source=f"hoso/{source.group}",
        type=fact.TYPE,
        subject=subject,
        time=now,
        datacontenttype="application/json",
        correlationid=correlation,
        causationid=cause.id,
        traceparent=trace_of(correlation, id_),
        tenant=cause.tenant,
        environment=source.environment,
        data=fact,
    )
    body = encode(event)
    if len(body) > MAX_EVENT_BYTES:
        raise ValueError(f"{fact.TYPE} has {len(body)} bytes, an event may have {MAX_EVENT_BYTES}: refer to the vault")
    return Entry(topic.name, partition_of(subject, topic.partitions), id_, fact.TYPE, subject, cause.tenant, body)


async def write(tx: Any, source: Source, steps: Iterable[Because], now: datetime) -> set[str]:
    """Write steps in the given transaction; returns the words to ring after it has committed.

    Within one write, a later Timer or Withdraw of the same name replaces an earlier one; calls asked twice are asked once.
    """
    entries: list[Entry] = []
    calls: dict[str, tuple[Cause, Call]] = {}
    timers: dict[tuple[UUID, str], tuple[Cause, Timer] | None] = {}
    withdrawn: set[str] = set()
    for cause, step in steps:
        if isinstance(step, Tell):
            entries.append(entry_of(source, cause, step, now))
        elif isinstance(step, Call):
            calls.setdefault(step.name, (cause, step))
        elif isinstance(step, Timer):
            timers[step.subject or cause.subject, step.name] = (cause, step)
        else:
            timers[step.subject or cause.subject, step.name] = None
            calls.pop(step.name, None)
            withdrawn.add(step.name)
    if withdrawn:
        await _withdraw(tx, source.group, sorted(withdrawn))
    if calls:
        await _ask(tx, source, list(calls.values()), now)
    if timers:
        await _set_timers(tx, source.group, timers)
    await append(tx, entries, now)
    words = {e.topic for e in entries} | {f"lane:{call.lane}" for _, call in calls.values()}
    return words | {f"timer:{source.group}"} if timers else words


_ASKED = """
insert into log.asked(grp, name, at) select $1, n, $3 from unnest($2::text[]) as n on conflict do nothing returning name
"""

_CALLS = """
with input as (
  select *, row_number() over (partition by lane, subject order by n) as k
  from unnest($2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::text[], $8::uuid[], $9::uuid[], $10::bytea[],
              $11::timestamptz[], $12::interval[]) with ordinality
    as t(id, lane, tenant, subject, name, type, correlation, cause, body, due, patience, n))
insert into log.call(id, grp, lane, tenant, subject, name, type, correlation, cause, body, ready, due, not_before, give_up_at, unsure, deadline)
select id, $1, lane, tenant, subject, name, type, correlation, cause, body,
  $13 and k = 1 and not exists (select 1 from log.call c where (c.lane, c.subject) = (i.lane, i.subject)),
  due, now(), now() + patience, r.lane is not null, r.since
from input i left join log.recovery r using (lane) order by lane, subject, n
on conflict (lane, subject) where ready do nothing returning name
"""


async def _ask(tx: Any, source: Source, calls: Sequence[tuple[Cause, Call]], now: datetime) -> None:
    fresh = {r["name"] for r in await tx.fetch(_ASKED, source.group, sorted(c.name for _, c in calls), now)}
    waiting = [pair for pair in calls if pair[1].name in fresh]
    # A call is ready when it is the first of its subject in its lane. Somebody else may make one ready at the same
    # moment: then the index says no, and ours is written as not ready.
    for ready in (True, False):
        if not waiting:
            return
        rows = [
            (
                uuid7(),
                c.lane,
                cause.tenant,
                c.subject,
                c.name,
                c.ask.TYPE,
                cause.correlation,
                cause.id or cause.correlation,
                c.ask.__pydantic_serializer__.to_json(c.ask),
                c.due or now,
                source.keep_trying.get(c.lane, timedelta(days=1)),
            )
            for cause, c in waiting
        ]
        written = await tx.fetch(_CALLS, source.group, *columns(rows), ready)
        names = {r["name"] for r in written}
        waiting = [pair for pair in waiting if pair[1].name not in names]


async def _withdraw(tx: Any, group: str, names: Sequence[str]) -> None:
    gone = await tx.fetch(
        "delete from log.call where grp = $1 and name = any($2) and owner is null and deadline is null and not unsure "
        "returning name, lane, subject",
        group,
        names,
    )
    if gone:
        await tx.execute("delete from log.asked where grp = $1 and name = any($2)", group, [r["name"] for r in gone])
        await promote(tx, {(r["lane"], r["subject"]) for r in gone})


async def promote(tx: Any, freed: set[tuple[str, UUID]]) -> bool:
    """Make the next call of each (lane, subject) ready, where none is; whether there was one."""
    if not freed:
        return False
    queues = sorted(freed)
    done = await tx.execute(
        "update log.call set ready = true where id in ("
        "  select n.id from unnest($1::text[], $2::uuid[]) as f(lane, subject) cross join lateral ("
        "    select c.id from log.call c where c.lane = f.lane and c.subject = f.subject order by c.seq limit 1) n"
        "  where not exists (select 1 from log.call r where r.lane = f.lane and r.subject = f.subject and r.ready))",
        *columns(queues),
    )
    return bool(done != "UPDATE 0")


async def _set_timers(tx: Any, group: str, timers: dict[tuple[UUID, str], tuple[Cause, Timer] | None]) -> None:
    gone = sorted(key for key, value in timers.items() if value is None)
    if gone:
        await tx.execute(
            "delete from log.timer t using unnest($2::uuid[], $3::text[]) as g(subject, name) "
            "where t.grp = $1 and (t.subject, t.name) = (g.subject, g.name)",
            group,
            *columns(gone),
        )
    kept = sorted((key, value) for key, value in timers.items() if value is not None)
    if kept:
        await tx.execute(
            "insert into log.timer(grp, subject, name, due, type, tenant, correlation, cause, body) "
            "select $1, * from unnest($2::uuid[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::uuid[], $8::uuid[], $9::bytea[]) "
            "on conflict (grp, subject, name) do update set due = excluded.due, type = excluded.type, "
            "correlation = excluded.correlation, cause = excluded.cause, body = excluded.body",
            group,
            *columns(
                [
                    (
                        *key,
                        timer.due,
                        timer.fact.TYPE,
                        cause.tenant,
                        cause.correlation,
                        cause.id or cause.correlation,
                        timer.fact.__pydantic_serializer__.to_json(timer.fact),
                    )
                    for key, (cause, timer) in kept
                ]
            ),
        )

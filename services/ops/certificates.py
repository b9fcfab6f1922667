"""Certificates that end, and certificates that were replaced: what the enrolled units that sign with them have to hear."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from itertools import groupby
from typing import Any
from uuid import UUID

from hoso.runtime.outgoing import Cause
from hoso.runtime.steps import Step, Tell
from schemas.events import CertificateReplaced, EnrolmentWarned
from schemas.units import Change
from services.ops.said import Log, Pool

DAYS = (60, 30, 7)
"""A warning when so many days are left."""
VIETNAM = timezone(timedelta(hours=7))
_AT_ONCE = 500

_ENDING = """
select p.id, p.tenant, p.name, p.serial, p.not_after from store.profile p
where not p.removed and p.not_after <= $1 and exists (select 1 from ops.enrolment e where e.profile = p.id and e.stage = 'enrolled')
order by p.id
"""
_UNITS = """
select enrolment, unit, tenant, request, batch, row from ops.enrolment
where profile = $1 and stage = 'enrolled' order by enrolment
"""
_DIFFERENT = """
select e.enrolment, e.unit, e.tenant, p.id as profile, p.name, p.serial as now_serial, p.backend as now_method, s.serial, s.method
from store.profile p join ops.enrolment e on e.profile = p.id and e.tenant = p.tenant and e.stage = 'enrolled'
cross join lateral (
  select t.data->>'certificate_serial' as serial, t.data->>'method' as method from ops.timeline t
  where t.enrolment = e.enrolment and t.type = 'vn.hoso.dossier.signed.v1' and exists (
    select 1 from ops.timeline f where f.enrolment = t.enrolment and f.type = 'vn.hoso.agency.filing-asked.v1'
    and f.data->>'dossier' = t.data->>'dossier' and f.data->>'attempt' = t.data->>'attempt')
  and not exists (
    select 1 from ops.timeline r where r.enrolment = t.enrolment and r.data->>'accepted' = 'false'
    and r.type in ('vn.hoso.agency.dossier-decided.v1', 'vn.hoso.mail.change-result-arrived.v1')
    and r.data->>'dossier' = t.data->>'dossier' and r.data->>'attempt' = t.data->>'attempt')
  order by t.n desc limit 1) s
where not p.removed and (s.serial <> p.serial or s.method <> p.backend)
"""
"""Enrolled units whose profile now signs otherwise than what was filed for them last and not refused: what the agency knows."""
_OF_ONE = _DIFFERENT + " and p.id = $1 and p.tenant = $2 order by e.enrolment"
_NOT_TOLD = f"""{_DIFFERENT} and not exists (select 1 from ops.certificate_told o
  where o.enrolment = e.enrolment and o.serial = p.serial and o.method = p.backend)
order by p.id, e.enrolment limit {_AT_ONCE}
"""


async def warn_of_ends(pool: Pool, log: Log, now: datetime) -> int:
    """Tell every enrolled unit whose certificate has 60, 30 or 7 days left, once each; how many were told."""
    async with pool.acquire() as tx, tx.transaction():
        if not await tx.fetchval("select pg_try_advisory_xact_lock(hashtext('hoso.ops.certificates'))"):
            return 0
        steps: list[tuple[Cause, Step]] = []
        for profile in await tx.fetch(_ENDING, now + timedelta(days=DAYS[0])):
            left = (profile["not_after"] - now).days
            step = min(days for days in DAYS if left <= days)
            told = await tx.fetchval(
                "insert into ops.certificate_warning(profile, serial, days, at) "
                "select $1, $2, $3, $4 where not exists (select 1 from ops.certificate_warning w "
                "where w.profile = $1 and w.serial = $2 and w.days <= $3) returning 1",
                profile["id"],
                profile["serial"],
                step,
                now,
            )
            if told:
                steps += [_warning(row, profile) for row in await tx.fetch(_UNITS, profile["id"])]
        ring = await log.admit_many(tx, steps)
    ring()
    return len(steps)


def _warning(row: Any, profile: Any) -> tuple[Cause, Step]:
    ends = f"{profile['not_after'].astimezone(VIETNAM):%d/%m/%Y}"
    fact = EnrolmentWarned(
        enrolment=row["enrolment"],
        request=row["request"],
        warning="certificate-expiring",
        message=f"Chứng thư số của chữ ký số “{profile['name']}” hết hạn ngày {ends}. "
        "Gia hạn rồi thay chứng thư (hoso profile replace) để đơn vị nộp hồ sơ thay đổi kịp hạn.",
        until=profile["not_after"],
        batch=row["batch"],
        row=row["row"],
    )
    return Cause(row["unit"], row["tenant"], row["enrolment"], None), Tell(fact)


async def tell_replaced(pool: Pool, log: Log, tenant: str, profile: UUID, actor: str, now: datetime) -> int:
    """Tell every enrolled unit of the profile that the agency knows with another certificate, or another way of signing.

    Saying it again tells those again that have not filed anew, or were refused: so a crash between replacing and telling
    is mended by doing it again. One transaction for every 500 units, each audited. Returns how many were told.
    """
    async with pool.acquire() as db:
        rows = await db.fetch(_OF_ONE, profile, tenant)
    for start in range(0, len(rows), _AT_ONCE):
        async with pool.acquire() as tx, tx.transaction():
            ring = await _tell(tx, log, rows[start : start + _AT_ONCE], actor, now)
        ring()
    return len(rows)


async def tell_left_out(pool: Pool, log: Log, now: datetime) -> int:
    """Tell those that were not enrolled yet when their profile's certificate was replaced, or by whatever way it was: each
    once a certificate. At most 500 a call, by one process at a time; how many were told."""
    async with pool.acquire() as tx, tx.transaction():
        if not await tx.fetchval("select pg_try_advisory_xact_lock(hashtext('hoso.ops.replaced'))"):
            return 0
        rows = await tx.fetch(_NOT_TOLD)
        ring = await _tell(tx, log, rows, "hoso", now)
    ring()
    return len(rows)


def _changes(row: Any) -> tuple[Change, ...]:
    changes = []
    if row["serial"] != row["now_serial"]:
        changes.append(Change(field="certificate", old=row["serial"], new=row["now_serial"]))
    if row["method"] != row["now_method"]:
        changes.append(Change(field="method", old=row["method"], new=row["now_method"]))
    return tuple(changes)


async def _tell(tx: Any, log: Log, rows: Sequence[Any], actor: str, now: datetime) -> Callable[[], None]:
    steps: list[tuple[Cause, Step]] = []
    for row in rows:
        fact = CertificateReplaced(
            enrolment=row["enrolment"], profile=row["profile"], changes=_changes(row), actor=actor
        )
        steps.append((Cause(row["unit"], row["tenant"], row["enrolment"], None), Tell(fact)))
    await tx.execute(
        "insert into ops.certificate_told(enrolment, serial, method, at) "
        "select x.*, $4::timestamptz from unnest($1::uuid[], $2::text[], $3::text[]) x "
        "on conflict (enrolment) do update set serial = excluded.serial, method = excluded.method, at = excluded.at",
        [row["enrolment"] for row in rows],
        [row["now_serial"] for row in rows],
        [row["now_method"] for row in rows],
        now,
    )
    for (tenant, _), group in groupby(rows, lambda row: (row["tenant"], row["profile"])):
        told = list(group)
        await tx.execute(
            "insert into store.audit(actor, tenant, what, detail) values ($1, $2, 'profile.replace', $3)",
            actor,
            tenant,
            json.dumps({"name": told[0]["name"], "enrolments": [str(row["enrolment"]) for row in told]}),
        )
    return await log.admit_many(tx, steps)

"""Certificates that end, and certificates that were replaced: what the enrolled units that sign with them have to hear."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

from hoso.runtime.outgoing import Cause
from hoso.runtime.steps import Step, Tell
from schemas.events import CertificateReplaced, DossierSigned, EnrolmentWarned
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
_SIGNED = """
select distinct on (t.enrolment) t.enrolment, t.unit, t.tenant, t.data->>'certificate_serial' as serial, t.data->>'method' as method
from ops.timeline t join ops.enrolment e on e.enrolment = t.enrolment
where e.profile = $1 and e.tenant = $2 and e.stage = 'enrolled' and t.type = $3 order by t.enrolment, t.n desc
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


async def tell_replaced(pool: Pool, log: Log, tenant: str, profile: UUID, actor: str) -> int:
    """Tell every enrolled unit of the profile whose last signature was made with another certificate, or another way.

    Saying it again tells only those that have not signed anew: so a crash between replacing and telling is mended by
    doing it again. One transaction for every 500 units, each audited. Returns how many were told.
    """
    async with pool.acquire() as db:
        now = await db.fetchrow(
            "select serial, backend, name from store.profile where id = $1 and tenant = $2", profile, tenant
        )
        rows = [] if now is None else await db.fetch(_SIGNED, profile, tenant, DossierSigned.TYPE)
    told = [(row, changes) for row in rows if (changes := _changes(row, now))]
    for start in range(0, len(told), _AT_ONCE):
        await _tell(pool, log, tenant, (profile, now["name"]), actor, told[start : start + _AT_ONCE])
    return len(told)


def _changes(row: Any, now: Any) -> tuple[Change, ...]:
    changes = []
    if row["serial"] != now["serial"]:
        changes.append(Change(field="certificate", old=row["serial"], new=now["serial"]))
    if row["method"] != now["backend"]:
        changes.append(Change(field="method", old=row["method"], new=now["backend"]))
    return tuple(changes)


async def _tell(
    pool: Pool,
    log: Log,
    tenant: str,
    profile: tuple[UUID, str],
    actor: str,
    told: Sequence[tuple[Any, tuple[Change, ...]]],
) -> None:
    async with pool.acquire() as tx, tx.transaction():
        steps: list[tuple[Cause, Step]] = []
        for row, changes in told:
            fact = CertificateReplaced(enrolment=row["enrolment"], profile=profile[0], changes=changes, actor=actor)
            steps.append((Cause(row["unit"], row["tenant"], row["enrolment"], None), Tell(fact)))
        await tx.execute(
            "insert into store.audit(actor, tenant, what, detail) values ($1, $2, 'profile.replace', $3)",
            actor,
            tenant,
            json.dumps({"name": profile[1], "enrolments": [str(row["enrolment"]) for row, _ in told]}),
        )
        ring = await log.admit_many(tx, steps)
    ring()

"""What the checklist of a unit is made of, read from ops' projection, the registry and the signing profiles."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from schemas.events import DossierSigned
from services.ops import views
from services.ops.checklist import Checklist, Unit, checklist

_UNIT = """
select e.enrolment, e.unit, e.tenant, e.unit_code, e.name, e.stage, e.cause, e.purpose, e.employees, e.progress,
  exists (select 1 from ops.timeline t where t.enrolment = e.enrolment and t.type = $2) as signed,
  exists (select 1 from ops.task k where k.about = 'signature:' || e.enrolment and k.ended_at is null) as awaited,
  p.id as profile, p.not_after
from ops.enrolment e left join store.profile p on p.id = e.profile and not p.removed
where e.enrolment = $1
"""
_REGISTERED = """
select u.unit, u.tenant, u.unit_code, u.org_unit_id, u.row_key from store.unit u
where ($2::text is null or u.tenant = $2)
  and (u.unit::text = $1 or u.unit_code = upper($1) or u.org_unit_id = $1 or u.row_key = 'branch:' || $1)
order by u.made_at desc limit 1
"""


async def of_enrolment(db: Any, enrolment: UUID, now: datetime) -> Checklist | None:
    """The checklist of an enrolment's unit as that enrolment sees it; None when there is none."""
    row = await db.fetchrow(_UNIT, enrolment, DossierSigned.TYPE)
    if row is None:
        return None
    known = Unit(
        True,
        row["stage"],
        row["cause"],
        row["purpose"],
        row["signed"],
        row["awaited"],
        row["profile"] is not None,
        row["not_after"],
        row["employees"],
        row["progress"],
    )
    return checklist(known, now)


async def unit_named(db: Any, key: str, tenant: str | None) -> dict[str, Any] | None:
    """A unit by its id, unit code, branch id or org unit id, or by an enrolment, and its newest enrolment; None when there is none."""
    found = await db.fetchrow(_REGISTERED, key.strip(), tenant)
    if found is None:
        known = await views.find(db, key, tenant)
        return {name: known[0][name] for name in ("unit", "tenant", "unit_code", "enrolment")} if known else None
    newest = await db.fetchval(
        "select enrolment from ops.enrolment where unit = $1 order by opened_at desc limit 1", found["unit"]
    )
    return {**found, "enrolment": newest}

"""Admission: requests of one tenant become enrolments, or are told why not, in bulk, in the caller's transaction.

Lock order: request keys (sorted), units of the registry (sorted), enrolments (sorted); the log's heads come last, when the caller
admits the steps in the same transaction. Whoever asks a second time under the same key waits for the first and gets its answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from hoso.runtime.outgoing import Cause
from hoso.runtime.steps import Step, Tell, Tx
from hoso.setup.units import Claimed, RowKey
from schemas.events import EnrolmentRequested
from schemas.units import Stage
from services.intake import admission
from services.intake.admission import Known, Outcome, Request
from services.intake.attachments import attached
from services.intake.ports import MailboxFor, Setup, UnitRegistry


@dataclass(frozen=True, slots=True)
class Admission:
    """One outcome a request, in order, and what the log has to hear."""

    outcomes: list[Outcome]
    steps: list[tuple[Cause, Step]]


@dataclass(frozen=True, slots=True)
class _Ready:
    """A request with everything found that it needs."""

    request: Request
    mailbox: MailboxFor
    profile: UUID | None


@dataclass(frozen=True, slots=True)
class Desk:
    """Where requests are taken."""

    registry: UnitRegistry
    setup: Setup
    new_id: Callable[[], UUID]

    async def admit(self, tx: Tx, tenant: str, requests: Sequence[Request], now: datetime) -> Admission:
        """Decide and write down. The caller admits `steps` in the same transaction, or rolls all of it back.

        A refused request leaves nothing behind: its key is free for the mended one.
        """
        outcomes: dict[str, Outcome] = {}
        firsts: dict[str, Request] = {}
        unfit: dict[str, Outcome] = {}
        complete = await attached(tx, tenant, requests, take=True)
        for request, refusal in complete:
            if request.request not in firsts:
                firsts[request.request] = request
                unfit |= {request.request: refusal} if refusal else {}
        begun = [request for key, request in firsts.items() if key not in unfit]
        replayed = await _begin(tx, tenant, begun, now)
        ready: list[_Ready] = []
        found = _Found(self.setup, tx, tenant)
        for request in begun:
            if request.request in replayed:
                outcomes[request.request] = replayed[request.request]
                continue
            checked = await found.complete(request)
            if isinstance(checked, Outcome):
                outcomes[request.request] = checked
            else:
                ready.append(checked)
        steps = await self._decide(tx, tenant, ready, outcomes, now) if ready else []
        fresh = {key: outcome for key, outcome in outcomes.items() if key not in replayed}
        await _end(tx, tenant, fresh)
        outcomes |= unfit
        return Admission([_of(request, firsts, outcomes) for request, _ in complete], steps)

    async def look(self, tx: Tx, tenant: str, requests: Sequence[Request]) -> list[Outcome | None]:
        """What set-up is missing for each request; changes nothing. For dry runs."""
        found = _Found(self.setup, tx, tenant)
        answers = [
            refusal or await found.complete(request)
            for request, refusal in await attached(tx, tenant, requests, take=False)
        ]
        return [answer if isinstance(answer, Outcome) else None for answer in answers]

    async def _decide(
        self, tx: Tx, tenant: str, ready: list[_Ready], outcomes: dict[str, Outcome], now: datetime
    ) -> list[tuple[Cause, Step]]:
        units = await self._claim(tx, tenant, ready)
        known = await _known(tx, {claimed.unit for claimed in units})
        steps: list[tuple[Cause, Step]] = []
        changed: dict[UUID, tuple[_Ready, Outcome]] = {}
        opened: set[UUID] = set()
        for item, claimed in zip(ready, units, strict=True):
            before = known.get(claimed.unit)
            outcome = admission.decide(item.request, claimed.unit, before, self.new_id())
            outcomes[item.request.request] = outcome
            now_known = admission.after(before, item.request, outcome)
            if now_known is not None:
                known[claimed.unit] = now_known
            if outcome.new and outcome.enrolment is not None:
                changed[claimed.unit] = (item, outcome)
                if outcome.word == "accepted":
                    opened.add(claimed.unit)
                cause = Cause(claimed.unit, tenant, outcome.enrolment, None)
                steps.append((cause, _told(item, claimed, outcome.enrolment)))
        await _write(tx, tenant, changed, opened, now)
        links = {u: i.request.org_unit for u, (i, _) in changed.items() if i.request.org_unit}
        if links:
            await self.registry.link(tx, sorted(links.items()))
        return steps

    async def _claim(self, tx: Tx, tenant: str, ready: list[_Ready]) -> list[Claimed]:
        """The unit of each, asked for in sorted order, so that two desks never wait for each other."""
        keys = [RowKey(item.request.form.unit_code, item.request.form.branch_id) for item in ready]
        asked = sorted(set(keys), key=lambda key: (key.unit_code or "", key.branch_id or ""))
        answers = dict(zip(asked, await self.registry.claim(tx, tenant, asked), strict=True))
        return [answers[key] for key in keys]


class _Found:
    """Mailboxes and profiles, each looked up once."""

    def __init__(self, setup: Setup, tx: Tx, tenant: str) -> None:
        self._setup = setup
        self._tx = tx
        self._tenant = tenant
        self._mailboxes: dict[str, MailboxFor | None] = {}
        self._profiles: dict[tuple[str, str | None], UUID | None] = {}

    async def complete(self, request: Request) -> _Ready | Outcome:
        form = request.form
        if form.email not in self._mailboxes:
            self._mailboxes[form.email] = await self._setup.mailbox_for(self._tx, self._tenant, form.email)
        mailbox = self._mailboxes[form.email]
        if mailbox is None:
            return admission.mailbox_unknown(form.email)
        asked = (form.tax_code, form.profile)
        if asked not in self._profiles:
            self._profiles[asked] = await self._setup.profile_for(self._tx, self._tenant, *asked)
        profile = self._profiles[asked]
        if profile is None and form.profile is not None:
            return admission.profile_unknown(form.profile)
        return _Ready(request, mailbox, profile)


def _told(item: _Ready, claimed: Claimed, enrolment: UUID) -> Tell:
    request = item.request
    fact = EnrolmentRequested(
        enrolment=enrolment,
        request=request.request,
        form=request.form,
        mailbox=item.mailbox.mailbox,
        contact=item.mailbox.address(enrolment),
        profile=item.profile,
        foreign=claimed.foreign,
        own_address=item.mailbox.own,
        actor=request.actor,
        batch=request.batch,
        row=request.row,
    )
    return Tell(fact, subject=claimed.unit, correlation=enrolment)


def _of(request: Request, firsts: dict[str, Request], outcomes: dict[str, Outcome]) -> Outcome:
    if firsts[request.request].fingerprint != request.fingerprint:
        return admission.key_reused(request.request)
    return outcomes[request.request]


# --- tables -----------------------------------------------------------------------------------------------------

_BEGIN = """
insert into intake.request(tenant, request, fingerprint, at)
select $1, request, fingerprint, $4 from unnest($2::text[], $3::text[]) as t(request, fingerprint) order by request
on conflict do nothing returning request
"""

_SEEN = """
select r.request, r.fingerprint, r.unit, r.enrolment, r.outcome, r.message
from intake.request r where r.tenant = $1 and r.request = any($2::text[])
"""

_END = """
update intake.request r set unit = t.unit, enrolment = t.enrolment, outcome = t.outcome
from unnest($2::text[], $3::uuid[], $4::uuid[], $5::text[]) as t(request, unit, enrolment, outcome)
where r.tenant = $1 and r.request = t.request
"""

_KNOWN = """
select unit, enrolment, stage, filed, fingerprint from intake.enrolment
where unit = any($1::uuid[]) and current order by unit for update
"""

_OPEN = """
insert into intake.enrolment(enrolment, unit, tenant, request, fingerprint, row_key, batch, stage, opened_at, at)
select enrolment, unit, $1, request, fingerprint, row_key, batch, $8, $9, $9
from unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::uuid[])
  as t(enrolment, unit, request, fingerprint, row_key, batch)
"""

_AMEND = """
update intake.enrolment e set request = t.request, fingerprint = t.fingerprint, row_key = t.row_key
from unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) as t(enrolment, request, fingerprint, row_key)
where e.enrolment = t.enrolment
"""


async def _begin(tx: Tx, tenant: str, requests: list[Request], now: datetime) -> dict[str, Outcome]:
    """Take the request keys; the answers of those taken before. Waits for whoever is deciding on the same key."""
    keys = [request.request for request in requests]
    taken = {row["request"] for row in await tx.fetch(_BEGIN, tenant, keys, [r.fingerprint for r in requests], now)}
    others = {request.request: request for request in requests if request.request not in taken}
    if not others:
        return {}
    replayed: dict[str, Outcome] = {}
    for row in await tx.fetch(_SEEN, tenant, list(others)):
        if row["fingerprint"] != others[row["request"]].fingerprint:
            replayed[row["request"]] = admission.key_reused(row["request"])
        elif row["outcome"] == "refused":
            replayed[row["request"]] = admission.later_refused(row["message"], row["enrolment"])
        else:
            replayed[row["request"]] = Outcome(row["outcome"], row["unit"], row["enrolment"])
    return replayed


async def _end(tx: Tx, tenant: str, outcomes: dict[str, Outcome]) -> None:
    refused = [key for key, outcome in outcomes.items() if outcome.word == "refused"]
    if refused:
        await tx.execute("delete from intake.request where tenant = $1 and request = any($2::text[])", tenant, refused)
    kept = {key: outcome for key, outcome in outcomes.items() if outcome.word != "refused"}
    if kept:
        units, enrolments = [o.unit for o in kept.values()], [o.enrolment for o in kept.values()]
        await tx.execute(_END, tenant, list(kept), units, enrolments, [o.word for o in kept.values()])


async def _known(tx: Tx, units: set[UUID]) -> dict[UUID, Known]:
    await tx.execute(_KNOWN, list(units))
    # Asked again once the locks are held: whoever was waited for may have opened a newer enrolment, and the first
    # statement's snapshot shows only the one it replaced, or none.
    rows = await tx.fetch(_KNOWN, list(units))
    return {row["unit"]: Known(row["enrolment"], Stage(row["stage"]), row["filed"], row["fingerprint"]) for row in rows}


async def _write(
    tx: Tx, tenant: str, changed: dict[UUID, tuple[_Ready, Outcome]], opened: set[UUID], now: datetime
) -> None:
    new = [(unit, *changed[unit]) for unit in sorted(opened)]
    amended = [(unit, *pair) for unit, pair in sorted(changed.items()) if unit not in opened]
    if new:
        await tx.execute(
            "update intake.enrolment set current = false where current and unit = any($1::uuid[])", sorted(opened)
        )
        await tx.execute(
            _OPEN,
            tenant,
            [outcome.enrolment for _, _, outcome in new],
            [unit for unit, _, _ in new],
            [item.request.request for _, item, _ in new],
            [item.request.fingerprint for _, item, _ in new],
            [item.request.form.row_key for _, item, _ in new],
            [item.request.batch for _, item, _ in new],
            str(Stage.REQUESTED),
            now,
        )
    if amended:
        await tx.execute(
            _AMEND,
            [outcome.enrolment for _, _, outcome in amended],
            [item.request.request for _, item, _ in amended],
            [item.request.fingerprint for _, item, _ in amended],
            [item.request.form.row_key for _, item, _ in amended],
        )

"""The submission ledger: written in the transaction that asks for a filing, and in the one that ends it.

Reads, and what is not part of an outcome (evidence of replies nobody believes, erasing old rosters), are `PostgresFilings`'.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from hoso.runtime.failures import HosoError
from hoso.runtime.steps import Tell, Tried
from schemas.events import DossierDecided, DossierReceived, FilingAsked, FilingUncertain, RosterFetched
from services.submitter.handlers import Ledger, key_of
from services.submitter.metrics import SubmitterMetrics
from services.submitter.ports import AWAY, Disbelief, Filed, Vault

EVIDENCE = 5
"""So many disbelieved replies of an attempt are kept; the metric counts them all."""

log = logging.getLogger(__name__)


class LedgerStates:
    """Loads nothing; saving writes the new rows. An attempt is written once."""

    async def load(self, tx: Any, subjects: Sequence[UUID]) -> dict[UUID, Ledger]:
        return dict.fromkeys(subjects, ())

    async def save(self, tx: Any, states: dict[UUID, Ledger]) -> None:
        rows = sorted((ask for asks in states.values() for ask in asks), key=lambda a: (a.dossier, a.attempt))
        await tx.execute(
            "insert into submitter.filing(dossier, attempt, enrolment, unit_code, kind, key, document, sha256, tax_code, agency, contact) "
            "select * from unnest($1::uuid[], $2::int[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::uuid[], $8::text[], "
            "$9::text[], $10::text[], $11::text[]) "
            "on conflict do nothing",
            [a.dossier for a in rows],
            [a.attempt for a in rows],
            [a.enrolment for a in rows],
            [a.unit_code for a in rows],
            [a.kind for a in rows],
            [key_of(a) for a in rows],
            [a.document for a in rows],
            [a.sha256 for a in rows],
            [a.tax_code for a in rows],
            [a.agency for a in rows],
            [a.contact for a in rows],
        )


async def record(tx: Any, tried: Sequence[Tried]) -> None:
    """Every try, and what the filing has become."""
    told = [t for t in tried if t.outcome not in ("not-yet",)]
    if told:
        await tx.execute(
            "insert into submitter.try(name, try, unsure, outcome, error) select * from unnest($1::text[], $2::int[], $3::bool[], $4::text[], $5::text[])",
            [t.this.name for t in told],
            [t.this.number for t in told],
            [t.this.unsure for t in told],
            [t.outcome for t in told],
            [t.error[:500] for t in told],
        )
    changes = [change for t in tried if t.outcome != "lost" for change in _changes(t)]
    if changes:
        await tx.execute(
            "update submitter.filing f set state = c.state, transaction = coalesce(c.transaction, f.transaction), "
            "number = coalesce(c.number, f.number), code = coalesce(c.code, f.code), text = coalesce(c.text, f.text), changed_at = now() "
            "from unnest($1::uuid[], $2::int[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[]) "
            "as c(dossier, attempt, state, transaction, number, code, text) where (f.dossier, f.attempt) = (c.dossier, c.attempt)",
            *[list(column) for column in zip(*sorted(changes, key=lambda c: (c[0], c[1])), strict=True)],
        )


Change = tuple[UUID, int, str, str | None, str | None, str | None, str | None]


def _changes(tried: Tried) -> list[Change]:
    changes: list[Change] = []
    for step in tried.steps:
        match step:
            case Tell(DossierReceived() as f):
                changes.append((f.dossier, f.attempt, "received", f.transaction, f.number, None, None))
            case Tell(DossierDecided() as f):
                changes.append(
                    (
                        f.dossier,
                        f.attempt,
                        "accepted" if f.accepted else "refused",
                        None,
                        f.number,
                        f.code,
                        f.text[:500],
                    )
                )
            case Tell(FilingUncertain() as f):
                changes.append(
                    (
                        f.dossier,
                        f.attempt,
                        "uncertain" if f.reached == "unknown" else "never",
                        None,
                        None,
                        None,
                        f.text[:500],
                    )
                )
    if not changes and tried.outcome == "unknown" and isinstance(tried.ask, FilingAsked):
        changes.append((tried.ask.dossier, tried.ask.attempt, "unknown", None, None, None, None))
    if not changes:
        return []
    # One row an attempt: what the last step says, and the transaction and number of those before it.
    last = changes[-1]
    transaction = next((change[3] for change in reversed(changes) if change[3] is not None), None)
    number = next((change[4] for change in reversed(changes) if change[4] is not None), None)
    return [(last[0], last[1], last[2], transaction, number, last[5], last[6])]


async def record_roster(tx: Any, tried: Sequence[Tried]) -> None:
    """Which roster is a unit's newest."""
    rows = {
        t.this.subject: (t, step.fact)
        for t in tried
        if t.outcome != "lost"
        for step in t.steps
        if isinstance(step, Tell) and isinstance(step.fact, RosterFetched)
    }
    if rows:
        units = sorted(rows)
        await tx.execute(
            "insert into submitter.roster(unit, tenant, enrolment, document, employees, fetched_at) "
            "select * from unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::int[], $6::timestamptz[]) "
            "on conflict (unit) do update set (tenant, enrolment, document, employees, fetched_at, erased_at) = "
            "(excluded.tenant, excluded.enrolment, excluded.document, excluded.employees, excluded.fetched_at, null)",
            units,
            [rows[u][0].this.tenant for u in units],
            [rows[u][1].enrolment for u in units],
            [rows[u][1].roster for u in units],
            [rows[u][1].employees for u in units],
            [rows[u][0].this.now for u in units],
        )


class PostgresFilings:
    """`services.submitter.ports.Filings`."""

    def __init__(self, pool: asyncpg.Pool, vault: Vault, metrics: SubmitterMetrics) -> None:
        self._pool = pool
        self._vault = vault
        self._metrics = metrics

    async def filed(self, dossier: UUID, attempt: int) -> Filed | None:
        row = await self._pool.fetchrow(
            "select kind, unit_code, tax_code, agency, contact, document, sha256, key, transaction from submitter.filing "
            "where (dossier, attempt) = ($1, $2)",
            dossier,
            attempt,
        )
        return None if row is None else Filed(*row)

    async def disbelieved(self, tenant: str, told: Disbelief) -> None:
        self._metrics.disbelieved.inc()
        log.warning(
            "a reply of the agency is not believed",
            extra={"enrolment": str(told.enrolment), "dossier": str(told.dossier), "why": told.why},
        )
        try:
            known = await self._pool.fetchval(
                "select count(*) from submitter.disbelieved where (dossier, attempt) = ($1, $2)",
                told.dossier,
                told.attempt,
            )
            if known >= EVIDENCE:
                return
            document = None
            if told.document:
                document = await self._vault.put(tenant, told.enrolment, "evidence", told.document)
            await self._pool.execute(
                "insert into submitter.disbelieved(dossier, attempt, enrolment, transaction, why, document) "
                "values ($1, $2, $3, $4, $5, $6)",
                told.dossier,
                told.attempt,
                told.enrolment,
                told.transaction,
                told.why,
                document,
            )
        except (*AWAY, HosoError) as error:
            log.warning("evidence of a disbelieved reply could not be kept", extra={"error": repr(error)})

    async def known_until(self) -> datetime | None:
        found: datetime | None = await self._pool.fetchval("select min(known_until) from log.recovery")
        return found

    async def strangers(self, filings: Sequence[tuple[str, str]]) -> set[str]:
        rows = await self._pool.fetch(
            "select t from unnest($1::text[], $2::text[]) as g(t, s) where not exists "
            "(select 1 from submitter.filing f where f.transaction = t or f.sha256 = s)",
            [transaction for transaction, _ in filings],
            [sha256 for _, sha256 in filings],
        )
        return {row["t"] for row in rows}

    async def found_again(self, dossier: UUID, attempt: int, sha256: str) -> None:
        await self._pool.execute(
            "update submitter.filing set found_again = true, sha256 = coalesce(nullif($3, ''), sha256) where (dossier, attempt) = ($1, $2)",
            dossier,
            attempt,
            sha256,
        )

    async def roster(self, unit: UUID) -> tuple[UUID | None, int] | None:
        row = await self._pool.fetchrow(
            "select document, employees from submitter.roster where unit = $1 and erased_at is null", unit
        )
        return None if row is None else (row["document"], row["employees"])

    async def erase_rosters(self, now: datetime, keep: timedelta | None, tenants: Sequence[str]) -> int:
        """Erase rosters older than `keep`, and those of customers who are not among `tenants` any more: their contract has
        ended. How many; at most 1,000 at once."""
        rows = await self._pool.fetch(
            "select unit, document from submitter.roster where erased_at is null and (fetched_at < $1 or tenant <> all($2)) limit 1000",
            now - keep if keep is not None else None,
            list(tenants),
        )
        for row in rows:
            if row["document"] is not None:
                await self._vault.destroy(row["document"])
            await self._pool.execute(
                "update submitter.roster set erased_at = $3, document = null where unit = $1 and document is not distinct from $2",
                row["unit"],
                row["document"],
                now,
            )
        return len(rows)

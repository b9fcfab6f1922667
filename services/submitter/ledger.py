"""The submission ledger: written in the transaction that asks for a filing, and in the one that ends it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from hoso.runtime.steps import Tell, Tried
from schemas.events import DossierDecided, DossierReceived, FilingAsked, FilingUncertain
from services.submitter.handlers import Ledger, key_of


class LedgerStates:
    """Loads nothing; saving writes the new rows. An attempt is written once."""

    async def load(self, tx: Any, subjects: Sequence[UUID]) -> dict[UUID, Ledger]:
        return dict.fromkeys(subjects, ())

    async def save(self, tx: Any, states: dict[UUID, Ledger]) -> None:
        rows = sorted((ask for asks in states.values() for ask in asks), key=lambda a: (a.dossier, a.attempt))
        await tx.execute(
            "insert into submitter.filing(dossier, attempt, enrolment, unit_code, kind, key, document, sha256) "
            "select * from unnest($1::uuid[], $2::int[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::uuid[], $8::text[]) "
            "on conflict do nothing",
            [a.dossier for a in rows],
            [a.attempt for a in rows],
            [a.enrolment for a in rows],
            [a.unit_code for a in rows],
            [a.kind for a in rows],
            [key_of(a) for a in rows],
            [a.document for a in rows],
            [a.sha256 for a in rows],
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

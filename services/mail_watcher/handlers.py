"""What the watcher keeps of the log: per unit, the attempts about which a mail may come. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from hoso.runtime.steps import Step
from schemas.envelope import Event
from schemas.events import MailAssigned, MailExpected, MailNumbered
from services.mail_watcher.matching import Expectation


@dataclass(frozen=True, slots=True)
class Awaited:
    """One unit's expectations, oldest first, and what people just said about mails (written, never read back)."""

    expectations: tuple[Expectation, ...] = ()
    assigned: tuple[MailAssigned, ...] = ()


def handle(state: Awaited, event: Event[Any], now: datetime) -> tuple[Awaited, Sequence[Step]]:
    """Remembers; decides nothing. The same event twice is the same as once."""
    match event.data:
        case MailExpected() as fact:
            return _expect(state, fact, event.subject, event.tenant, now), ()
        case MailNumbered() as fact:
            numbered = tuple(
                replace(known, number=fact.number)
                if (known.dossier, known.attempt) == (fact.dossier, fact.attempt)
                else known
                for known in state.expectations
            )
            return replace(state, expectations=numbered), ()
        case MailAssigned() as fact:
            return replace(state, assigned=(*state.assigned, fact)), ()
        case _:
            return state, ()


def _expect(state: Awaited, fact: MailExpected, unit: UUID, tenant: str, now: datetime) -> Awaited:
    since = now if fact.filed_at is None else min(now, fact.filed_at)
    if any((known.dossier, known.attempt) == (fact.dossier, fact.attempt) for known in state.expectations):
        earlier = tuple(
            replace(known, since=min(known.since, since))
            if (known.dossier, known.attempt) == (fact.dossier, fact.attempt)
            else known
            for known in state.expectations
        )
        return replace(state, expectations=earlier)
    expected = Expectation(
        tenant=tenant,
        unit=unit,
        enrolment=fact.enrolment,
        dossier=fact.dossier,
        attempt=fact.attempt,
        kind=fact.kind,
        mailbox=fact.mailbox,
        contact=fact.contact.strip().lower(),
        own_contact=fact.own_address,
        unit_code=fact.unit_code.upper(),
        unit_name=fact.unit_name,
        tax_code=fact.tax_code,
        number=None,
        since=since,
    )
    return replace(state, expectations=(*state.expectations, expected))

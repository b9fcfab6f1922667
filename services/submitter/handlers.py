"""Events in, steps out. Pure: a filing that is asked for goes into the ledger, its mail is announced, and only then is it called."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from hoso.runtime.steps import Call, Step, Tell
from schemas.envelope import Event
from schemas.events import ActivationAsked, FilingAsked, MailExpected, RosterAsked, StatusAsked

Ledger = tuple[FilingAsked, ...]
"""The filings of a unit that have to be written into the ledger now."""


def handle(ledger: Ledger, event: Event[Any], now: datetime) -> tuple[Ledger, Sequence[Step]]:
    match event.data:
        case FilingAsked() as ask:
            return (*ledger, ask), [Tell(mail_of(ask)), Call("agency.submit", event.subject, key_of(ask), ask)]
        case ActivationAsked() as ask:
            return ledger, [Call("agency.activate", event.subject, f"activate:{ask.enrolment}:{ask.go}", ask)]
        case StatusAsked() as ask:
            name = f"status:{ask.dossier}:{ask.attempt}:{ask.go}"
            return ledger, [Call("agency.status", event.subject, name, ask)]
        case RosterAsked() as ask:
            return ledger, [Call("agency.roster", event.subject, f"roster:{ask.enrolment}:{ask.go}", ask)]
    return ledger, []


def mail_of(ask: FilingAsked, filed_at: datetime | None = None) -> MailExpected:
    """The mail about this attempt, and since when it may have come."""
    return MailExpected(
        enrolment=ask.enrolment,
        dossier=ask.dossier,
        attempt=ask.attempt,
        kind=ask.kind,
        mailbox=ask.mailbox,
        contact=ask.contact,
        unit_code=ask.unit_code,
        unit_name=ask.unit_name,
        tax_code=ask.tax_code,
        own_address=ask.own_address,
        filed_at=filed_at,
    )


def key_of(ask: FilingAsked) -> str:
    """The one stable key of an attempt, for all its tries: the call's name, and the idempotency key on the wire."""
    return f"submit:{ask.dossier}:{ask.attempt}"

"""How the submitter is wired: one group, one topic in, seven lanes of calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hoso.domain.rejections import Rejections
from hoso.runtime.steps import Lane, Performer, Service
from schemas.topics import topics_read_by
from services.submitter.activation import ActivateUnit, SpendCode
from services.submitter.gateway import AgencyGateway
from services.submitter.handlers import Ledger, handle
from services.submitter.ledger import LedgerStates, record, record_roster
from services.submitter.performers import CheckStatus, PollReplies, SubmitDossier
from services.submitter.ports import Filings, Vault
from services.submitter.rosters import FetchRoster, ForgetRoster

GROUP = "hoso.submitter"
DAYS_30 = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long the submitter waits for the agency."""

    timeout: timedelta
    transport_bound: timedelta
    keep_trying: timedelta
    poll: timedelta
    at_once: int = 100
    status: timedelta = timedelta(hours=1)
    """How long a status question is tried before "unknown": somebody is waiting for it."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What the submitter stands on."""

    gateway: AgencyGateway
    vault: Vault
    filings: Filings
    rejections: Rejections
    now: Callable[[], datetime]
    """The world's time."""


def service(needs: Needs, bounds: Bounds) -> Service[Ledger]:
    """The submitter, ready to be run. Each operation is a lane with a circuit of its own, so that an agency that takes no filings
    may still be asked for replies."""
    gateway, vault, filings, rejections = needs.gateway, needs.vault, needs.filings, needs.rejections

    def asked(performer: Performer[Any], keep_trying: timedelta, record: Any = None, at_once: int = 0) -> Lane:
        """A lane of questions: asking twice changes nothing."""
        return Lane(performer, at_once or bounds.at_once, bounds.timeout, keep_trying, record=record, harmless=True)

    def done(performer: Performer[Any]) -> Lane:
        """A lane of deeds: a doubt is reconciled."""
        return Lane(
            performer, bounds.at_once, bounds.timeout, bounds.keep_trying, bounds.transport_bound, record=record
        )

    lanes = {
        "agency.submit": done(SubmitDossier(gateway, vault, filings, rejections)),
        "agency.replies": asked(PollReplies(gateway, filings, bounds.poll), DAYS_30, record, bounds.at_once * 2),
        "agency.status": asked(CheckStatus(gateway, vault, filings, rejections), bounds.status, record),
        "agency.activate": done(ActivateUnit(gateway, vault, rejections, needs.now)),
        "agency.roster": asked(FetchRoster(gateway, vault, filings), bounds.keep_trying, record_roster),
        "vault.spend": asked(SpendCode(vault), timedelta(days=2), at_once=50),
        "vault.forget": asked(ForgetRoster(vault), DAYS_30, at_once=50),
    }
    return Service(GROUP, topics_read_by(GROUP), LedgerStates(), handle, lanes)

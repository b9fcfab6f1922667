"""How the submitter is wired: one group, one topic in, five lanes of calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from hoso.domain.rejections import Rejections
from hoso.runtime.steps import Lane, Service
from schemas.topics import topics_read_by
from services.submitter.gateway import AgencyGateway
from services.submitter.handlers import Ledger, handle
from services.submitter.ledger import LedgerStates, record
from services.submitter.performers import ActivateUnit, FetchRoster, PollReplies, SpendCode, SubmitDossier, Vault

GROUP = "hoso.submitter"


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long the submitter waits for the agency."""

    timeout: timedelta
    transport_bound: timedelta
    keep_trying: timedelta
    poll: timedelta
    at_once: int = 100


def service(
    gateway: AgencyGateway, vault: Vault, rejections: Rejections, bounds: Bounds, now: Callable[[], datetime]
) -> Service[Ledger]:
    """The submitter, ready to be run."""
    lanes = {
        "agency.submit": Lane(
            SubmitDossier(gateway, vault, rejections),
            bounds.at_once,
            bounds.timeout,
            bounds.keep_trying,
            bounds.transport_bound,
            record=record,
        ),
        "agency.replies": Lane(
            PollReplies(gateway, bounds.poll),
            bounds.at_once * 2,
            bounds.timeout,
            timedelta(days=30),
            record=record,
            harmless=True,
        ),
        "agency.activate": Lane(
            ActivateUnit(gateway, vault, rejections, now),
            bounds.at_once,
            bounds.timeout,
            bounds.keep_trying,
            bounds.transport_bound,
            record=record,
        ),
        "agency.roster": Lane(
            FetchRoster(gateway, vault), bounds.at_once, bounds.timeout, bounds.keep_trying, harmless=True
        ),
        "vault.spend": Lane(SpendCode(vault), 50, bounds.timeout, timedelta(days=2), harmless=True),
    }
    return Service(GROUP, topics_read_by(GROUP), LedgerStates(), handle, lanes)

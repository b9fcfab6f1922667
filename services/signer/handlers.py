"""The signer's decisions: every prepared attempt is asked to be signed, once. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from hoso.runtime.steps import Call, Step
from schemas.envelope import Event
from schemas.events import DossierPrepared

LANE = "signer.sign"


def handle(state: None, event: Event[Any], now: datetime) -> tuple[None, Sequence[Step]]:
    """One call for one attempt; the same attempt told twice is asked once, by the call's name."""
    ask = event.data
    if not isinstance(ask, DossierPrepared):
        return None, ()
    return None, (Call(LANE, event.subject, f"sign:{ask.dossier}:{ask.attempt}", ask),)

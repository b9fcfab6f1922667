"""How the notifier is wired: one consumer group that writes down what is to be told, a job that makes mails and deliveries of
it, and two lanes that send them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from hoso.runtime.steps import Lane, Service
from schemas.topics import topics_read_by
from services.notifier import post, webhooks
from services.notifier.handlers import Heard, handle
from services.notifier.ports import Log, Pool, Vault
from services.notifier.projection import Projection
from services.notifier.receivers import Receivers

log = logging.getLogger(__name__)
GROUP = "hoso.notifier"
LINGER_S = 0.2
"""People and other systems hear of it a moment later."""
KEEP = timedelta(days=30)
"""How long public events, notices and mails stay."""
_AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)


@dataclass(frozen=True, slots=True)
class Needs:
    """What the notifier is given by whoever starts it."""

    pool: Pool
    log: Log
    vault: Vault
    now: Callable[[], datetime]
    """The world's time."""
    new_id: Callable[[], UUID]
    receivers: Receivers
    stamp: Callable[[], datetime]
    """Real time, for the stamps of webhooks."""
    relay: post.Sender | None = None
    """None: mails are off, and nothing is gathered for later."""
    sender: str = ""
    bounds: webhooks.Bounds = field(default_factory=webhooks.Bounds)


def service(needs: Needs) -> Service[Heard]:
    """Ready to be run, beside `work`."""
    lanes = {
        webhooks.LANE: Lane(
            webhooks.DeliverEvent(needs.pool, needs.vault, needs.receivers, needs.bounds, needs.stamp),
            at_once=64,
            timeout=timedelta(seconds=30),
            keep_trying=timedelta(days=30),
            harmless=True,  # told twice under one webhook-id is told once
            record=webhooks.record,
        )
    }
    if needs.relay is not None:
        lanes[post.LANE] = Lane(
            post.SendLetter(needs.pool, needs.relay),
            at_once=8,
            timeout=timedelta(seconds=60),
            keep_trying=timedelta(hours=48),
            harmless=True,  # the same mail again has the same Message-ID
            record=post.record,
        )
    return Service(GROUP, topics_read_by(GROUP), Projection(needs.relay is not None), handle, lanes, linger=LINGER_S)


async def work(needs: Needs, drained: asyncio.Event, *, pause: float = 1.0) -> None:
    """Until drained: each second whatever is ripe becomes mails and deliveries, each in one transaction."""
    if needs.relay is None:
        log.warning("mails are off: HOSO_SMTP is not set; webhooks and GET /v1/events go on")
    cleaned: datetime | None = None
    while not drained.is_set():
        try:
            made = await webhooks.dispatch(needs.pool, needs.log)
            if needs.relay is not None:
                made += await post.gather(needs.pool, needs.log, needs.sender, needs.new_id, needs.now())
            if cleaned is None or needs.now() - cleaned >= timedelta(hours=6):
                cleaned = needs.now()
                await post.forget(needs.pool, cleaned - KEEP)
                await webhooks.forget(needs.pool, cleaned - KEEP)
            if made:
                continue
        except _AWAY as error:
            log.warning("the database went away", extra={"error": repr(error)})
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(drained.wait(), pause)

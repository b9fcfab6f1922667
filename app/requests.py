"""Requests onto a tenant's topic of the PostgreSQL log, in the envelope a producing system would send."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from app.edge import GROUP
from app.world import world_clock
from hoso.kafka.strangers import subject_of
from hoso.log.partitions import partition_of
from hoso.log.port import Entry
from hoso.log.postgres import append
from hoso.runtime.failures import HosoError
from hoso.runtime.ids import trace_of, uuid7
from hoso.runtime.outgoing import Environment
from schemas.envelope import MAX_EVENT_BYTES, encode, envelope_of
from schemas.events import EnrolUnit
from schemas.topics import REQUESTS, topic_named
from services.intake.handlers import misfits

_PREFIX = REQUESTS.name.removesuffix("<tenant>")


def read_requests(topic: str, data: bytes, actor: str) -> tuple[str, list[EnrolUnit]]:
    """The topic's tenant, and the requests of a file: one JSON object, or a list. Raises HosoError."""
    tenant = topic.removeprefix(_PREFIX)
    if not topic.startswith(_PREFIX) or not tenant:
        raise HosoError(f"'{topic}' is no topic for requests: write {REQUESTS.name}")
    try:
        found: Any = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise HosoError(f"the file is not JSON: {error}") from error
    asks = []
    for place, one in enumerate(found if isinstance(found, list) else [found], start=1):
        try:
            ask = EnrolUnit.model_validate({"actor": actor, **one} if isinstance(one, dict) else one)
            wrong = misfits(ask)
        except ValidationError as error:
            wrong = (error.errors()[0]["msg"],)
        if wrong:
            told = "; ".join(wrong)
            raise HosoError(f'request {place}: {told} A request is {{"request": key, "fields": {{column: text}}}}')
        asks.append(ask)
    if not asks:
        raise HosoError("the file holds no request")
    return tenant, asks


async def append_requests(
    tx: Any, tenant: str, asks: Sequence[EnrolUnit], environment: Environment
) -> list[dict[str, Any]]:
    """Append, in order; what was written. Raises HosoError when the tenant has no topic, or a request is too large."""
    topic = topic_named(f"{_PREFIX}{tenant}")
    if not await tx.fetchval("select 1 from log.head where topic = $1 limit 1", topic.name):
        raise HosoError(f"there is no topic {topic.name}: make the tenant with `hoso tenant add {tenant}`")
    now = (await world_clock(tx)).now()
    entries, rows = [], []
    for ask in asks:
        id_, subject, correlation = uuid7(), subject_of(tenant, ask), uuid7()
        event = envelope_of(EnrolUnit)(
            id=id_,
            source=f"hoso/{GROUP}",
            type=EnrolUnit.TYPE,
            subject=subject,
            time=now,
            correlationid=correlation,
            traceparent=trace_of(correlation, id_),
            tenant=tenant,
            environment=environment,
            data=ask,
        )
        body = encode(event)
        if len(body) > MAX_EVENT_BYTES:
            raise HosoError(f"request {ask.request} has {len(body)} bytes, an event may have {MAX_EVENT_BYTES}")
        entries.append(
            Entry(topic.name, partition_of(subject, topic.partitions), id_, EnrolUnit.TYPE, subject, tenant, body)
        )
        rows.append({"request": ask.request, "event": id_, "subject": subject})
    await append(tx, entries, now)
    return rows

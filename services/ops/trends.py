"""Trends: counts and ages a minute, by topic, stage and tenant, read from Kafka's topics with faust-streaming. docs/trends.md

For looking at, never for deciding: after a crash a count may be a little high, and what was counted can be thrown away and
counted again from Kafka (`--version`). Runs in an environment of its own (scripts/trends.sh), because faust-streaming and the
product want different versions of one library.

    .venv-trends/bin/python -m services.ops.trends [--http 127.0.0.1:8086] [--version 1]
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import logging
import re
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import faust
from aiohttp import web

from hoso.kafka import headers
from hoso.kafka.admin import administered
from hoso.kafka.connection import Broker
from hoso.kafka.headers import Origin
from hoso.kafka.topics import Copies, Wanted
from hoso.runtime.failures import HosoError, SettingsError
from hoso.settings import Settings, load
from schemas.events import EnrolmentProgressed
from schemas.topics import PARTITIONS, TOPICS

GROUP = "hoso.trends"
WINDOW_S = 60.0
KEPT = timedelta(hours=24)
"""How long a minute can be asked for."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Seen:
    """What trends know of one event."""

    part: int
    topic: str
    type: str
    tenant: str
    at: datetime
    """The world's time when it happened."""
    waited: float
    """Seconds until it was in Kafka."""
    enrolment: str = ""
    stage: str = ""
    over: bool = False
    """Where it tells a stage: whether nothing is left to do."""


class Repeated:
    """Tells records that came again, as long as this process lives: one number a source and partition, from the relay's headers."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str, int], tuple[int, int]] = {}

    def __call__(self, topic: str, part: int, origin: Origin) -> bool:
        key, now = (origin.source, topic, part), (origin.epoch, origin.off)
        if now <= self._last.get(key, (-1, -1)):
            return True
        self._last[key] = now
        return False


def seen(message: Any, repeated: Repeated) -> Seen | None:
    """What a Kafka message tells; None when it came before, or no relay of ours wrote it."""
    told = message.headers.items() if isinstance(message.headers, Mapping) else message.headers or ()
    found = headers.read(message.topic, message.partition, message.offset, message.key, message.value, list(told))
    if found is None or repeated(message.topic, message.partition, found[1]):
        return None
    record = found[0]
    waited = max(0.0, message.timestamp - record.at.timestamp())
    plain = Seen(record.part, record.topic, record.type, record.tenant, record.at, waited)
    if record.type != EnrolmentProgressed.TYPE:
        return plain
    try:
        fact = EnrolmentProgressed.model_validate(json.loads(record.body)["data"])
    except (ValueError, KeyError, TypeError):
        return plain
    if fact.refreshed:
        return plain
    return Seen(
        *(record.part, record.topic, record.type, record.tenant, record.at, waited),
        enrolment=str(fact.enrolment),
        stage=fact.stage.value,
        over=fact.progress >= 100,
    )


def added(slot: list[float] | None, seconds: float) -> list[float]:
    """How many, how long in all, the longest: one more."""
    count, total, longest = slot or [0, 0.0, 0.0]
    return [count + 1, round(total + seconds, 3), round(max(longest, seconds), 3)]


def summed(slots: Iterable[tuple[Any, list[float]]], names: tuple[str, ...], since: float) -> list[dict[str, Any]]:
    """Rows of windowed slots from `since` on: keys are `part|name|…`, the parts are put together."""
    rows: dict[tuple[float, ...], dict[str, Any]] = {}
    for (key, (start, _end)), (count, total, longest) in slots:
        if start < since:
            continue
        words = key.split("|")[1:]
        minute = datetime.fromtimestamp(start, UTC).isoformat().replace("+00:00", "Z")
        row = rows.setdefault(
            (start, *words),
            {"minute": minute, **dict(zip(names, words, strict=True)), "count": 0, "seconds": 0.0, "longest": 0.0},
        )
        row["count"] += int(count)
        row["seconds"] += total
        row["longest"] = max(row["longest"], longest)
    for row in rows.values():
        row["mean"] = round(row.pop("seconds") / row["count"], 3)
    return [rows[key] for key in sorted(rows, key=str)]


def standing(places: Iterable[tuple[str, list[Any]]], now: datetime) -> list[dict[str, Any]]:
    """How many enrolments are in each stage, and for how long the oldest."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for _, (stage, tenant, since) in places:
        row = rows.setdefault((stage, tenant), {"stage": stage, "tenant": tenant, "count": 0, "oldest": 0.0})
        row["count"] += 1
        row["oldest"] = max(row["oldest"], round((now - datetime.fromisoformat(since)).total_seconds(), 3))
    return [rows[key] for key in sorted(rows)]


class Trends:
    """The faust app, its tables, and what is served of them. One event at a time: concurrency stays 1 (docs/trends.md)."""

    def __init__(self, broker: Broker, folder: Path, http: tuple[str, int], version: int) -> None:
        self._broker = broker
        self._http = http
        self._repeated = Repeated()
        self._handled = 0
        self.app = faust.App(
            GROUP,
            version=version,
            broker=[f"kafka://{server}" for server in broker.servers],
            broker_credentials=_credentials(broker),
            datadir=str(folder),
            store="memory://",
            web_enabled=False,
            topic_allow_declare=False,  # it would make topics of the product in its own way
            topic_disable_leader=True,
            topic_partitions=PARTITIONS,
            broker_session_timeout=6.0,
            broker_heartbeat_interval=1.0,
            broker_commit_interval=1.0,
            consumer_auto_offset_reset="earliest",
            producer_acks=-1,
            stream_wait_empty=False,
        )
        make: Any = self.app.Table
        text: dict[str, Any] = {"key_type": str, "partitions": PARTITIONS}
        self._events = make("events", default=list, **text).tumbling(WINDOW_S, expires=KEPT)
        self._left = make("left", default=list, **text).tumbling(WINDOW_S, expires=KEPT)
        self._places = make("places", **text)
        plain: dict[str, Any] = {
            "key_serializer": "raw",
            "value_serializer": "raw",
            "key_type": bytes,
            "value_type": bytes,
        }
        source = self.app.topic(*(topic.name for topic in TOPICS), **plain)
        self.app.agent(source, name="count", concurrency=1)(self._count)
        self.app.task(self._serve)

    def changelogs(self) -> list[str]:
        """The topics faust keeps the tables in."""
        return [f"{self.app.conf.id}-{name}-changelog" for name in ("events", "left", "places")]

    async def _count(self, stream: Any) -> None:
        async for event in stream.events():
            # Raising would acknowledge it all the same: what cannot be counted is left out, and said.
            try:
                self._take(seen(event.message, self._repeated))
            except Exception:
                log.exception("an event could not be counted")

    def _take(self, one: Seen | None) -> None:
        if one is None:
            return
        self._handled += 1
        # Each key belongs to one partition, because faust keeps a table by the partitions of its source.
        key = f"{one.part}|{one.topic}|{one.type}|{one.tenant}"
        self._events[key] = added(self._events[key].current(), one.waited)
        if not one.enrolment:
            return
        before = self._places.get(one.enrolment)
        if before is not None and before[0] != one.stage:
            spent = max(0.0, (one.at - datetime.fromisoformat(before[2])).total_seconds())
            key = f"{one.part}|{before[0]}|{before[1]}"
            self._left[key] = added(self._left[key].current(), spent)
        if one.over:
            self._places.pop(one.enrolment, None)
        elif before is None or before[0] != one.stage:
            self._places[one.enrolment] = [one.stage, one.tenant, one.at.isoformat()]

    # --- what is served ---------------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        served = web.Application()
        served.add_routes([web.get("/trends", self._trends), web.get("/health", self._health)])
        runner = web.AppRunner(served, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, *self._http).start()
        host, port = runner.addresses[0][:2]
        print(json.dumps({"http": f"http://{host}:{port}", "group": self.app.conf.id}), flush=True, file=sys.__stdout__)

    async def _trends(self, request: web.Request) -> web.Response:
        minutes = request.query.get("minutes", "60")
        if not re.fullmatch(r"\d{1,4}", minutes):
            return web.json_response({"error": "minutes: a number, at most 1440"}, status=400)
        since = time.time() - int(minutes) * 60 - WINDOW_S
        return web.json_response(
            {
                "about": "estimates; counted again after a crash",
                "events": summed(_slots(self._events), ("topic", "type", "tenant"), since),
                "stages": summed(_slots(self._left), ("stage", "tenant"), since),
                "now": standing(list(self._places.items()), datetime.now(UTC)),
            }
        )

    async def _health(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {"handled": self._handled, "recovering": not self.app.tables.recovery.completed.is_set()}
        )


def _slots(windowed: Any) -> list[tuple[Any, list[float]]]:
    return [(key, slot) for key, slot in windowed.table.items() if slot]


def _credentials(broker: Broker) -> Any:
    given = broker.arguments()
    if broker.protocol == "SSL":
        return faust.SSLCredentials(given["ssl_context"])
    if broker.protocol == "SASL_SSL":
        return faust.SASLCredentials(
            username=given["sasl_plain_username"],
            password=given["sasl_plain_password"],
            ssl_context=given["ssl_context"],
            mechanism=given["sasl_mechanism"],
        )
    return None


async def make_changelogs(broker: Broker, names: Iterable[str]) -> None:
    """Make what is missing of faust's own topics. Raises HosoError."""
    async with administered(broker) as admin:
        copies = Copies.of(await admin.brokers())
        settings = {"cleanup.policy": "compact", "min.insync.replicas": str(copies.in_sync)}
        await admin.make([Wanted(name, PARTITIONS, copies.all, settings) for name in names])


def broker_of(settings: Settings) -> Broker:
    """Where Kafka is. Raises SettingsError."""
    if not settings.on_kafka:
        raise SettingsError(
            "trends are counted from Kafka's topics and HOSO_LOG names none: set HOSO_LOG=kafka://host:port"
        )
    return Broker.of_settings(settings)


def loopback(address: str) -> tuple[str, int]:
    """host and port of an address of this machine's own. Raises SettingsError."""
    host, _, port = address.rpartition(":")
    try:
        if ipaddress.ip_address(host.strip("[]")).is_loopback:
            return host.strip("[]"), int(port)
    except ValueError:
        pass
    raise SettingsError(f"--http {address}: trends are told on this machine only, such as 127.0.0.1:8086 (port 0: any)")


def main() -> int:
    """The process. Answers with its exit status."""
    ask = argparse.ArgumentParser(
        prog="python -m services.ops.trends", description="Counts and ages a minute, from Kafka."
    )
    ask.add_argument(
        "--http", default="127.0.0.1:8086", metavar="HOST:PORT", help="where it answers; on this machine only"
    )
    ask.add_argument(
        "--version", type=int, default=1, metavar="N", help="a number never used: everything is counted anew"
    )
    given = ask.parse_args()
    try:
        settings = load()
        trends = Trends(broker_of(settings), settings.var / "trends", loopback(given.http), given.version)
        worker = faust.Worker(trends.app, loglevel="warn", quiet=True, redirect_stdouts=False)
        worker.spinner = None  # it draws on the terminal
        worker.loop.run_until_complete(make_changelogs(broker_of(settings), trends.changelogs()))
    except HosoError as error:
        print(error, file=sys.stderr)
        return 2
    worker.execute_from_commandline()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""produce -> 3 stages, each a process -> sink, over one real Kafka: ours beside the same path built on other things.

Ours: an edge appends to PostgreSQL, the relay moves the log to Kafka, every stage reads it there, keeps a state a unit, and
appends; exactly once in effect. The others keep nothing (benchmarks/contenders.py). One after the other on the same broker;
the clock runs from the first event sent until Kafka has all of them in the last topic. Before it each path has carried
some events, so everybody has joined and nothing is new.

    python -m benchmarks.hops --log kafka [--events 20000] [--kinds hoso,raw,…]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from benchmarks.contenders import KINDS as CONTENDERS
from benchmarks.contenders import PRODUCER, topic
from benchmarks.pipeline import TOPICS, asked, create_states, serve
from benchmarks.stage import database, verdict
from demo.broker import Cluster
from hoso.kafka.connection import Broker
from hoso.kafka.log import KafkaLog
from hoso.kafka.relay import Relay
from hoso.log.postgres import create_topics
from hoso.runtime.clock import WorldClock
from hoso.runtime.kernel import Kernel
from hoso.runtime.outgoing import Source, entry_of
from hoso.store.postgres import Database

KINDS = ("hoso", *CONTENDERS)
SHARE = {"faust": 0.25, "faststream-single": 0.1, "faststream-first": 0.1}
"""Of the events, so that the slow ones end in reasonable time."""
WARM, FIRST = 400, 6_000
"""Events that nobody times; the first path warms the broker up for all."""
PARTITIONS = 8
BESIDE = Path(__file__).parent.parent / ".venv-contenders" / "bin" / "python"
Send = Callable[[int], Awaitable[None]]


def ours(n: int) -> str:
    return TOPICS[n].name


class Sink:
    """How many records Kafka has in a topic."""

    def __init__(self, broker: str, name: str) -> None:
        self._reader = AIOKafkaConsumer(bootstrap_servers=broker)
        self._parts = [TopicPartition(name, part) for part in range(PARTITIONS)]

    async def count(self) -> int:
        return sum((await self._reader.end_offsets(self._parts)).values())

    async def until(self, count: int, seconds: float = 180) -> None:
        until = time.monotonic() + seconds
        while (there := await self.count()) < count:
            assert time.monotonic() < until, f"{there} of {count} events came to the end in {seconds} s"
            await asyncio.sleep(0.01)

    async def __aenter__(self) -> Sink:
        await self._reader.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._reader.stop()


@contextlib.asynccontextmanager
async def children(*commands: list[str]) -> AsyncIterator[list[int]]:
    null = asyncio.subprocess.DEVNULL
    started = [await asyncio.create_subprocess_exec(*command, stdout=null) for command in commands]
    try:
        yield [child.pid for child in started]
    finally:
        for child in started:
            with contextlib.suppress(ProcessLookupError):
                child.terminate()
        for child in started:
            try:
                await asyncio.wait_for(child.wait(), 10)
            except TimeoutError:
                child.kill()
                await child.wait()


def cpu_of(pids: list[int]) -> float:
    """CPU seconds of processes and, but for this one, their children."""
    total = 0.0
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            for one in (process, *(process.children(recursive=True) if pid != os.getpid() else ())):
                with contextlib.suppress(psutil.Error):
                    used = one.cpu_times()
                    total += used.user + used.system
    return total


async def timed(send: Send, sink: Sink, warm: int, events: int, parts: dict[str, list[int]]) -> dict[str, float]:
    """Events a second from the first one sent to the last one in the sink, and microseconds of CPU an event by part."""
    parts = {**parts, "driver": [os.getpid()]}
    await send(warm)
    await sink.until(warm)
    before = {name: cpu_of(pids) for name, pids in parts.items()}
    began = time.perf_counter()
    await send(events)
    await sink.until(warm + events)
    seconds = time.perf_counter() - began
    used = {f"{name}_us": (cpu_of(pids) - before[name]) / events * 1e6 for name, pids in parts.items()}
    await asyncio.sleep(0.3)
    there = await sink.count()
    assert there == warm + events, f"{there} events came of {warm + events}"
    return {"per_s": events / seconds, **used}


async def run_ours(cluster: Cluster, warm: int, events: int, stages: int) -> dict[str, float]:
    me = [sys.executable, "-m", "benchmarks.hops_kafka"]
    async with database() as (url, db):
        await create_states(db, stages)
        async with db.pool.acquire() as tx, tx.transaction():
            await create_topics(tx, TOPICS[: stages + 1])
        commands = [
            [*me, "relay", cluster.bootstrap, url],
            *([*me, str(n), cluster.bootstrap, url] for n in range(stages)),
        ]
        async with children(*commands) as pids, Sink(cluster.bootstrap, ours(stages)) as sink:
            edge = Kernel(db, "bench.edge", "test")
            listening = asyncio.create_task(edge._listen())

            async def send(count: int) -> None:
                for start in range(0, count, 500):
                    async with db.pool.acquire() as tx, tx.transaction():
                        ring = await edge.admit_many(tx, [steps.pop() for _ in range(min(500, count - start))])
                    ring()

            steps = asked(warm + events)

            server = [p.pid for p in psutil.Process().children() if p.name() == "postgres"]
            parts = {"relay": pids[:1], "stages": pids[1:], "postgres": server, "kafka": [cluster.pid(1)]}
            before = await db.pool.fetchval("select pg_current_wal_lsn()")
            rounds = await transactions(db)
            figures = await timed(send, sink, warm, events, parts)
            await asyncio.sleep(1.1)  # the server tells its statistics once a second
            rounds = await transactions(db) - rounds
            wal = int(await db.pool.fetchval("select pg_current_wal_lsn() - $1", before))
            listening.cancel()
            for n in range(stages):
                states = await db.pool.fetchval(f"select count(*) from bench.state{n}")
                assert states == warm + events, f"{states} states in stage {n} of {warm + events}"
        return {**figures, "wal_bytes": wal / (events + warm), "events_a_commit": (events + warm) / rounds}


async def transactions(db: Database) -> int:
    return int(await db.pool.fetchval("select xact_commit from pg_stat_database where datname = current_database()"))


async def run_contender(kind: str, cluster: Cluster, warm: int, events: int, stages: int) -> dict[str, float]:
    python = sys.executable if kind == "raw" else str(BESIDE)
    code = str(Path(__file__).parent / "contenders.py")
    commands = [[python, code, kind, cluster.bootstrap, str(n)] for n in range(stages)]
    producer = AIOKafkaProducer(bootstrap_servers=cluster.bootstrap, **PRODUCER)
    async with children(*commands) as pids, Sink(cluster.bootstrap, topic(kind, stages)) as sink:
        await producer.start()

        async def send(count: int) -> None:
            waiting = [
                await producer.send(topic(kind, 0), body, key=key, partition=part) for key, body, part in bodies[:count]
            ]
            await asyncio.gather(*waiting)

        source, now = Source("bench.edge", "test", {}), WorldClock().now()
        entries = [entry_of(source, cause, step, now) for cause, step in asked(max(events, warm))]  # type: ignore[arg-type]
        bodies = [(str(e.subject).encode(), e.body, e.part) for e in entries]
        try:
            return await timed(send, sink, warm, events, {"stages": pids, "kafka": [cluster.pid(1)]})
        finally:
            await producer.stop()


async def contest(events: int, stages: int, kinds: str) -> None:
    wanted = kinds.split(",")
    if not BESIDE.exists():
        print("the others but raw are not installed: bash scripts/contenders.sh", flush=True)
        wanted = [kind for kind in wanted if kind in ("hoso", "raw")]
    folder = Path(tempfile.mkdtemp(prefix="hoso-bench-kafka-"))
    cluster = Cluster(folder)
    cluster.start()
    cluster.until_ready()
    found: dict[str, dict[str, float]] = {}
    try:
        names = [topic(kind, n) for kind in CONTENDERS for n in range(stages + 1)] + [
            ours(n) for n in range(stages + 1)
        ]
        admin = AIOKafkaAdminClient(bootstrap_servers=cluster.bootstrap)
        await admin.start()
        await admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in names])
        await admin.close()
        for kind in wanted:
            warm, count = WARM if found else FIRST, int(events * SHARE.get(kind, 1))
            if kind == "hoso":
                found[kind] = await run_ours(cluster, warm, count, stages)
            else:
                found[kind] = await run_contender(kind, cluster, warm, count, stages)
            of = f", {found[kind]['per_s'] / found['raw']['per_s']:.2f} of raw" if "raw" in found else ""
            parts = ", ".join(f"{name} {figure:.0f}" for name, figure in found[kind].items() if name != "per_s")
            parts += f", load {os.getloadavg()[0]:.1f}"
            print(f"{kind:<18}{found[kind]['per_s']:8,.0f} events/s{of}   ({parts})", flush=True)
    finally:
        cluster.stop(patience=2)
        shutil.rmtree(folder, ignore_errors=True)
    rates = {kind: figures["per_s"] for kind, figures in found.items()}
    mine = rates.get("hoso", 0.0)
    verdict(
        benchmark="hops_kafka",
        events=events,
        stages=stages,
        per_s={kind: round(rate) for kind, rate in rates.items()},
        hoso_to={kind: round(mine / rate, 2) for kind, rate in rates.items() if kind != "hoso"},
        hoso_cpu_us={k: round(v) for k, v in found.get("hoso", {}).items() if k != "per_s"},
    )


async def relay(broker: Broker, url: str) -> None:
    db = await Database.open(url, name="relay")
    kernel = Kernel(db, "hoso.relay", "test")
    await kernel.start()
    await kernel.run(None, extra=[Relay(kernel, broker).run])


async def main(what: str, servers: str, url: str, copy: str) -> None:
    broker = Broker.of(f"kafka://{servers}")
    if what == "relay":
        return await relay(broker, url)

    def log_of(*reader: Any) -> KafkaLog:
        return KafkaLog(
            *reader, broker=broker, environment="test", now=WorldClock().now, instance=f"bench.{what}.{copy}"
        )

    await serve(url, int(what), log_of)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="One process of the benchmark.")
    for name in ("what", "servers", "url"):
        parser.add_argument(name)
    parser.add_argument("--copy", default="1")
    args = parser.parse_args()
    uvloop.run(main(args.what, args.servers, args.url, args.copy))

"""What one of each carries alone: PostgreSQL taking events, one relay emptying a backlog, one reader of one stage emptying Kafka.

    python -m benchmarks.ceilings [--events 30000]

Twice: spread over 8 partitions, and all in one. A process's start is not counted: the clock runs between its first and its last event.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import uvloop

from benchmarks.hops_kafka import PARTITIONS, Sink, children, cpu_of
from benchmarks.pipeline import TOPICS, asked, create_states
from benchmarks.stage import database, verdict
from benchmarks.takeover import renew_topics
from demo.broker import Cluster
from hoso.log.partitions import partition_of
from hoso.log.postgres import create_topics
from hoso.runtime.kernel import Kernel
from hoso.store.postgres import Database


async def between(count: Callable[[], Awaitable[int]], until: int) -> float:
    """Events a second between the first look that finds some and the last one."""
    while not (first := await count()):
        await asyncio.sleep(0.002)
    began = time.perf_counter()
    while (now := await count()) < until:
        await asyncio.sleep(0.005)
    return (now - first) / (time.perf_counter() - began)


async def run(cluster: Cluster, events: int, parts: int) -> dict[str, int]:
    await renew_topics(cluster.bootstrap)
    me = [sys.executable, "-m", "benchmarks.hops_kafka"]
    found: dict[str, int] = {}
    async with database() as (url, db):
        await create_states(db, 1)
        async with db.pool.acquire() as tx, tx.transaction():
            await create_topics(tx, TOPICS[:2])
        edge = Kernel(db, "bench.edge", "test")
        steps = [s for s in asked(events * PARTITIONS // parts) if partition_of(s[0].subject, PARTITIONS) < parts]
        server = [p.pid for p in psutil.Process().children() if p.name() == "postgres"]
        began, used = time.perf_counter(), cpu_of(server)
        for start in range(0, len(steps), 500):
            async with db.pool.acquire() as tx, tx.transaction():
                await edge.admit_many(tx, steps[start : start + 500])
        found["appended_per_s"] = round(len(steps) / (time.perf_counter() - began))
        found["append_postgres_us"] = round((cpu_of(server) - used) / len(steps) * 1e6)
        async with (
            Sink(cluster.bootstrap, TOPICS[0].name) as sink,
            children([*me, "relay", cluster.bootstrap, url]) as relay,
        ):
            found["relayed_per_s"] = round(await between(sink.count, len(steps)))
            found["relay_us"] = round(cpu_of(relay) / len(steps) * 1e6)

            async def made() -> int:
                return await total(db)

            async with children([*me, "0", cluster.bootstrap, url]) as stage:
                found["handled_per_s"] = round(await between(made, len(steps)))
                found["stage_us"] = round(cpu_of(stage) / len(steps) * 1e6)
    return found


async def total(db: Database) -> int:
    return int(await db.pool.fetchval("select sum(next) from log.head where topic = $1", TOPICS[1].name))


async def main(events: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="hoso-bench-kafka-"))
    cluster = Cluster(folder)
    cluster.start()
    cluster.until_ready()
    figures = {}
    try:
        for parts in (PARTITIONS, 1):
            figures[f"partitions_{parts}"] = await run(cluster, events, parts)
            print(parts, figures[f"partitions_{parts}"], flush=True)
    finally:
        cluster.stop(patience=2)
        shutil.rmtree(folder, ignore_errors=True)
    verdict(benchmark="ceilings", events=events, **figures)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=30_000)
    uvloop.run(main(parser.parse_args().events))

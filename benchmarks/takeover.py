"""How long units wait when one process is killed under load: one stage in two copies behind a real Kafka, 100 events a second.

    python -m benchmarks.takeover [--per-second 100] [--seconds 16]

Each scene ends one process with SIGKILL, at once starts it again or does not, and prints the longest time any event took from
its append in PostgreSQL until a plain reader of Kafka has what the stage made of it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment

from benchmarks.hops_kafka import PARTITIONS
from benchmarks.pipeline import TOPICS, asked, create_states
from benchmarks.stage import database, verdict
from demo.broker import Cluster
from hoso.log.postgres import create_topics
from hoso.runtime.kernel import Kernel

SCENES = (
    ("nobody", ""),
    ("copy-1", "restarted"),
    ("copy-1", "gone"),
    ("relay", "restarted"),
)
BEFORE_S = 4.0


class Processes:
    """Of one scene, by name."""

    def __init__(self, servers: str, url: str) -> None:
        me = [sys.executable, "-m", "benchmarks.hops_kafka"]
        self._commands = {"relay": [*me, "relay", servers, url]}
        self._commands |= {f"copy-{n}": [*me, "0", servers, url, "--copy", str(n)] for n in (1, 2)}
        self._running: dict[str, asyncio.subprocess.Process] = {}

    async def start(self, name: str) -> None:
        self._running[name] = await asyncio.create_subprocess_exec(*self._commands[name])

    async def start_all(self) -> None:
        for name in self._commands:
            await self.start(name)

    async def kill(self, name: str) -> None:
        process = self._running.pop(name)
        process.kill()
        await process.wait()

    async def end(self) -> None:
        for name in list(self._running):
            await self.kill(name)


class Probe:
    """Notes when the stage's answer to each unit is in Kafka."""

    def __init__(self, servers: str) -> None:
        self.seen: dict[str, float] = {}
        self._reader = AIOKafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest")

    async def run(self) -> None:
        await self._reader.start()
        try:
            self._reader.assign([TopicPartition(TOPICS[1].name, part) for part in range(PARTITIONS)])
            async for record in self._reader:
                self.seen.setdefault(record.key.decode(), time.monotonic())
        finally:
            await self._reader.stop()

    async def until(self, count: int, seconds: float = 40) -> None:
        until = time.monotonic() + seconds
        while len(self.seen) < count:
            assert time.monotonic() < until, f"{len(self.seen)} of {count} events came through"
            await asyncio.sleep(0.02)


async def scene(cluster: Cluster, victim: str, then: str, per_second: int, seconds: float) -> dict[str, float]:
    await renew_topics(cluster.bootstrap)
    async with database() as (url, db):
        await create_states(db, 1)
        async with db.pool.acquire() as tx, tx.transaction():
            await create_topics(tx, TOPICS[:2])
        edge = Kernel(db, "bench.edge", "test")
        probe = Probe(cluster.bootstrap)
        beside = [asyncio.create_task(edge._listen()), asyncio.create_task(probe.run())]
        processes = Processes(cluster.bootstrap, url)
        asked_at: dict[str, float] = {}

        async def ask() -> None:
            ((cause, step),) = asked(1)
            asked_at[str(cause.subject)] = time.monotonic()
            async with db.pool.acquire() as tx, tx.transaction():
                ring = await edge.admit_many(tx, [(cause, step)])
            ring()

        try:
            await processes.start_all()
            for _ in range(50):
                await ask()
            await probe.until(50)
            while await assigned(cluster.bootstrap) != [PARTITIONS // 2] * 2:
                await asyncio.sleep(0.1)
            warm, began = set(asked_at), time.monotonic()
            killed = not victim.startswith(("copy", "relay"))
            for n in range(int(per_second * seconds)):
                await asyncio.sleep(max(0.0, began + n / per_second - time.monotonic()))
                if not killed and time.monotonic() - began > BEFORE_S:
                    killed = True
                    await processes.kill(victim)
                    if then == "restarted":
                        await processes.start(victim)
                await ask()
            await probe.until(len(asked_at))
        finally:
            await processes.end()
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
        took = sorted(probe.seen[unit] - at for unit, at in asked_at.items() if unit not in warm)
    return {"longest_s": round(took[-1], 2), "p50_ms": round(statistics.median(took) * 1000, 1), "events": len(took)}


async def assigned(servers: str) -> list[int]:
    """How many partitions each member of the stage's group has."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        (answer,) = await admin.describe_consumer_groups(["bench.s0"])
        (group,) = answer.groups
        return sorted(_partitions(member[-1]) for member in group[5])
    finally:
        await admin.close()


def _partitions(assignment: bytes) -> int:
    if not assignment:
        return 0
    return sum(len(parts) for _, parts in ConsumerProtocolMemberAssignment.decode(assignment).assignment)


async def renew_topics(servers: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    names = [topic.name for topic in TOPICS[:2]]
    old = [name for name in names if name in await admin.list_topics()]
    if old:
        await admin.delete_topics(old)
        while set(old) & set(await admin.list_topics()):
            await asyncio.sleep(0.1)
    await admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in names])
    await admin.close()


async def main(per_second: int, seconds: float) -> None:
    folder = Path(tempfile.mkdtemp(prefix="hoso-bench-kafka-"))
    cluster = Cluster(folder)
    cluster.start()
    cluster.until_ready()
    found = {}
    try:
        for victim, then in SCENES:
            name = f"{victim} {then}".strip()
            found[name] = await scene(cluster, victim, then, per_second, seconds)
            print(f"{name:<18}{json.dumps(found[name])}", flush=True)
    finally:
        cluster.stop(patience=2)
        shutil.rmtree(folder, ignore_errors=True)
    verdict(
        benchmark="takeover", per_second=per_second, **{n.replace(" ", "_"): f["longest_s"] for n, f in found.items()}
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--per-second", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=16)
    args = parser.parse_args()
    uvloop.run(main(args.per_second, args.seconds))

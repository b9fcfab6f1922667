"""Events through four stateful services, each a process, durable, 2 KB: how many hops a second the kernel carries.

A hop = read, decode, load the state, decide, save the state, append the next event, move the position. Beside it the
floor: the same rows read and written by plain SQL in the same batches, without the kernel, in the same run.

    python -m benchmarks.hops [--events 20000] [--stages 4]

With `--log kafka` the stages stand behind a real Kafka, and beside them the same path built on other things: benchmarks/hops_kafka.py.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

import uvloop

from benchmarks import hops_kafka
from benchmarks.pipeline import TOPICS, asked, create_states, serve
from benchmarks.stage import database, postgres_cpu, verdict
from hoso.log.partitions import partition_of
from hoso.log.postgres import create_topics
from hoso.runtime.ids import uuid7
from hoso.runtime.kernel import Kernel
from hoso.store.postgres import Database


async def total(db: Database, topic: str) -> int:
    return int(await db.pool.fetchval("select coalesce(sum(next), 0) from log.head where topic = $1", topic))


async def kernel_run(url: str, db: Database, events: int, stages: int) -> dict[str, float]:
    await create_states(db, stages)
    async with db.pool.acquire() as tx, tx.transaction():
        await create_topics(tx, TOPICS)
    children = [
        await asyncio.create_subprocess_exec(sys.executable, "-m", "benchmarks.hops", "--serve", str(n), "--url", url)
        for n in range(stages)
    ]
    try:
        while await db.pool.fetchval("select count(*) from log.position") < 8 * stages:
            await asyncio.sleep(0.1)
        edge = Kernel(db, "bench.edge", "test")
        listening = asyncio.create_task(edge._listen())
        wal, busy, began = await db.pool.fetchval("select pg_current_wal_lsn()"), postgres_cpu(), time.perf_counter()
        size = 0
        for start in range(0, events, 500):
            steps = asked(min(500, events - start))
            async with db.pool.acquire() as tx, tx.transaction():
                ring = await edge.admit_many(tx, steps)
            ring()
        while await total(db, f"bench.t{stages}") < events:
            await asyncio.sleep(0.02)
        seconds = time.perf_counter() - began
        size = await db.pool.fetchval("select avg(length(body)) from log.event where topic = 'bench.t1'")
        written = await db.pool.fetchval("select pg_current_wal_lsn() - $1", wal)
        states = await db.pool.fetchval(f"select count(*) from bench.state{stages - 1}")
        assert states == events, f"{states} states, {events} events"
        assert await total(db, f"bench.t{stages}") == events, "an event too many"
        listening.cancel()
        hops = events * stages
        return {
            "hops_per_s": hops / seconds,
            "event_bytes": float(size),
            "wal_per_hop": int(written) / hops,
            "postgres_us_per_hop": (postgres_cpu() - busy) / hops * 1e6,
        }
    finally:
        for child in children:
            child.terminate()
        for child in children:
            await child.wait()


async def floor_stage(url: str, n: int, events: int) -> None:
    """The same rows by plain SQL: no decoding, no handler, no fence, no steps."""
    db = await Database.open(url, name=f"floor{n}")
    done, at = 0, dict.fromkeys(range(8), 0)
    async with db.quick.acquire() as tx:
        while done < events:
            rows = await tx.fetch(
                "select e.* from unnest($1::int[], $2::bigint[]) p(part, off) cross join lateral ("
                f"select * from floor.t{n} e where e.part = p.part and e.off >= p.off order by off limit 100) e",
                list(at),
                list(at.values()),
            )
            if not rows:
                await asyncio.sleep(0.002)
                continue
            async with tx.transaction():
                await tx.fetch(
                    f"select subject, body from floor.state{n} where subject = any($1)", [r["subject"] for r in rows]
                )
                await tx.execute(
                    f"insert into floor.state{n} select * from unnest($1::uuid[], $2::bytea[])",
                    [r["subject"] for r in rows],
                    [r["body"][:120] for r in rows],
                )
                await tx.execute(
                    f"insert into floor.t{n + 1} select * from unnest($1::int[], $2::bigint[], $3::uuid[], $4::bytea[])",
                    [r["part"] for r in rows],
                    [r["off"] for r in rows],
                    [r["subject"] for r in rows],
                    [r["body"] for r in rows],
                )
            for r in rows:
                at[r["part"]] = r["off"] + 1
            done += len(rows)


async def floor_run(url: str, db: Database, events: int, stages: int) -> float:
    await db.pool.execute("create schema floor")
    for n in range(stages + 1):
        await db.pool.execute(
            f"create table floor.t{n}(part int, off bigint, subject uuid, body bytea, primary key(part, off))"
        )
        await db.pool.execute(f"create table floor.state{n}(subject uuid primary key, body bytea)")
    children = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.hops", "--floor", str(n), "--url", url, "--events", str(events)
        )
        for n in range(stages)
    ]
    while (
        await db.pool.fetchval(
            "select count(distinct application_name) from pg_stat_activity where application_name like 'floor%'"
        )
        < stages
    ):
        await asyncio.sleep(0.1)
    began, offs = time.perf_counter(), dict.fromkeys(range(8), 0)
    for start in range(0, events, 500):
        rows = []
        for _ in range(start, min(start + 500, events)):
            unit = uuid7()
            part = partition_of(unit, 8)
            rows.append((part, offs[part], unit, b"x" * 2000))
            offs[part] += 1
        await db.pool.execute(
            "insert into floor.t0 select * from unnest($1::int[], $2::bigint[], $3::uuid[], $4::bytea[])",
            *[list(column) for column in zip(*rows, strict=True)],
        )
    for child in children:
        assert await child.wait() == 0, "a floor stage failed"
    seconds = time.perf_counter() - began
    assert await db.pool.fetchval(f"select count(*) from floor.t{stages}") == events
    return events * stages / seconds


async def main(args: argparse.Namespace) -> None:
    if args.log == "kafka":
        return await hops_kafka.contest(args.events, args.stages or 3, args.kinds)
    if args.serve is not None:
        return await serve(args.url, args.serve)
    if args.floor is not None:
        return await floor_stage(args.url, args.floor, args.events)
    args.stages = args.stages or 4
    async with database() as (url, db):
        floor = await floor_run(url, db, args.events, args.stages)
        print(f"floor, plain SQL: {floor:,.0f} hops/s", flush=True)
        figures = await kernel_run(url, db, args.events, args.stages)
    print(
        f"kernel: {figures['hops_per_s']:,.0f} hops/s, {figures['postgres_us_per_hop']:.0f} us of PostgreSQL a hop, "
        f"{figures['wal_per_hop']:.0f} bytes of WAL a hop, events of {figures['event_bytes']:.0f} bytes"
    )
    verdict(
        benchmark="hops",
        hops_per_s=round(figures["hops_per_s"]),
        floor_hops_per_s=round(floor),
        of_floor=round(figures["hops_per_s"] / floor, 2),
        events=args.events,
        stages=args.stages,
        event_bytes=round(figures["event_bytes"]),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--stages", type=int, choices=range(1, 5), help="4; with --log kafka 3")
    parser.add_argument("--log", choices=("postgres", "kafka"), default="postgres")
    parser.add_argument("--kinds", default=",".join(hops_kafka.KINDS), help="with --log kafka: who takes part")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--floor", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    uvloop.run(main(parser.parse_args()))

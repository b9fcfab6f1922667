"""The services that benchmarks/hops.py runs: facts of 2 KB, one topic a stage, a state a unit and stage."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from pydantic import TypeAdapter

from hoso.log.postgres import PostgresLog
from hoso.runtime.ids import uuid7
from hoso.runtime.kernel import Kernel
from hoso.runtime.outgoing import Cause
from hoso.runtime.steps import Service, Step, Tell
from hoso.store.postgres import Database
from hoso.store.states import JsonStates
from schemas.envelope import Event, Fact
from schemas.topics import TOPIC_OF, Topic

FIELDS = {f"f{i}": "x" * 60 for i in range(20)}


class Hop(Fact):
    """A fact of about 2 KB with its envelope."""

    TYPE: ClassVar[str] = "vn.hoso.bench.hop.v1"
    stage: int
    name: str
    tax_code: str
    fields: dict[str, str]


class Hop1(Hop):
    TYPE: ClassVar[str] = "vn.hoso.bench.hop1.v1"


class Hop2(Hop):
    TYPE: ClassVar[str] = "vn.hoso.bench.hop2.v1"


class Hop3(Hop):
    TYPE: ClassVar[str] = "vn.hoso.bench.hop3.v1"


class Hop4(Hop):
    TYPE: ClassVar[str] = "vn.hoso.bench.hop4.v1"


HOPS: list[type[Hop]] = [Hop, Hop1, Hop2, Hop3, Hop4]
TOPICS = [Topic(f"bench.t{n}", (hop,), (), (), "benchmark") for n, hop in enumerate(HOPS)]
TOPIC_OF.update(dict(zip(HOPS, TOPICS, strict=True)))


@dataclass(frozen=True, slots=True)
class Seen:
    """The state of one unit in one stage."""

    count: int = 0
    names: tuple[str, ...] = ()
    last: datetime | None = None


def stage(n: int) -> Service[Seen]:
    following = HOPS[n + 1]

    def handle(state: Seen, event: Event[Any], now: datetime) -> tuple[Seen, list[Step]]:
        fact = event.data
        told = following(stage=n + 1, name=fact.name, tax_code=fact.tax_code, fields=fact.fields)
        return Seen(state.count + 1, (*state.names, fact.name), now), [Tell(told)]

    return Service(f"bench.s{n}", [TOPICS[n]], JsonStates(f"bench.state{n}", TypeAdapter(Seen), Seen), handle, {})


async def create_states(db: Database, stages: int) -> None:
    """A table of states for each stage."""
    await db.pool.execute("create schema bench")
    for n in range(stages):
        await db.pool.execute(
            f"create table bench.state{n}(subject uuid primary key, body bytea not null) with (fillfactor = 70)"
        )


def asked(count: int) -> list[tuple[Cause, Step]]:
    """So many first facts, each of a unit of its own."""
    steps: list[tuple[Cause, Step]] = []
    for i in range(count):
        unit = uuid7()
        fact = Hop(stage=0, name=f"CÔNG TY TNHH Thử nghiệm số {i}", tax_code="0101234567", fields=FIELDS)
        steps.append((Cause(unit, "bench", unit, None), Tell(fact)))
    return steps


async def serve(url: str, n: int, log_of: Any = PostgresLog) -> None:
    """One stage as a process."""
    db = await Database.open(url, name=f"stage{n}")
    kernel = Kernel(db, f"bench.s{n}", "test", log_of=log_of)
    await kernel.start()
    gc.collect()
    gc.freeze()  # as app/compose.py does
    await kernel.run(stage(n))

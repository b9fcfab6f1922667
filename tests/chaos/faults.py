"""What is done to a world: each named point killed and stopped, and random blows. Every one says how long recovery took."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.compose import RELAY, SERVICES
from tests.chaos.arena import AWAY, Arena
from tests.chaos.sheets import Maker, sheets

KAFKA = os.environ.get("LOG") == "kafka"
BROKERS = ("kafka", "broker")
"""The world's single broker; one node of the arena's own cluster."""
RELAY_POINTS = ("relay.before-send", "relay.after-send")
LANES = (
    "intake-admit",
    "signer-sign",
    "agency-submit",
    "agency-replies",
    "agency-activate",
    "agency-roster",
    "vault-spend",
)
SELDOM = ("intake-registry", "signer-await", "agency-status", "vault-forget", "notifier-webhook", "notifier-mail")
"""Lanes that a made-up sheet does not use: first-time dossiers, people who approve, status questions, outgoing messages."""
WRITES = ("agency-submit", "agency-activate")
GROUPS = ("intake", "enrolment", "signer", "submitter", "mail-watcher", "ops", "notifier")
POINTS = (
    *(f"{lane}.{place}" for lane in LANES for place in ("after-claim", "before-outcome", "before-commit", "after-commit")),
    *(f"{call}.{place}" for call in WRITES for place in ("before-write", "after-write", "after-answer")),
    *(f"{group}.{place}" for group in GROUPS for place in ("before-commit", "after-commit")),
    "mail.fetched", "mail.before-commit", "mail.after-commit", "mail.before-match-commit",
    *(RELAY_POINTS if KAFKA else ()),
)  # fmt: skip
"""Every named point that an ordinary enrolment passes; a test looks for points in the code that are neither here nor in `BYWAYS`."""
BYWAYS = (
    *(f"{lane}.{place}" for lane in SELDOM for place in ("after-claim", "before-outcome", "before-commit", "after-commit")),
    "esign.before-request", "esign.after-answer",
)  # fmt: skip
"""Points on the other ways; scenarios pass there (`--scenarios`)."""
BACK_S = 10.0
"""Services have to be at work again within this, counted from the death, the supervisor's kill, or SIGCONT."""
BROKER_BACK_S = 30.0
"""The same where a broker died: its partitions need another leader (6 s), a single one has to start again. And where all of hoso died at
once on Kafka: every service joins its group anew, on two cores beside the broker."""
NAP_S = 30.0
"""A broker that stands still for so long has lost its partitions and its place in the cluster."""
DEAF_S = 10.0 + 4.0
"""A stopped process has to be killed by the supervisor within this: 10 s without an answer, and its own rounds."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`kill`, `stop` (the supervisor has to end it), `nap` (stopped, continued after some seconds); at a point or of a process."""

    kind: str
    target: str
    point: bool = True


@dataclass(frozen=True, slots=True)
class Suffered:
    """A fault that happened, and how it went."""

    fault: Fault
    back_s: float
    note: str = ""

    @property
    def bad(self) -> bool:
        slow = self.fault.target in BROKERS or (KAFKA and self.fault.target == "hoso")
        bound = BROKER_BACK_S if slow else BACK_S
        return self.back_s > bound or bool(self.note)

    def said(self) -> str:
        at = "at" if self.fault.point else "of"
        return f"{self.fault.kind:<5} {at} {self.fault.target:<28} back after {self.back_s:5.1f} s {self.note}"


def service_of(point: str) -> str:
    """The process that passes there."""
    lane, _, _ = point.partition(".")
    known = {"intake-admit": "intake", "signer-sign": "signer", "mail": "mail_watcher", "mail-watcher": "mail_watcher"}
    known |= {"intake-registry": "intake", "signer-await": "signer", "esign": "signer"}
    known |= {"notifier-webhook": "notifier", "notifier-mail": "notifier"}
    return known.get(lane) or (lane if lane in (*GROUPS, RELAY) else "submitter")


def in_pairs(seed: int) -> list[list[Fault]]:
    """Two points of every service killed, two or three services at a time; the submitter's are those around the write."""
    chance = random.Random(seed)
    rounds: list[list[Fault]] = []
    chosen = {name: chance.sample([p for p in POINTS if service_of(p) == name], 2) for name in SERVICES}
    chosen["submitter"] = ["agency-submit.before-write", "agency-submit.after-write"]
    for turn in range(2):
        for beside in (("submitter", "signer"), ("intake", "enrolment"), ("mail_watcher", "ops", "notifier")):
            rounds.append([Fault("kill", chosen[name][turn]) for name in beside])
        if KAFKA:
            rounds[-2].append(Fault("kill", ("relay.after-send", "relay.before-send")[turn]))
    return rounds


def at_points(names: Sequence[str], seed: int) -> list[Fault]:
    """Each point killed and stopped; every second stop is left to the supervisor, in the next run the others."""
    made = []
    for n, name in enumerate(names):
        made += [Fault("kill", name), Fault("stop" if (n + seed) % 2 else "nap", name)]
    return made


def blows(count: int, seed: int, broker: str = "kafka") -> list[Fault]:
    """Random ones over all processes; each kind of process at least once when there is room.

    `broker`: which kind of broker there is, where the log is Kafka."""
    chance = random.Random(seed)
    others = ("postgres", "backend", "hoso", "simulator", "post", "mailbox", *((broker,) if KAFKA else ()))
    served = (*SERVICES, *((RELAY,) if KAFKA else ()))
    sure = [Fault("kill", target, False) for target in reversed(others)]
    made = sure[: count // 2]
    while len(made) < count:
        target = chance.choice([*served, *served, *others])
        kind = chance.choice(("kill", "kill", "kill", "nap", "stop")) if target in served else "kill"
        made.append(Fault(kind, target, False))
    chance.shuffle(made)
    if KAFKA and broker == "broker":
        made += [Fault("kill", broker, False), Fault("kill", broker, False), Fault("nap", broker, False)]
        chance.shuffle(made)
    return made


class Surgeon:
    """Does one fault after the other, and waits after each until the world works again."""

    def __init__(self, arena: Arena, maker: Maker, seed: int) -> None:
        self._arena = arena
        self._maker = maker
        self._chance = random.Random(seed)

    async def do(self, fault: Fault, patience: float) -> Suffered | None:
        """Do it. None when nobody passed the point within `patience` seconds."""
        if fault.target == "broker":
            await self._to_broker(fault)
            return Suffered(fault, await self._arena.until_working())
        if fault.point:
            pid = await self._at_point(fault, patience)
            if pid is None:
                return None
        else:
            pid = await self._to_process(fault)
        note = ""
        if fault.kind == "nap":
            await asyncio.sleep(self._chance.uniform(3, 6))  # how long it stands still is the fault itself
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        elif fault.kind == "stop":
            note = await self._until_killed(pid)
        back = await self._arena.until_working()
        if not fault.point:
            back = max(back, await self._until_filed(time.monotonic() - back))
        return Suffered(fault, back, note)

    async def _to_broker(self, fault: Fault) -> None:
        """One node of three: killed and started again some seconds later, or stopped for as long."""
        cluster = self._arena.cluster
        assert cluster is not None
        node = self._chance.choice(cluster.nodes).number
        if fault.kind == "kill":
            cluster.kill(node)
            await asyncio.sleep(self._chance.uniform(1, 8))  # how long it is away is the fault itself
            cluster.start(node)
        else:
            cluster.pause(node)
            await asyncio.sleep(NAP_S)
            cluster.resume(node)

    async def _until_filed(self, began: float) -> float:
        """Seconds since `began` until a row handed in now has been through every service up to the agency's door."""
        [(tenant, data, _)] = sheets([self._maker.row("")], 1)
        batch = await self._arena.hand_in(tenant, data)
        while time.monotonic() - began < 60 and not await self._arena.filed(batch):
            await asyncio.sleep(0.05)
        return time.monotonic() - began

    async def _at_point(self, fault: Fault, patience: float) -> int | None:
        """Arm the point, wait until somebody took it; his pid."""
        armed = self._arena.points / fault.target
        new = self._arena.points / f".{fault.target}"
        for old in self._arena.points.glob(f"taken-{fault.target}-*"):
            old.unlink()  # a process that napped here may come here again, and would be told from nobody by its pid
        new.write_text("kill" if fault.kind == "kill" else "stop")
        new.rename(armed)
        until = time.monotonic() + patience
        while True:
            taken = set(self._arena.points.glob(f"taken-{fault.target}-*"))
            if taken:
                return int(taken.pop().name.rpartition("-")[2])
            if time.monotonic() > until:
                with contextlib.suppress(FileNotFoundError):
                    armed.unlink()
                    return None
                continue  # taken in this very moment
            await asyncio.sleep(0.03)

    async def _to_process(self, fault: Fault) -> int:
        while True:
            with contextlib.suppress(*AWAY, IndexError):
                if fault.target == "backend":
                    pid = await self._arena.backend(self._chance.randrange(100))
                    os.kill(pid, signal.SIGKILL)
                    return pid
                pid = self._arena.pid(fault.target)
                if fault.kind == "kill":
                    await self._arena.kill(fault.target)
                else:
                    os.kill(pid, signal.SIGSTOP)
                return pid
            await asyncio.sleep(0.1)

    async def _until_killed(self, pid: int) -> str:
        """Until the supervisor has killed a stopped process; what is wrong when it does not."""
        began = time.monotonic()
        while _state(pid) not in ("T", "t", "") and time.monotonic() - began < 2:
            await asyncio.sleep(0.01)  # the signal is on its way
        while _state(pid) in ("T", "t"):
            if time.monotonic() - began > DEAF_S + 10:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                return "the supervisor left it standing"
            await asyncio.sleep(0.05)
        took = time.monotonic() - began
        return f"was killed only after {took:.1f} s" if took > DEAF_S else ""


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def summary(suffered: Sequence[Suffered], never: Sequence[Fault]) -> dict[str, Any]:
    """Figures of a run."""
    slowest = max(suffered, key=lambda s: s.back_s, default=None)
    return {
        "faults": len(suffered),
        "points_killed": len({s.fault.target for s in suffered if s.fault.point and s.fault.kind == "kill"}),
        "points_stopped": len({s.fault.target for s in suffered if s.fault.point and s.fault.kind != "kill"}),
        "random": sum(not s.fault.point for s in suffered),
        "max_back_s": round(slowest.back_s, 1) if slowest else 0.0,
        "slowest": slowest.said() if slowest else "",
        "never_reached": [f"{f.kind} {f.target}" for f in never],
    }

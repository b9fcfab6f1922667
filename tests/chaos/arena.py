"""A made-up world that can be hurt: its processes found, killed, stopped and started again, and asked whether they work.

Nothing here knows what ought to come of it; the judge reads that from the ledgers afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import secrets
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import asyncpg
import psutil

from app.compose import RELAY, SERVICES
from app.house import House, house
from app.preparing import prepare
from app.world import jump
from demo.broker import Cluster, Disk
from demo.judge import OPEN_STAGES, Findings, judge_everything, ledger
from demo.keys import Authority
from demo.world import World
from hoso.runtime.clock import parse_duration
from hoso.runtime.failures import HosoError
from hoso.setup.declarations import MailboxSettings
from tests.chaos.sheets import Tenant

AWAY = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    aiohttp.ClientError,
    TimeoutError,
    HosoError,
    ValueError,
    KeyError,
)
"""What asking a world says while something in it has just been killed."""
STEP = parse_duration("6h")
LAST = parse_duration("12d")
_UNREAD_EVENTS = (
    "select sum(h.next - p.off) from log.position p join log.head h using (topic, part) "
    "where (p.kafka is null or p.topic not like 'enrolment.requests.%')"
)
QUIET_S = 1.2
UNREAD_S = 15.0
"""So long the clock waits once for delivered mails to be read: days that pass meanwhile would be days without a mail watcher."""


def a_port() -> int:
    """A free port below those the system gives away, so that a service that is started again finds it free."""
    for port in secrets.SystemRandom().sample(range(18000, 30000), 200):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no port of 127.0.0.1 is free")


class Arena:
    """One world below a temporary folder, its tenants, and the ways to hurt it."""

    def __init__(
        self,
        folder: Path,
        tenants: Sequence[Tenant],
        *,
        honour_keys: bool = False,
        brokers: int = 0,
        fronted: bool = False,
        disk: Disk | None = None,
    ) -> None:
        """`brokers`: so many Kafka nodes of the arena's own, each of which can be hurt; 0: what the variable LOG says.
        `fronted`: hoso reaches them only through what listens on their front ports. `disk`: their data lies there."""
        self.points = folder / "points"
        self.tenants = list(tenants)
        self.pin = f"pin-{secrets.token_hex(8)}"
        self.keys: dict[str, str] = {}
        self.relay = a_port()
        """Where hoso hands its own mails over; nobody listens until a scenario does."""
        self.rejections = folder / "rejections.json"
        """Classes of codes that this deployment gives itself; followed while it runs."""
        self.world = World(
            folder,
            settings={
                "HOSO_POINTS": str(self.points),
                "HOSO_HTTP": f"127.0.0.1:{a_port()}",
                "HOSO_AGENT_HTTP": f"127.0.0.1:{a_port()}",
                "HOSO_REJECTIONS": str(self.rejections),
                "HOSO_SMTP": f"smtp://127.0.0.1:{self.relay}",
                "HOSO_SMTP_FROM": "hoso@thong-bao.example",
                "HOSO_WEBHOOK_LOOPBACK": "true",
            },
            simulator=["--honour-keys"] if honour_keys else [],
        )
        self.cluster = Cluster(folder / "kafka", brokers, fronted=fronted, disk=disk) if brokers else None
        self._agency_port = a_port()
        self._delivered: dict[str, set[bytes]] = {}
        self._seen = 0

    # --- starting and ending -----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Mail host, agency, hoso, and what people set up."""
        self.points.mkdir(parents=True)
        if self.cluster is not None:
            self.cluster.start()
            self.cluster.until_ready()
            self.world.also(HOSO_LOG=f"kafka://{self.cluster.bootstrap}")
            await self.before_hoso()
        self.rejections.write_text("{}")
        self.world.start_post([box for t in self.tenants for box in (t.mailbox, *t.mailboxes)])
        post = await self.world.until("post/post.json", "post")
        self.world.start_simulator(post["smtp"]["port"], listen=f"127.0.0.1:{self._agency_port}")
        await self.world.until("simulator/simulator.json", "simulator")
        await self.start_hoso()
        await self._set_up(post)

    async def before_hoso(self) -> None:
        """The brokers run, hoso does not yet."""

    async def start_hoso(self) -> None:
        """Every service, and its addresses."""
        self.world.start_hoso()
        await self.world.until("hoso/up.json", "hoso", 90)

    async def _set_up(self, post: Mapping[str, Any]) -> None:
        authority = Authority()
        async with self.open() as own:
            for tenant in self.tenants:
                await own.set_up.add_tenant(tenant.name, tenant.name, "chaos")
                for box in (tenant.mailbox, *tenant.mailboxes):
                    settings = MailboxSettings("127.0.0.1", post["boxes"][box]["port"], box, tls="none")
                    await own.set_up.add_mailbox(
                        tenant.name, box, tenant.contact_mode, settings, self.world.boxes[box], "chaos"
                    )
                for name, tax_code, employer in (*((f"MST {t}", t, e) for t, e in tenant.employers), *tenant.profiles):
                    key = await asyncio.to_thread(authority.pkcs12, tax_code, employer, self.pin)
                    await own.set_up.add_pkcs12(tenant.name, name, key, self.pin, "chaos")
                self.keys[tenant.name] = await own.set_up.add_key(
                    tenant.name, "chaos", ["submit", "read", "setup"], "chaos"
                )

        await prepare(self.world.settings(), self.url)  # the tenants' topics in Kafka, where this world has one

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[House]:
        """The database and the vault, for one look; waits while the database is away."""
        async with house(self.world.settings(), "chaos", size=2) as own:
            yield own

    async def end(self) -> None:
        """End every process of this world, also stopped ones."""
        for process in self.world.processes.values():
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGCONT)
        await asyncio.to_thread(self.world.end)
        if self.cluster is not None:
            self.cluster.stop(patience=0)
        if (self.world.folder / "hoso" / "pg").exists():
            from hoso.process.embedded import EmbeddedServer

            await asyncio.to_thread(EmbeddedServer(self.world.folder / "hoso" / "pg").end_leftover)

    # --- who is there ------------------------------------------------------------------------------------------

    def up(self) -> dict[str, Any]:
        """What `hoso up` wrote down. Raises OSError, ValueError while it is not there."""
        found: dict[str, Any] = self.world.read("hoso/up.json")
        return found

    def pid(self, name: str) -> int:
        """The process of a service, of `hoso`, `post`, `simulator`, `postgres`, `mailbox` or an extra. Raises OSError, KeyError."""
        if name in (*SERVICES, RELAY):
            return int(self.up()["services"][name]["pid"])
        if name == "postgres":
            return int((self.world.folder / "hoso/pg/data/postmaster.pid").read_text().split("\n")[0])
        if name == "mailbox":
            children = psutil.Process(self.world.processes["post"].pid).children()
            return int(children[0].pid)
        return self.world.processes[name].pid

    async def backend(self, number: int) -> int:
        """The process of one of hoso's database sessions."""
        db = await asyncpg.connect(self.url, timeout=3)
        try:
            pids = await db.fetch(
                "select pid from pg_stat_activity where application_name like 'hoso-%' and pid <> pg_backend_pid() order by 1"
            )
            return int(pids[number % len(pids)]["pid"])
        finally:
            await db.close(timeout=1)

    @property
    def url(self) -> str:
        """Of the embedded database."""
        from app.house import database_url

        return database_url(self.world.settings())

    # --- hurting -----------------------------------------------------------------------------------------------

    async def start_again(self, name: str) -> None:
        """What the machine's own init would do: start the supervisor, the agency or the mail host where it was."""
        if name == "hoso":
            (self.world.folder / "hoso/up.json").unlink(missing_ok=True)
            self.world.start_hoso()
        elif name == "kafka":
            self.world.start_broker()
        elif name == "simulator":
            (self.world.folder / "simulator/simulator.json").unlink(missing_ok=True)
            self.world.start_simulator(self._smtp, listen=f"127.0.0.1:{self._agency_port}")
            await self.world.until("simulator/simulator.json", "simulator")
        else:
            (self.world.folder / "post/post.json").unlink(missing_ok=True)
            self.world.start(
                "post",
                "demo.post",
                "--boxes",
                str(self.world.folder / "boxes.json"),
                "--data",
                str(self.world.folder / "post"),
            )
            await self.world.until("post/post.json", "post")

    @property
    def _smtp(self) -> int:
        import sqlite3

        with contextlib.closing(sqlite3.connect(self.world.folder / "post" / "post.db")) as spool:
            return int(spool.execute("select port from ports where name = 'smtp'").fetchone()[0])

    async def kill(self, name: str) -> None:
        """kill -9, and start again what no supervisor starts."""
        process = self.world.processes.get(name)
        os.kill(self.pid(name), signal.SIGKILL)
        if process is not None:
            await asyncio.to_thread(process.wait, 10)
            if name in ("hoso", "simulator", "post", "kafka"):
                await self.start_again(name)

    def extra(self, tag: str, service: str, broken: str = "") -> Path:
        """Start a second process of a service on the same database, as another machine would, with fault points of its own.

        `broken`: the fence it does without. Returns the folder of its points."""
        folder = self.world.folder / f"extra-{tag}"
        points = folder / "points"
        points.mkdir(parents=True)
        if broken:
            (points / f"break-{broken}").touch()
        environment = {
            **self.world.environment(),
            "HOSO_VAR": str(folder),
            "HOSO_POINTS": str(points),
            "HOSO_DATABASE": self.url,
            "HOSO_VAULT_KEY_FILE": str(self.world.folder / "hoso/vault.key"),
            "HOSO_HTTP": "127.0.0.1:0",
        }
        self.world.start(f"extra-{tag}", "app.main", "run", service, environment=environment)
        return points

    # --- asking whether it works -------------------------------------------------------------------------------

    async def healthy(self, session: aiohttp.ClientSession) -> bool:
        """Every service's process answers /health well, and intake its HTTP."""
        try:
            services = self.up()["services"]
            if len([s for s in services.values() if s]) < len(SERVICES):
                return False
            asked = [f"{facts['ops']}/health" for facts in services.values()] + [
                f"{services['intake']['http']}/openapi.json"
            ]
            return all(await asyncio.gather(*(_well(session, url) for url in asked)))
        except AWAY:
            return False

    async def flowing(self, heads: dict[tuple[str, int], int]) -> bool:
        """Every group has read what `heads` (filled here when empty) says was written, nobody's call waits to be claimed or freed."""
        try:
            db = await asyncpg.connect(self.url, timeout=3)
        except AWAY:
            return False
        try:
            if not heads:
                heads.update(
                    {
                        (r["topic"], r["part"]): r["next"]
                        for r in await db.fetch("select topic, part, next from log.head")
                    }
                )
            positions = await db.fetch(
                "select topic, part, off from log.position p where (p.kafka is null or p.topic not like 'enrolment.requests.%')"
            )
            waiting = await db.fetchval(
                "select count(*) from log.call c where (owner is not null and not exists (select 1 from log.member m where m.id = c.owner)) "
                "or (ready and owner is null and not_before < now() - interval '2 seconds' and asked_at < now() - interval '2 seconds' "
                "and due < now() - interval '2 seconds')"
            )
            return not waiting and all(heads.get((r["topic"], r["part"]), 0) <= r["off"] for r in positions)
        except AWAY:
            return False
        finally:
            with contextlib.suppress(*AWAY):
                await db.close(timeout=1)

    async def filed(self, batch: UUID) -> bool:
        """Whether a batch's one enrolment has been signed, asked to be filed, and its mail is expected."""
        try:
            db = await asyncpg.connect(self.url, timeout=3)
        except AWAY:
            return False
        try:
            words = await db.fetchval(
                "select count(distinct t.type) from ops.timeline t join ops.enrolment e using (enrolment) where e.batch = $1 "
                "and t.type in ('vn.hoso.dossier.signed.v1', 'vn.hoso.agency.filing-asked.v1', 'vn.hoso.mail.expected.v1')",
                batch,
            )
            return bool(words == 3)
        except AWAY:
            return False
        finally:
            with contextlib.suppress(*AWAY):
                await db.close(timeout=1)

    async def until_working(self, seconds: float = 60) -> float:
        """Seconds until every service answers and events flow; `seconds` when they never do."""
        began = time.monotonic()
        heads: dict[tuple[str, int], int] = {}
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
            while time.monotonic() - began < seconds:
                if await self.healthy(session) and await self.flowing(heads):
                    return time.monotonic() - began
                await asyncio.sleep(0.1)
        return seconds

    async def until_read(self, seconds: float = 20) -> None:
        """Until every group has read what there is; no longer than that, the judge says who is behind."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with contextlib.suppress(*AWAY):
                async with self.open() as own:
                    if not await own.db.pool.fetchval(_UNREAD_EVENTS):
                        return
            await asyncio.sleep(0.2)

    # --- handing in, waiting for the end, judging --------------------------------------------------------------

    async def hand_in(self, tenant: str, data: bytes, *, patience: float = 60, name: str = "chi-nhanh.csv") -> UUID:
        """Hand a sheet in, again and again under one Idempotency-Key until it is promised, as a producing system would."""
        key = str(uuid4())
        until = time.monotonic() + patience
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
            while True:
                try:
                    return await self._upload(session, tenant, data, key, name)
                except AWAY as error:
                    if time.monotonic() > until:
                        raise AssertionError(f"a sheet could not be handed in: {error!r}") from error
                    await asyncio.sleep(0.2)

    async def _upload(self, session: aiohttp.ClientSession, tenant: str, data: bytes, key: str, name: str) -> UUID:
        form = aiohttp.FormData()
        form.add_field("file", data, filename=name)
        headers = {"Authorization": f"Bearer {self.keys[tenant]}", "Idempotency-Key": key}
        async with session.post(
            f"{self.up()['services']['intake']['http']}/v1/batches", data=form, headers=headers
        ) as answer:
            body = await answer.json()
            if answer.status >= 500:
                raise ConnectionError(f"{answer.status} {body}")
            assert answer.status < 300, body
            return UUID(body["batch"])

    async def progress(self) -> tuple[bool, tuple[Any, ...]]:
        """Whether everything has ended, and a picture that changes while anything happens."""
        db = await asyncpg.connect(self.url, timeout=3)
        try:
            await db.execute("begin isolation level repeatable read read only")  # all of one moment
            open_ = await db.fetchval("select count(*) from ops.enrolment where stage = any($1)", sorted(OPEN_STAGES))
            working = await db.fetchval("select count(*) from intake.batch where state = 'working'")
            undecided = await db.fetchval("select count(*) from intake.request where outcome is null")
            heads = await db.fetchval("select sum(next) from log.head")
            behind = await db.fetchval(_UNREAD_EVENTS)
            calls = await db.fetchval("select count(*) from log.call where lane <> 'agency.replies' or unsure")
            mails = await db.fetchval("select count(*) from mail_watcher.mail where look")
            queued = self._mails_queued()
            ended = not (open_ or working or undecided or behind or calls or mails or queued)
            return ended, (
                open_,
                working,
                undecided,
                heads,
                behind,
                calls,
                mails,
                queued,
                time.monotonic() if calls or queued else 0,
            )
        finally:
            await db.close(timeout=1)

    def _mails_queued(self) -> int:
        """Mails of the agency that are due and not sent."""
        with contextlib.closing(ledger(self.world.folder / "simulator" / "simulator.db")) as agency:
            base, anchor, rate = agency.execute("select base_world, anchor_real, rate from clock").fetchone() or (
                0.0,
                0.0,
                1.0,
            )
            now = base + (time.time() - anchor) * rate
            return int(
                agency.execute(
                    "select count(*) from mails where state = 'queued' and due_world <= ?", (now,)
                ).fetchone()[0]
            )

    async def unread(self, tenant: str = "") -> set[bytes]:
        """Mails that lie in a mailbox of the tenant (of any, without one) about which the mail watcher has not decided yet, by SHA-256."""
        with contextlib.closing(ledger(self.world.folder / "post" / "post.db")) as post:
            for row in post.execute("select id, box, content from mails where id > ? order by id", (self._seen,)):
                self._delivered.setdefault(row["box"], set()).add(hashlib.sha256(row["content"]).digest())
                self._seen = row["id"]
        owners = [t for t in self.tenants if tenant in ("", t.name)]
        boxes = [box for t in owners for box in (t.mailbox, *t.mailboxes)]
        told = set().union(*(self._delivered.get(box, set()) for box in boxes))
        async with self.open() as own:
            kept = await own.db.pool.fetch(
                "select sha256 from mail_watcher.mail where sha256 = any($1) and not look", list(told)
            )
        return told - {row["sha256"] for row in kept}

    async def until_ended(self, seconds: float, *, jumps: bool = True, done: Callable[[], bool] = lambda: True) -> bool:
        """Until everything handed in has ended, moving the world's clock when nothing happens. False when something never does."""
        last: tuple[Any, ...] = ()
        given_up: set[bytes] = set()
        changed, moved = time.monotonic(), parse_duration("1s")
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                ended, picture = await self.progress()
                if ended and done():
                    return True
                if picture != last:
                    last, changed = picture, time.monotonic()
                elif jumps and time.monotonic() - changed > QUIET_S and done():
                    if unread := await self.unread() - given_up:
                        if time.monotonic() - changed < UNREAD_S:
                            await asyncio.sleep(0.2)
                            continue
                        given_up |= unread
                    if moved > LAST:
                        return False
                    moved += STEP
                    await self.jump(STEP)
                    changed = time.monotonic()
            except AWAY:
                changed = time.monotonic()
            await asyncio.sleep(0.2)
        return False

    async def jump(self, delta: Any) -> None:
        """Move the world's clock."""
        async with self.open() as own:
            await jump(own.db, self.world.settings().gateway, delta, "chaos")

    async def judge(self) -> Findings:
        """The judge's word on everything."""
        async with self.open() as own:
            with contextlib.closing(ledger(self.world.folder / "simulator" / "simulator.db")) as agency:
                async with own.db.pool.acquire() as db:
                    secrets_ = [self.pin, *self.world.boxes.values(), *self.keys.values()]
                    return await judge_everything(agency, db, own.vault.get, self.world.folder, secrets_)

    async def stuck(self) -> str:
        """What has not ended: the timelines of some, who is behind, and what services said last."""
        async with self.open() as own:
            rows = await own.db.pool.fetch(
                "select unit_code, enrolment from ops.enrolment where stage = any($1) limit 3", sorted(OPEN_STAGES)
            )
            behind = await own.db.pool.fetch(
                "select p.grp, p.topic, p.part, h.next - p.off as n, p.kafka from log.position p join log.head h using (topic, part) "
                "where h.next > p.off order by 1, 2, 3"
            )
            calls = await own.db.pool.fetch(
                "select grp, lane, subject, unsure, tries, not_before from log.call limit 10"
            )
        said = [
            f"{file.name}: {line}"
            for file in sorted((self.world.folder / "hoso/log").glob("*"))
            for line in _last(file)
        ]
        lines = [*map(str, map(dict, behind)), *map(str, map(dict, calls)), *said]
        return "\n".join(lines) + await self.timelines([f"{row['unit_code']} {row['enrolment']}" for row in rows])

    async def timelines(self, faults: Sequence[str], most: int = 5) -> str:
        """The timelines of the units and enrolments that faults name."""
        import re

        words = set(
            re.findall(
                r"\b[A-Z]{2}[A-Z0-9]\d{3}[A-Z]\b|\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "\n".join(faults)
            )
        )
        lines: list[str] = []
        async with self.open() as own:
            found = await own.db.pool.fetch(
                "select enrolment, unit_code, stage from ops.enrolment where enrolment::text = any($1) or unit_code = any($1) limit $2",
                sorted(words),
                most,
            )
            for row in found:
                lines.append(f"\n{row['unit_code']} {row['enrolment']} {row['stage']}")
                for event in await own.db.pool.fetch(
                    "select at, type, event, cause, data from ops.timeline where enrolment = $1 order by event",
                    row["enrolment"],
                ):
                    data = {
                        k: v
                        for k, v in json.loads(event["data"]).items()
                        if k not in ("form", "payload", "steps") and v not in (None, "")
                    }
                    lines.append(
                        f"  {event['at']:%d %H:%M:%S.%f} {event['type'].removeprefix('vn.hoso.'):<40} cause {event['cause']} {data}"[
                            :300
                        ]
                    )
        return "\n".join(lines)


def _last(file: Path, most: int = 4) -> list[str]:
    lines = file.read_text("utf-8", "replace").splitlines()
    return [line[:300] for line in lines if '"level": "info"' not in line and " INFO " not in line][-most:]


async def _well(session: aiohttp.ClientSession, url: str) -> bool:
    async with session.get(url) as answer:
        return answer.status == 200


@contextlib.asynccontextmanager
async def arena(
    tenants: Sequence[Tenant],
    *,
    keep: Path | None = None,
    honour_keys: bool = False,
    brokers: int = 0,
    disk: Disk | None = None,
) -> AsyncIterator[Arena]:
    """An arena that has started; ended at the end whatever happens, its folder removed unless something failed.

    A folder that stays is named by `keep` (made when given) or a temporary one."""
    folder = keep or Path(tempfile.mkdtemp(prefix="hoso-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    made = Arena(folder, tenants, honour_keys=honour_keys, brokers=brokers, disk=disk)
    try:
        await made.start()
        yield made
    except BaseException:
        print(f"what there is to look at: {folder}", flush=True)
        await made.end()
        raise
    await made.end()
    shutil.rmtree(folder, ignore_errors=True)

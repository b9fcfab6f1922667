"""How long a code takes from the mailbox to the log: `python -m benchmarks.mails`.

Dovecot keeps one mailbox; the mail watcher is the process that `hoso up` would start, on a database of its own with fsync.
Attempts that wait are told on mail.expected first. Then signed activation mails are handed over by SMTP at an even pace,
and beside it the log is read every 5 ms. A mail's figure is the time from the mail host's "250" to the moment its
ActivationCodeArrived can be read on the log: it holds Dovecot's own delay before it tells an idling reader (up to 500 ms),
and does not hold what the enrolment and the submitter need to send the activation (a few hops, see benchmarks.hops).

Fails when a code is missing, told twice or told to the wrong unit. The last line is one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aiosmtplib
import psutil
import uvloop

from app.edge import Edge
from benchmarks.mailhost import program
from benchmarks.stage import database, verdict
from hoso.runtime.outgoing import Cause
from hoso.runtime.steps import Tell
from hoso.store.postgres import Database
from schemas.events import MailExpected
from simulator.dkim_signing import DkimKey, keys
from simulator.looks import Look
from simulator.mails import Sender, write

TENANT, DOMAIN = "bench", "baohiemxahoi.gov.vn"
ADDRESS = "thu@bench.example"
NAME = "CÔNG TY TNHH ĐO LƯỜNG - CHI NHÁNH {n}"
LETTERS = "ABCDEGHKLMNPQRSTUVXY"
PATIENCE_S = 60.0


def unit_code(n: int) -> str:
    return f"{LETTERS[n // 8000 % 20]}{LETTERS[n // 400 % 20]}{LETTERS[n // 20 % 20]}001{LETTERS[n % 20]}"


def activation_code(n: int) -> str:
    return f"Q{n:07d}K7"


@contextlib.contextmanager
def child(*words: str, environment: dict[str, str], folder: Path) -> Any:
    with (folder / f"{words[0]}.out").open("ab") as out:
        process = subprocess.Popen([sys.executable, "-m", *words], env=environment, stdout=out, stderr=out)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


def hoso(environment: dict[str, str], *words: str) -> None:
    done = subprocess.run([sys.executable, "-m", "app.main", *words], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


async def until(what: str, true: Any) -> None:
    ends = time.monotonic() + PATIENCE_S
    while not await true():
        assert time.monotonic() < ends, f"{what}: not within {PATIENCE_S:.0f} s"
        await asyncio.sleep(0.05)


async def expect(db: Database, count: int) -> list[UUID]:
    """Tell mail.expected of so many attempts; their enrolments."""
    mailbox = await db.pool.fetchval("select id from store.mailbox")
    edge = await Edge.open(db.pool, "test")
    told = []
    enrolments = [uuid4() for _ in range(count)]
    for n, enrolment in enumerate(enrolments):
        fact = MailExpected(
            enrolment=enrolment, dossier=uuid4(), attempt=1, kind="register", mailbox=mailbox, contact=ADDRESS,
            unit_code=unit_code(n), unit_name=NAME.format(n=n), tax_code="0101234567",
        )  # fmt: skip
        told.append((Cause(uuid4(), TENANT, enrolment, None), Tell(fact)))
    for start in range(0, count, 500):
        async with db.pool.acquire() as tx, tx.transaction():
            ring = await edge.admit_many(tx, told[start : start + 500])
        ring()
    await edge.announce()
    return enrolments


async def watch(db: Database, count: int, seen: dict[UUID, float]) -> None:
    """Note when each code can be read on the log first."""
    heads: dict[int, int] = {}
    ends = time.monotonic() + PATIENCE_S
    while len(seen) < count:
        rows = await db.pool.fetch(
            "select part, off, type, body from log.event where topic = 'mail.received' "
            "and off >= coalesce(($1::jsonb ->> part::text)::bigint, 0) order by part, off",
            json.dumps(heads),
        )
        now = time.time()
        for row in rows:
            heads[row["part"]] = row["off"] + 1
            fact = json.loads(row["body"])["data"]
            assert row["type"].endswith("activation-code-arrived.v1"), row["type"]
            enrolment = UUID(fact["enrolment"])
            assert enrolment not in seen, "a code was told twice"
            seen[enrolment] = now
            ends = time.monotonic() + PATIENCE_S
        assert time.monotonic() < ends, f"{len(seen)} of {count} codes came"
        await asyncio.sleep(0.005)


async def send(port: int, count: int, rate: float, key: DkimKey) -> list[float]:
    """When the mail host had each mail."""
    sender = Sender(f"thongbao@{DOMAIN}", key, key)
    delivered = []
    client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False)
    await client.connect()
    began = time.monotonic()
    for n in range(count):
        await asyncio.sleep(max(0.0, began + n / rate - time.monotonic()))
        look = Look("activation", NAME.format(n=n), unit_code(n), activation_code(n))
        raw = write(look, sender, ADDRESS, f"<{n}@{DOMAIN}>", f"HS{n}", time.time())
        await client.sendmail(f"thongbao@{DOMAIN}", [ADDRESS], raw)
        delivered.append(time.time())
    await client.quit()
    return delivered


@contextlib.asynccontextmanager
async def mail_host(folder: Path) -> AsyncIterator[dict[str, Any]]:
    password = secrets.token_urlsafe(12)
    plan = folder / "boxes.json"
    plan.write_text(json.dumps({"boxes": [{"address": ADDRESS, "user": ADDRESS, "password": password}]}))
    words = ("benchmarks.mailhost", "--boxes", str(plan), "--data", str(folder / "post"))
    with child(*words, environment=dict(os.environ), folder=folder):
        told = folder / "post" / "post.json"

        async def ready() -> bool:
            return told.exists()

        await until("the mail host", ready)
        said = json.loads(told.read_text())
        yield {"imap": said["boxes"][ADDRESS]["port"], "smtp": said["smtp"]["port"], "password": password}


async def main(asked: argparse.Namespace) -> int:
    folder = Path(asked.folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    folder.chmod(0o711)
    key, _ = keys(folder, DOMAIN, 2048)
    (folder / "records.json").write_text(json.dumps({f"{key.selector}._domainkey.{DOMAIN}": key.record}))
    async with database() as (url, db), mail_host(folder) as host:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("HOSO_")},
            "HOSO_ENVIRONMENT": "test", "HOSO_DATABASE": url, "HOSO_VAR": str(folder / "var"), "HOSO_LANGUAGE": "en",
            "HOSO_DKIM_RECORDS": str(folder / "records.json"),
        }  # fmt: skip
        (folder / "pw").write_text(host["password"])
        hoso(environment, "migrate")
        hoso(environment, "tenant", "add", TENANT)
        hoso(
            environment, "mailbox", "add", TENANT, ADDRESS, "--host", "127.0.0.1", "--port", str(host["imap"]),
            "--tls", "none", "--client", asked.client, "--password-file", str(folder / "pw"),
        )  # fmt: skip
        enrolments = await expect(db, asked.mails)
        with child("app.main", "run", "mail_watcher", environment=environment, folder=folder) as watcher:

            async def reads() -> bool:
                known = await db.pool.fetchval("select count(*) from mail_watcher.expectation")
                standing = await db.pool.fetchval("select standing from mail_watcher.mailbox_cursor")
                return bool(known == asked.mails and standing == "reading")

            await until("the mail watcher", reads)
            before = sum(psutil.Process(watcher.pid).cpu_times()[:2])
            seen: dict[UUID, float] = {}
            watching = asyncio.create_task(watch(db, asked.mails, seen))
            delivered = await send(host["smtp"], asked.mails, asked.rate, key)
            await watching
            cpu = sum(psutil.Process(watcher.pid).cpu_times()[:2]) - before
    took = sorted(seen[enrolment] - at for enrolment, at in zip(enrolments, delivered, strict=True))
    verdict(
        benchmark="mails", mails=asked.mails, rate=asked.rate, client=asked.client,
        p50_ms=round(statistics.median(took) * 1000), p99_ms=round(took[int(len(took) * 0.99)] * 1000),
        max_ms=round(took[-1] * 1000), cpu_ms_per_mail=round(cpu / asked.mails * 1000, 2),
    )  # fmt: skip
    if not asked.keep:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mails", type=int, default=600)
    parser.add_argument("--rate", type=float, default=10.0, help="mails a second")
    parser.add_argument("--client", choices=("aioimaplib", "imapclient"), default="aioimaplib")
    parser.add_argument("--folder", default="/tmp/hoso-bench-mails")
    parser.add_argument("--keep", action="store_true", help="leave the folder for a look")
    if program() is None:
        sys.exit("dovecot is not installed: apt-get install dovecot-imapd dovecot-lmtpd")
    sys.exit(uvloop.run(main(parser.parse_args())))

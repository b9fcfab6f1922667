"""Sheet to enrolled: every service and the simulated agency on this machine, real signatures, HTTP, IMAP and SMTP.

    python -m benchmarks.enrolments [--mix] [--enrolments 10000] [--mailboxes 10] [--mailhost dovecot|pymap] [--paced 300] [--log kafka]

A sheet is handed in over HTTP; the clock runs from the first accepted row to the last activated unit, by the agency's own
ledger. With `--mix` 70 % go straight, 20 % stop their provider first, 10 % have no code and apply for one; the clock then
runs to the last enrolled unit: a newcomer's activation is not its end. Afterwards `--paced` requests at 10/s measure
request -> submitted, and mail delivered -> code at the agency. CPU is counted per process from the kernel's books.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import secrets
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import psutil
import uvloop
import xlsxwriter

from app.house import house
from benchmarks.books import Books
from benchmarks.mailhost import program
from benchmarks.stage import verdict
from demo.judge import judge, ledger
from demo.keys import Authority
from demo.run import TENANT, upload
from demo.world import World
from hoso.domain.identifiers import tax_check_digit
from hoso.setup.declarations import MailboxSettings

HEADERS = ("Mã đơn vị", "Tên đơn vị", "MST", "Tỉnh/TP", "Địa chỉ", "Email", "Số điện thoại")
MIXED = {
    "provider": "Nhà cung cấp hiện tại",
    "branch": "Mã chi nhánh",
    "first_time": "Tham gia lần đầu",
    "contact": "Người liên hệ",
    "representative": "Người đại diện",
    "number": "Số giấy phép",
    "place": "Nơi cấp giấy phép",
    "date": "Ngày cấp giấy phép",
    "files": "Tệp đính kèm",
}
LICENCE = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\nstartxref\n9\n%%EOF\n"
PROVIDERS = ("00001", "00020", "00030", "00040", "00050", "00060", "00100", "00114")
HOSTS = {"dovecot": "benchmarks.mailhost", "pymap": "demo.post"}
"""Who keeps the agency's mails: a real server, or the demo's, which is pure Python and costs several times as much."""


def code(n: int) -> str:
    """The n-th unit code of an ordinary unit: a digit in third place."""
    letters = "ABCDEGHKLMNPQRSTUVXY"
    n, last = divmod(n, len(letters))
    n, number = divmod(n, 10_000)
    first, second = divmod(n, len(letters))
    return f"{letters[first % len(letters)]}{letters[second]}{number:04d}{letters[last]}"


def tax_codes(count: int) -> list[str]:
    found: list[str] = []
    base = 900_100_000
    while len(found) < count:
        digits = str(base)
        check = tax_check_digit(digits)
        if check is not None:
            found.append(f"{digits}{check}")
        base += 1
    return found


def row(n: int, boxes: int, taxes: list[str]) -> tuple[str, ...]:
    tax = taxes[n % len(taxes)]
    return (
        code(n),
        f"CÔNG TY TNHH Đo Lường – Chi nhánh số {n}",
        tax,
        "Thành phố Hà Nội",
        f"Số {n} đường Thử Nghiệm, phường Ba Đình",
        f"hop{n % boxes}@bench.example",
        "0912345678",
    )


def mixed_row(n: int, boxes: int, taxes: list[str]) -> tuple[str, ...]:
    """Of ten rows seven go straight, two name the provider they have, one has no code."""
    plain, blank = row(n, boxes, taxes), ("",) * len(MIXED)
    if n % 10 in (3, 6):
        letters = "ABCDEGHKLMNPQRSTUVXY"
        unit = f"{letters[n // 200 % 20]}{letters[n // 4000 % 20]}C00{n // 20 % 10}{letters[n % 20]}"
        return (unit, *plain[1:], PROVIDERS[sum(map(ord, unit)) % len(PROVIDERS)], *blank[1:])
    if n % 10 == 9:
        first = ("", f"CN-{n}", "x", "Nguyễn Thị Mẫu", "Trần Thị Thử", f"01{n:08d}", "Sở Tài chính Hà Nội")
        return ("", *plain[1:], *first, "05/01/2026", "giay-phep.pdf")
    return (*plain, *blank)


def sheet(file: Path, count: int, boxes: int, taxes: list[str], mix: bool) -> None:
    book = xlsxwriter.Workbook(str(file), {"constant_memory": True, "strings_to_numbers": False})
    page = book.add_worksheet()
    for column, header in enumerate((*HEADERS, *MIXED.values()) if mix else HEADERS):
        page.write_string(0, column, header)
    for n in range(count):
        for column, text in enumerate((mixed_row if mix else row)(n, boxes, taxes)):
            page.write_string(n + 1, column, text)
    book.close()


async def send_licence(url: str, key: str) -> None:
    """The file that newcomers' rows name."""
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.put(f"{url}/v1/attachments/giay-phep.pdf", data=LICENCE) as answer,
    ):
        assert answer.status < 300, await answer.text()


def start_mail_host(world: World, host: str, addresses: list[str]) -> None:
    """One mailbox an address, on Dovecot or as the demo has it."""
    world.boxes = {address: secrets.token_urlsafe(12) for address in addresses}
    plan = world.folder / "boxes.json"
    plan.write_text(json.dumps({"boxes": [{"address": a, "user": a, "password": p} for a, p in world.boxes.items()]}))
    world.folder.parent.chmod(0o711)  # Dovecot's processes are not root's
    here = {"PYTHONPATH": str(Path(__file__).parent.parent)}
    world.start("post", HOSTS[host], "--boxes", str(plan), "--data", str(world.folder / "post"), environment=here)


async def set_up(own: Any, world: World, boxes: int, taxes: list[str]) -> str:
    await own.set_up.add_tenant(TENANT, "", "bench")
    ports = world.read("post/post.json")["boxes"]
    for n in range(boxes):
        address = f"hop{n}@bench.example"
        await own.set_up.add_mailbox(
            TENANT,
            address,
            "shared",
            MailboxSettings("127.0.0.1", ports[address]["port"], address, tls="none"),
            world.boxes[address],
            "bench",
        )
    authority = Authority()
    for tax in taxes:
        await own.set_up.add_pkcs12(
            TENANT, tax, authority.pkcs12(tax, "CÔNG TY TNHH Đo Lường", "bench"), "bench", "bench"
        )
    return str(await own.set_up.add_key(TENANT, "bench", ["submit", "read"], "bench"))


_DONE = """
select (select count(*) from units u where active_transaction is not null
  and not exists (select 1 from granted g where g.unit_code = u.unit_code))
  + (select count(*) from granted where effective_world is not null)
"""
"""Units activated, and granted codes that took effect."""

_BYTES = """
select pg_current_wal_lsn() - $1 as wal, count(*) as events, coalesce(sum(length(body)), 0) as body from log.event
"""


async def sustained(
    own: Any, world: World, url: str, key: str, file: Path, count: int, books: Books, mix: bool
) -> dict[str, Any]:
    db = own.db.pool
    before_us = await db.fetchval("select pg_current_wal_lsn()")
    batch = await upload(url, key, file)
    while not (began := await db.fetchval("select min(opened_at) from ops.enrolment where batch = $1", batch)):
        await asyncio.sleep(0.02)
    shown = time.monotonic()
    with contextlib.closing(ledger(world.folder / "simulator" / "simulator.db")) as agency:
        moved, before = time.monotonic(), -1
        while (active := agency.execute(_DONE).fetchone()[0]) < count:
            if time.monotonic() - shown > 10:
                print(f"  {active:,} of {count:,} activated", flush=True)
                shown = time.monotonic()
            if active != before:
                moved, before = time.monotonic(), active
            assert time.monotonic() - moved < 60, f"nothing moves any more: {active} of {count} activated; see --keep"
            await asyncio.sleep(0.2)
        cpu = books.cpu()
        while await db.fetchval("select count(*) from ops.enrolment where batch = $1 and stage <> 'enrolled'", batch):
            await asyncio.sleep(0.1)
        last = agency.execute("select max(at_real) from activations where outcome = '00'").fetchone()[0]
        if mix:
            ended = await db.fetchval("select max(changed_at) from ops.enrolment where batch = $1", batch)
            last, cpu = ended.timestamp(), books.cpu()
        async with db.acquire() as connection:
            findings = await judge(agency, connection, batch=batch)
        assert findings.clean, findings
        assert findings.enrolled == count, findings
    seconds = last - began.timestamp()
    told = await db.fetchrow(_BYTES, before_us)
    return {
        "wal_bytes": int(told["wal"]) / count,
        "events": told["events"] / count,
        "event_bytes": int(told["body"]) / count,
        "per_s": count / seconds,
        "seconds": seconds,
        "cpu": {part: used / count * 1000 for part, used in cpu.items()},
    }


async def paced(own: Any, url: str, key: str, start: int, count: int, boxes: int, taxes: list[str]) -> list[float]:
    """Seconds from the answer to POST /v1/enrolments to the agency's receipt, at 10 requests a second."""
    asked: dict[UUID, float] = {}

    async def one(session: aiohttp.ClientSession, n: int) -> None:
        unit_code, name, tax, province, address, email, phone = row(n, boxes, taxes)
        fields = {
            "unit_code": unit_code,
            "name": name,
            "tax_code": tax,
            "province": province,
            "address": address,
            "email": email,
            "phone": phone,
        }
        at = time.time()
        async with session.post(f"{url}/v1/enrolments", json=fields, headers={"Idempotency-Key": f'"{n}"'}) as answer:
            body = await answer.json()
            assert answer.status == 202, body
            asked[UUID(body["enrolment"])] = at

    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as session:
        tasks = []
        for n in range(start, start + count):
            tasks.append(asyncio.create_task(one(session, n)))
            await asyncio.sleep(0.1)
        await asyncio.gather(*tasks)
    count_enrolled = "select count(*) from ops.enrolment where enrolment = any($1) and stage = 'enrolled'"
    while await own.db.pool.fetchval(count_enrolled, list(asked)) < count:
        await asyncio.sleep(0.1)
    rows = await own.db.pool.fetch(
        "select enrolment, min(at) as at from ops.timeline where enrolment = any($1) and type = 'vn.hoso.agency.dossier-received.v1' group by 1",
        list(asked),
    )
    assert len(rows) == count, f"{len(rows)} receipts to {count} requests"
    return sorted(r["at"].timestamp() - asked[r["enrolment"]] for r in rows)


def activated(world: World, since: float) -> list[float]:
    """Seconds from the mail host's acknowledgement of an activation mail to the code's arrival at the agency, by the agency's own clock."""
    with contextlib.closing(ledger(world.folder / "simulator" / "simulator.db")) as agency:
        rows = agency.execute(
            "select min(a.at_real) - min(m.sent_real) as seconds from mails m join activations a using (transaction_id) "
            "where m.kind = 'activation' and m.sent_real > ? group by transaction_id",
            (since,),
        ).fetchall()
    return sorted(float(row["seconds"]) for row in rows)


def middle_and_end(latencies: list[float]) -> tuple[float, float]:
    """p50 and p99 of sorted seconds."""
    return statistics.median(latencies), latencies[int(len(latencies) * 0.99) - 1]


async def main(args: argparse.Namespace) -> None:
    folder = Path(tempfile.mkdtemp(prefix="hoso-bench-"))
    taxes = tax_codes(20)
    world = World(
        folder / "world",
        settings={"HOSO_LOG_LEVEL": "WARNING", "HOSO_GATEWAY_POLL": "1s", "HOSO_GATEWAY_TIMEOUT": "30s"},
        simulator=["--fast"],
        log=args.log,
    )
    world.start_afresh()
    try:
        world.start_broker()
        start_mail_host(world, args.mailhost, [f"hop{n}@bench.example" for n in range(args.mailboxes)])
        post = await world.until("post/post.json", "post")
        world.start_simulator(post["smtp"]["port"])
        await world.until("simulator/simulator.json", "simulator")
        world.start_hoso()
        await world.until_up()
        async with house(world.settings(), "bench", size=4) as own:
            key = await set_up(own, world, args.mailboxes, taxes)
            url = world.read("hoso/up.json")["services"]["intake"]["http"]
            file = folder / "sheet.xlsx"
            sheet(file, args.enrolments, args.mailboxes, taxes, args.mix)
            if args.mix:
                await send_licence(url, key)
            books = Books(psutil.Process())
            figures = await sustained(own, world, url, key, file, args.enrolments, books, args.mix)
            print(f"{args.enrolments:,} enrolments in {figures['seconds']:.1f} s: {figures['per_s']:.1f}/s")
            for part, cost in sorted(figures["cpu"].items(), key=lambda p: -p[1]):
                print(f"  {part:<13}{cost:6.2f} ms of CPU an enrolment")
            print(f"  {'all':<13}{sum(figures['cpu'].values()):6.2f} ms")
            print(
                f"{figures['events']:.1f} events of {figures['event_bytes'] / 1024:.1f} KiB in all and "
                f"{figures['wal_bytes'] / 1024:.1f} KiB of WAL an enrolment"
            )
            began = time.time()
            latencies = await paced(own, url, key, args.enrolments + 1000, args.paced, args.mailboxes, taxes)
            p50, p99 = middle_and_end(latencies)
            print(f"request -> submitted at 10/s: p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms")
            codes = activated(world, began)
            assert len(codes) == args.paced, f"{len(codes)} activations of {args.paced}"
            code50, code99 = middle_and_end(codes)
            print(f"mail delivered -> code at the agency: p50 {code50 * 1000:.0f} ms, p99 {code99 * 1000:.0f} ms")
            memory = {part: size / 1024**2 for part, size in books.memory().items()}
            for part, size in sorted(memory.items(), key=lambda p: -p[1]):
                print(f"  {part:<13}{size:6.0f} MB at most in one process")
    finally:
        await asyncio.to_thread(world.end)
        if not args.keep:
            shutil.rmtree(folder, ignore_errors=True)
    services = {
        part: size
        for part, size in memory.items()
        if part in ("intake", "enrolment", "signer", "submitter", "mail_watcher", "notifier", "ops")
    }
    verdict(
        benchmark="enrolments",
        log=world.log,
        enrolments_per_s=round(figures["per_s"], 1),
        enrolments=args.enrolments,
        mix=args.mix,
        mailboxes=args.mailboxes,
        mailhost=args.mailhost,
        cpu_ms={part: round(cost, 2) for part, cost in figures["cpu"].items()},
        cpu_ms_all=round(sum(figures["cpu"].values()), 2),
        wal_kib=round(figures["wal_bytes"] / 1024, 1),
        log_kib=round(figures["event_bytes"] / 1024, 1),
        events=round(figures["events"], 1),
        submitted_p50_ms=round(p50 * 1000),
        submitted_p99_ms=round(p99 * 1000),
        activated_p50_ms=round(code50 * 1000),
        activated_p99_ms=round(code99 * 1000),
        largest_service_mb=round(max(services.values())),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--enrolments", type=int, default=10_000)
    parser.add_argument("--mix", action="store_true", help="70 %% straight, 20 %% stop first, 10 %% first code")
    parser.add_argument("--mailboxes", type=int, default=10)
    parser.add_argument("--mailhost", choices=list(HOSTS), default="dovecot" if program() else "pymap")
    parser.add_argument("--paced", type=int, default=300)
    parser.add_argument("--log", choices=("postgres", "kafka"), help="default: what the variable LOG says")
    parser.add_argument("--keep", action="store_true", help="leave the world's folder for a look")
    sys.exit(uvloop.run(main(parser.parse_args())))

"""`make demo`: enrol a whole sheet in a made-up world and say what became of every row.

The agency is simulated, everything else is real: the processes of `hoso up`, PostgreSQL, IMAP, SMTP, signatures. Days pass
by moving the world's clock whenever nothing else can happen.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp

from app.house import House, house
from app.world import jump
from demo.judge import OPEN_STAGES, Findings, judge, ledger
from demo.keys import Authority
from demo.report import report
from demo.sheet import Needs, needs_of
from demo.world import World
from hoso.runtime.clock import parse_duration
from hoso.runtime.failures import HosoError
from hoso.setup.registry import MailboxSettings
from services.intake.cells import SheetError

TENANT = "demo"
QUIET_S = 1.2
STEP = parse_duration("6h")
LAST = parse_duration("12d")
"""A made-up world in which nothing has ended after this long will not end."""


def say(text: str) -> None:
    print(text, flush=True)


async def set_up(own: House, world: World, needs: Needs) -> str:
    """Tenant, mailboxes, signing profiles and an API key, as people would make them. Returns the key."""
    await own.set_up.add_tenant(TENANT, "Khách hàng thử nghiệm", "demo")
    boxes = world.read("post/post.json")["boxes"]
    for address in needs.addresses:
        settings = MailboxSettings("127.0.0.1", boxes[address]["port"], address, tls="none")
        await own.set_up.add_mailbox(TENANT, address, "shared", settings, world.boxes[address], "demo")
    authority = Authority()
    for name, tax_code, employer in needs.profiles:
        await own.set_up.add_pkcs12(TENANT, name, authority.pkcs12(tax_code, employer, "demo"), "demo", "demo")
    return await own.set_up.add_key(TENANT, "demo", ["submit", "read", "setup"], "demo")


class Progress:
    """Watches hoso's own projection; moves the clock when nothing can happen without it."""

    def __init__(self, own: House, gateway: str, batch: UUID) -> None:
        self._own = own
        self._gateway = gateway
        self._batch = batch
        self._last: tuple[Any, ...] = ()
        self._changed = time.monotonic()
        self._moved = parse_duration("1s")

    async def look(self) -> tuple[Counter[str], bool]:
        """Stages now, and whether everything has ended."""
        db = self._own.db.pool
        rows = await db.fetch(
            "select coalesce(e.stage, 'requested') as stage, count(*) as n from intake.batch_row r left join ops.enrolment e "
            "on e.enrolment = r.enrolment where r.batch = $1 and r.outcome in ('accepted', 'amended') group by 1",
            self._batch,
        )
        stages = Counter({r["stage"]: r["n"] for r in rows})
        [batch] = await db.fetch("select state, rows, position from intake.batch where batch = $1", self._batch)
        heads = await db.fetchval("select sum(next) from log.head")
        asked = await db.fetchval("select count(*) from log.call where lane <> 'agency.replies' or unsure")
        seen = (heads, asked, batch["position"], tuple(sorted(stages.items())))
        if seen != self._last or asked:
            self._last, self._changed = seen, time.monotonic()
        done = batch["state"] != "working" and not any(stages[s] for s in OPEN_STAGES)
        return stages, done

    async def maybe_jump(self) -> bool:
        """Move the clock when nothing has happened for a while. False when it has been moved far enough for anything."""
        if time.monotonic() - self._changed < QUIET_S:
            return True
        if self._moved > LAST:
            return False
        self._moved += STEP
        await jump(self._own.db, self._gateway, STEP, "demo", clock=self._own.clock)
        say(f"  … nothing left to do now: the world's clock moves {STEP.seconds // 3600} h on")
        self._changed = time.monotonic()
        return True


async def upload(url: str, key: str, sheet: Path) -> UUID:
    """Hand the sheet in over HTTP, as a producing system would."""
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as session:
        form = aiohttp.FormData()
        form.add_field("file", sheet.read_bytes(), filename=sheet.name)
        async with session.post(f"{url}/v1/batches", data=form) as answer:
            body = await answer.json()
            if answer.status >= 300:
                raise HosoError(f"{sheet.name}: {body.get('detail') or body.get('title')}")
            return UUID(body["batch"])


async def fetch_result(url: str, key: str, batch: UUID, file: Path) -> None:
    """The result sheet."""
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as session,
        session.get(f"{url}/v1/batches/{batch}/result.xlsx") as answer,
    ):
        answer.raise_for_status()
        file.write_bytes(await answer.read())


async def watch(progress: Progress, quiet: bool) -> bool:
    """Until everything has ended. False when something never does."""
    shown: dict[str, int] = {}
    while True:
        stages, done = await progress.look()
        if dict(stages) != shown and not quiet:
            shown = dict(stages)
            say("  " + " · ".join(f"{n} {stage}" for stage, n in sorted(stages.items(), key=lambda s: -s[1])))
        if done:
            return True
        if not await progress.maybe_jump():
            return False
        await asyncio.sleep(0.25)


async def enrol(world: World, sheet: Path, needs: Needs, began: float) -> tuple[Findings, dict[str, Any]]:
    """Everything between a running world and the judge's word."""
    settings = world.settings()
    async with house(settings, "demo", size=4) as own:
        key = await set_up(own, world, needs)
        up = world.read("hoso/up.json")
        url = up["services"]["intake"]["http"]
        say(f"hoso is up: {len(up['services'])} services, API at {url}; handing in {sheet.name} ({needs.rows} rows)")
        batch = await upload(url, key, sheet)
        ended = await watch(Progress(own, settings.gateway, batch), quiet=False)
        with contextlib.closing(ledger(world.folder / "simulator" / "simulator.db")) as agency:
            async with own.db.pool.acquire() as db:
                findings = await judge(agency, db, batch=batch)
                if not ended:
                    findings.faults.append("something never ended, however far the clock was moved")
                await fetch_result(url, key, batch, world.folder / "result.xlsx")
                summary = summary_of(findings, time.monotonic() - began)
                await report(db, agency, world.folder, batch, findings, say)
        return findings, summary


def summary_of(f: Findings, seconds: float) -> dict[str, Any]:
    """`summary.json`."""
    return {
        "rows": f.rows,
        "accepted": f.accepted,
        "rejected_rows": f.rejected_rows,
        "enrolled": f.enrolled,
        "waiting_for_person": f.waiting_for_person,
        "open": f.open,
        "lost": len(f.lost),
        "filed_twice": len(f.filed_twice),
        "seconds": round(seconds, 1),
        "log": "postgres",
    }


async def main(args: argparse.Namespace) -> int:
    began = time.monotonic()
    try:
        needs = needs_of(args.sheet)
    except (OSError, SheetError) as error:
        say(f"{args.sheet}: {error}")
        return 2
    world = World(args.var)
    ended = world.end_leftovers()
    if ended:
        say(f"ended what an earlier run left behind: {len(ended)} processes")
    world.start_afresh()
    task = asyncio.current_task()
    assert task is not None
    for sign in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sign, task.cancel)
    try:
        say(
            f"starting a made-up world in {args.var}: an agency, {len(needs.addresses)} mailboxes, {len(needs.profiles)} signing keys"
        )
        world.start_post(needs.addresses or ("nobody@demo.example",))
        post = await world.until("post/post.json", "post")
        world.start_simulator(post["smtp"]["port"])
        await world.until("simulator/simulator.json", "simulator")
        world.start_hoso()
        await world.until_up()
        findings, summary = await enrol(world, args.sheet, needs, began)
    except asyncio.CancelledError:
        say("interrupted: ending everything")
        return 130
    except (RuntimeError, HosoError) as error:
        say(f"{error}")
        return 1
    finally:
        await asyncio.to_thread(world.end)
    (args.var / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    say(json.dumps(summary))
    good = (
        findings.clean
        and not findings.open
        and findings.accepted == (findings.enrolled + findings.waiting_for_person + findings.stopped)
    )
    for fault in [*findings.lost, *findings.filed_twice, *findings.faults]:
        say(f"FAULT: {fault}")
    (args.var / "findings.json").write_text(json.dumps(asdict(findings), indent=1, ensure_ascii=False) + "\n")
    return 0 if good else 1


def parser() -> argparse.ArgumentParser:
    make = argparse.ArgumentParser(
        prog="demo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    make.add_argument(
        "sheet", nargs="?", type=Path, default=Path("examples/branches.xlsx"), help="a sheet of branches (xlsx, csv)"
    )
    make.add_argument("--var", type=Path, default=Path("var/demo"), help="its folder, made afresh (default var/demo)")
    return make


if __name__ == "__main__":
    sys.exit(asyncio.run(main(parser().parse_args())))

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
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp

from app.house import House, house
from demo.api import Api
from demo.evidence import branches, doubled
from demo.judge import Findings, judge, ledger
from demo.keys import Authority
from demo.outside import NOTICES, Producer, notices
from demo.passing import Passing, until_ended
from demo.people import People
from demo.ports import free_port
from demo.preparing import TENANT, Preparing
from demo.report import report, report_files, report_statements
from demo.sheet import Beside, good_rows, needs_of
from demo.signing import Phone
from demo.statements import seen_of
from demo.world import World
from hoso.runtime.failures import HosoError
from services.intake.cells import SheetError

__all__ = ["TENANT", "main", "say"]


def say(text: str) -> None:
    print(text, flush=True)


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


async def enrol(world: World, args: argparse.Namespace, began: float) -> tuple[Findings, dict[str, Any]]:
    """Everything between a running world and the judge's word."""
    settings, beside = world.settings(), Beside(args.sheet)
    agency_file = world.folder / "simulator" / "simulator.db"
    phone = Phone(world.read("esign/esign.json")["url"])
    async with house(settings, "demo", size=4) as own, Producer(world.folder / "webhooks.jsonl") as producer:
        await phone.tell(settings.esign_messages)
        up = world.read("hoso/up.json")
        url = up["services"]["intake"]["http"]
        preparing = Preparing(own, world, phone, say, Authority(), f"http://{settings.agent_http}")
        sheets = [args.sheet, *([beside.later] if beside.later else [])]
        addresses = tuple(dict.fromkeys(one for sheet in sheets for one in needs_of(sheet).addresses))
        key = await preparing.tenant(addresses)
        async with Api(url, key) as api, Api(settings.gateway) as agency:
            needs = needs_of(args.sheet)
            await preparing.sign_with(api, needs.profiles)
            await preparing.papers(api, needs, beside, settings.gateway)
            await preparing.listeners(api, producer)
            passing = Passing(own, settings.gateway, agency_file, phone, say)
            people = People(api, agency, agency_file, preparing, phone, world.folder / "forms", say)
            people.rows |= good_rows(args.sheet)
            say(
                f"hoso is up: {len(up['services'])} services, API at {url}; handing in {args.sheet.name} ({needs.rows} rows)"
            )
            passing.batches.append(await upload(url, key, args.sheet))
            ended = await until_ended(passing, people, say)
            if beside.later is not None:
                ended = await afterwards(beside.later, url, key, passing, people) and ended
            handed = list(zip(passing.batches, sheets, strict=True))
            return await judged(world, own, api, people, handed, ended, began)


async def afterwards(later: Path, url: str, key: str, passing: Passing, people: People) -> bool:
    """The sheet that is handed in when everything has ended: changes of enrolled units, and what is not allowed of them."""
    needs = needs_of(later)
    preparing, api = people.preparing, people.api
    known = {one["name"] for one in (await api.ask("GET", "/v1/profiles"))["profiles"]}
    named = tuple(one for one in needs.profiles if one[0] not in known and not one[0].startswith("MST "))
    await preparing.sign_with(api, named)
    say(f"everything has ended; handing in {later.name} ({needs.rows} rows)")
    people.rows |= good_rows(later)
    passing.batches.append(await upload(url, key, later))
    return await until_ended(passing, people, say)


async def judged(
    world: World, own: House, api: Api, people: People, handed: Sequence[tuple[UUID, Path]], ended: bool, began: float
) -> tuple[Findings, dict[str, Any]]:
    """The judge's word, the report, and what lies in the world's folder for people to read."""
    with contextlib.closing(ledger(people.ledger_file)) as agency:
        async with own.db.pool.acquire() as db:
            findings = await judge(agency, db)
            if not ended:
                findings.faults.append("something never ended, however far the clock was moved")
            for number, (batch, _) in enumerate(handed):
                data = await api.ask("GET", f"/v1/batches/{batch}/result.xlsx")
                (world.folder / ("result.xlsx" if number == 0 else "result-later.xlsx")).write_bytes(data)
            doubles = await doubled(people.phone)
            findings.faults += [f"asked twice for one signature: {one}" for one in doubles]
            shown = await branches(db, agency, api, handed)
            seen = seen_of(shown)
            summary = summary_of(findings, seen, time.monotonic() - began, world.log)
            mails = notices(world.folder / "post" / "post.db", world.folder / "notices")
            await report(db, agency, world.folder, [batch for batch, _ in handed], findings, say)
            report_statements(seen, say)
            report_files(world.folder, mails, people, say)
    return findings, summary


def summary_of(f: Findings, seen: Mapping[str, Sequence[str]], seconds: float, log: str) -> dict[str, Any]:
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
        "log": log,
        "statements": [number for number, shown in seen.items() if shown],
    }


async def start(world: World, addresses: Sequence[str]) -> None:
    """The processes, each after those it needs."""
    world.start_post(tuple(dict.fromkeys((*addresses, NOTICES))))
    world.start_esign()
    post = await world.until("post/post.json", "post")
    world.start_simulator(post["smtp"]["port"])
    await world.until("simulator/simulator.json", "simulator")
    await world.until("esign/esign.json", "esign")
    world.also(
        HOSO_SMTP=f"smtp://127.0.0.1:{post['smtp']['port']}",
        HOSO_SMTP_FROM="hoso@demo.example",
        HOSO_WEBHOOK_LOOPBACK="true",
        HOSO_ESIGN_MESSAGES=f"127.0.0.1:{free_port()}",
        HOSO_AGENT_HTTP=f"127.0.0.1:{free_port()}",
    )
    world.start_hoso()
    await world.until_up()


async def main(args: argparse.Namespace) -> int:
    began = time.monotonic()
    try:
        needs = needs_of(args.sheet)
        later = Beside(args.sheet).later
        addresses = (*needs.addresses, *(needs_of(later).addresses if later else ()))
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
            f"starting a made-up world in {args.var}: an agency, a signing service, {len(addresses)} mailboxes, {len(needs.profiles)} signing keys"
        )
        await start(world, addresses)
        findings, summary = await enrol(world, args, began)
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

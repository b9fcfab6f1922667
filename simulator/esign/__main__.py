"""Start the simulated signing service: `python -m simulator.esign --help`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ipaddress
import json
import logging
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from simulator.esign.admin import Admin
from simulator.esign.ledger import Ledger
from simulator.esign.people import People
from simulator.esign.phones import ANSWERS, Habit, Phones
from simulator.esign.service import MAX_BODY, Service


@dataclass(frozen=True, slots=True)
class Chosen:
    """The command line, read."""

    host: str
    port: int
    data: Path
    clients: dict[str, str]
    lifetime: float
    slow: float
    habit: Habit


class CannotStart(Exception):
    """One sentence for people."""


def _parser() -> argparse.ArgumentParser:
    make = argparse.ArgumentParser(
        prog="python -m simulator.esign",
        description="A remote signing service as a partner sees it, for tests and demonstrations: log-in with a second "
        "factor, certificates with keys of its own, prompts on phones, status, webhook. It keeps a ledger of what was "
        "shown to whom (GET /ledger; `doubles` lists things somebody was asked for twice). simulator/esign/README.md "
        "tells what can be asked of it.",
        epilog="Exit status: 0 ended by SIGTERM or SIGINT, 1 cannot start, 2 wrong arguments or not in environment test.",
    )
    make.add_argument("--listen", default="127.0.0.1:0", metavar="HOST:PORT", help="loopback; default 127.0.0.1:0")
    make.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="its folder: esign.db, esign.json when ready"
    )
    make.add_argument("--environment", default="production", help="must be `test`, otherwise it refuses to start")
    make.add_argument(
        "--client", action="append", metavar="ID:KEY", help="a partner; may be given often. Default hoso:hoso-key"
    )
    make.add_argument(
        "--lifetime",
        type=float,
        default=300,
        metavar="S",
        help="a prompt expires after this, world seconds (default 300)",
    )
    make.add_argument(
        "--slow-seconds", type=float, default=2, metavar="S", help="fault `slow` takes this long, real (default 2)"
    )
    make.add_argument(
        "--answer", default="", choices=("", *ANSWERS), help="what people do by themselves; default nothing"
    )
    make.add_argument("--after-polls", type=int, default=0, metavar="N", help="... after so many status requests")
    make.add_argument("--after-seconds", type=float, default=0, metavar="S", help="... and so many world seconds")
    return make


def read(arguments: list[str] | None = None) -> Chosen:
    """The settings of a command line. Raises CannotStart; wrong arguments end the process with status 2."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.environment != "test":
        parser.error("it runs only in environment test: start it with --environment test, never beside real signatures")
    host, _, port = given.listen.rpartition(":")
    try:
        if not ipaddress.ip_address(host.strip("[]")).is_loopback or not port.isdigit():
            raise ValueError
    except ValueError:
        parser.error(f"--listen {given.listen!r} is no address of this machine alone, e.g. 127.0.0.1:0")
    clients = dict(one.split(":", 1) for one in given.client or ["hoso:hoso-key"] if ":" in one)
    habit = Habit(given.answer, given.after_polls, given.after_seconds)
    return Chosen(host.strip("[]"), int(port), given.data, clients, given.lifetime, given.slow_seconds, habit)


async def run(chosen: Chosen) -> None:
    """Serve until SIGTERM or SIGINT. Raises CannotStart."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    chosen.data.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(chosen.data / "esign.db")
    people = People(ledger)
    phones = Phones(ledger, people, chosen.lifetime, chosen.habit)
    app = web.Application(client_max_size=MAX_BODY)
    app.add_routes(Service(ledger, people, phones, chosen.clients, chosen.slow).routes())
    app.add_routes(Admin(ledger, people, phones).routes())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, chosen.host, chosen.port).start()
    except OSError as error:
        raise CannotStart(f"{chosen.host}:{chosen.port} cannot be listened on ({error.strerror})") from error
    working = asyncio.create_task(phones.run())
    port = runner.addresses[0][1]
    ready, part = chosen.data / "esign.json", chosen.data / "esign.part"
    shown = f"[{chosen.host}]" if ":" in chosen.host else chosen.host
    part.write_text(json.dumps({"url": f"http://{shown}:{port}", "pid": os.getpid()}), "utf-8")
    part.replace(ready)
    await asyncio.wait([asyncio.create_task(stop.wait()), working], return_when=asyncio.FIRST_COMPLETED)
    ready.unlink(missing_ok=True)
    await runner.cleanup()
    working.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await working
    ledger.close()


def main() -> int:
    """The process. Answers with its exit status."""
    chosen = read()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(run(chosen))
    except CannotStart as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

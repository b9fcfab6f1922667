"""Start the simulated agency: `python -m simulator --help`."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import uvloop
from aiohttp import web

from simulator import dkim_signing, settings
from simulator.admin import Admin, outage
from simulator.clock import WorldClock
from simulator.counter import Counter
from simulator.faults import BadRule, Faults
from simulator.gateway import Gateway, not_found
from simulator.letters import Letters
from simulator.mails import Sender
from simulator.officer import Officer
from simulator.postman import Postman
from simulator.reading import FIRST, MAX_FIRST_BYTES
from simulator.replies import Notes
from simulator.seal import Seal
from simulator.settings import Settings
from simulator.store import Store, UnusableData
from simulator.transport import gone, reply_json, reset, unprocessed

log = logging.getLogger("simulator")
DRAIN_SECONDS = 1.5


class CannotListen(Exception):
    """The address cannot be listened on. The message is one sentence for people."""


def _socket(host: str, port: int) -> socket.socket:
    """A listening socket. Raises CannotListen."""
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
        made.listen(512)
    except OSError as error:
        made.close()
        raise CannotListen(
            f"{host}:{port} cannot be listened on ({error.strerror}): name another with --listen, or port 0."
        ) from error
    made.setblocking(False)
    return made


def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: asyncio.Task[None]) -> web.BaseRequest:
    """A request as aiohttp makes it, with room for scans where the caller files a first-time dossier."""
    room = MAX_FIRST_BYTES + 1024 if message.headers.get("X-Procedure") == FIRST else 1024**2
    return web.BaseRequest(message, payload, protocol, writer, task, asyncio.get_running_loop(), client_max_size=room)


class Agency:
    """All rooms together, for one data folder."""

    def __init__(self, chosen: Settings) -> None:
        self._chosen = chosen
        chosen.data.mkdir(parents=True, exist_ok=True)
        self._store = Store(chosen.data / "simulator.db")
        self._clock = WorldClock(self._store)
        self._faults = Faults(self._store)
        true, evil = dkim_signing.keys(chosen.data, chosen.mail_from.rpartition("@")[2], chosen.dkim_bits)
        self._postman = Postman(
            self._store, self._clock, Sender(chosen.mail_from, true, evil), chosen.smtp, chosen.smtp_connections
        )
        seal = Seal(chosen.data, chosen.agency_certificate)
        letters = Letters(self._store, self._clock, self._faults, chosen, self._postman.poke)
        self._officer = Officer(self._store, self._clock, self._faults, chosen, letters)
        notes = Notes(seal if chosen.sign_replies else None)
        self._gateway = Gateway(self._store, self._clock, self._faults, self._officer, chosen, notes)
        self._admin = Admin(self._store, self._clock, self._faults, self._clock_set, self._outage_set)
        self._counter = Counter(self._store, self._clock, self._faults, self._officer, letters, seal.certificate)
        self._server: asyncio.Server | None = None
        self._http: web.Server | None = None
        self._outage_changed = asyncio.Event()
        self._out = False
        self._busy = 0

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises CannotListen, BadRule."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        if self._chosen.script is not None:
            self._faults.load(self._chosen.script)
        listening = _socket(self._chosen.listen.host, self._chosen.listen.port)
        host, port = listening.getsockname()[:2]
        self._http = web.Server(self._handle, request_factory=_request, access_log=None)
        self._server = await asyncio.get_running_loop().create_server(self._http, sock=listening)
        work = [
            asyncio.create_task(job)
            for job in (self._officer.run(), self._postman.run(), self._keep_outage(host, port))
        ]
        self._out = outage(self._store) is not None
        self._outage_changed.set()
        ready = self._chosen.data / "simulator.json"
        _write(ready, {"url": f"http://{f'[{host}]' if ':' in host else host}:{port}", "pid": os.getpid()})
        log.info("the simulated agency listens on %s:%s", host, port)
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([stopped, *work], return_when=asyncio.FIRST_COMPLETED)
        ready.unlink(missing_ok=True)
        await self._drain(work)
        for job in work:
            if job.done() and not job.cancelled() and (error := job.exception()):
                raise error

    async def _drain(self, work: list[asyncio.Task[None]]) -> None:
        """Take no more connections, let what is under way end, note everything."""
        if self._server is not None:
            self._server.close()
        deadline = asyncio.get_running_loop().time() + DRAIN_SECONDS
        while self._busy and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.02)
        for job in work:
            job.cancel()
        await asyncio.wait(work, timeout=0.2)
        if self._http is not None:
            await self._http.shutdown(0.1)
        self._store.close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        call = (request.method, request.path)
        self._busy += 1
        try:
            admin = self._admin.routes.get(call) or self._counter.routes.get(call)
            if admin is not None:
                return await admin(request)
            if self._out and (on := outage(self._store)) is not None:
                return await self._in_outage(request, on["mode"])
            return await self._gateway.routes.get(call, not_found)(request)
        except ConnectionError:
            return web.Response()  # the caller is gone
        except web.HTTPException as error:
            return reply_json({"error": error.reason}, error.status)
        finally:
            self._busy -= 1

    async def _in_outage(self, request: web.BaseRequest, mode: str) -> web.StreamResponse:
        head = request.headers
        self._gateway.non_arrival(
            request.path,
            head.get("X-Unit-Code", ""),
            head.get("X-Procedure", ""),
            f"outage-{mode}",
            head.get("Idempotency-Key"),
        )
        await self._store.settled()
        if mode == "503":
            await request.read()
            return unprocessed("503", web.Response())
        if mode == "hang":
            await gone(request, self._chosen.hang_seconds)
        return reset(request)

    def _clock_set(self) -> None:
        self._officer.poke()
        self._postman.poke()

    def _outage_set(self) -> None:
        self._out = outage(self._store) is not None
        self._outage_changed.set()

    async def _keep_outage(self, host: str, port: int) -> None:
        """Close the listening socket while an outage of mode `refuse` is on, and open it again after it."""
        assert self._http is not None
        while True:
            await self._outage_changed.wait()
            self._outage_changed.clear()
            await asyncio.sleep(0.02)  # the answer that began it goes out first
            on = outage(self._store)
            while on is not None and on["mode"] == "refuse":
                if self._server is not None:
                    self._server.close()
                    self._server = None
                await asyncio.sleep(min(0.05, on["seconds_left"]))
                on = outage(self._store)
            if self._server is None:
                self._server = await asyncio.get_running_loop().create_server(self._http, sock=_socket(host, port))
            if on is not None:
                asyncio.get_running_loop().call_later(on["seconds_left"], self._outage_set)
            self._out = on is not None


def _write(file: Path, value: object) -> None:
    part = file.with_suffix(".part")
    part.write_text(json.dumps(value), "utf-8")
    part.replace(file)


async def _main(chosen: Settings) -> None:
    await Agency(chosen).run()


def main() -> int:
    """The process. Answers with its exit status."""
    try:
        chosen = settings.read()
    except settings.WrongEnvironment as refusal:
        print(refusal, file=sys.stderr)
        return 2
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        uvloop.run(_main(chosen))
    except (CannotListen, BadRule, UnusableData) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

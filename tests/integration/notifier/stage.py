"""The notifier on a real log and vault, before a real relay (aiosmtpd) and real receivers (aiohttp). For tests only."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any, cast
from uuid import UUID, uuid4

from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session

from app.world import jump, world_clock
from hoso.runtime.ids import uuid7
from hoso.runtime.kernel import Kernel
from hoso.runtime.outgoing import Cause, Source, write
from hoso.runtime.steps import Tell
from hoso.store.postgres import Database
from hoso.store.vault import Vault
from schemas import events as e
from schemas.envelope import Fact
from services.notifier.endpoints import Endpoints
from services.notifier.receivers import Receivers
from services.notifier.service import Needs, service, work
from services.notifier.smtp_relay import Relay, SmtpRelay
from services.notifier.webhooks import Bounds
from tests.support.stories import a_form

TENANT = "acme"
SENDER = "hoso@thong-bao.example"


@dataclass
class MailHost:
    """A relay that keeps what it took; `says` answers RCPT and DATA in turn, None: takes it."""

    says: list[str | None] = field(default_factory=list)
    taken: list[EmailMessage] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    sessions: set[int] = field(default_factory=set)
    port: int = 0

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.sessions.add(id(session))
        said = self.says.pop(0) if self.says else None
        if said == "drop":  # it has the mail, and nobody hears of it
            self._take(envelope)
            cast(asyncio.Transport, server.transport).abort()
            return "250 never heard"
        if said is not None:
            return said
        self._take(envelope)
        return "250 taken"

    def _take(self, envelope: Envelope) -> None:
        body = cast(bytes, envelope.content)
        self.raw.append(body)
        self.taken.append(email.message_from_bytes(body, policy=email.policy.default))


@contextlib.asynccontextmanager
async def mail_host(
    host: MailHost, tls: ssl.SSLContext | None = None, *, implicit: bool = False
) -> AsyncIterator[MailHost]:
    """Serve on loopback. `tls`: STARTTLS is offered and wanted, or with `implicit` spoken from the first byte."""
    loop = asyncio.get_running_loop()

    def made() -> SMTP:
        starttls = None if implicit else tls
        return SMTP(host, hostname="mail.test", tls_context=starttls, require_starttls=starttls is not None)

    server = await loop.create_server(made, "127.0.0.1", 0, ssl=tls if implicit else None)
    host.port = server.sockets[0].getsockname()[1]
    try:
        yield host
    finally:
        server.close()


@dataclass
class Receiver:
    """A producing system's webhook; `says` answers in turn, then 204."""

    says: list[Callable[[web.Request], Any]] = field(default_factory=list)
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    always: Callable[[web.Request], Any] | None = None
    url: str = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.heard.append((dict(request.headers), await request.read()))
        answer = self.says.pop(0) if self.says else self.always
        if answer is None:
            return web.Response(status=204)
        made = answer(request)
        return cast(web.StreamResponse, await made if asyncio.iscoroutine(made) else made)


@contextlib.asynccontextmanager
async def receiving(receiver: Receiver) -> AsyncIterator[Receiver]:
    """Serve on loopback."""
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server = cast(asyncio.Server, site._server)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()


def says(status: int, **more: Any) -> Callable[[web.Request], web.Response]:
    """An answer of this status."""
    return lambda _request: web.Response(status=status, **more)


class Stage:
    """What happens is said on the log; what was told is at the relay and the receivers."""

    def __init__(self, db: Database, vault: Vault) -> None:
        self.db = db
        self.vault = vault
        self.endpoints = Endpoints(db.pool, vault, uuid7)
        self.relay: SmtpRelay | None = None

    async def tenant(self, *addresses: str, name: str = TENANT, gather: float = 0, **more: Any) -> None:
        """A tenant, and who is told."""
        await self.db.pool.execute(
            "insert into store.tenant(name, actor) values ($1, 'lan') on conflict do nothing", name
        )
        wanted = {"to_unit": False, "language": "vi", **more}
        await self.endpoints.tell(name, addresses, gather=timedelta(seconds=gather), actor="lan", **wanted)

    @contextlib.asynccontextmanager
    async def open(
        self, host: MailHost | None = None, bounds: Bounds | None = None, timeout: float = 5, loopback: bool = True
    ) -> AsyncIterator[Stage]:
        """Run the service; again and again, as after a crash."""
        kernel = Kernel(self.db, "hoso.notifier", "test")
        receivers = Receivers(loopback=loopback, timeout=timedelta(seconds=timeout))
        self.relay = SmtpRelay(Relay("127.0.0.1", host.port, "none", SENDER)) if host is not None else None
        quick = Bounds(first_wait=timedelta(milliseconds=20), longest_wait=timedelta(milliseconds=50))
        needs = Needs(
            self.db.pool,
            kernel,
            self.vault,
            kernel.clock.now,
            uuid7,
            receivers,
            lambda: datetime.now(UTC),
            self.relay,
            SENDER,
            bounds or quick,
        )
        await kernel.start()
        running = asyncio.create_task(
            kernel.run(service(needs), extra=[lambda: work(needs, kernel.drained, pause=0.05)])
        )
        try:
            yield self
        finally:
            kernel.drained.set()
            await running
            await receivers.close()
            if self.relay is not None:
                await self.relay.close()

    async def say(self, *facts: Fact, tenant: str = TENANT, unit: UUID | None = None) -> None:
        """Put these on the log, in order."""
        clock = await world_clock(self.db.pool)
        source = Source("hoso.enrolment", "test", {})
        unit = unit or uuid4()
        steps = [(Cause(unit, tenant, getattr(fact, "enrolment", None) or uuid4(), None), Tell(fact)) for fact in facts]
        async with self.db.pool.acquire() as tx, tx.transaction():
            await write(tx, source, steps, clock.now())

    async def jump(self, by: timedelta) -> None:
        """The world's clock moves on."""
        await jump(self.db, "", by, "test")


def requested(enrolment: UUID, name: str = "Chi nhánh Huế", code: str = "TZ0001Z") -> e.EnrolmentRequested:
    form = a_form(name=name, unit_code=code, email="hue@hoasen.example")
    return e.EnrolmentRequested(
        enrolment=enrolment, request="r", form=form, mailbox=uuid4(), contact="hue@hoasen.example", actor="lan"
    )


def progressed(enrolment: UUID, stage: str, **more: Any) -> e.EnrolmentProgressed:
    return e.EnrolmentProgressed.model_validate({"enrolment": enrolment, "request": "r", "stage": stage, **more})


def text_of(message: EmailMessage) -> str:
    """The body as a reader sees it."""
    return str(message.get_content())

"""The composition root: what each service is given, and how one becomes a process.

hoso run enrolment    =    run_service("enrolment", settings)
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import logging
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import asyncpg
import uvloop

from app.disk import free_mib
from app.house import House, Wired, group_of, house
from app.rules import rejection_table, rules
from app.switching import check_kind
from hoso import points
from hoso.log.port import EventLog
from hoso.log.postgres import PostgresLog
from hoso.process import logs
from hoso.process.ops_http import is_loopback, serve, split_address
from hoso.runtime.consumer import Braked
from hoso.runtime.failures import SettingsError
from hoso.runtime.kernel import Kernel
from hoso.settings import Settings
from services.submitter.gateway import AgencyGateway

SERVICES = ("intake", "enrolment", "signer", "submitter", "mail_watcher", "ops", "notifier")
"""In the order a dossier meets them; ops looks on."""
RELAY = "relay"
"""Moves the log to Kafka where HOSO_LOG names one; no service of the dossier's way."""
CONNECTIONS = 500
"""Connections to intake at once; the next one is answered 503."""
BRAKED = 70
"""Exit status of a service that stopped itself: starting it again would do the same again."""

log = logging.getLogger(__name__)
T = TypeVar("T")


def connector(settings: Settings) -> AgencyGateway:
    """What speaks to the agency. Raises SettingsError in one sentence; there is never a fallback to the simulator."""
    from services.submitter.http_gateway import HttpAgencyGateway

    if not settings.gateway:
        raise SettingsError(
            "HOSO_GATEWAY is not set: give the address of the agency's gateway (docs/connector.md); there is no default"
        )
    if not settings.connector and settings.environment == "production":
        raise SettingsError(
            "HOSO_CONNECTOR is not set: in production say what speaks to the agency, `http` or a connector of your own (docs/connector.md)"
        )
    if settings.connector in ("", "http"):
        return HttpAgencyGateway(settings.gateway, settings.ivan_code)
    module, _, factory = settings.connector.partition(":")
    try:
        make = getattr(importlib.import_module(module), factory)
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingsError(
            f"HOSO_CONNECTOR={settings.connector} cannot be loaded ({error}): it is `package.module:factory`, see docs/connector.md"
        ) from error
    return make(settings.gateway, settings.ivan_code)  # type: ignore[no-any-return]


def believed(settings: Settings, gateway: AgencyGateway) -> AgencyGateway:
    """The gateway, of which only signed decisions are believed where the agency's certificates are given."""
    if settings.agency_certificates is None:
        return gateway
    from services.submitter.believing import BelievingGateway
    from services.submitter.signed_reply import keys_of, pinned

    return BelievingGateway(gateway, keys_of(pinned(settings.agency_certificates)))


async def run_service(
    name: str, settings: Settings, ready: Callable[[dict[str, Any]], None] = lambda _facts: None
) -> int:
    """Run one service until SIGTERM or SIGINT. Returns the exit status; raises HosoError for what people can mend."""
    logs.set_up(name, settings.var / "log", settings.log_level, quiet="SUPERVISED_BY" in os.environ)
    points.arm(settings.points or None, settings.environment)
    async with house(settings, name) as own, contextlib.AsyncExitStack() as held:
        await check_kind(own.db.pool, settings.on_kafka)
        log_of: Callable[..., EventLog] = PostgresLog
        ends = None
        if settings.on_kafka:
            from app import kafka

            log_of, ends = held.enter_context(kafka.reader(settings, name, lambda: kernel)), kafka.ends_of(settings)
        kernel = Kernel(own.db, group_of(name), settings.environment, clock_pool=own.clock, log_of=log_of)
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, kernel.drained.set)
        runner, address = await serve(kernel, settings.ops, settings.ops_token, ends)
        kernel.address = address
        try:
            await kernel.start()
            service, jobs, facts = await _WIRES[name](own, kernel)
            gc.collect()
            gc.freeze()  # what was imported stays; looking through it for garbage cost a twentieth of the time
            ready(
                {"service": name, "pid": os.getpid(), "member": str(kernel.member), "ops": f"http://{address}", **facts}
            )
            log.info("started", extra={"service": name, "pid": os.getpid(), "address": address})
            await kernel.run(service, extra=[*jobs, lambda: _follow_parent(kernel)])
        except Braked as error:
            log.critical("the service stops itself: %s", error)
            if "SUPERVISED_BY" not in os.environ:  # whoever starts it again would only hold more units
                await _stand_still()
            return BRAKED
        finally:
            await runner.cleanup()
            if ends is not None:
                await ends.close()
    log.info("ended", extra={"service": name, "pid": os.getpid()})
    return 0


async def _stand_still() -> None:
    """Until SIGTERM or SIGINT. Nothing is done, and /health says that it is not well."""
    log.critical("it stands still until it is ended: look at `hoso held list`, start a release that is mended")
    ended = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, ended.set)
    await ended.wait()


async def _follow_parent(kernel: Kernel) -> None:
    """A child of a supervisor that died drains too: the next supervisor starts its own."""
    parent = os.getppid()
    supervised = os.environ.get("SUPERVISED_BY") == str(parent)
    while not kernel.drained.is_set():
        if supervised and os.getppid() != parent:
            log.warning("the supervisor is gone; draining")
            kernel.drained.set()
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(kernel.drained.wait(), 0.5)


async def _enrolment(own: House, kernel: Kernel) -> Wired:
    from services.enrolment.service import service
    from services.enrolment.tables import Tables

    settings = own.settings
    tables = Tables(lambda: rules(settings), (settings.rejections, settings.routes, settings.workdays))
    follow = tables.follow(kernel.drained, own.db.pool, kernel, own.registry.tenant_of)
    return service(lambda: tables.rules), [lambda: follow], {}


async def _ops(own: House, kernel: Kernel) -> Wired:
    from app.edge import Edge
    from services.ops.certificates import tell_left_out, warn_of_ends
    from services.ops.service import service

    async def sweep_codes() -> None:
        while not kernel.drained.is_set():
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await own.vault.expire_codes()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(kernel.drained.wait(), 600)

    async def watch_certificates() -> None:
        pause = 5 if own.settings.environment == "test" else 600  # in `test` days pass in seconds
        while not kernel.drained.is_set():
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await warn_of_ends(own.db.pool, kernel, kernel.clock.now())
                edge = await Edge.open(own.db.pool, own.settings.environment)
                while await tell_left_out(own.db.pool, edge, kernel.clock.now()):
                    await edge.announce()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(kernel.drained.wait(), pause)

    return service(), [sweep_codes, watch_certificates], {}


async def _signer(own: House, kernel: Kernel) -> Wired:
    from app.adapters import SigningProfiles
    from app.agent_desk import serve as serve_desk
    from app.remote_signing import BACKEND as ESIGN
    from app.remote_signing import wire_esign
    from services.signer.desk import Desk
    from services.signer.keys import BACKENDS, SigningKeys
    from services.signer.keys.agent import AgentKeys
    from services.signer.keys.pkcs11 import Pkcs11Keys
    from services.signer.preparations import PostgresPreparations
    from services.signer.service import service

    desk = Desk(own.db.pool, own.vault, kernel.clock.now)
    esign, esign_job, esign_facts = await wire_esign(own, kernel)
    own_tokens = Pkcs11Keys(own.settings.var / "tokens")
    keys = SigningKeys({**BACKENDS, "agent": AgentKeys(desk), ESIGN: esign, "pkcs11": own_tokens})
    desk_http, desk_facts = serve_desk(own, kernel, desk)
    return (
        service(SigningProfiles(own.set_up), own.vault, keys, PostgresPreparations(own.db.pool)),
        [desk_http, esign_job],
        {**desk_facts, **esign_facts},
    )


async def _submitter(own: House, kernel: Kernel) -> Wired:
    from services.submitter.ledger import PostgresFilings
    from services.submitter.metrics import SubmitterMetrics
    from services.submitter.service import Bounds, Needs, service

    settings = own.settings
    gateway = believed(settings, connector(settings))
    filings = PostgresFilings(own.db.pool, own.vault, SubmitterMetrics(kernel.metrics.registry))
    bounds = Bounds(
        settings.gateway_timeout,
        settings.gateway_transport_bound,
        settings.gateway_keep_trying,
        settings.gateway_poll,
        settings.gateway_at_once,
    )

    async def sweep_rosters() -> None:
        while not kernel.drained.is_set():
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                tenants = [row["name"] for row in await own.set_up.tenants()]
                await filings.erase_rosters(kernel.clock.now(), settings.roster_retention, tenants)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(kernel.drained.wait(), 600)

    return (
        service(Needs(gateway, own.vault, filings, rejection_table(settings), kernel.clock.now), bounds),
        [lambda: _closing(kernel, gateway.close), sweep_rosters],
        {},
    )


async def _relay(own: House, kernel: Kernel) -> Wired:
    if not own.settings.on_kafka:
        raise SettingsError("the relay moves the log to Kafka and HOSO_LOG names none: set HOSO_LOG=kafka://host:port")
    from app import kafka

    return kafka.relay(own, kernel)


async def _closing(kernel: Kernel, close: Callable[[], Awaitable[None]]) -> None:
    await kernel.drained.wait()
    await asyncio.sleep(1)
    await close()


async def _intake(own: House, kernel: Kernel) -> Wired:
    from app.adapters import ApiKeys, IntakeSetUp
    from app.http_units import router as units_over_http
    from app.memory import give_back
    from app.room import RoomNeeded
    from hoso.runtime.ids import uuid7
    from services.intake.reasons import read_reasons
    from services.intake.service import Needs, intake
    from services.intake.vault_sheets import VaultSheets

    give_back()
    parts = intake(
        Needs(
            own.db.pool,
            kernel,
            kernel.clock,
            own.registry,
            IntakeSetUp(own.set_up),
            ApiKeys(own.set_up),
            VaultSheets(own.vault),
            uuid7,
            read_reasons(own.settings.stop_reasons),
        )
    )
    parts.app.include_router(_set_up_over_http(own, kernel))
    parts.app.include_router(units_over_http(own.settings, ApiKeys(own.set_up)))
    parts.app.add_middleware(RoomNeeded, free=lambda: free_mib(own.settings.var))
    host, port = split_address(own.settings.http)
    if not is_loopback(host) and not await own.set_up.keys(None):
        raise SettingsError(
            f"HOSO_HTTP={own.settings.http} listens beyond this machine and there is no API key: make one with `hoso key add` first"
        )
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(1024)  # who hears "ready" may connect at once
    except OSError as error:
        raise SettingsError(
            f"HOSO_HTTP={own.settings.http} cannot be used ({error.strerror}): another program holds the port; choose one, 0 lets the system choose"
        ) from error

    async def http() -> None:
        import uvicorn

        served = uvicorn.Config(
            parts.app, log_config=None, lifespan="on", timeout_graceful_shutdown=3, limit_concurrency=CONNECTIONS
        )
        server = uvicorn.Server(served)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        serving = asyncio.create_task(server.serve([listening]))
        await asyncio.wait([serving, asyncio.create_task(kernel.drained.wait())], return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        await serving

    return (
        parts.consumer,
        [http, lambda: parts.batches.run(kernel.drained)],
        {"http": f"http://{host}:{listening.getsockname()[1]}"},
    )


def _set_up_over_http(own: House, kernel: Kernel) -> Any:
    from app.adapters import ApiKeys
    from app.answering import Desk, means_of
    from app.http_counter import Counter
    from app.http_papers import add_papers
    from app.http_setup import router
    from app.papers import Papers
    from services.intake.reasons import read_reasons

    desk = Desk(means_of(own, kernel, kernel.clock.now), read_reasons(own.settings.stop_reasons))
    counter = Counter(own.set_up, desk, ApiKeys(own.set_up), own.db.pool, own.settings, kernel.clock.now, own.vault)
    made = router(counter)
    add_papers(made, counter, Papers(rules(own.settings), own.vault))
    return made


async def _notifier(own: House, kernel: Kernel) -> Wired:
    from hoso.runtime.ids import uuid7
    from services.notifier.receivers import Receivers
    from services.notifier.service import Needs, service, work
    from services.notifier.smtp_relay import SmtpRelay, relay
    from services.notifier.webhooks import Bounds

    settings = own.settings
    if settings.webhook_loopback and settings.environment != "test":
        raise SettingsError("HOSO_WEBHOOK_LOOPBACK is for the environment `test` only: unset it")
    to = relay(settings.smtp, settings.smtp_from, settings.smtp_password_file, settings.smtp_ca)
    post = SmtpRelay(to) if to is not None else None
    receivers = Receivers(loopback=settings.webhook_loopback)
    needs = Needs(
        own.db.pool,
        kernel,
        own.vault,
        kernel.clock.now,
        uuid7,
        receivers,
        lambda: datetime.now(UTC),
        post,
        settings.smtp_from,
        Bounds(settings.webhook_give_up),
    )

    async def close() -> None:
        await receivers.close()
        if post is not None:
            await post.close()

    return service(needs), [lambda: work(needs, kernel.drained), lambda: _closing(kernel, close)], {}


async def _mail_watcher(own: House, kernel: Kernel) -> Wired:
    from app.mailboxes import wire

    return await wire(own, kernel)


_WIRES: dict[str, Callable[[House, Kernel], Awaitable[Wired]]] = {
    "intake": _intake,
    "enrolment": _enrolment,
    "signer": _signer,
    "submitter": _submitter,
    "mail_watcher": _mail_watcher,
    "ops": _ops,
    "notifier": _notifier,
    RELAY: _relay,
}


def run(coroutine: Any) -> Any:
    """Run to the end on uvloop."""
    return uvloop.run(coroutine)

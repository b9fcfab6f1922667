"""`hoso run` and `hoso up`: services as processes."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from app.commands.showing import say
from app.words import text


def register(app: typer.Typer) -> None:
    """Put the commands of this file on `app`."""
    app.command("run")(run)
    app.command("up")(up)


def run(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...",
            help="intake, enrolment, signer, submitter, mail_watcher, ops, notifier; relay with Kafka.",
        ),
    ],
    ready_fd: Annotated[
        int | None,
        typer.Option(
            "--ready-fd", metavar="N", help="File descriptor that gets one line of JSON when the service is ready."
        ),
    ] = None,
) -> None:
    """Run one service in this process; several: each in its own, kept alive.

    Ends with SIGTERM or Ctrl-C within seconds. The database must be there (hoso up, or HOSO_DATABASE).

    Example: hoso run signer
    """
    from app import compose
    from app.commands.opening import settings

    known = settings()
    chosen = _known_services(names)
    if len(chosen) > 1:
        raise typer.Exit(_supervise(chosen))

    def ready(facts: dict[str, Any]) -> None:
        if ready_fd is not None:
            with os.fdopen(ready_fd, "w") as pipe:
                pipe.write(json.dumps(facts, default=str) + "\n")
        else:
            say(_line(facts))

    raise typer.Exit(compose.run(compose.run_service(chosen[0], known, ready)))


def up(
    services: Annotated[
        str, typer.Option("--services", metavar="A,B", help="Only these, separated by commas. Default: all.")
    ] = "",
) -> None:
    """Run everything on this machine: the embedded database and every service, kept alive until Ctrl-C.

    Migrates first; prints the addresses; its data stays in HOSO_VAR.

    Example: HOSO_ENVIRONMENT=test HOSO_GATEWAY=http://127.0.0.1:9000 hoso up
    """
    from app.commands.opening import settings
    from app.compose import RELAY, SERVICES

    known = [*SERVICES, *([RELAY] if settings().on_kafka else [])]
    raise typer.Exit(_supervise(_known_services(services.split(",") if services else known)))


def _known_services(names: Sequence[str]) -> list[str]:
    from app.compose import RELAY, SERVICES
    from hoso.runtime.failures import SettingsError

    chosen = list(dict.fromkeys(name.strip().replace("-", "_") for name in names))
    for name in chosen:
        if name not in (*SERVICES, RELAY):
            raise SettingsError(text("run.unknown", name=name, names=", ".join((*SERVICES, RELAY))))
    return chosen


def _supervise(names: Sequence[str]) -> int:
    from app import compose
    from app.commands.opening import settings
    from app.supervisor import Supervisor

    def ready(facts: dict[str, Any]) -> None:
        for service in facts["services"].values():
            say(_line(service))
        say(text("up.running"))

    status: int = compose.run(Supervisor(settings(), names, say).run(ready))
    return status


def _line(facts: dict[str, Any]) -> str:
    addresses = "  ".join(f"{key} {value}" for key, value in facts.items() if key not in ("service", "pid"))
    return f"{facts.get('service', '')}  {text('col.pid').lower()} {facts.get('pid', '')}  {addresses}".rstrip()

"""Command line of the simulated agency."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from simulator.rules import email_valid

ABILITIES = ("activation", "find", "replies", "roster", "lookup")
"""What a gateway may be without (docs/gateway.md, capabilities)."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens or is found."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be chosen at start. Delays are in seconds of world time, `late_seconds` in real time."""

    listen: Address
    data: Path
    smtp: Address
    honour_keys: bool
    script: Path | None
    mail_from: str
    number_delay: float
    decision_delay: float
    mail_delay: float
    late_seconds: float
    hang_seconds: float
    dkim_bits: int
    smtp_connections: int
    review_days: float
    electronic: frozenset[str]
    without: frozenset[str]
    sign_replies: bool
    agency_certificate: Path | None
    lookups: int


class WrongEnvironment(Exception):
    """The simulated agency was asked to run outside `test`. The message is one sentence for people."""


def address(text: str) -> Address:
    """Read HOST:PORT."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT, for example 127.0.0.1:8025")
    return Address(host.strip("[]"), int(port))


def parser() -> argparse.ArgumentParser:
    """The command line with all its help."""
    make = argparse.ArgumentParser(
        prog="python -m simulator",
        description="The social-insurance agency as seen from outside, for tests and demonstrations. Serves the "
        "gateway of "
        "docs/gateway.md, decides what is filed, mails codes and keeps a ledger of everything that arrived "
        "(GET /ledger, or DIR/simulator.db). Faults come by magic unit codes and by script: see simulator/README.md.",
        epilog="Exit status: 0 ended by SIGTERM or SIGINT, 1 cannot start, 2 wrong arguments or not in environment "
        "test.",
    )
    make.add_argument(
        "--listen",
        type=address,
        default=address("127.0.0.1:0"),
        metavar="HOST:PORT",
        help="default 127.0.0.1:0; port 0: the system picks",
    )
    make.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="its folder: database, DKIM key, simulator.json when ready",
    )
    make.add_argument("--environment", default="production", help="must be `test`, otherwise it refuses to start")
    make.add_argument(
        "--smtp",
        type=address,
        required=True,
        metavar="HOST:PORT",
        help="the server its mails are handed to; may be away",
    )
    make.add_argument(
        "--honour-keys",
        action="store_true",
        help="an Idempotency-Key seen before gets the first receipt again (default: ignored)",
    )
    make.add_argument("--script", type=Path, metavar="FILE", help="JSON list of fault rules to load at start")
    make.add_argument(
        "--mail-from",
        default="thongbao@agency.example",
        metavar="ADDRESS",
        help="sender of its mails; its domain signs by DKIM",
    )
    make.add_argument(
        "--number-delay",
        type=float,
        default=0.2,
        metavar="S",
        help="from receipt to dossier number, world seconds (default 0.2)",
    )
    make.add_argument(
        "--decision-delay",
        type=float,
        default=0.3,
        metavar="S",
        help="from receipt to decision, world seconds (default 0.3)",
    )
    make.add_argument(
        "--mail-delay", type=float, default=0.3, metavar="S", help="from decision to mail, world seconds (default 0.3)"
    )
    make.add_argument(
        "--late-seconds",
        type=float,
        default=1.5,
        metavar="S",
        help="fault A4: real seconds until the filing is processed (default 1.5)",
    )
    make.add_argument(
        "--hang-seconds",
        type=float,
        default=120,
        metavar="S",
        help="faults that hang give up after this many real seconds (default 120)",
    )
    make.add_argument(
        "--speed", type=float, default=1.0, metavar="N", help="divide number, decision and mail delay by N (default 1)"
    )
    make.add_argument(
        "--fast", action="store_true", help="no delays at all: number and decision at once, mail as soon as possible"
    )
    make.add_argument(
        "--review-days",
        type=float,
        default=0.0,
        metavar="N",
        help="working days from the release of a first-time dossier to the officer's answer, on the world's clock "
        "(default 0: the decision delay)",
    )
    make.add_argument(
        "--electronic",
        action="append",
        metavar="PROVINCE",
        help="a province, two digits, that takes first-time dossiers over the wire; may be repeated (default 01)",
    )
    make.add_argument(
        "--without",
        action="append",
        default=[],
        choices=ABILITIES,
        help="the gateway cannot do this: 501, and /v1/capabilities says so; may be repeated",
    )
    make.add_argument(
        "--no-activation",
        action="append_const",
        dest="without",
        const="activation",
        help="the same as --without activation: codes are used on the portal only (POST /portal/activations)",
    )
    make.add_argument(
        "--unsigned-replies", action="store_true", help="decisions are not signed, and /v1/capabilities says so"
    )
    make.add_argument(
        "--agency-certificate",
        type=Path,
        metavar="FILE",
        help="write the certificate that signs decisions here too (always in DIR/agency-certificate.pem)",
    )
    make.add_argument(
        "--lookups", type=int, default=60, metavar="N", help="unit look-ups answered a real minute (default 60)"
    )
    make.add_argument(
        "--dkim-bits",
        type=int,
        default=2048,
        choices=(1024, 2048),
        help="size of the DKIM key made at first start (default 2048)",
    )
    make.add_argument(
        "--smtp-connections", type=int, default=2, metavar="N", help="connections its mails go out on (default 2)"
    )
    return make


def read(arguments: list[str] | None = None) -> Settings:
    """The settings of a command line. Raises WrongEnvironment; wrong arguments end the process with status 2."""
    given = parser().parse_args(arguments)
    if given.environment != "test":
        raise WrongEnvironment(
            f"The simulated agency runs only in environment test, and this is {given.environment}: start it with "
            "--environment test, "
            "and never beside real dossiers."
        )
    if given.speed <= 0:
        parser().error("--speed must be greater than 0")
    if not email_valid(given.mail_from):
        parser().error(f"--mail-from {given.mail_from!r} is no e-mail address")
    scale = 0.0 if given.fast else 1.0 / given.speed
    return Settings(
        listen=given.listen,
        data=given.data,
        smtp=given.smtp,
        honour_keys=given.honour_keys,
        script=given.script,
        mail_from=given.mail_from,
        number_delay=given.number_delay * scale,
        decision_delay=given.decision_delay * scale,
        mail_delay=given.mail_delay * scale,
        late_seconds=given.late_seconds,
        hang_seconds=given.hang_seconds,
        dkim_bits=given.dkim_bits,
        smtp_connections=given.smtp_connections,
        review_days=given.review_days,
        electronic=frozenset(given.electronic or ("01",)),
        without=frozenset(given.without),
        sign_replies=not given.unsigned_replies,
        agency_certificate=given.agency_certificate,
        lookups=given.lookups,
    )

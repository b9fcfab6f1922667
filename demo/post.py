"""The mail host of demonstrations and tests: SMTP in, IMAP out, all on loopback. `python -m demo.post --help`

Every mailbox is a pymap process of its own (pymap knows one user), with an inbox and a junk folder for what calls itself spam.
The SMTP side hands each mail over and says 250 only after the mailbox has it and the spool too; so a mailbox that died is
started again on its port and refilled.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import re
import signal
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import uvloop
from aiosmtpd.smtp import SMTP, Envelope, Session

from demo.post_mailbox import Mailbox
from demo.post_plan import CannotStart, Plan, read_plan
from demo.post_spool import Spool

log = logging.getLogger("demo.post")

LARGEST = 32 * 1024 * 1024
STARTS_AT_ONCE = 2


class PostOffice:
    """The SMTP side: takes mails for known recipients, hands them over, answers afterwards."""

    def __init__(self, plan: Plan, mailboxes: dict[str, Mailbox]) -> None:
        self._plan, self._mailboxes = plan, mailboxes

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Say that commands may be sent ahead of answers: lines are read one by one here."""
        session.host_name = hostname
        return [*responses[:-1], "250-PIPELINING", responses[-1]]

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Refuse who is not known."""
        if self._plan.mailbox_of(address) is None:
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Hand over, then answer 250; 451 when a mailbox cannot take it now. Delivered-To keeps the address that was
        meant."""
        content = envelope.original_content or b""
        wanted: dict[str, str] = {}
        for recipient in envelope.rcpt_tos:
            box = self._plan.mailbox_of(recipient)
            if box is not None:
                wanted.setdefault(box, recipient)
        try:
            for box, recipient in wanted.items():
                stamp = f"Return-Path: <{envelope.mail_from or ''}>\r\nDelivered-To: {_line(recipient)}\r\n"
                await self._mailboxes[box].take(stamp.encode() + content)
        except (OSError, TimeoutError) as error:
            log.warning("a mail is put off: %s", error or type(error).__name__)
            return "451 4.3.0 try again later"
        return "250 2.0.0 OK"


def _line(text: str) -> str:
    return re.sub(r"[\r\n]", "", text)


async def serve(plan: Plan, data: Path, smtp_port: int) -> None:
    """Run until SIGTERM or SIGINT. Raises CannotStart."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    data.mkdir(parents=True, exist_ok=True)
    spool, starts = Spool(data / "post.db"), asyncio.Semaphore(STARTS_AT_ONCE)
    boxes = [box if box.password else replace(box, password=spool.password(box.address)) for box in plan.boxes]
    mailboxes = {box.address: Mailbox(box, spool.port(box.address), spool, starts, data / "pymap.log") for box in boxes}
    port = smtp_port or spool.port("smtp")
    office = PostOffice(plan, mailboxes)
    work = [asyncio.create_task(mailbox.run()) for mailbox in mailboxes.values()]
    ready = asyncio.create_task(_ready(list(mailboxes.values())))
    server: asyncio.Server | None = None
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([stopped, ready, *work], return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            server = await _listen(office, port)
            _tell(data / "post.json", port, mailboxes.values())
            log.info("mail host: SMTP on 127.0.0.1:%s, %s mailboxes", port, len(mailboxes))
            await asyncio.wait([stopped, *work], return_when=asyncio.FIRST_COMPLETED)
        for ended in work:
            if ended.done():
                ended.result()
    finally:
        (data / "post.json").unlink(missing_ok=True)
        if server is not None:
            server.close()
        for job in (*work, ready, stopped):
            job.cancel()
        await asyncio.gather(*(mailbox.end() for mailbox in mailboxes.values()))
        spool.close()


async def _ready(mailboxes: list[Mailbox]) -> None:
    for mailbox in mailboxes:
        await mailbox.up.wait()


async def _listen(office: PostOffice, port: int) -> asyncio.Server:
    def session() -> SMTP:
        return SMTP(office, hostname="post.invalid", data_size_limit=LARGEST, enable_SMTPUTF8=True, ident="demo")

    try:
        return await asyncio.get_running_loop().create_server(session, "127.0.0.1", port)
    except OSError as error:
        raise CannotStart(
            f"127.0.0.1:{port} cannot be listened on ({error.strerror}): name another with --smtp-port, or 0."
        ) from error


def _tell(file: Path, port: int, mailboxes: Iterable[Mailbox]) -> None:
    boxes = {
        m.box.address: {"host": "127.0.0.1", "port": m.port, "user": m.box.user, "password": m.box.password}
        for m in mailboxes
    }
    part = file.with_suffix(".part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        json.dump({"pid": os.getpid(), "smtp": {"host": "127.0.0.1", "port": port}, "boxes": boxes}, out, indent=1)
    part.replace(file)


def main() -> int:
    """The process. Answers with its exit status."""
    make = argparse.ArgumentParser(
        prog="python -m demo.post",
        description="Mail host for demonstrations and tests: one SMTP server, one IMAP server a mailbox, all on "
        "127.0.0.1.",
        epilog="When ready, DIR/post.json tells pid, the SMTP port, and of each mailbox host, port, user and "
        "password. Ports stay the same over restarts.",
    )
    make.add_argument(
        "--boxes",
        type=Path,
        required=True,
        metavar="FILE",
        help='{"boxes": ["a@demo.example", {"address", "user", "password"}], "aliases": {"b@demo.example": '
        '"a@demo.example", "*@x.example": "a@demo.example"}}',
    )
    make.add_argument("--data", type=Path, required=True, metavar="DIR", help="its folder: spool, log, post.json")
    make.add_argument("--smtp-port", type=int, default=0, metavar="PORT", help="0 (default): the system picks")
    given = make.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    try:
        uvloop.run(serve(read_plan(given.boxes), given.data, given.smtp_port))
    except CannotStart as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The mail host of demonstrations and tests: SMTP in, IMAP out, all on loopback. `python -m demo.post --help`

Every mailbox is a pymap process of its own (pymap knows one user), with an inbox and a junk folder for what calls itself spam.
The SMTP side hands each mail over by IMAP APPEND and says 250 only after the mailbox has it and the spool too; so a mailbox that
died is started again on its port and refilled. pymap keeps nothing on disk: a restart is a new UIDVALIDITY, and mails the reader
had deleted are back.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import re
import secrets
import signal
import socket
import sqlite3
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop
from aiosmtpd.smtp import SMTP, Envelope, Session

from demo.children import die_with_parent

log = logging.getLogger("demo.post")

LARGEST = 32 * 1024 * 1024
JUNK = "Junk"
"""Where mails go that call themselves spam. pymap has no special uses (RFC 6154): a reader finds it by its name."""
_SPAM = re.compile(rb"^X-Spam-Flag:[ \t]*YES[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
START_SECONDS = 30.0
APPEND_SECONDS = 20.0
STARTS_AT_ONCE = 2


class CannotStart(Exception):
    """The message is one sentence for people."""


@dataclass(frozen=True, slots=True)
class Box:
    """One mailbox: its address, and how a reader logs in. An empty password is made up."""

    address: str
    user: str
    password: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Which mailboxes there are, and which other addresses lead to them (`*@domain` leads all the rest of a domain)."""

    boxes: tuple[Box, ...]
    aliases: dict[str, str]

    def mailbox_of(self, recipient: str) -> str | None:
        """The mailbox of a recipient: by its own name, as an alias, without its plus-part, or by its domain."""
        address = recipient.lower()
        local, _, domain = address.rpartition("@")
        known = {box.address for box in self.boxes}
        for name in (address, f"{local.partition('+')[0]}@{domain}", f"*@{domain}"):
            if name in self.aliases:
                return self.aliases[name]
            if name in known:
                return name
        return None


def read_plan(file: Path) -> Plan:
    """Read boxes.json: {"boxes": ["a@x" or {"address", "user", "password"}], "aliases": {"b@x": "a@x"}}. Raises
    CannotStart."""
    try:
        told = json.loads(file.read_text("utf-8"))
        boxes = tuple(_box(one) for one in told["boxes"])
        plan = Plan(boxes, {str(k).lower(): str(v).lower() for k, v in told.get("aliases", {}).items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CannotStart(
            f'{file} is no list of mailboxes ({error}): write {{"boxes": ["a@demo.example"], "aliases": {{}}}}.'
        ) from error
    lost = set(plan.aliases.values()) - {box.address for box in boxes}
    if lost or not boxes:
        raise CannotStart(
            f"{file}: aliases lead to mailboxes that are not there: {', '.join(sorted(lost)) or 'no mailbox at all'}."
        )
    return plan


def _box(told: Any) -> Box:
    if isinstance(told, str):
        told = {"address": told}
    address = str(told["address"]).lower()
    return Box(address, str(told.get("user", address)), str(told.get("password", "")))


class Spool:
    """Every mail ever accepted, and the ports in use: what mailboxes are refilled from."""

    def __init__(self, file: Path) -> None:
        self._db = sqlite3.connect(file, isolation_level=None)
        self._db.executescript(
            "pragma journal_mode = wal; pragma synchronous = normal; pragma busy_timeout = 5000;"
            "create table if not exists mails (id integer primary key, box text not null, received real not null, "
            "content blob not null);"
            "create index if not exists mails_by_box on mails (box);"
            "create table if not exists ports (name text primary key, port integer not null);"
            "create table if not exists passwords (box text primary key, password text not null)"
        )

    def keep(self, box: str, received: float, content: bytes) -> None:
        """Note an accepted mail; it survives kill -9."""
        self._db.execute("insert into mails (box, received, content) values (?, ?, ?)", (box, received, content))

    def mails(self, box: str) -> Iterable[tuple[float, bytes]]:
        """All mails of a mailbox, in order of arrival."""
        return self._db.execute("select received, content from mails where box = ? order by id", (box,))

    def port(self, name: str) -> int:
        """A free port for a name: the same as last time where that is still free."""
        row = self._db.execute("select port from ports where name = ?", (name,)).fetchone()
        port = free_port(row[0] if row else 0)
        self._db.execute("insert or replace into ports (name, port) values (?, ?)", (name, port))
        return port

    def password(self, box: str) -> str:
        """The password made up for a mailbox: the same over restarts."""
        self._db.execute(
            "insert or ignore into passwords (box, password) values (?, ?)", (box, secrets.token_urlsafe(12))
        )
        return str(self._db.execute("select password from passwords where box = ?", (box,)).fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def free_port(wanted: int = 0) -> int:
    """The wanted port of loopback if it is free, else one that is."""
    for port in (wanted, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise CannotStart("no port of 127.0.0.1 is free.")


class Refused(OSError):
    """The mailbox heard the command and said no."""


def is_spam(content: bytes) -> bool:
    """Whether a filter before us has marked the mail (X-Spam-Flag: YES)."""
    return _SPAM.search(re.split(rb"\r?\n\r?\n", content, maxsplit=1)[0]) is not None


class ImapConnection:
    """One IMAP connection that only appends, many at a time (LITERAL+, answers matched by tag)."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._waiting: dict[bytes, asyncio.Future[bytes]] = {}
        self._count = 0
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def open(cls, port: int, box: Box) -> ImapConnection:
        """Connect, log in, and see that the junk folder is there. Raises OSError."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        link = writer.get_extra_info("socket")
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # without it each APPEND waits 40 ms for an ack
        made = cls(reader, writer)
        try:
            await made._command(b"LOGIN " + _quoted(box.user) + b" " + _quoted(box.password))
            with contextlib.suppress(Refused):  # it is there already
                await made._command(f"CREATE {JUNK}".encode())
        except BaseException:
            made.close()
            raise
        return made

    async def append(self, content: bytes, received: float) -> None:
        """Return when the mailbox has the mail, in its inbox or its junk folder. Raises OSError."""
        when = datetime.fromtimestamp(received, UTC).strftime("%d-%b-%Y %H:%M:%S +0000")
        folder = JUNK if is_spam(content) else "INBOX"
        await self._command(f'APPEND {folder} "{when}" {{{len(content)}+}}\r\n'.encode() + content)

    async def _command(self, command: bytes) -> None:
        if self._listening.done():
            raise ConnectionResetError("the mailbox is gone")
        self._count += 1
        tag = b"p%d" % self._count
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[tag] = answer
        self._writer.write(tag + b" " + command + b"\r\n")
        try:
            async with asyncio.timeout(APPEND_SECONDS):
                line = await answer
        finally:
            self._waiting.pop(tag, None)
        if not line.upper().startswith(b"OK"):
            raise Refused(f"the mailbox answers {line.decode('utf-8', 'replace')}")

    async def _listen(self) -> None:
        try:
            while line := await self._reader.readline():
                tag, _, rest = line.strip().partition(b" ")
                answer = self._waiting.get(tag)
                if answer is not None and not answer.done():
                    answer.set_result(rest)
        except (OSError, ValueError):
            pass
        finally:
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(ConnectionResetError("the mailbox is gone"))

    def close(self) -> None:
        """Drop the connection."""
        self._listening.cancel()
        self._writer.close()


def _quoted(text: str) -> bytes:
    return b'"' + text.replace("\\", "\\\\").replace('"', '\\"').encode() + b'"'


class Mailbox:
    """One pymap process, kept running and filled, and the connection that appends to it."""

    def __init__(self, box: Box, port: int, spool: Spool, starts: asyncio.Semaphore, log_file: Path) -> None:
        self.box, self.port = box, port
        self._spool, self._starts, self._log_file = spool, starts, log_file
        self._process: asyncio.subprocess.Process | None = None
        self._connection: ImapConnection | None = None
        self.up = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """Of the pymap process."""
        return self._process.pid if self._process else None

    async def run(self) -> None:
        """Keep it running, for ever; a mailbox that ends is started again and refilled."""
        while True:
            async with self._starts:
                self._process = await self._spawn()
                await self._connect()
            self.up.set()
            status = await self._process.wait()
            self.up.clear()
            if self._connection is not None:
                self._connection.close()
            log.warning("the mailbox %s ended with status %s and is started again", self.box.address, status)

    async def _spawn(self) -> asyncio.subprocess.Process:
        program = Path(sys.executable).parent / "pymap"
        arguments = ["--host", "127.0.0.1", "--port", str(self.port), "--no-tls", "dict"]
        arguments += [
            f"--demo-user={self.box.user}",
            f"--demo-password={self.box.password}",
        ]  # a password may begin with "-"
        with self._log_file.open("ab") as out:
            return await asyncio.create_subprocess_exec(
                program,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                preexec_fn=die_with_parent,
            )

    async def _connect(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while self._process.returncode is None and time.monotonic() < deadline:
            try:
                self._connection = await ImapConnection.open(self.port, self.box)
                await self._refill(self._connection)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                return
        if self._process.returncode is None:
            self._process.kill()

    async def _refill(self, connection: ImapConnection) -> None:
        for received, content in self._spool.mails(self.box.address):
            await connection.append(content, received)

    async def take(self, content: bytes) -> None:
        """Return when mailbox and spool have the mail. Raises OSError, TimeoutError."""
        async with asyncio.timeout(START_SECONDS):
            await self.up.wait()
        connection, process = self._connection, self._process
        if connection is None:
            raise ConnectionResetError("the mailbox is gone")
        received = time.time()
        await connection.append(content, received)
        if process is not self._process or not self.up.is_set():
            raise ConnectionResetError("the mailbox ended while it took the mail")
        self._spool.keep(self.box.address, received, content)

    async def end(self) -> None:
        """End the process."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            try:
                async with asyncio.timeout(1.0):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()


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

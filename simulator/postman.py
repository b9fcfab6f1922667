"""Hands the agency's mails to the SMTP server: durable queue, at least once, retried while the server is away."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import time

from simulator.clock import WorldClock
from simulator.letters import CODE_LIFE
from simulator.looks import Look
from simulator.mails import Sender, write
from simulator.settings import Address
from simulator.store import Store

log = logging.getLogger("simulator.postman")

TIMEOUT = 30.0
BATCH = 200
LONGEST_WAIT = 2.0


class MailRefused(Exception):
    """The server will not take this mail: a 5xx answer."""


class MailPutOff(Exception):
    """The server will not take this mail now: a 4xx answer."""


class SmtpConnection:
    """One SMTP connection, opened when first needed and kept. Pipelines where the server says so (RFC 2920)."""

    def __init__(self, server: Address, sender: str) -> None:
        self._server, self._sender = server, sender
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._pipelining = False

    async def send(self, recipient: str, mail: bytes) -> None:
        """Return when the server has taken the mail. Raises MailRefused, MailPutOff, OSError, TimeoutError,
        EOFError."""
        try:
            async with asyncio.timeout(TIMEOUT):
                await self._send(recipient, mail)
        except MailRefused:
            raise
        except BaseException:
            self.close()
            raise

    async def _send(self, recipient: str, mail: bytes) -> None:
        reader, writer = self._streams or await self._open()
        commands = [f"MAIL FROM:<{self._sender}>\r\n".encode(), f"RCPT TO:<{recipient}>\r\n".encode(), b"DATA\r\n"]
        replies: list[tuple[int, str]] = []
        if self._pipelining:
            writer.write(b"".join(commands))
            replies = [await self._reply(reader) for _ in commands]
        else:
            for command in commands:
                writer.write(command)
                replies.append(await self._reply(reader))
                if replies[-1][0] >= 400:
                    break
        bad = next((reply for reply in replies if reply[0] >= 400), None)
        if bad is not None:
            if replies[-1][0] == 354:
                raise MailPutOff("the server takes data after it refused the recipient")
            writer.write(b"RSET\r\n")
            await self._reply(reader)
            raise MailRefused(bad[1]) if bad[0] >= 500 else MailPutOff(bad[1])
        stuffed = mail.replace(b"\r\n.", b"\r\n..")
        writer.write(
            (b"." + stuffed if stuffed.startswith(b".") else stuffed)
            + (b".\r\n" if mail.endswith(b"\r\n") else b"\r\n.\r\n")
        )
        code, words = await self._reply(reader)
        if code >= 500:
            raise MailRefused(words)
        if code >= 400:
            raise MailPutOff(words)

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self._streams = await asyncio.open_connection(self._server.host, self._server.port)
        reader, writer = self._streams
        code, words = await self._reply(reader)
        if code >= 400:
            raise MailPutOff(words)
        writer.write(b"EHLO simulator.invalid\r\n")
        code, words = await self._reply(reader)
        if code >= 400:
            raise MailPutOff(words)
        self._pipelining = "PIPELINING" in words.upper().split()
        return self._streams

    @staticmethod
    async def _reply(reader: asyncio.StreamReader) -> tuple[int, str]:
        words = []
        while True:
            line = await reader.readline()
            if not line.endswith(b"\n") or not line[:3].isdigit():
                raise EOFError("the SMTP server broke off")
            words.append(line[4:].decode("utf-8", "replace").strip())
            if line[3:4] != b"-":
                return int(line[:3]), " ".join(words)

    def close(self) -> None:
        """Drop the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


class Postman:
    """Sends what is queued and due. A crash between the server's 250 and our note sends one mail again, with its
    Message-ID."""

    def __init__(self, store: Store, clock: WorldClock, sender: Sender, server: Address, connections: int) -> None:
        self._store, self._clock, self._sender = store, clock, sender
        self._connections = [SmtpConnection(server, sender.address) for _ in range(connections)]
        self._poked = asyncio.Event()
        self._under_way: set[int] = set()
        self._ready: asyncio.Queue[sqlite3.Row] = asyncio.Queue()
        self._complained = False

    def poke(self) -> None:
        """Look at the queue again: a new mail, or the clock was set."""
        self._poked.set()

    async def run(self) -> None:
        """Send mails for ever."""
        async with asyncio.TaskGroup() as group:
            for connection in self._connections:
                group.create_task(self._work(connection))
            group.create_task(self._feed())

    async def _feed(self) -> None:
        while True:
            self._poked.clear()
            if self._ready.qsize() < BATCH // 2:
                for mail in self._store.rows(
                    "select * from mails where state = 'queued' and due_world <= ? and retry_real <= ? order by "
                    "due_world, id limit ?",
                    (self._clock.now(), time.time(), BATCH + len(self._under_way)),
                ):
                    if mail["id"] not in self._under_way:
                        self._under_way.add(mail["id"])
                        self._ready.put_nowait(mail)
            try:
                await asyncio.wait_for(self._poked.wait(), self._rest())
            except TimeoutError:
                pass
            else:
                await asyncio.sleep(0.002)  # let a few more gather

    def _rest(self) -> float:
        soonest = self._store.row(
            "select min(due_world) from mails where state = 'queued' and due_world > ? and retry_real = 0",
            (self._clock.now(),),
        )
        until = self._clock.real_until(soonest[0]) if soonest and soonest[0] is not None else 1.0
        return min(0.2, max(0.001, until))

    async def _work(self, connection: SmtpConnection) -> None:
        while True:
            mail = await self._ready.get()
            try:
                await self._deliver(connection, mail)
            finally:
                self._under_way.discard(mail["id"])
                if self._ready.empty():
                    self.poke()

    async def _deliver(self, connection: SmtpConnection, mail: sqlite3.Row) -> None:
        await self._store.settled()  # nobody is mailed a code that a crash could forget
        raw = write(
            Look(**json.loads(mail["look"])),
            self._sender,
            mail["recipient"],
            mail["message_id"],
            mail["transaction_id"],
            self._clock.now(),
        )
        try:
            await connection.send(mail["recipient"], raw)
        except MailRefused as refusal:
            log.warning("mail %s to %s was refused: %s", mail["id"], mail["recipient"], refusal)
            self._store.write("update mails set state = 'refused', tries = tries + 1 where id = ?", (mail["id"],))
        except (MailPutOff, OSError, TimeoutError, EOFError) as error:
            self._put_off(mail, error)
        else:
            self._complained = False
            self._sent(mail)
        await self._store.settled()

    def _put_off(self, mail: sqlite3.Row, error: Exception) -> None:
        if not self._complained:
            self._complained = True
            log.warning("mails wait, the SMTP server does not take them: %s", error or type(error).__name__)
        wait = min(LONGEST_WAIT, 0.1 * 2 ** min(10, mail["tries"]))
        self._store.write(
            "update mails set tries = tries + 1, retry_real = ? where id = ?", (time.time() + wait, mail["id"])
        )

    def _sent(self, mail: sqlite3.Row) -> None:
        now = self._clock.now()
        self._store.write(
            "update mails set state = 'sent', tries = tries + 1, sent_real = ?, sent_world = ? where id = ?",
            (time.time(), now, mail["id"]),
        )
        if not mail["genuine"]:
            return
        self._store.write(
            "update filings set mailed_world = coalesce(mailed_world, ?) where transaction_id = ?",
            (now, mail["transaction_id"]),
        )
        if mail["kind"] == "activation":
            self._store.write(
                "update codes set expires_world = coalesce(expires_world, ?) where transaction_id = ?",
                (now + CODE_LIFE, mail["transaction_id"]),
            )

"""One mailbox of the mail host: a pymap process that is started again when it ends, and refilled from the spool.

pymap keeps nothing on disk: a restart is a new UIDVALIDITY, and mails the reader had deleted are back.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from pathlib import Path

from demo.children import die_with_parent
from demo.post_imap import ImapConnection
from demo.post_plan import Box
from demo.post_spool import Spool

log = logging.getLogger("demo.post")

START_SECONDS = 30.0


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

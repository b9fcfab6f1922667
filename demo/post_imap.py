"""How a mail comes into a mailbox: by IMAP APPEND, into its inbox or, where it calls itself spam, its junk folder."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from datetime import UTC, datetime

from demo.post_plan import Box

JUNK = "Junk"
"""Where mails go that call themselves spam. pymap has no special uses (RFC 6154): a reader finds it by its name."""
_SPAM = re.compile(rb"^X-Spam-Flag:[ \t]*YES[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
APPEND_SECONDS = 20.0


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

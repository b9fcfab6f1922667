"""The mailbox port on aioimaplib, fenced against what it does not handle (measured with 2.0.3):

* a lost connection fails nothing that is pending: every wait also watches for the loss and has a time limit;
* answers of about a thousand lines overflow its recursive parser: UIDs are asked in windows, mails in chunks, and
  what it raises while reading drops the connection instead of reaching the event loop's log, where a password could
  appear;
* `idle_start` waits for ever when the server says nothing; an EXISTS between two commands wakes no IDLE;
* it strips "* " inside untagged lines: bodies come as literals, which it leaves alone, and nothing else is believed;
* user names are not quoted, SEARCH is sent with a CHARSET that some servers refuse.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import logging
import re
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from aioimaplib import aioimaplib
from imapclient import imap_utf7

from services.mail_watcher.mailbox import (
    CHUNK,
    SEEN_FLAG,
    Access,
    Fetched,
    Folder,
    FolderMissing,
    LoginRefused,
    MailboxDown,
    MailboxRefused,
    by_weight,
    internaldate,
    is_busy,
    quoted,
    tls_context,
    xoauth2,
)
from services.mail_watcher.secret import Secret

logging.getLogger("aioimaplib").setLevel(logging.WARNING)  # at DEBUG it logs every byte it receives

RE_IDLE_S = 300.0
"""An IDLE older than this may be dead behind a NAT."""
WINDOW = 1_000
"""UIDs asked for at once; grows while it finds none."""

T = TypeVar("T")
_EXISTS = re.compile(rb"(\d+) EXISTS")
_ITEM = re.compile(rb"\d+ FETCH \(", re.IGNORECASE)
_LISTED = re.compile(
    r'\(([^()]{0,500})\) (?:"(?:[^"\\]|\\.)"|NIL) (?:"((?:[^"\\]|\\.){1,500})"|([^\s"{]{1,500}))\s*\Z', re.IGNORECASE
)


class _Protocol(aioimaplib.IMAP4ClientProtocol):  # type: ignore[misc]
    """Never lets an exception out of a callback: it drops the connection and says why to `lost`."""

    def __init__(self, lost: Callable[[str], None]) -> None:
        super().__init__(asyncio.get_running_loop(), lambda error: lost("the server closed the connection"))
        self._lost = lost
        self.exists = -1

    def data_received(self, data: bytes) -> None:
        try:
            super().data_received(data)
        except Exception as error:  # its text may hold the LOGIN command
            self._lost(f"the server's answer cannot be read ({type(error).__name__})")
            self.transport.abort()

    async def welcome(self, command: bytes) -> None:
        try:
            await super().welcome(command)
        except Exception as error:  # runs as a task that nobody awaits
            self._lost(f"the server did not greet ({type(error).__name__})")
            self.transport.abort()

    def _untagged_response(self, line: bytes) -> Any:
        found = _EXISTS.match(line.removeprefix(b"* "))
        if found:
            self.exists = int(found.group(1))
        return super()._untagged_response(line)

    def _continuation(self, line: bytes) -> None:
        """A refused XOAUTH2 says why in a challenge and waits for an empty answer; the library would wait for ever."""
        if self.pending_sync_command is not None and self.pending_sync_command.name == "AUTHENTICATE":
            self.transport.write(b"\r\n")
            return
        super()._continuation(line)


class _Client(aioimaplib.IMAP4):  # type: ignore[misc]
    def __init__(self, access: Access, context: ssl.SSLContext | None, lost: Callable[[str], None]) -> None:
        self._lost = lost
        super().__init__(access.host, access.port, timeout=access.timeout_s, ssl_context=context)

    def create_client(self, host: str, port: int, loop: Any, conn_lost_cb: Any = None, ssl_context: Any = None) -> None:
        self.protocol = _Protocol(self._lost)
        made = asyncio.get_running_loop().create_connection(lambda: self.protocol, host, port, ssl=ssl_context)
        self._client_task = asyncio.ensure_future(made)


def _encoded(folder: str) -> str:
    """A folder's name in modified UTF-7 (RFC 3501 §5.1.3), quoted."""
    return quoted(imap_utf7.encode(folder).decode("ascii"))


def _decoded(name: str) -> str:
    try:
        return str(imap_utf7.decode(name.encode("ascii", "replace")))
    except (ValueError, binascii.Error):
        return name


class AioimaplibMailbox:
    """One mailbox over aioimaplib. GPL-3.0-only library: `ImapclientMailbox` is the other choice."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._folder = access.folder
        self._client: Any = None
        self._gone: asyncio.Future[str] | None = None
        self._uidnext = 1
        self._searched_exists = -1

    async def connect(self) -> None:
        if self._access.tls == "starttls":
            raise MailboxRefused("this adapter has no STARTTLS: set tls to implicit, or the adapter to imapclient")
        tokens = self._access.tokens
        try:
            await self._connect(await tokens.bearer() if tokens else None)
        except LoginRefused:
            if tokens is None:
                raise
            await self._connect(await tokens.bearer(anew=True))

    async def _connect(self, token: Secret | None) -> None:
        context = tls_context(self._access)
        user, folder = quoted(self._access.user), _encoded(self._access.folder)
        quoted(self._access.password.reveal())
        await self.close()
        self._gone = asyncio.get_running_loop().create_future()
        self._client = _Client(self._access, context, self._lose)
        self._folder = self._access.folder
        try:
            await self._wait(self._client.wait_hello_from_server())
        except MailboxDown as error:
            if isinstance(error.__cause__, ssl.SSLCertVerificationError):
                raise MailboxRefused("the server's certificate is not trusted: set ca_file") from None
            raise
        if token is not None:
            sent = base64.b64encode(xoauth2(self._access.user, token).encode()).decode("ascii")
            answer = await self._wait(self._authenticated(sent))
        else:
            answer = await self._wait(self._client.login(user, self._access.password.reveal()))
        if answer.result != "OK":
            if is_busy(b" ".join(bytes(line) for line in answer.lines[-1:]).decode("ascii", "replace")):
                raise MailboxDown("the server does not take a login now")
            what = "user and password" if token is None else "the token for this user"
            raise LoginRefused(f"the server does not accept {what}")
        answer = await self._wait(self._client.select(folder))
        if answer.result != "OK":
            raise FolderMissing(f"the server has no folder {self._access.folder}")

    async def _authenticated(self, sent: str) -> Any:
        """The answer to AUTHENTICATE XOAUTH2; the library's own call takes user names in ASCII only."""
        protocol = self._client.protocol
        command = aioimaplib.Command(
            "AUTHENTICATE", protocol.new_tag(), "XOAUTH2", sent, loop=asyncio.get_running_loop()
        )
        answer = await protocol.execute(command, scrub=sent)
        if answer.result == "OK":
            protocol.state = aioimaplib.AUTH
        return answer

    async def folders(self) -> Sequence[Folder]:
        answer = await self._command(self._live().list('""', '"*"'))
        found: list[Folder] = []
        for line in answer.lines[:-1]:
            listed = _LISTED.search(bytes(line).decode("ascii", "replace"))
            if listed is None:
                continue
            flags = frozenset(listed.group(1).lower().split())
            name = re.sub(r"\\(.)", r"\1", listed.group(2)) if listed.group(2) is not None else listed.group(3)
            if "\\noselect" not in flags and "\\nonexistent" not in flags:
                found.append(Folder(_decoded(name), flags))
        return found

    async def open(self, folder: str) -> None:
        answer = await self._wait(self._live().select(_encoded(folder)))
        if answer.result != "OK":
            raise FolderMissing(f"the server has no folder {folder}")
        self._folder = folder

    async def status(self) -> tuple[int, int]:
        answer = await self._command(self._live().select(_encoded(self._folder)))
        text = b"\n".join(bytes(line) for line in answer.lines)
        validity, following = (re.search(rb"\[" + name + rb" (\d+)\]", text) for name in (b"UIDVALIDITY", b"UIDNEXT"))
        if validity is None or following is None:
            self._drop()
            raise MailboxDown("the server does not say UIDVALIDITY and UIDNEXT")
        self._uidnext = int(following.group(1))
        return int(validity.group(1)), self._uidnext

    async def fetch_after(self, uid: int, limit: int) -> Sequence[Fetched]:
        uids = (await self._uids_after(uid))[: min(limit, CHUNK)]
        if not uids:
            return []
        heads = await self._fetch(uids, "(UID RFC822.SIZE INTERNALDATE)")
        known: dict[int, tuple[int, Any]] = {}
        for line, _ in heads:
            number, size = re.search(rb"UID (\d+)", line), re.search(rb"RFC822\.SIZE (\d+)", line)
            date = re.search(rb'INTERNALDATE "([^"]*)"', line)
            if not (number and size and date):
                continue
            try:
                known[int(number.group(1))] = int(size.group(1)), internaldate(date.group(1).decode("ascii", "replace"))
            except ValueError:
                continue
        wanted = [u for u in uids if u in known and known[u][0] <= self._access.max_bytes]
        bodies: dict[int, bytes] = {}
        for group in by_weight([(u, known[u][0]) for u in wanted]):
            for line, literal in await self._fetch(group, "(UID BODY.PEEK[])"):
                number = re.search(rb"UID (\d+)", line)
                if number and literal is not None:
                    bodies[int(number.group(1))] = literal
        missing = [u for u in uids if u not in known or (u in wanted and u not in bodies)]
        if missing and len(await self._still_there(missing)):
            self._drop()
            raise MailboxDown("the server did not send what it lists")
        return [
            Fetched(
                u,
                known[u][0],
                known[u][1],
                bodies.get(u) if len(bodies.get(u, b"")) <= self._access.max_bytes else None,
            )
            for u in uids
            if u not in missing
        ]

    async def idle(self, timeout: float) -> None:
        client = self._live()
        await self._command(client.noop())  # some servers tell what came before IDLE only in answer to a command
        if client.protocol.exists != self._searched_exists:
            self._searched_exists = client.protocol.exists  # said in passing: one hint, IDLE would not say it again
            return
        if not client.has_capability("IDLE"):
            await self._pause(timeout)
            return
        queue = client.protocol.idle_queue
        while not queue.empty():
            queue.get_nowait()
        ended = await self._wait(client.idle_start(timeout=timeout + self._access.timeout_s))
        try:
            await self._wait(queue.get(), limit=min(timeout, RE_IDLE_S), quiet=True)
        finally:
            with contextlib.suppress(Exception):
                client.idle_done()
        await self._wait(ended)

    async def flag(self, uids: Sequence[int]) -> None:
        for start in range(0, len(uids), CHUNK):
            chosen = ",".join(map(str, uids[start : start + CHUNK]))
            await self._wait(self._live().uid("store", chosen, "+FLAGS.SILENT", f"({SEEN_FLAG})"))

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        client._client_task.cancel()
        if client.protocol.transport is not None:
            client.protocol.transport.abort()
        left = [client._client_task, *client.tasks, *client.protocol.tasks]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _uids_after(self, uid: int) -> list[int]:
        """At least one UID after `uid` when there is any. n:* would return the last mail for every n, so it is
        bounded."""
        start, window = uid + 1, WINDOW
        while True:
            last = start + window - 1
            self._searched_exists = self._live().protocol.exists
            end = "*" if last >= self._uidnext else str(last)
            answer = await self._command(self._live().uid_search(f"UID {start}:{end}", charset=None))
            words = b" ".join(bytes(line) for line in answer.lines[:-1]).split()
            found = sorted({int(word) for word in words if word.isdigit()})
            found = [u for u in found if u > uid]
            if found or end == "*":
                return found
            start, window = last + 1, window * 8

    async def _fetch(self, uids: Sequence[int], what: str) -> list[tuple[bytes, bytes | None]]:
        """(the line's text, its literal) for every mail in the answer."""
        answer = await self._command(self._live().uid("fetch", ",".join(map(str, uids)), what))
        items: list[tuple[bytes, bytes | None]] = []
        for line in answer.lines[:-1]:
            if isinstance(line, bytearray):
                if items:
                    items[-1] = items[-1][0], bytes(line)
            elif _ITEM.match(line):
                items.append((bytes(line), None))
            elif items:
                items[-1] = items[-1][0] + b" " + bytes(line), items[-1][1]
        return items

    async def _still_there(self, uids: Sequence[int]) -> list[int]:
        """Which are not expunged; a search by UID sees what a fetch passes over in silence."""
        answer = await self._command(self._live().uid_search("UID " + ",".join(map(str, uids)), charset=None))
        return [int(word) for line in answer.lines[:-1] for word in bytes(line).split() if word.isdigit()]

    def _live(self) -> Any:
        if self._client is None or self._gone is None or self._gone.done():
            raise MailboxDown(self._gone.result() if self._gone is not None and self._gone.done() else "not connected")
        return self._client

    def _lose(self, why: str) -> None:
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(why)

    def _drop(self) -> None:
        self._lose("the connection was given up")
        if self._client is not None and self._client.protocol.transport is not None:
            self._client.protocol.transport.abort()

    async def _pause(self, seconds: float) -> None:
        assert self._gone is not None
        done, _ = await asyncio.wait({self._gone}, timeout=seconds)
        if done:
            raise MailboxDown(self._gone.result())

    async def _command(self, doing: Awaitable[Any]) -> Any:
        answer = await self._wait(doing)
        if answer.result != "OK":
            self._drop()
            raise MailboxDown("the server refused a command")
        return answer

    async def _wait(self, doing: Awaitable[T], limit: float | None = None, quiet: bool = False) -> T | Any:
        """Waits for `doing`, the loss of the connection, or the time limit, which `quiet` makes an ordinary end.

        Whatever else ends the wait leaves the protocol in an unknown state, so the connection is dropped."""
        assert self._gone is not None
        task: asyncio.Future[Any] = asyncio.ensure_future(doing)
        try:
            await asyncio.wait(
                {task, self._gone}, timeout=limit or self._access.timeout_s, return_when="FIRST_COMPLETED"
            )
        except asyncio.CancelledError:
            self._drop()
            raise
        finally:
            ended = task.done()
            if not ended:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        if ended and not task.cancelled():
            error = task.exception()
            if error is None:
                return task.result()
            why = self._gone.result() if self._gone.done() else f"{type(error).__name__}"
            self._drop()
            raise MailboxDown(why) from error if isinstance(error, ssl.SSLCertVerificationError) else None
        if self._gone.done():
            raise MailboxDown(self._gone.result())
        if quiet:
            return None
        self._drop()
        raise MailboxDown("the server did not answer in time")

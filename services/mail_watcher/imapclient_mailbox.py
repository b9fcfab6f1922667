"""The mailbox port on IMAPClient (BSD licence): one thread a mailbox, because the library blocks."""

from __future__ import annotations

import asyncio
import contextlib
import imaplib
import logging
import select
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, TypeVar

import imapclient
from imapclient.exceptions import IMAPClientError, LoginError

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
    is_busy,
    quoted,
    tls_context,
    xoauth2,
)
from services.mail_watcher.secret import Secret

logging.getLogger("imapclient").setLevel(logging.WARNING)  # at DEBUG it logs every line
logging.getLogger("imapclient.imaplib").setLevel(logging.WARNING)

RE_IDLE_S = 300.0
SLICE_S = 1.0
"""How often a waiting thread looks whether it shall stop."""
WINDOW = 1_000

T = TypeVar("T")


class ImapclientMailbox:
    """One mailbox over IMAPClient. Speaks implicit TLS, STARTTLS and, on this machine, clear text."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._folder = access.folder
        self._client: Any = None
        self._thread: ThreadPoolExecutor | None = None
        self._stopping = False
        self._uidnext = 1
        self._searched_exists: object = None

    async def connect(self) -> None:
        tokens = self._access.tokens
        try:
            await self._enter(await tokens.bearer() if tokens else None)
        except LoginRefused:
            if tokens is None:
                raise
            await self._enter(await tokens.bearer(anew=True))

    async def _enter(self, token: Secret | None) -> None:
        context = tls_context(self._access)
        quoted(self._access.user)
        quoted(self._access.password.reveal())
        await self.close()
        self._stopping = False
        self._folder = self._access.folder
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="imap")
        await self._do(lambda: self._connect(context, token))

    def _connect(self, context: ssl.SSLContext | None, token: Secret | None) -> None:
        access = self._access
        times = imapclient.SocketTimeout(connect=access.timeout_s, read=access.timeout_s)
        try:
            implicit = access.tls == "implicit"
            client = imapclient.IMAPClient(
                access.host, access.port, ssl=implicit, ssl_context=context if implicit else None, timeout=times
            )
            self._client = client
            if access.tls == "starttls":
                client.starttls(context)
        except ssl.SSLCertVerificationError:
            raise MailboxRefused("the server's certificate is not trusted: set ca_file") from None
        try:
            if token is not None:
                # a refusal comes as a challenge that wants an empty answer
                answers = iter([xoauth2(access.user, token).encode()])
                client.sasl_login("XOAUTH2", lambda _: next(answers, b""))
            else:
                client.login(quoted(access.user), access.password.reveal())
        except LoginError as error:
            if isinstance(error.__context__, imaplib.IMAP4.abort):
                raise MailboxDown("the connection failed at the login") from None
            if is_busy(str(error)):
                raise MailboxDown("the server does not take a login now") from None
            what = "user and password" if token is None else "the token for this user"
            raise LoginRefused(f"the server does not accept {what}") from None
        self._open(access.folder)

    def _open(self, folder: str) -> None:
        try:
            self._client.select_folder(folder)
        except imaplib.IMAP4.abort:
            raise
        except IMAPClientError:
            raise FolderMissing(f"the server has no folder {folder}") from None
        self._folder = folder

    async def folders(self) -> Sequence[Folder]:
        return await self._do(self._folders)

    def _folders(self) -> list[Folder]:
        found = []
        for flags, _, name in self._client.list_folders():
            low = frozenset(flag.decode("ascii", "replace").lower() for flag in flags)
            if "\\noselect" not in low and "\\nonexistent" not in low:
                found.append(Folder(str(name), low))
        return found

    async def open(self, folder: str) -> None:
        await self._do(lambda: self._open(folder))

    async def status(self) -> tuple[int, int]:
        return await self._do(self._status)

    def _status(self) -> tuple[int, int]:
        answer = self._client.select_folder(self._folder)
        try:
            self._uidnext = int(answer[b"UIDNEXT"])
            return int(answer[b"UIDVALIDITY"]), self._uidnext
        except KeyError:
            raise MailboxDown("the server does not say UIDVALIDITY and UIDNEXT") from None

    async def fetch_after(self, uid: int, limit: int) -> Sequence[Fetched]:
        return await self._do(lambda: self._fetch_after(uid, min(limit, CHUNK)))

    def _fetch_after(self, uid: int, limit: int) -> list[Fetched]:
        uids = self._uids_after(uid)[:limit]
        if not uids:
            return []
        most = self._access.max_bytes
        heads = {
            u: (int(head[b"RFC822.SIZE"]), head[b"INTERNALDATE"])
            for u, head in self._client.fetch(uids, ["RFC822.SIZE", "INTERNALDATE"]).items()
            if u in uids and isinstance(head.get(b"INTERNALDATE"), datetime) and b"RFC822.SIZE" in head
        }
        wanted = [u for u in uids if u in heads and heads[u][0] <= most]
        bodies: dict[int, bytes] = {}
        for group in by_weight([(u, heads[u][0]) for u in wanted]):
            for u, item in self._client.fetch(group, ["BODY.PEEK[]"]).items():
                if isinstance(item.get(b"BODY[]"), bytes):
                    bodies[u] = item[b"BODY[]"]
        missing = [u for u in uids if u not in heads or (u in wanted and u not in bodies)]
        if missing and self._client.search(["UID", ",".join(map(str, missing))]):
            raise MailboxDown("the server did not send what it lists")
        return [
            Fetched(
                u, heads[u][0], heads[u][1].astimezone(UTC), bodies.get(u) if len(bodies.get(u, b"")) <= most else None
            )
            for u in uids
            if u not in missing
        ]

    def _uids_after(self, uid: int) -> list[int]:
        start, window = uid + 1, WINDOW
        while True:
            last = start + window - 1
            self._searched_exists = self._exists()
            end = "*" if last >= self._uidnext else str(last)
            found = sorted(u for u in self._client.search(["UID", f"{start}:{end}"]) if u > uid)
            if found or end == "*":
                return found
            start, window = last + 1, window * 8

    def _exists(self) -> object:
        """The last EXISTS the server said in passing; it is not said again when IDLE begins."""
        said = self._client._imap.untagged_responses.get("EXISTS")
        return said[-1] if said else None

    async def idle(self, timeout: float) -> None:
        await self._do(lambda: self._idle(min(timeout, RE_IDLE_S)))

    def _idle(self, timeout: float) -> None:
        said, now = self._client.noop()[1], self._exists()
        told = [item for item in said if isinstance(item, tuple) and b"EXISTS" in item]
        if told or now != self._searched_exists:
            self._searched_exists = now  # said in passing: one hint, IDLE would not say it again
            return
        ends = time.monotonic() + timeout
        if not self._client.has_capability("IDLE"):
            while time.monotonic() < ends and not self._stopping:
                time.sleep(min(SLICE_S, max(0.0, ends - time.monotonic())))
            return
        self._wait(ends)

    def _wait(self, ends: float) -> None:
        """IDLE until the server says something, or until then. Lines are read whole, in imaplib: the library's own waiting
        gives a connection up when a line comes in two pieces, or when a mail comes between the command and its "+"."""
        imap = self._client._imap
        tag = self._client._idle_tag = imap._command("IDLE")
        said = 0
        while imap._get_response() is not None:
            said += 1
            if imap.tagged_commands[tag] or said > WINDOW:
                raise MailboxDown("the server does not take IDLE")
        while self._exists() == self._searched_exists and not self._stopping and (left := ends - time.monotonic()) > 0:
            if self._line_begins(min(SLICE_S, left)):
                imap._get_response()
                break
        if "BYE" in imap.untagged_responses:
            raise MailboxDown("the server said good-bye")
        self._client.idle_done()

    def _line_begins(self, wait: float) -> bool:
        """Whether the server has begun to say something, at the latest after `wait` seconds."""
        sock, lines = self._client.socket(), self._client._imap.file
        sock.setblocking(False)
        try:
            with contextlib.suppress(ssl.SSLWantReadError):
                if lines.peek(1):
                    return True  # it came together with the line before
            poller = select.poll()
            poller.register(sock, select.POLLIN)
            if not poller.poll(wait * 1000):
                return False
            try:
                if lines.peek(1):
                    return True
            except ssl.SSLWantReadError:
                return False
            raise MailboxDown("the server closed the connection")
        finally:
            sock.settimeout(self._access.timeout_s)

    async def flag(self, uids: Sequence[int]) -> None:
        chosen = list(uids)
        await self._do(lambda: self._client.add_flags(chosen, [SEEN_FLAG], silent=True) if chosen else None)

    async def close(self) -> None:
        self._stopping = True
        thread, self._thread = self._thread, None
        if thread is None:
            return
        await asyncio.get_running_loop().run_in_executor(None, self._hang_up)
        thread.shutdown(wait=False, cancel_futures=True)
        self._client = None

    def _hang_up(self) -> None:
        """Closing the socket wakes the thread that reads from it."""
        client = self._client
        if client is not None:
            with contextlib.suppress(OSError, AttributeError):
                client.socket().shutdown(socket.SHUT_RDWR)
            with contextlib.suppress(Exception):
                client.shutdown()

    async def _do(self, work: Callable[[], T]) -> T:
        """Runs `work` in the mailbox's thread. The library's errors may hold what was sent, so only their names go
        on."""
        if self._thread is None:
            raise MailboxDown("not connected")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (MailboxDown, MailboxRefused):
            raise
        except asyncio.CancelledError:
            self._stopping = True
            raise
        except Exception as error:  # sockets, imaplib and the parser raise unrelated types; all mean "connect again"
            self._stopping = True
            raise MailboxDown(f"the connection or the protocol failed ({type(error).__name__})") from None

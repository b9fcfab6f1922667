"""The port to one IMAP mailbox, one folder of it open at a time: what the watcher needs of it and nothing more.

MailboxDown     the server, the network or the protocol: connect again later
MailboxRefused  the server refuses us: a person has to change the settings
  LoginRefused    user and password, or the token
  ConsentNeeded   the token service wants a person's consent again
  FolderMissing   there is no such folder
"""

from __future__ import annotations

import ipaddress
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, Protocol

from services.mail_watcher.secret import Secret

CHUNK = 50
"""Mails a request; both libraries get slow or worse on larger answers."""
SEEN_FLAG = "$HosoRead"


class MailboxDown(Exception):
    """The mailbox cannot be reached or the connection is lost: {0}. Connect again later."""


class MailboxRefused(Exception):
    """The mailbox refuses these settings: {0}. A person has to change them."""


class LoginRefused(MailboxRefused):
    """The server does not let us in: {0}."""


class ConsentNeeded(MailboxRefused):
    """A person must consent again: {0}."""


class FolderMissing(MailboxRefused):
    """The mailbox has no such folder: {0}."""


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder as the server lists it."""

    name: str
    flags: frozenset[str] = frozenset()
    """Lower case, with their backslash: special uses (RFC 6154) among them."""


class Tokens(Protocol):
    """Where the access tokens of one mailbox come from (XOAUTH2)."""

    async def bearer(self, anew: bool = False) -> Secret:
        """A token that is good now; `anew`: not the one that was given before, the server refused it.

        Raises ConsentNeeded, MailboxRefused, or MailboxDown when the token service cannot be reached.
        """
        ...


@dataclass(frozen=True, slots=True)
class Fetched:
    """One mail as the server has it."""

    uid: int
    size: int
    internaldate: datetime
    """When it reached the server, in whole seconds, aware. The mail's own Date is never asked."""
    raw: bytes | None = field(repr=False)
    """None: larger than the limit, its body was not fetched."""


@dataclass(frozen=True, slots=True)
class Access:
    """Where a mailbox is and how to get in."""

    host: str
    port: int
    user: str
    password: Secret
    tls: Literal["implicit", "starttls", "none"] = "implicit"
    folder: str = "INBOX"
    ca_file: str | None = None
    """Certificates to trust instead of the system's."""
    timeout_s: float = 20.0
    """Longest wait for any answer."""
    max_bytes: int = 2_000_000
    consent: str = ""
    """Which consent `tokens` stand on: another one is another access."""
    tokens: Tokens | None = field(default=None, compare=False, repr=False)
    """Set: XOAUTH2 instead of the password."""


class Mailbox(Protocol):
    """One connection; not for use by two tasks at once.

    Every method raises MailboxDown within `timeout_s` when the connection is lost or the server is silent, and then the
    connection is unusable: close it and make another. Cancelling a method makes it unusable too.
    """

    async def connect(self) -> None:
        """Connect, log in, open the folder. Raises MailboxRefused when a person has to act; a token that the server
        refuses is replaced once."""
        ...

    async def folders(self) -> Sequence[Folder]:
        """All folders that can be opened."""
        ...

    async def open(self, folder: str) -> None:
        """Go on with another folder. Raises FolderMissing; then no folder is open, and the connection is good."""
        ...

    async def status(self) -> tuple[int, int]:
        """(UIDVALIDITY, UIDNEXT) of the open folder now."""
        ...

    async def fetch_after(self, uid: int, limit: int) -> Sequence[Fetched]:
        """The next mails with a greater UID, in ascending order, at most `limit`; empty when there are none."""
        ...

    async def idle(self, timeout: float) -> None:
        """Returns when the server hints at something new, or after `timeout` seconds. A hint says nothing more:
        scan."""
        ...

    async def flag(self, uids: Sequence[int]) -> None:
        """Mark mails as read by us, for people who look into the mailbox; never a cursor."""
        ...

    async def close(self) -> None:
        """Let go of the connection. Never raises, may be called twice."""
        ...


def tls_context(access: Access) -> ssl.SSLContext | None:
    """What the connection is encrypted with; None without. Raises MailboxRefused for clear text beyond this machine."""
    if access.tls == "none":
        if not is_loopback(access.host):
            raise MailboxRefused("a connection without TLS is allowed to this machine only: set tls to implicit")
        return None
    try:
        return ssl.create_default_context(cafile=access.ca_file)
    except OSError as error:
        raise MailboxRefused(f"the certificates in {access.ca_file} cannot be read ({error.strerror})") from None


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def by_weight(sizes: Sequence[tuple[int, int]], most: int = 4_000_000) -> list[list[int]]:
    """UIDs of (uid, size) in groups that can be fetched at once without holding or waiting too long."""
    groups: list[list[int]] = []
    weight = most
    for uid, size in sizes:
        if weight + size > most:
            groups.append([])
            weight = 0
        groups[-1].append(uid)
        weight += size
    return groups


def xoauth2(user: str, token: Secret) -> str:
    """What AUTHENTICATE XOAUTH2 sends, before base64. Raises MailboxRefused when it would say something else."""
    quoted(user)
    if not re.fullmatch(r"[\x21-\x7e]{1,16000}", token.reveal()):
        raise MailboxRefused("the token service gave a token that cannot be sent")
    return f"user={user}\x01auth=Bearer {token.reveal()}\x01\x01"


_BUSY = ("UNAVAILABLE", "INUSE", "LIMIT")


def is_busy(answer: str) -> bool:
    """Whether a refused login is the server's trouble of the moment (RFC 5530) and not the user's."""
    return any(word in answer.upper() for word in _BUSY)


_DATE = re.compile(r"([ \d]\d)-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-]\d{4})")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def internaldate(text: str) -> datetime:
    """An IMAP date-time in UTC; independent of the locale. Raises ValueError."""
    found = _DATE.search(text)
    if found is None or found.group(2).lower() not in _MONTHS:
        raise ValueError("not an IMAP date")
    day, month, year, hour, minute, second, zone = found.groups()
    number = _MONTHS.index(month.lower()) + 1
    return datetime.strptime(
        f"{year}-{number:02}-{int(day):02} {hour}:{minute}:{second} {zone}", "%Y-%m-%d %H:%M:%S %z"
    ).astimezone(UTC)


def quoted(text: str) -> str:
    """`text` as an IMAP quoted string. Raises MailboxRefused when it holds control characters."""
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise MailboxRefused("user, password and folder must not hold control characters")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

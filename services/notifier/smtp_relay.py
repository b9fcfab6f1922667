"""Mails to a relay over SMTP (aiosmtplib), connections reused. Never in clear beyond this machine.

What a refusal means is decided here: 5xx about the mail itself is Invalid, everything else is tried again. Whether a relay
that went away after the data has the mail nobody knows: it is sent again with the same Message-ID.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

import aiosmtplib

from hoso.process.addresses import is_loopback
from hoso.runtime.clock import boottime
from hoso.runtime.failures import Invalid, SettingsError, Transient

Tls = Literal["implicit", "starttls", "none"]
MAILS_A_CONNECTION = 100
IDLE_S = 30.0


@dataclass(frozen=True, slots=True)
class Relay:
    """Where mails go, and as whom."""

    host: str
    port: int
    tls: Tls
    sender: str
    user: str = ""
    password: str = field(default="", repr=False)
    ca: Path | None = None


def relay(url: str, sender: str, password_file: Path | None, ca: Path | None) -> Relay | None:
    """The relay the settings name; None when mails are off. Raises SettingsError."""
    if not url:
        return None
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or port == -1 or parts.path.strip("/"):
        raise SettingsError("HOSO_SMTP is smtp://user@host:587 or smtps://user@host:465; see docs/settings.md")
    if parts.password:
        raise SettingsError("HOSO_SMTP holds a password: put it into a file and name that in HOSO_SMTP_PASSWORD_FILE")
    if "@" not in sender:
        raise SettingsError("HOSO_SMTP_FROM is not set: give the sender's address of outgoing mails")
    try:
        password = password_file.read_text("utf-8").split("\n")[0].rstrip("\r") if password_file is not None else ""
    except OSError as error:
        raise SettingsError(f"HOSO_SMTP_PASSWORD_FILE={password_file}: {error.strerror}") from error
    if parts.scheme == "smtps":
        tls: Tls = "implicit"
    else:
        tls = "none" if _local(parts.hostname) else "starttls"
    default = 465 if tls == "implicit" else 587
    return Relay(parts.hostname, port or default, tls, sender, unquote(parts.username or ""), password, ca)


def _local(host: str) -> bool:
    try:
        return host == "localhost" or is_loopback(host)
    except ValueError:
        return False


@dataclass(slots=True)
class _Line:
    """One open connection."""

    client: aiosmtplib.SMTP
    sent: int = 0
    used: float = 0.0


class SmtpRelay:
    """Sends; at most `at_once` connections, each for up to 100 mails, none kept idle for more than 30 s."""

    def __init__(self, to: Relay, *, at_once: int = 4, timeout: float = 20.0) -> None:
        self._to = to
        self._timeout = timeout
        self._room = asyncio.Semaphore(at_once)
        self._idle: list[_Line] = []
        self.connections = 0
        """How many were ever opened."""

    async def send(self, recipient: str, message: bytes) -> None:
        """Hand one mail over. Raises Transient or Invalid."""
        async with self._room, self._line() as line:
            try:
                await line.client.sendmail(self._to.sender, [recipient], message)
            except aiosmtplib.SMTPRecipientsRefused as error:
                first = error.recipients[0]
                raise _refused(first.code, first.message) from error
            except aiosmtplib.SMTPResponseException as error:
                raise _refused(error.code, error.message) from error

    async def close(self) -> None:
        """End all idle connections."""
        idle, self._idle = self._idle, []
        for line in idle:
            line.client.close()

    @asynccontextmanager
    async def _line(self) -> AsyncIterator[_Line]:
        line = await self._open()
        kept = False
        try:
            yield line
            kept = True
        except Invalid:
            kept = True  # the relay spoke about this mail; the connection is good
            raise
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            raise Transient(f"{self._to.host}: {error or type(error).__name__}"[:500]) from error
        finally:
            line.sent += 1
            line.used = boottime()
            if kept and line.sent < MAILS_A_CONNECTION and line.client.is_connected:
                self._idle.append(line)
            else:
                line.client.close()

    async def _open(self) -> _Line:
        while self._idle:
            line = self._idle.pop()
            if line.client.is_connected and boottime() - line.used < IDLE_S:
                return line
            line.client.close()
        to = self._to
        try:
            trusted = None if to.tls == "none" else ssl.create_default_context(cafile=to.ca)
            client = aiosmtplib.SMTP(
                hostname=to.host,
                port=to.port,
                timeout=self._timeout,
                use_tls=to.tls == "implicit",
                start_tls=to.tls == "starttls",  # True: raises when it is not offered; None would send in clear
                username=to.user or None,
                password=to.password or None,
                tls_context=trusted,
            )
            await client.connect()
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            raise Transient(f"{to.host}:{to.port}: {error or type(error).__name__}"[:500]) from error
        self.connections += 1
        return _Line(client)


def _refused(code: int, message: str) -> Transient | Invalid:
    """4xx may pass; 5xx about sender, recipient or content will not."""
    said = f"{code} {message}"[:500]
    return Invalid(said) if 500 <= code < 600 else Transient(said)

"""DKIM keys out of the DNS."""

from __future__ import annotations

import time
from typing import Protocol

import dns.asyncresolver
import dns.exception
import dns.resolver


class RecordsDown(Exception):
    """The DNS does not answer: {0}. The mail is looked at again later, not quarantined."""


class KeyRecords(Protocol):
    """Where DKIM keys are published."""

    async def text(self, name: str) -> str | None:
        """The TXT record of `name`; None when there is none. Raises RecordsDown."""
        ...


class NoRecords:
    """No DNS: only the records in a mailbox's settings count."""

    async def text(self, name: str) -> str | None:
        return None


class DnsRecords:
    """The system's resolver, with a small memory of what it said."""

    def __init__(self, keep_s: float = 600.0, timeout_s: float = 5.0) -> None:
        self._keep = keep_s
        self._timeout = timeout_s
        self._known: dict[str, tuple[float, str | None]] = {}

    async def text(self, name: str) -> str | None:
        known = self._known.get(name)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        try:
            answer = await dns.asyncresolver.resolve(name, "TXT", lifetime=self._timeout)
            found = next((b"".join(item.strings).decode("ascii", "replace") for item in answer), None)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            found = None
        except dns.exception.DNSException as error:
            raise RecordsDown(f"{name}: {type(error).__name__}") from None
        if len(self._known) > 1_000:
            self._known.clear()
        self._known[name] = (time.monotonic() + self._keep, found)
        return found

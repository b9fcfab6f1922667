"""One mailbox as people set it up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal
from uuid import UUID

from services.mail_watcher.mailbox import Access, Mailbox, MailboxRefused
from services.mail_watcher.parser import DELIVERY_HEADERS
from services.mail_watcher.phrases import Phrases, standard
from services.mail_watcher.trust import TrustSettings


def _aioimaplib() -> Callable[[Access], Mailbox]:
    from services.mail_watcher.aioimaplib_mailbox import AioimaplibMailbox

    return AioimaplibMailbox


def _imapclient() -> Callable[[Access], Mailbox]:
    from services.mail_watcher.imapclient_mailbox import ImapclientMailbox

    return ImapclientMailbox


ADAPTERS: dict[str, Callable[[], Callable[[Access], Mailbox]]] = {"aioimaplib": _aioimaplib, "imapclient": _imapclient}
"""Imported when a mailbox wants them, so that either library may be left out."""


@dataclass(frozen=True, slots=True)
class MailboxSettings:
    """A mailbox to watch: whose it is, how to reach it, whom to believe."""

    id: UUID
    tenant: str
    access: Access
    trust: TrustSettings = field(default_factory=TrustSettings)
    own_contacts: bool = False
    """True: every enrolment declares an address of its own (plus-address or catch-all) that ends in this mailbox."""
    adapter: Literal["aioimaplib", "imapclient"] = "aioimaplib"
    rescan: timedelta = timedelta(seconds=60)
    """The longest time between two scans, and the shortest between two looks into other folders; IDLE only makes the
    first shorter."""
    code_valid: timedelta = timedelta(hours=24)
    """How long an activation code lives, from arrival (B15)."""
    also: str = "auto"
    """Which folders are read beside the main one; see `folders.py`."""
    delivery: tuple[str, ...] = DELIVERY_HEADERS
    """The headers that are believed about the address a mail was delivered to."""
    phrases: Phrases = field(default_factory=standard)

    def open(self) -> Mailbox:
        """A connection, not yet connected. Raises MailboxRefused when its library is not installed."""
        try:
            adapter = ADAPTERS[self.adapter]()
        except ImportError as error:
            raise MailboxRefused(
                f"{error.name} is not installed: install it, or declare the mailbox with another client"
            ) from None
        return adapter(self.access)

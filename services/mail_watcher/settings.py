"""One mailbox as people set it up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal
from uuid import UUID

from services.mail_watcher.aioimaplib_mailbox import AioimaplibMailbox
from services.mail_watcher.imapclient_mailbox import ImapclientMailbox
from services.mail_watcher.mailbox import Access, Mailbox
from services.mail_watcher.trust import TrustSettings

ADAPTERS: dict[str, Callable[[Access], Mailbox]] = {"aioimaplib": AioimaplibMailbox, "imapclient": ImapclientMailbox}


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
    """The longest time between two scans; IDLE only makes it shorter."""
    code_valid: timedelta = timedelta(hours=24)
    """How long an activation code lives, from arrival (B15)."""

    def open(self) -> Mailbox:
        """A connection, not yet connected."""
        return ADAPTERS[self.adapter](self.access)

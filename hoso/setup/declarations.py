"""What people set up, as the rest of hoso is given it: holders of keys, mailboxes, signing profiles."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """Whom an API key stands for."""

    tenant: str
    actor: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class MailboxSettings:
    """How a mailbox is read. The password, or the consent of XOAUTH2 (a JSON object), is sealed apart."""

    host: str
    port: int
    user: str
    tls: str = "implicit"
    policy: str = "dkim"
    authserv_id: str = ""
    client: str = "aioimaplib"
    folder: str = "INBOX"
    auth: str = "password"
    also: str = "auto"
    delivery: str = ""
    ca_file: str = ""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One mailbox of one tenant. `contact_mode`: `shared`; or every enrolment gets an address of its own, `own` by a plus
    (a+x@d), `catch-all` where the whole domain ends in this mailbox (a.x@d)."""

    id: UUID
    tenant: str
    address: str
    contact_mode: str
    settings: MailboxSettings
    secret: UUID
    """Where the password is sealed: another password, another reference."""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Profile:
    """One signing profile. The private key (PKCS#8) is unsealed only by `with_key`; a PIN or password is never kept."""

    id: UUID
    tenant: str
    name: str
    backend: str
    tax_codes: tuple[str, ...]
    certificate: bytes = field(repr=False)
    serial: str
    not_after: datetime
    key: bytes | None = field(default=None, repr=False)

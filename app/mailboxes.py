"""The mail watcher on the house's set-up: mailboxes as people declared them, re-read every few seconds."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, cast
from uuid import UUID

from app.house import House, Wired
from hoso.runtime.failures import HosoError, SettingsError
from hoso.runtime.kernel import Kernel
from hoso.runtime.outgoing import Cause
from hoso.settings import Settings
from hoso.setup.registry import Mailbox
from services.mail_watcher.mailbox import Access
from services.mail_watcher.ports import Admission
from services.mail_watcher.records import DnsRecords, KeyRecords, NoRecords
from services.mail_watcher.secret import Secret
from services.mail_watcher.service import MailRoom, service
from services.mail_watcher.settings import MailboxSettings
from services.mail_watcher.trust import Policy, TrustSettings

log = logging.getLogger(__name__)


def dkim_records(settings: Settings) -> Mapping[str, str]:
    """DKIM keys known without DNS. Raises SettingsError."""
    if settings.dkim_records is None:
        return {}
    try:
        return {str(name): str(record) for name, record in json.loads(settings.dkim_records.read_text("utf-8")).items()}
    except (OSError, ValueError, AttributeError) as error:
        raise SettingsError(
            f"HOSO_DKIM_RECORDS={settings.dkim_records}: {error}; it is a JSON object of name → record"
        ) from error


def watched(mailbox: Mailbox, settings: Settings, records: Mapping[str, str]) -> MailboxSettings:
    """A declared mailbox in the watcher's words."""
    own = mailbox.settings
    domains = frozenset(domain.strip().lower() for domain in settings.mail_senders.split(",") if domain.strip())
    return MailboxSettings(
        mailbox.id,
        mailbox.tenant,
        Access(
            own.host,
            own.port,
            own.user,
            Secret(mailbox.password),
            cast(Literal["implicit", "starttls", "none"], own.tls),
            own.folder,
        ),
        TrustSettings(domains, Policy(own.policy), own.authserv_id, records),
        mailbox.contact_mode != "shared",
        cast(Literal["aioimaplib", "imapclient"], own.client),
        settings.mail_scan,
        settings.code_lifetime,
    )


class Declared:
    """The mailboxes of all tenants; passwords are unsealed once a mailbox changes, not each time it is looked at.

    One whose password does not open is not watched, and tried again; the others go on.
    """

    def __init__(self, own: House) -> None:
        self._own = own
        self._records = dkim_records(own.settings)
        self._known: dict[UUID, tuple[Mailbox, MailboxSettings]] = {}
        self._told: dict[UUID, str] = {}

    async def __call__(self) -> Sequence[MailboxSettings]:
        known: dict[UUID, tuple[Mailbox, MailboxSettings]] = {}
        troubles: dict[UUID, str] = {}
        for mailbox in await self._own.set_up.mailboxes():
            held = self._known.get(mailbox.id)
            if held is None or held[0] != mailbox:
                try:
                    opened = await self._own.set_up.mailbox_with_password(mailbox.id)
                except HosoError as error:
                    troubles[mailbox.id] = str(error)
                    if self._told.get(mailbox.id) != str(error):
                        log.error("the mailbox is not watched: %s", error, extra={"mailbox": str(mailbox.id)})
                    continue
                if opened is None:
                    continue
                held = (mailbox, watched(opened, self._own.settings, self._records))
            known[mailbox.id] = held
        self._known, self._told = known, troubles
        return [held[1] for held in known.values()]


async def wire(own: House, kernel: Kernel) -> Wired:
    """The consumer, and the room of watchers as an extra job."""

    async def admit(tx: Any, admissions: Sequence[Admission]) -> Callable[[], None]:
        return await kernel.admit_many(
            tx, [(Cause(a.subject, a.tenant, a.correlation, None), a.step) for a in admissions]
        )

    records: KeyRecords = NoRecords() if own.settings.dkim_records is not None else DnsRecords()
    room = MailRoom(
        Declared(own),
        own.db.pool,
        own.vault,
        kernel.clock,
        records,
        admit,
        f"mail-watcher@{socket.gethostname()}:{own.settings.var.resolve()}",
    )
    return service(), [lambda: room.run(kernel.drained)], {}

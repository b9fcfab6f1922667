"""The mail watcher on the house's set-up: mailboxes as people declared them, re-read every few seconds."""

from __future__ import annotations

import json
import logging
import socket
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, cast
from uuid import UUID

from app.house import House, Wired
from hoso.runtime.failures import HosoError, SettingsError
from hoso.runtime.ids import uuid7
from hoso.runtime.kernel import Kernel
from hoso.runtime.outgoing import Cause
from hoso.settings import Settings
from hoso.setup.declarations import Mailbox
from services.mail_watcher.mailbox import Access
from services.mail_watcher.oauth import BadGrant, Grant, OauthTokens, checked_url
from services.mail_watcher.parser import DELIVERY_HEADERS
from services.mail_watcher.phrases import BadPhrases, Phrases, extended, standard
from services.mail_watcher.ports import Admission
from services.mail_watcher.records import DnsRecords, KeyRecords, NoRecords
from services.mail_watcher.secret import Secret
from services.mail_watcher.service import MailRoom, service
from services.mail_watcher.settings import MailboxSettings
from services.mail_watcher.trust import Policy, TrustSettings

log = logging.getLogger(__name__)

CONSENT = ("token_url", "client_id", "client_secret", "refresh_token", "scope", "consent")
"""What is sealed of an XOAUTH2 mailbox: a JSON object of texts."""
Save = Callable[[Mailbox, str], Awaitable[None]]


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


def phrases(settings: Settings) -> Phrases:
    """What the agency's mails may say. Raises SettingsError."""
    if settings.mail_phrases is None:
        return standard()
    try:
        return extended(settings.mail_phrases.read_text("utf-8"))
    except (OSError, ValueError, BadPhrases) as error:
        raise SettingsError(f"HOSO_MAIL_PHRASES={settings.mail_phrases}: {error}; see docs/mailboxes.md") from error


def consent_of(text: str) -> tuple[Grant, str]:
    """The consent in what was sealed for an XOAUTH2 mailbox, and its own id. Raises SettingsError with what is missing."""
    try:
        given = json.loads(text)
        fields = {name: given.get(name, "") for name in CONSENT}
    except (ValueError, AttributeError):
        raise SettingsError("the consent is no JSON object; see docs/mailboxes.md") from None
    wrong = [name for name, value in fields.items() if not isinstance(value, str) or len(value) > 8_000]
    missing = [name for name in ("token_url", "client_id", "refresh_token") if not fields[name]]
    if wrong or missing:
        raise SettingsError(
            f"the consent says nothing usable about: {', '.join(wrong or missing)}; see docs/mailboxes.md"
        )
    try:
        url = checked_url(fields["token_url"])
    except BadGrant as error:
        raise SettingsError(f"the consent cannot be used: {error}") from None
    grant = Grant(
        url, fields["client_id"], Secret(fields["client_secret"]), Secret(fields["refresh_token"]), fields["scope"]
    )
    return grant, fields["consent"]


def consent_to_seal(text: str) -> str:
    """The consent of a file, checked, with an id of its own: declared anew, the mailbox is opened anew."""
    consent_of(text)
    return json.dumps({**json.loads(text), "consent": str(uuid7())})


def watched(
    mailbox: Mailbox, settings: Settings, records: Mapping[str, str], known: Phrases, save: Save | None = None
) -> MailboxSettings:
    """A declared mailbox in the watcher's words. `save` keeps a refresh token that the token service replaced. Raises
    SettingsError for a consent that cannot be used."""
    own = mailbox.settings
    domains = frozenset(domain.strip().lower() for domain in settings.mail_senders.split(",") if domain.strip())
    access = Access(
        own.host,
        own.port,
        own.user,
        Secret(mailbox.password if own.auth == "password" else ""),
        cast(Literal["implicit", "starttls", "none"], own.tls),
        own.folder,
        own.ca_file or None,
    )
    if own.auth == "xoauth2":
        grant, consent = consent_of(mailbox.password)

        async def rotated(refresh: Secret) -> None:
            if save is not None:
                await save(mailbox, json.dumps({**json.loads(mailbox.password), "refresh_token": refresh.reveal()}))

        access = replace(access, consent=consent or "first", tokens=OauthTokens(grant, rotated))
    return MailboxSettings(
        mailbox.id,
        mailbox.tenant,
        access,
        TrustSettings(domains, Policy(own.policy), own.authserv_id, records),
        mailbox.contact_mode != "shared",
        cast(Literal["aioimaplib", "imapclient"], own.client),
        settings.mail_scan,
        settings.code_lifetime,
        own.also,
        tuple(own.delivery.split(",")) if own.delivery else DELIVERY_HEADERS,
        known,
    )


def keeper(own: House) -> Save:
    """Seals what the token service gave instead of the old refresh token; a mailbox declared anew meanwhile stays as it was
    declared."""

    async def save(mailbox: Mailbox, consent: str) -> None:
        ref = await own.vault.put(mailbox.tenant, mailbox.id, "secret", consent.encode())
        kept = await own.set_up.pool.fetchval(
            "with old as (select id, secret from store.mailbox where id = $1 and not removed for update) "
            "update store.mailbox m set secret = $2 from old where m.id = old.id "
            "and (old.secret = $3 or old.secret = any($4)) returning old.secret",
            mailbox.id,
            ref,
            mailbox.secret,
            saved[mailbox.secret],
        )
        if kept is None:
            return
        saved[mailbox.secret].append(ref)
        if kept != ref:
            await own.vault.destroy(kept)

    saved: defaultdict[UUID, list[UUID]] = defaultdict(list)
    return save


class Declared:
    """The mailboxes of all tenants; passwords are unsealed once a mailbox changes, not each time it is looked at.

    One whose password does not open is not watched, and tried again; the others go on.
    """

    def __init__(self, own: House) -> None:
        self._own = own
        self._records = dkim_records(own.settings)
        self._phrases = phrases(own.settings)
        self._save = keeper(own)
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
                    if opened is None:
                        continue
                    wanted = watched(opened, self._own.settings, self._records, self._phrases, self._save)
                except HosoError as error:
                    troubles[mailbox.id] = str(error)
                    if self._told.get(mailbox.id) != str(error):
                        log.error("the mailbox is not watched: %s", error, extra={"mailbox": str(mailbox.id)})
                    continue
                if held is not None and held[1] == wanted:
                    wanted = held[1]  # only its refresh token was replaced: the tokens in use go on
                held = (mailbox, wanted)
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

"""One mailbox: connect, scan what is after the cursor, wait for a hint, scan again; now and then the junk folder too.

Mails and cursor are written in one transaction, fenced by the cursor's epoch; bodies and codes are sealed before it,
under ids that a repeat finds again. What happens at the server (flags) comes after and is worth nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid5

import asyncpg

from hoso.points import point
from hoso.runtime.failures import HosoError
from hoso.store.vault import Erased, Sealing
from services.mail_watcher import store
from services.mail_watcher.aside import TookTooLong, aside
from services.mail_watcher.folders import beside
from services.mail_watcher.keeping import without_code
from services.mail_watcher.mailbox import (
    CHUNK,
    ConsentNeeded,
    Fetched,
    FolderMissing,
    Mailbox,
    MailboxDown,
    MailboxRefused,
)
from services.mail_watcher.parser import MAX_HEAD_BYTES, HostileMail, ParsedMail, parse
from services.mail_watcher.phrases import Phrases
from services.mail_watcher.ports import Clock, Vault
from services.mail_watcher.reading import read
from services.mail_watcher.readings import ActivationMail, OtherMail, Reading, UnclearMail
from services.mail_watcher.records import KeyRecords, RecordsDown
from services.mail_watcher.secret import Secret
from services.mail_watcher.settings import MailboxSettings
from services.mail_watcher.store import Cursor, FenceLost, MailRow
from services.mail_watcher.telling import masked
from services.mail_watcher.trust import Quarantined, Trusted, Verdict, judge, key_names

log = logging.getLogger(__name__)

DATE_GRAIN = timedelta(seconds=1)
"""INTERNALDATE is cut to whole seconds: the mail may have come that much later."""
FIRST_PAUSE_S, LONGEST_PAUSE_S, REFUSED_PAUSE_S = 0.5, 60.0, 300.0
NOTE_S = 10.0
"""How often it is noted that all is well."""
NEWEST_BESIDE = 2_000
"""Of a folder beside the main one, so many of the newest numbers are read at first: an archive is not."""

_FROM_LINE = re.compile(rb"^from[ \t]*:[^\n]{0,1000}", re.IGNORECASE | re.MULTILINE)


Judged = tuple[Verdict, Reading, ParsedMail | None]


class Watcher:
    """Reads one mailbox until it is cancelled."""

    def __init__(
        self,
        settings: MailboxSettings,
        pool: asyncpg.Pool,
        vault: Vault,
        clock: Clock,
        records: KeyRecords,
        owner: str,
        fetched: Callable[[], None] = lambda: None,
        remember: Callable[[UUID, Secret], None] = lambda ref, code: None,
    ) -> None:
        """`owner` names this process and stays the same over its restarts; `fetched` is called when mails were
        recorded, `remember` with each code and its reference before."""
        self.settings = settings
        self._pool = pool
        self._vault = vault
        self._clock = clock
        self._records = records
        self._owner = owner
        self._fetched = fetched
        self._remember = remember
        self._noted_at: float | None = None

    async def run(self) -> None:
        """For ever: hold the mailbox, read it; wait while another process holds it, while it is down or refuses us."""
        pause = FIRST_PAUSE_S
        while True:
            async with self._pool.acquire() as tx, tx.transaction():
                cursor = await store.take(tx, self.settings.id, self._owner, self.settings.access.folder)
            if cursor is None:
                await asyncio.sleep(store.LEASE.total_seconds() / 4)
                continue
            mailbox: Mailbox | None = None
            try:
                mailbox = self.settings.open()
                await mailbox.connect()
                pause = FIRST_PAUSE_S
                await self._read(mailbox, cursor)
            except FenceLost:
                log.info("another process reads this mailbox now", extra={"mailbox": str(self.settings.id)})
            except MailboxRefused as refused:
                await self._note("needs-consent" if isinstance(refused, ConsentNeeded) else "refused", str(refused))
                log.error("the mailbox refuses us: %s", refused, extra={"mailbox": str(self.settings.id)})
                pause = REFUSED_PAUSE_S
            except (MailboxDown, RecordsDown) as down:
                await self._note("down", str(down))
                log.warning("the mailbox cannot be read now: %s", down, extra={"mailbox": str(self.settings.id)})
            finally:
                if mailbox is not None:
                    await mailbox.close()
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, LONGEST_PAUSE_S)

    async def _read(self, mailbox: Mailbox, cursor: Cursor) -> None:
        """Until the connection ends: the main folder at every hint, those beside it once a `rescan`."""
        loop, rescan = asyncio.get_running_loop(), self.settings.rescan.total_seconds()
        cursor = await self.scan(mailbox, cursor)
        look_at, found = loop.time(), await self._beside(mailbox)
        while True:
            if found and loop.time() >= look_at:
                for folder in found:
                    await self.scan_beside(mailbox, folder, cursor.epoch)
                await mailbox.open(cursor.folder)
                look_at = loop.time() + rescan
                cursor = await self.scan(mailbox, cursor)  # what came meanwhile gave no hint
            await self._note("reading")
            await mailbox.idle(max(0.01, min(rescan, look_at - loop.time())) if found else rescan)
            cursor = await self.scan(mailbox, cursor)

    async def _beside(self, mailbox: Mailbox) -> Sequence[str]:
        """The folders to read beside the main one."""
        found = beside(self.settings.also, await mailbox.folders(), self.settings.access.folder)
        if found.missing:
            missing = ", ".join(found.missing)
            log.warning("the mailbox has no such folder: %s", missing, extra={"mailbox": str(self.settings.id)})
        return found.folders

    async def scan(self, mailbox: Mailbox, cursor: Cursor) -> Cursor:
        """Record every mail after the cursor. Another UIDVALIDITY means from the start: what is known is known by
        content."""
        uidvalidity, _ = await mailbox.status()
        if uidvalidity != cursor.uidvalidity:
            cursor = Cursor(uidvalidity, 0, cursor.epoch, cursor.folder)
        return await self._drain(mailbox, cursor, main=True)

    async def scan_beside(self, mailbox: Mailbox, folder: str, epoch: int) -> None:
        """The same in another folder, held to the same rules of trust; what lies in both is one mail."""
        try:
            await mailbox.open(folder)
        except FolderMissing:
            return  # renamed or removed: found again at the next connection
        uidvalidity, following = await mailbox.status()
        cursor = await store.beside(self._pool, self.settings.id, epoch, folder)
        if cursor is None or cursor.uidvalidity != uidvalidity:
            cursor = Cursor(uidvalidity, max(0, following - 1 - NEWEST_BESIDE), epoch, folder)
        await self._drain(mailbox, cursor, main=False)

    async def _drain(self, mailbox: Mailbox, cursor: Cursor, main: bool) -> Cursor:
        while fetched := await mailbox.fetch_after(cursor.uid, CHUNK):
            await point("mail.fetched")
            cursor = Cursor(cursor.uidvalidity, fetched[-1].uid, cursor.epoch, cursor.folder)
            rows = await self._new(fetched)
            async with self._pool.acquire() as tx, tx.transaction():
                await store.record(tx, self.settings.id, cursor, rows, main)
                await point("mail.before-commit")
            await point("mail.after-commit")
            if rows:
                self._fetched()
            log.info("mails recorded", extra={"mailbox": str(self.settings.id), "seen": len(fetched), "new": len(rows)})
            await self._flag(mailbox, fetched)
        return cursor

    async def _new(self, fetched: Sequence[Fetched]) -> list[MailRow]:
        """Those not recorded yet, examined and sealed, all of a chunk at once."""
        digests = [_digest(mail) for mail in fetched]
        known = await store.known(self._pool, self.settings.id, digests)
        new = {digest: mail for mail, digest in zip(fetched, digests, strict=True) if digest not in known}
        judged = await self._judged_all(list(new.values()))
        examined = [
            self._examined(mail, digest, found) for (digest, mail), found in zip(new.items(), judged, strict=True)
        ]
        refs = iter(await self._sealed([sealing for _, sealings in examined for sealing in sealings]))
        rows = []
        for row, sealings in examined:
            sealed = {sealing.purpose: next(refs) for sealing in sealings}
            raw, code = sealed.get("personal"), sealed.get("code")
            if isinstance(code, HosoError) and not isinstance(code, Erased):
                row = replace(row, state="undecided", why=f"its code cannot be sealed: {code}")
            if isinstance(code, UUID) and isinstance(row.reading, ActivationMail):
                self._remember(code, row.reading.code)
            rows.append(replace(row, raw=_ref(raw), code=_ref(code)))
        return rows

    async def _sealed(self, sealings: Sequence[Sealing]) -> Sequence[UUID | HosoError]:
        """The references; or why the vault does not take it: mostly, because it destroyed it before."""
        try:
            return await self._vault.put_many(sealings)
        except HosoError:
            return [await self._sealed_alone(sealing) for sealing in sealings]

    async def _sealed_alone(self, sealing: Sealing) -> UUID | HosoError:
        try:
            return (await self._vault.put_many([sealing]))[0]
        except HosoError as error:
            if not isinstance(error, Erased):
                log.error("a mail cannot be sealed: %s", error, extra={"mailbox": str(self.settings.id)})
            return error

    def _examined(self, mail: Fetched, digest: bytes, judged: Judged) -> tuple[MailRow, list[Sealing]]:
        """What there is to record of a mail, and what of it has to be sealed first: the mail, and its code under the
        mailbox, so that the same code has the same reference in whatever mail it comes."""
        verdict, reading, parsed = judged
        id_ = uuid5(self.settings.id, digest.hex())
        tenant = self.settings.tenant
        sealings = [Sealing(tenant, id_, "personal", mail.raw)] if mail.raw is not None else []
        if isinstance(reading, ActivationMail) and parsed is not None:
            sealings = [
                Sealing(tenant, id_, "personal", without_code(parsed, reading.code)),
                Sealing(tenant, self.settings.id, "code", reading.code.reveal().encode()),
            ]
        row = MailRow(
            id=id_,
            mailbox=self.settings.id,
            tenant=tenant,
            uid=mail.uid,
            sha256=digest,
            arrived_at=self._clock.world(mail.internaldate),
            arrived_by=self._clock.world(mail.internaldate + DATE_GRAIN),
            size=mail.size,
            raw=None,
            verdict=verdict.how if isinstance(verdict, Trusted) else "quarantined",
            state=_state(reading) if isinstance(verdict, Trusted) else "quarantined",
            why=_why(verdict, reading),
            reading=reading,
            code=None,
            delivered_to=parsed.addressees if parsed is not None else (),
            subject=masked(parsed.subject, reading.code if isinstance(reading, ActivationMail) else None)
            if parsed
            else "",
            claims=self._claims(mail, parsed),
        )
        return row, sealings

    def _claims(self, mail: Fetched, parsed: ParsedMail | None) -> bool:
        """Whether it says that it is the agency's; all the rest of what is quarantined is other people's mail."""
        domains = self.settings.trust.domains
        if parsed is not None and parsed.sender:
            return parsed.sender.rpartition("@")[2] in domains
        senders = b"\n".join(_FROM_LINE.findall((mail.raw or b"")[:MAX_HEAD_BYTES])).decode("ascii", "replace").lower()
        return any(re.search(rf"@{re.escape(domain)}(?![\w.-])", senders) for domain in domains)

    async def _judged_all(self, mails: Sequence[Fetched]) -> list[Judged]:
        """A chunk on one thread; when it takes too long each mail by itself, so that only the one that does is held
        against."""
        records = await self._records_of(mails)
        try:
            return await aside(lambda: [self._judged(mail, records) for mail in mails])
        except TookTooLong:
            return [await self._judged_alone(mail, records) for mail in mails]

    async def _records_of(self, mails: Sequence[Fetched]) -> dict[str, str]:
        """The keys that the mails name, as far as they are published."""
        names: set[str] = set()
        for mail in mails:
            with contextlib.suppress(HostileMail):
                names |= set(key_names(mail.raw, self.settings.trust) if mail.raw is not None else ())
        return {name: text for name in sorted(names) if (text := await self._records.text(name)) is not None}

    def _judged(self, mail: Fetched, records: Mapping[str, str]) -> Judged:
        """Whether to believe it, what it says, and the mail as far as it could be parsed. What is not believed is not read."""
        verdict, parsed = self._believed(mail, records)
        if parsed is None or isinstance(verdict, Quarantined):
            return verdict, OtherMail(), parsed
        return verdict, _read(parsed, self.settings.phrases), parsed

    async def _judged_alone(self, mail: Fetched, records: Mapping[str, str]) -> Judged:
        try:
            verdict, parsed = await aside(lambda: self._believed(mail, records))
        except TookTooLong:
            return Quarantined("it was not parsed: it takes too long"), OtherMail(), None
        if parsed is None or isinstance(verdict, Quarantined):
            return verdict, OtherMail(), parsed
        try:
            return verdict, await aside(lambda: _read(parsed, self.settings.phrases)), parsed
        except TookTooLong:
            return verdict, UnclearMail("it takes too long to read"), parsed

    def _believed(self, mail: Fetched, records: Mapping[str, str]) -> tuple[Verdict, ParsedMail | None]:
        if mail.raw is None:
            return Quarantined("it is larger than this mailbox's limit"), None
        try:
            parsed = parse(mail.raw, self.settings.delivery)
            named = {name: records[name] for name in key_names(mail.raw, self.settings.trust) if name in records}
            return judge(mail.raw, parsed, self.settings.trust, named, self._clock.world(mail.internaldate)), parsed
        except HostileMail as hostile:
            return Quarantined(f"it was not parsed: {hostile}"), None

    async def _flag(self, mailbox: Mailbox, mails: Sequence[Fetched]) -> None:
        try:
            await mailbox.flag([mail.uid for mail in mails])
        except MailboxDown:
            log.info("the mails could not be flagged; nothing depends on it", extra={"mailbox": str(self.settings.id)})

    async def _note(self, standing: str, error: str | None = None) -> None:
        """For people. That all is well is not noted at every hint: it costs a transaction between a mail and the next."""
        now = asyncio.get_running_loop().time()
        if standing == "reading" and self._noted_at is not None and now - self._noted_at < NOTE_S:
            return
        self._noted_at = now if standing == "reading" else None
        await store.note(self._pool, self.settings.id, standing, error)


def _ref(sealed: UUID | HosoError | None) -> UUID | None:
    return sealed if isinstance(sealed, UUID) else None


def _digest(mail: Fetched) -> bytes:
    """What a mail is known by; one whose body was not fetched is known by what the server says of it."""
    return hashlib.sha256(
        mail.raw if mail.raw is not None else f"{mail.size} {mail.internaldate.isoformat()}".encode()
    ).digest()


def _read(parsed: ParsedMail, phrases: Phrases) -> Reading:
    """What a trusted mail says. One that cannot be read goes to a person; the mails behind it go on."""
    try:
        return read(parsed, phrases)
    except Exception as error:  # the sentence may quote the mail, so only the kind of error is told
        log.error("a mail cannot be read", extra={"error": type(error).__name__})
        return UnclearMail(f"it cannot be read ({type(error).__name__})")


def _state(reading: Reading) -> str:
    match reading:
        case OtherMail():
            return "other"
        case UnclearMail():
            return "undecided"
        case _:
            return "fetched"


def _why(verdict: Verdict, reading: Reading) -> str:
    if isinstance(verdict, Quarantined):
        return verdict.why
    return reading.why if isinstance(reading, UnclearMail) else ""

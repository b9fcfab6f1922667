"""What `hoso check` looks at. Each finding says what, how it stands, and how to mend it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from app.commands.opening import connect, world_now
from app.commands.showing import cell
from app.disk import LOW_MIB, existing, free_mib
from app.failing import sentence
from app.house import database_url
from app.recovery import standing
from app.words import text
from hoso.runtime.failures import HosoError
from hoso.settings import Settings, load
from hoso.store import migrations
from hoso.store.postgres import redacted
from hoso.store.vault import KeyRing

OK, SOON, MISSING = "ok", "soon", "missing"
SOON_DAYS = 60


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. `cure` is empty when nothing is to be done."""

    what: str
    state: str
    text: str = ""
    cure: str = ""


async def findings() -> Sequence[Finding]:
    """All of them; what rests on something that is missing is left out."""
    try:
        settings = load()
    except HosoError as error:
        return [Finding(text("check.settings"), MISSING, sentence(error), "docs/settings.md")]
    found = [
        Finding(text("check.settings"), OK, f"{settings.environment}, {settings.var}"),
        _key(settings),
        _disk(settings),
    ]
    found += [one async for one in _database(settings)]
    found.append(await _gateway(settings))
    off = "" if settings.smtp else text("cure.mails")
    found.append(Finding(text("check.mails"), OK, settings.smtp or text("no"), off))
    return found


def _key(settings: Settings) -> Finding:
    what, path = text("check.key"), settings.vault_key_file
    if path is None and settings.environment == "test" and not (settings.var / "vault.key").exists():
        return Finding(what, OK, text("check.made", file=settings.var / "vault.key"))
    if path is None and settings.environment == "production":
        return Finding(what, MISSING, "HOSO_VAULT_KEY_FILE", "hoso vault new-key FILE; HOSO_VAULT_KEY_FILE=FILE")
    file = path or settings.var / "vault.key"
    try:
        KeyRing.read(file)
    except HosoError as error:
        return Finding(what, MISSING, sentence(error), "hoso vault new-key FILE")
    return Finding(what, OK, str(file))


def _disk(settings: Settings) -> Finding:
    folder, free = existing(settings.var), free_mib(settings.var)
    enough = free >= LOW_MIB
    return Finding(
        text("check.disk"),
        OK if enough else MISSING,
        f"{free} MiB, {folder}",
        "" if enough else text("cure.disk", folder=folder),
    )


async def _database(settings: Settings) -> AsyncIterator[Finding]:
    url = database_url(settings)
    try:
        db = await connect(url)
    except HosoError as error:
        yield Finding(text("check.database"), MISSING, sentence(error), text("cure.database"))
        return
    try:
        yield Finding(text("check.database"), OK, redacted(url))
        try:
            await migrations.check(db, settings.environment)
        except HosoError as error:
            yield Finding(text("check.schema"), MISSING, sentence(error), text("cure.schema"))
            return
        yield Finding(text("check.schema"), OK)
        async for one in _set_up(db):
            yield one
        for one in belief(settings, await world_now(db)):
            yield one
    finally:
        await db.close(timeout=2)


_COUNTS = (
    ("tenants", "select count(*) from store.tenant where not removed", "cure.tenant"),
    ("keys", "select count(*) from store.api_key where revoked_at is null", "cure.key"),
    ("mailboxes", "select count(*) from store.mailbox where not removed", "cure.mailbox"),
    ("profiles", "select count(*) from store.profile where not removed", "cure.profile"),
)


_STANDING = """
select b.tenant, b.address, coalesce(c.standing, '') as standing, coalesce(c.error, '') as error
from store.mailbox b left join mail_watcher.mailbox_cursor c on c.mailbox = b.id
where not b.removed and coalesce(c.standing, '') <> 'reading' order by b.tenant, b.address
"""
"""What `hoso mailbox list` shows, of those that are not read."""


def _mailbox(row: Any) -> Finding:
    what = text("check.mailbox", tenant=row["tenant"], address=row["address"])
    if not row["standing"]:
        return Finding(what, SOON, text("check.mailbox-unread"), f"hoso up; hoso mailbox test {row['address']}")
    cure = "cure.mailbox-consent" if row["standing"] == "needs-consent" else "cure.mailbox-test"
    said = ": ".join(part for part in (row["standing"], " ".join(row["error"].split())) if part)
    return Finding(what, MISSING, said, text(cure, tenant=row["tenant"], address=row["address"]))


async def _recovery(db: Any) -> AsyncIterator[Finding]:
    """A restore that is not over."""
    if await db.fetchval("show default_transaction_read_only") == "on":
        yield Finding(text("check.recovery"), MISSING, text("check.unopened"), "hoso restore --open")
    elif (open_ := await standing(db)) is not None:
        unsure = sum(open_.unsure.values())
        said = text("check.recovering", since=cell(open_.since), unsure=unsure, enrolments=open_.enrolments)
        yield Finding(text("check.recovery"), SOON, said, "hoso restore --done")


async def _set_up(db: Any) -> AsyncIterator[Finding]:
    async for one in _recovery(db):
        yield one
    for what, sql, cure in _COUNTS:
        count = await db.fetchval(sql)
        yield Finding(text(f"check.{what}"), OK if count else MISSING, str(count), "" if count else text(cure))
    for row in await db.fetch(_STANDING):
        yield _mailbox(row)
    for row in await db.fetch(
        "select endpoint, tenant, url, failing_since, error from notifier.endpoint "
        "where disabled_at is null and failing_since is not null and not removed order by failing_since"
    ):
        said = text(
            "check.webhook-fails",
            tenant=row["tenant"],
            url=row["url"],
            since=cell(row["failing_since"]),
            error=row["error"] or "-",
        )
        yield Finding(text("check.webhooks"), SOON, said, f"hoso webhook test {row['endpoint']}")
    for row in await db.fetch(
        "select endpoint, tenant, url from notifier.endpoint where disabled_at is not null and not removed order by tenant"
    ):
        said = text("check.webhook-off", tenant=row["tenant"], url=row["url"])
        yield Finding(text("check.webhooks"), MISSING, said, f"hoso webhook replay {row['endpoint']}")
    now = await world_now(db)
    for row in await db.fetch("select tenant, name, not_after from store.profile where not removed order by not_after"):
        days = (row["not_after"] - now).days
        state = MISSING if days < 0 else SOON if days < SOON_DAYS else OK
        yield Finding(
            text("check.certificate", tenant=row["tenant"], name=row["name"]),
            state,
            text("check.days", days=days),
            "" if state == OK else text("cure.renew"),
        )


def belief(settings: Settings, now: datetime) -> list[Finding]:
    """Whether decisions are believed unsigned; an agency certificate that has ended still proves old replies, not new ones."""
    from services.submitter.signed_reply import pinned

    what = text("check.replies")
    if settings.agency_certificates is None:
        if settings.environment != "production":
            return []
        return [Finding(what, SOON, text("check.unsigned"), text("cure.replies"))]
    try:
        certificates = pinned(settings.agency_certificates)
    except HosoError as error:
        return [Finding(what, MISSING, sentence(error), text("cure.replies"))]
    days = max((one.not_valid_after_utc - now).days for one in certificates)
    state = MISSING if days < 0 else SOON if days < SOON_DAYS else OK
    return [Finding(what, state, text("check.days", days=days), "" if state == OK else text("cure.replies"))]


async def _gateway(settings: Settings) -> Finding:
    import asyncio

    what = text("check.gateway")
    if not settings.gateway:
        return Finding(what, MISSING, "HOSO_GATEWAY", text("cure.gateway"))
    parts = urlsplit(settings.gateway)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        _, writer = await asyncio.wait_for(
            asyncio.open_connection(parts.hostname, port, ssl=parts.scheme == "https" or None), 5
        )
        writer.close()
    except (OSError, TimeoutError, ValueError) as error:
        return Finding(what, MISSING, f"{settings.gateway}: {sentence(error)}", text("cure.gateway"))
    return Finding(what, OK, settings.gateway)

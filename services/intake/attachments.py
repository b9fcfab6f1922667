"""Files a tenant sends ahead of the rows that name them: checked by their bytes, sealed, never opened.

A name belongs to its tenant. The same name again is a new version: rows that come later take it, requests that took an older one
keep what they took.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from hoso.dossiers.attachments import MAX_BYTES, media, sendable
from hoso.dossiers.writing import InvalidDossier
from hoso.points import point
from hoso.runtime.steps import Tx
from schemas.units import Attachment
from services.intake import admission
from services.intake.admission import Outcome, Request
from services.intake.ports import Pool, SheetStore
from services.intake.problems import Problem
from services.intake.validation import fingerprint

__all__ = ["MAX_BYTES", "Files", "attached"]

_NEWEST = """
select distinct on (key) key, version, name, media, size, sha256, document, at, removed
from intake.attachment where tenant = $1 and ($2::text[] is null or key = any($2)) order by key, version desc
"""

_ADD = """
insert into intake.attachment(tenant, key, version, name, media, size, sha256, document, actor, at)
select $1, $2, coalesce(max(version), 0) + 1, $3, $4, $5, $6, $7, $8, $9 from intake.attachment where tenant = $1 and key = $2
returning version
"""


def key_of(name: str) -> str:
    """Names that differ only in case or Unicode form are one."""
    return " ".join(unicodedata.normalize("NFC", name).split()).casefold()


@dataclass(frozen=True, slots=True)
class Files:
    """One place for all tenants' files."""

    pool: Pool
    store: SheetStore

    async def put(
        self, tenant: str, name: str, data: bytes, actor: str, id_: UUID, now: datetime
    ) -> tuple[dict[str, Any], bool]:
        """Keep a file; what it is, and whether it is new. Raises Problem 422 with a cure. `id_`: the scope it is sealed under."""
        name = " ".join(unicodedata.normalize("NFC", name).split())
        if ";" in name:
            raise _refused(f"Tên tệp “{name[:60]}” có dấu chấm phẩy. Hãy đặt lại tên rồi gửi lại.")
        try:
            kind = media(name, data)
        except InvalidDossier as error:
            raise _refused(str(error)) from error
        digest = hashlib.sha256(data).hexdigest()
        async with self.pool.acquire() as db:
            known = await _newest(db, tenant, [key_of(name)])
        if known and known[0]["sha256"] == digest and known[0]["name"] == name:
            return _shown(known[0]), False
        document = await self.store.keep(tenant, id_, data)
        row = (tenant, key_of(name), name, kind, len(data), digest, document, actor, now)
        async with self.pool.acquire() as tx, tx.transaction():
            await tx.execute("select pg_advisory_xact_lock(hashtextextended($1 || '/' || $2, 4045))", tenant, row[1])
            version = await tx.fetchval(_ADD, *row)
            await point("intake.before-commit")
        await point("intake.after-commit")
        shown = {"name": name, "media": kind, "size": len(data), "sha256": digest, "version": version, "at": now}
        return _shown(shown), True

    async def all(self, tenant: str) -> list[dict[str, Any]]:
        """The newest version of each, by name."""
        async with self.pool.acquire() as db:
            return [_shown(row) for row in await _newest(db, tenant, None)]

    async def remove(self, tenant: str, name: str) -> bool:
        """Forget a name; later rows cannot name it. Bytes that no request took are destroyed."""
        if not name.isprintable():
            return False
        async with self.pool.acquire() as tx, tx.transaction():
            gone = await tx.fetch(
                "update intake.attachment set removed = true where tenant = $1 and key = $2 and not removed "
                "returning document, used",
                tenant,
                key_of(name),
            )
        for row in gone:
            if not row["used"]:
                await self.store.forget(row["document"])
        return bool(gone)


async def attached(
    tx: Tx, tenant: str, requests: Sequence[Request], *, take: bool
) -> list[tuple[Request, Outcome | None]]:
    """Each request with the files it names in its form, or why that cannot be. `take`: the files are evidence from now on."""
    keys = sorted({key_of(name) for request in requests for name in request.attachments})
    if not keys:
        return [(request, None) for request in requests]
    known = {row["key"]: row for row in await _newest(tx, tenant, keys)}
    if take:
        await tx.execute(
            "update intake.attachment a set used = true from unnest($2::text[], $3::int[]) as t(key, version) "
            "where a.tenant = $1 and a.key = t.key and a.version = t.version and not a.used",
            tenant,
            list(known),
            [row["version"] for row in known.values()],
        )
    return [_with_files(request, known) for request in requests]


def _with_files(request: Request, known: dict[str, Any]) -> tuple[Request, Outcome | None]:
    first = request.form.first_time
    if first is None or not request.attachments:
        return request, None
    missing = [name for name in request.attachments if key_of(name) not in known]
    if missing:
        return request, admission.attachment_unknown(missing)
    rows = [known[key_of(name)] for name in request.attachments]
    files = tuple(
        Attachment(
            name=row["name"], media=row["media"], size=row["size"], sha256=row["sha256"], document=row["document"]
        )
        for row in rows
    )
    try:
        sendable(files)
    except InvalidDossier as error:
        return request, admission.attachments_unfit(str(error))
    form = request.form.model_copy(update={"first_time": first.model_copy(update={"attachments": files})})
    return replace(request, form=form, fingerprint=fingerprint(form)), None


async def _newest(db: Tx, tenant: str, keys: list[str] | None) -> list[Any]:
    return [row for row in await db.fetch(_NEWEST, tenant, keys) if not row["removed"]]


def _shown(row: Any) -> dict[str, Any]:
    shown = {key: row[key] for key in ("name", "media", "size", "sha256", "version")}
    return {**shown, "at": row["at"].isoformat()}


def _refused(sentence: str) -> Problem:
    return Problem(422, "attachment-unfit", "Không nhận được tệp", sentence)

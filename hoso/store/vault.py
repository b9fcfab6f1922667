"""The vault: codes, documents, rosters, raw mails and private keys, sealed. Events carry references.

AES-256-GCM, bound to tenant, scope (enrolment, mailbox or profile) and purpose, so that a ciphertext moved elsewhere does
not open. One data key per (scope, purpose), wrapped by the key-encryption key, which lives outside the database. Erasing
is deleting the wrapped key. No transaction spans vault and log: seal first, refer second.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from hoso.runtime.failures import HosoError, SettingsError
from hoso.runtime.ids import uuid7

PURPOSES = ("code", "personal", "evidence", "secret")
"""code: destroyed at use or after 48 h · personal: erasable · evidence: kept 10 years · secret: what people set up."""


class Erased(HosoError):
    """What was asked for has been erased from the vault, or never was in it."""


class KeyRing:
    """The key-encryption keys: the first wraps, all unwrap. File: one `<id>:<base64 of 32 bytes>` a line."""

    def __init__(self, keys: dict[str, bytes]) -> None:
        self._keys = keys
        self.current = next(iter(keys))

    @classmethod
    def read(cls, path: Path) -> KeyRing:
        """Raises SettingsError with what to mend."""
        try:
            lines = [line.strip() for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
        except OSError as error:
            raise SettingsError(f"the key-encryption key {path} cannot be read ({error.strerror}): make one with `hoso vault new-key`") from error
        keys = {}
        for line in lines:
            name, _, text = line.partition(":")
            try:
                keys[name] = base64.b64decode(text, validate=True)
            except ValueError:
                keys[name] = b""
            if len(keys[name]) != 32 or not name:
                raise SettingsError(f"{path}: each line is <id>:<base64 of 32 bytes>; make one with `hoso vault new-key`")
        if not keys:
            raise SettingsError(f"{path} holds no key: make one with `hoso vault new-key`")
        return cls(keys)

    @staticmethod
    def make(path: Path) -> None:
        """Write a new key file that only its owner can read. Refuses to overwrite."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"k{uuid7().hex[:8]}:{base64.b64encode(os.urandom(32)).decode()}\n")

    def wrap(self, key: bytes) -> bytes:
        return aes_key_wrap(self._keys[self.current], key)

    def unwrap(self, kek: str, wrapped: bytes) -> bytes:
        try:
            return aes_key_unwrap(self._keys[kek], wrapped)
        except (KeyError, InvalidUnwrap) as error:
            raise SettingsError(f"the vault's keys were wrapped by key-encryption key '{kek}', which is not in the key file: put it back") from error


@dataclass(frozen=True, slots=True)
class Sealing:
    """One thing to seal."""

    tenant: str
    scope: UUID
    purpose: str
    data: bytes


class Vault:
    """Sealed storage behind a pool of its own. All methods commit before they return."""

    def __init__(self, pool: asyncpg.Pool, keys: KeyRing) -> None:
        self._pool = pool
        self._keys = keys
        self._known: OrderedDict[tuple[str, UUID, str], tuple[UUID, AESGCM]] = OrderedDict()

    async def put(self, tenant: str, scope: UUID, purpose: str, data: bytes) -> UUID:
        """Seal; returns the reference. The id is derived from scope and content, so a repeat after a crash is harmless."""
        if purpose not in PURPOSES:
            raise ValueError(purpose)
        key_id, cipher = await self._key(tenant, scope, purpose)
        ref = _named(key_id.bytes + data)
        nonce = os.urandom(12)
        sealed = nonce + cipher.encrypt(nonce, data, ref.bytes + _bound(tenant, scope, purpose))
        alive = await self._pool.fetchval(
            "with alive as (select id from store.vault_key where id = $2 and destroyed_at is null for share), "
            "kept as (insert into store.vault_item(id, key, sealed) select $1, id, $3 from alive on conflict do nothing) "
            "select 1 from alive", ref, key_id, sealed)
        if not alive:
            raise _erased(scope, purpose)
        return ref

    async def get(self, ref: UUID) -> bytes:
        """Open. Raises Erased when it is gone."""
        row = await self._pool.fetchrow(
            "select i.sealed, k.tenant, k.scope, k.purpose, k.kek, k.wrapped from store.vault_item i join store.vault_key k on k.id = i.key "
            "where i.id = $1 and k.destroyed_at is null", ref)
        if row is None:
            raise Erased(f"{ref} is not in the vault: it was erased, or its 48 hours are over")
        cipher = AESGCM(self._keys.unwrap(row["kek"], row["wrapped"]))
        try:
            return cipher.decrypt(row["sealed"][:12], row["sealed"][12:], ref.bytes + _bound(row["tenant"], row["scope"], row["purpose"]))
        except InvalidTag as error:
            raise HosoError(f"{ref} does not open: the sealed bytes were changed or moved") from error

    async def destroy(self, ref: UUID) -> None:
        """Erase one item now."""
        await self._pool.execute("delete from store.vault_item where id = $1", ref)

    async def erase(self, scope: UUID, purpose: str) -> None:
        """Erase everything of a scope and purpose by destroying its key; copies in backups do not open either."""
        self._known = OrderedDict((k, v) for k, v in self._known.items() if (k[1], k[2]) != (scope, purpose))
        async with self._pool.acquire() as tx, tx.transaction():
            await tx.execute("delete from store.vault_item i using store.vault_key k where k.id = i.key and k.scope = $1 and k.purpose = $2", scope, purpose)
            await tx.execute("update store.vault_key set wrapped = ''::bytea, destroyed_at = now() where scope = $1 and purpose = $2", scope, purpose)

    async def expire_codes(self, hours: int = 48) -> int:
        """Erase codes older than `hours`, used or not. Returns how many."""
        done: str = await self._pool.execute(
            "delete from store.vault_item i using store.vault_key k where k.id = i.key and k.purpose = 'code' "
            "and i.made_at < now() - make_interval(hours => $1)", hours)
        return int(done.split()[-1])

    async def rewrap(self) -> int:
        """Wrap every data key anew with the current key-encryption key. Returns how many were old."""
        rows = await self._pool.fetch(
            "select id, kek, wrapped from store.vault_key where kek <> $1 and destroyed_at is null", self._keys.current)
        for row in rows:
            key = self._keys.unwrap(row["kek"], row["wrapped"])
            await self._pool.execute("update store.vault_key set kek = $2, wrapped = $3 where id = $1", row["id"], self._keys.current, self._keys.wrap(key))
        return len(rows)

    async def _key(self, tenant: str, scope: UUID, purpose: str) -> tuple[UUID, AESGCM]:
        where = (tenant, scope, purpose)
        if where in self._known:
            self._known.move_to_end(where)
            return self._known[where]
        fresh = AESGCM.generate_key(256)
        row: Any = await self._pool.fetchrow(
            "insert into store.vault_key(id, tenant, scope, purpose, kek, wrapped) values ($1, $2, $3, $4, $5, $6) "
            "on conflict (tenant, scope, purpose) do nothing returning id, kek, wrapped, destroyed_at",
            uuid7(), tenant, scope, purpose, self._keys.current, self._keys.wrap(fresh))
        if row is None:
            row = await self._pool.fetchrow(
                "select id, kek, wrapped, destroyed_at from store.vault_key where tenant = $1 and scope = $2 and purpose = $3", *where)
        if row["destroyed_at"] is not None:
            raise _erased(scope, purpose)
        self._known[where] = (row["id"], AESGCM(self._keys.unwrap(row["kek"], row["wrapped"])))
        if len(self._known) > 10_000:
            self._known.popitem(last=False)
        return self._known[where]


def _erased(scope: UUID, purpose: str) -> Erased:
    return Erased(f"what {scope} kept for '{purpose}' was erased; nothing more is sealed under it")


def _named(content: bytes) -> UUID:
    """A UUIDv8 (RFC 9562): 122 bits of the content's SHA-256."""
    number = int.from_bytes(hashlib.sha256(content).digest()[:16], "big")
    return UUID(int=number & ~(0xF << 76) & ~(0x3 << 62) | (8 << 76) | (2 << 62))


def _bound(tenant: str, scope: UUID, purpose: str) -> bytes:
    return f"|{tenant}|{scope}|{purpose}".encode()

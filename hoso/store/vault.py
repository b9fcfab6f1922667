"""The vault: codes, documents, rosters, raw mails and private keys, sealed. Events carry references.

AES-256-GCM, bound to tenant, scope (enrolment, mailbox or profile) and purpose, so that a ciphertext moved elsewhere does
not open. One data key per (scope, purpose), wrapped by the key-encryption key, which lives outside the database. Erasing
is deleting the wrapped key. No transaction spans vault and log: seal first, refer second.
"""

from __future__ import annotations

import base64
import hmac
import os
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
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
            lines = [
                line.strip() for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")
            ]
        except OSError as error:
            raise SettingsError(
                f"the key-encryption key {path} cannot be read ({error.strerror}): make one with `hoso vault new-key`"
            ) from error
        keys = {}
        for line in lines:
            name, _, text = line.partition(":")
            try:
                keys[name] = base64.b64decode(text, validate=True)
            except ValueError:
                keys[name] = b""
            if len(keys[name]) != 32 or not name:
                raise SettingsError(
                    f"{path}: each line is <id>:<base64 of 32 bytes>; make one with `hoso vault new-key`"
                )
        if not keys:
            raise SettingsError(f"{path} holds no key: make one with `hoso vault new-key`")
        return cls(keys)

    @staticmethod
    def make(path: Path) -> None:
        """Write a new key file that only its owner can read. Refuses to overwrite."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"k{os.urandom(4).hex()}:{base64.b64encode(os.urandom(32)).decode()}\n")

    def name(self, content: bytes) -> UUID:
        """A UUIDv8 (RFC 9562) for a content: keyed, so that a short secret cannot be guessed from its reference."""
        digest = hmac.digest(self._keys[self.current], b"hoso vault reference|" + content, "sha256")
        number = int.from_bytes(digest[:16], "big")
        return UUID(int=number & ~(0xF << 76) & ~(0x3 << 62) | (8 << 76) | (2 << 62))

    def wrap(self, key: bytes) -> bytes:
        return aes_key_wrap(self._keys[self.current], key)

    def unwrap(self, kek: str, wrapped: bytes) -> bytes:
        try:
            return aes_key_unwrap(self._keys[kek], wrapped)
        except (KeyError, InvalidUnwrap) as error:
            raise SettingsError(
                f"the vault's keys were wrapped by key-encryption key '{kek}', which is not in the key file: put it back"
            ) from error


@dataclass(frozen=True, slots=True)
class Sealing:
    """One thing to seal."""

    tenant: str
    scope: UUID
    purpose: str
    data: bytes


Where = tuple[str, UUID, str]
"""Tenant, scope, purpose: what one data key is for."""


class Vault:
    """Sealed storage behind a pool of its own. All methods commit before they return."""

    def __init__(self, pool: asyncpg.Pool, keys: KeyRing) -> None:
        self._pool = pool
        self._keys = keys
        self._known: OrderedDict[Where, tuple[UUID, AESGCM]] = OrderedDict()

    async def put(self, tenant: str, scope: UUID, purpose: str, data: bytes) -> UUID:
        """Seal; returns the reference. The id is derived from scope and content, so a repeat after a crash is harmless."""
        return (await self.put_many([Sealing(tenant, scope, purpose, data)]))[0]

    async def put_many(self, sealings: Sequence[Sealing]) -> list[UUID]:
        """Seal several things at once, in two statements; the references in order."""
        keys = await self._keys_of({(s.tenant, s.scope, s.purpose) for s in sealings})
        rows = []
        for s in sealings:
            key_id, cipher = keys[s.tenant, s.scope, s.purpose]
            bound, nonce = _bound(s.tenant, s.scope, s.purpose), os.urandom(12)
            ref = self._keys.name(bound + s.data)
            rows.append((ref, key_id, nonce + cipher.encrypt(nonce, s.data, ref.bytes + bound)))
        alive = await self._pool.fetch(
            "with alive as (select id from store.vault_key where id = any($2) and destroyed_at is null), kept as ("
            "insert into store.vault_item(id, key, sealed) select r.* from unnest($1::uuid[], $2::uuid[], $3::bytea[]) as r(id, key, sealed) "
            "join alive on alive.id = r.key on conflict do nothing) select id from alive",
            [r[0] for r in rows],
            [r[1] for r in rows],
            [r[2] for r in rows],
        )
        if len(alive) < len({r[1] for r in rows}):
            raise Erased(
                "what was to be sealed belongs to a scope that was erased meanwhile; nothing more is sealed under it"
            )
        return [r[0] for r in rows]

    async def get(self, ref: UUID) -> bytes:
        """Open. Raises Erased when it is gone."""
        row = (await self.rows([ref])).get(ref)
        if row is None:
            raise Erased(f"{ref} is not in the vault: it was erased, or its 48 hours are over")
        cipher = AESGCM(self._keys.unwrap(row["kek"], row["wrapped"]))
        try:
            return cipher.decrypt(
                row["sealed"][:12], row["sealed"][12:], ref.bytes + _bound(row["tenant"], row["scope"], row["purpose"])
            )
        except InvalidTag as error:
            raise HosoError(f"{ref} does not open: the sealed bytes were changed or moved") from error

    async def rows(self, refs: Sequence[UUID]) -> dict[UUID, asyncpg.Record]:
        """What is there of `refs`, still sealed."""
        rows = await self._pool.fetch(
            "select i.id, i.sealed, k.tenant, k.scope, k.purpose, k.kek, k.wrapped from store.vault_item i "
            "join store.vault_key k on k.id = i.key where i.id = any($1) and k.destroyed_at is null",
            refs,
        )
        return {row["id"]: row for row in rows}

    async def destroy(self, *refs: UUID) -> None:
        """Erase items now."""
        await self._pool.execute("delete from store.vault_item where id = any($1)", refs)

    async def erase(self, scope: UUID, purpose: str) -> None:
        """Erase everything of a scope and purpose by destroying its key; copies in backups do not open either."""
        self._known = OrderedDict((k, v) for k, v in self._known.items() if (k[1], k[2]) != (scope, purpose))
        async with self._pool.acquire() as tx, tx.transaction():
            await tx.execute(
                "delete from store.vault_item i using store.vault_key k where k.id = i.key and k.scope = $1 and k.purpose = $2",
                scope,
                purpose,
            )
            await tx.execute(
                "update store.vault_key set wrapped = ''::bytea, destroyed_at = now() where scope = $1 and purpose = $2",
                scope,
                purpose,
            )

    async def expire_codes(self, hours: int = 48) -> int:
        """Erase codes older than `hours`, used or not. Returns how many."""
        done: str = await self._pool.execute(
            "delete from store.vault_item i using store.vault_key k where k.id = i.key and k.purpose = 'code' "
            "and i.made_at < now() - make_interval(hours => $1)",
            hours,
        )
        return int(done.split()[-1])

    async def rewrap(self) -> int:
        """Wrap every data key anew with the current key-encryption key. Returns how many were old."""
        rows = await self._pool.fetch(
            "select id, kek, wrapped from store.vault_key where kek <> $1 and destroyed_at is null", self._keys.current
        )
        for row in rows:
            key = self._keys.unwrap(row["kek"], row["wrapped"])
            await self._pool.execute(
                "update store.vault_key set kek = $2, wrapped = $3 where id = $1",
                row["id"],
                self._keys.current,
                self._keys.wrap(key),
            )
        return len(rows)

    async def _keys_of(self, wanted: set[Where]) -> dict[Where, tuple[UUID, AESGCM]]:
        """The data key of each scope and purpose, made where there is none."""
        unknown = sorted(where for where in wanted if where not in self._known)
        if unknown:
            strange = {where[2] for where in unknown} - set(PURPOSES)
            if strange:
                raise ValueError(f"no such purpose: {strange}")
            columns = [list(column) for column in zip(*unknown, strict=True)]
            rows = await self._pool.fetch(
                "insert into store.vault_key(id, tenant, scope, purpose, kek, wrapped) "
                "select i, t, s, p, $5, w from unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $6::bytea[]) as x(i, t, s, p, w) "
                "on conflict (tenant, scope, purpose) do nothing returning id, tenant, scope, purpose, kek, wrapped, destroyed_at",
                [uuid7() for _ in unknown],
                *columns,
                self._keys.current,
                [self._keys.wrap(AESGCM.generate_key(256)) for _ in unknown],
            )
            if len(rows) < len(unknown):
                rows = await self._pool.fetch(
                    "select k.* from store.vault_key k join unnest($1::text[], $2::uuid[], $3::text[]) as x(t, s, p) "
                    "on (k.tenant, k.scope, k.purpose) = (x.t, x.s, x.p)",
                    *columns,
                )
            for row in rows:
                if row["destroyed_at"] is not None:
                    raise Erased(
                        f"what {row['scope']} kept for '{row['purpose']}' was erased; nothing more is sealed under it"
                    )
                where = (row["tenant"], row["scope"], row["purpose"])
                self._known[where] = (row["id"], AESGCM(self._keys.unwrap(row["kek"], row["wrapped"])))
        found = {where: self._known[where] for where in wanted}
        while len(self._known) > 10_000:
            self._known.popitem(last=False)
        return found


def _bound(tenant: str, scope: UUID, purpose: str) -> bytes:
    return f"|{tenant}|{scope}|{purpose}".encode()

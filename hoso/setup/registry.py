"""Tenants, API keys, mailboxes and signing profiles in PostgreSQL. Every change names its actor and is audited."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

from hoso.domain.certificates import CertificateFacts, facts, open_pkcs12
from hoso.log.postgres import Bell, create_topics
from hoso.runtime.failures import HosoError
from hoso.runtime.ids import uuid7
from hoso.setup.declarations import KeyHolder, Mailbox, MailboxSettings, Profile
from hoso.setup.failures import NotSetUp, no_tenant
from hoso.store.vault import Vault
from schemas.topics import REQUESTS, topic_named

SCOPES = ("submit", "read", "setup")
_TENANT = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")


class SetUp:
    """The registry of what people set up."""

    def __init__(self, pool: asyncpg.Pool, vault: Vault) -> None:
        self.pool = pool
        self._vault = vault

    async def _audit(self, tx: Any, actor: str, tenant: str | None, what: str, **detail: Any) -> None:
        await tx.execute(
            "insert into store.audit(actor, tenant, what, detail) values ($1, $2, $3, $4)",
            actor,
            tenant,
            what,
            json.dumps(detail),
        )

    # --- tenants ------------------------------------------------------------------------------------------------

    async def add_tenant(self, name: str, title: str, actor: str) -> None:
        """Make a tenant and its request topic; again is harmless."""
        if not _TENANT.fullmatch(name):
            raise HosoError(f"'{name}' is no tenant name: lower-case letters, digits and hyphens, at most 40")
        async with self.pool.acquire() as tx, tx.transaction():
            await tx.execute(
                "insert into store.tenant(name, title, actor) values ($1, $2, $3) "
                "on conflict (name) do update set title = excluded.title, removed = false",
                name,
                title,
                actor,
            )
            await create_topics(tx, [topic_named(REQUESTS.name.replace("<tenant>", name))])
            await self._audit(tx, actor, name, "tenant.add", title=title)
        await self.pool.execute("select pg_notify($1, 'topics')", Bell.CHANNEL)

    async def tenants(self) -> list[dict[str, Any]]:
        return [
            dict(r)
            for r in await self.pool.fetch(
                "select name, title, made_at from store.tenant where not removed order by name"
            )
        ]

    async def remove_tenant(self, name: str, actor: str) -> None:
        """Its keys are revoked and its mailboxes no longer read; what is under way goes on."""
        async with self.pool.acquire() as tx, tx.transaction():
            if not await tx.fetchval(
                "update store.tenant set removed = true where name = $1 and not removed returning 1", name
            ):
                raise HosoError(f"there is no tenant '{name}'; see `hoso tenant list`")
            await tx.execute(
                "update store.api_key set revoked_at = now() where tenant = $1 and revoked_at is null", name
            )
            await tx.execute("update store.mailbox set removed = true where tenant = $1", name)
            await self._audit(tx, actor, name, "tenant.remove")

    async def _must_be(self, tx: Any, tenant: str) -> None:
        if not await tx.fetchval("select 1 from store.tenant where name = $1 and not removed", tenant):
            raise no_tenant(tenant)

    # --- API keys -----------------------------------------------------------------------------------------------

    async def add_key(self, tenant: str, name: str, scopes: Sequence[str], actor: str) -> str:
        """Make a key; the token is shown this once and kept only as a hash."""
        if not (name := name.strip()):
            raise NotSetUp("Tên của khoá không được để trống.", "a key needs a name: say what it is for")
        wrong = sorted(set(scopes) - set(SCOPES))
        if wrong:
            raise HosoError(f"no such scope: {', '.join(wrong)}; there are {', '.join(SCOPES)}")
        id_, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        async with self.pool.acquire() as tx, tx.transaction():
            await self._must_be(tx, tenant)
            await tx.execute(
                "insert into store.api_key(id, tenant, name, secret_sha256, scopes, actor) values ($1, $2, $3, $4, $5, $6)",
                id_,
                tenant,
                name,
                hashlib.sha256(secret.encode()).digest(),
                list(scopes),
                actor,
            )
            await self._audit(tx, actor, tenant, "key.add", id=id_, name=name, scopes=list(scopes))
        return f"hoso_{id_}_{secret}"

    async def check_key(self, token: str) -> KeyHolder | None:
        """Whose key this is; None when nobody's or revoked. Compares in constant time."""
        _, _, rest = token.partition("hoso_")
        id_, _, secret = rest.partition("_")
        row = await self.pool.fetchrow(
            "select k.tenant, k.name, k.scopes, k.secret_sha256 from store.api_key k join store.tenant t on t.name = k.tenant "
            "where k.id = $1 and k.revoked_at is null and not t.removed",
            id_,
        )
        given = hashlib.sha256(secret.encode()).digest()
        if row is None or not hmac.compare_digest(given, row["secret_sha256"]):
            return None
        return KeyHolder(row["tenant"], f"key:{row['name']}", frozenset(row["scopes"]))

    async def keys(self, tenant: str | None) -> list[dict[str, Any]]:
        return [
            dict(r)
            for r in await self.pool.fetch(
                "select id, tenant, name, scopes, made_at from store.api_key where revoked_at is null and ($1::text is null or tenant = $1) order by made_at",
                tenant,
            )
        ]

    async def remove_key(self, id_: str, actor: str, tenant: str | None = None) -> None:
        async with self.pool.acquire() as tx, tx.transaction():
            row = await tx.fetchrow(
                "update store.api_key set revoked_at = now() where id = $1 and revoked_at is null "
                "and ($2::text is null or tenant = $2) returning tenant",
                id_,
                tenant,
            )
            if row is None:
                raise HosoError(f"there is no key '{id_}'; see `hoso key list`")
            await self._audit(tx, actor, row["tenant"], "key.remove", id=id_)

    # --- mailboxes ----------------------------------------------------------------------------------------------

    async def add_mailbox(
        self, tenant: str, address: str, contact_mode: str, settings: MailboxSettings, password: str, actor: str
    ) -> UUID:
        """Declare a mailbox; the same address again replaces its settings. One address belongs to one tenant."""
        if contact_mode not in ("shared", "own", "catch-all"):
            raise HosoError("the contact mode is `shared`, `own` or `catch-all`")
        if settings.tls == "none" and settings.host not in ("127.0.0.1", "::1", "localhost"):
            raise HosoError(f"{settings.host}: a mailbox without TLS is allowed on loopback only; use --tls implicit")
        in_use = HosoError(f"{address} cannot be declared here: the address is in use")
        held = await self.pool.fetchrow(
            "select id, tenant from store.mailbox where lower(address) = lower($1) and not removed", address
        )
        if held is not None and held["tenant"] != tenant:
            raise in_use
        id_ = held["id"] if held is not None else uuid7()
        secret = await self._vault.put(tenant, id_, "secret", password.encode())
        try:
            async with self.pool.acquire() as tx, tx.transaction():
                await self._must_be(tx, tenant)
                await tx.execute(
                    "insert into store.mailbox(id, tenant, address, contact_mode, settings, secret, actor) values ($1, $2, $3, $4, $5, $6, $7) "
                    "on conflict (id) do update set contact_mode = excluded.contact_mode, settings = excluded.settings, secret = excluded.secret",
                    id_,
                    tenant,
                    address,
                    contact_mode,
                    json.dumps(_as_dict(settings)),
                    secret,
                    actor,
                )
                await self._audit(tx, actor, tenant, "mailbox.add", address=address, host=settings.host)
        except asyncpg.UniqueViolationError:
            raise in_use from None
        return id_

    async def mailboxes(self, tenant: str | None = None) -> list[Mailbox]:
        """Without passwords."""
        rows = await self.pool.fetch(
            "select * from store.mailbox where not removed and ($1::text is null or tenant = $1) order by made_at",
            tenant,
        )
        return [_mailbox(r) for r in rows]

    async def mailbox_with_password(self, id_: UUID) -> Mailbox | None:
        row = await self.pool.fetchrow("select * from store.mailbox where id = $1 and not removed", id_)
        return _mailbox(row, (await self._vault.get(row["secret"])).decode()) if row is not None else None

    async def remove_mailbox(self, address: str, actor: str, tenant: str | None = None) -> None:
        async with self.pool.acquire() as tx, tx.transaction():
            row = await tx.fetchrow(
                "update store.mailbox set removed = true where lower(address) = lower($1) and not removed "
                "and ($2::text is null or tenant = $2) returning id, tenant",
                address,
                tenant,
            )
            if row is None:
                raise HosoError(f"there is no mailbox {address}; see `hoso mailbox list`")
            await self._audit(tx, actor, row["tenant"], "mailbox.remove", address=address)
        await self._vault.erase(row["id"], "secret")

    async def mailbox_of(self, tx: Any, tenant: str, email: str) -> Mailbox | None:
        """The tenant's mailbox that receives mail to `email`: the address itself, one of its plus-addresses, or all of its domain."""
        local, _, domain = email.lower().rpartition("@")
        plain = f"{local.partition('+')[0]}@{domain}"
        row = await tx.fetchrow(
            "select * from store.mailbox where not removed and tenant = $1 and (lower(address) = any($2) "
            "or contact_mode = 'catch-all' and split_part(lower(address), '@', 2) = $4) "
            "order by lower(address) = $3 desc, lower(address) = any($2) desc, made_at limit 1",
            tenant,
            [email.lower(), plain],
            email.lower(),
            domain,
        )
        return _mailbox(row) if row is not None else None

    # --- signing profiles ---------------------------------------------------------------------------------------

    async def add_pkcs12(self, tenant: str, name: str, data: bytes, password: str, actor: str) -> CertificateFacts:
        """Open a PKCS#12 with its password, which is then forgotten; the key is sealed. The same name again replaces it."""
        material = open_pkcs12(data, password)
        await self.put_profile(tenant, name, "pkcs12", material.certificate_der, material.private_key_der, actor)
        return facts(material.certificate_der)

    async def put_profile(
        self, tenant: str, name: str, backend: str, certificate: bytes, sealed: bytes, actor: str
    ) -> UUID:
        """The tenant's profile `name` signs by `backend` with this certificate (DER) from now on; the same name keeps its id.

        `sealed`: what the backend needs to get at the key, kept in the vault; b"" when it needs nothing of us.
        Raises UnusableCertificate, HosoError when there is no such tenant.
        """
        known = facts(certificate)
        held = await self.pool.fetchval(
            "select id from store.profile where tenant = $1 and name = $2 and not removed", tenant, name
        )
        id_: UUID = held or uuid7()
        secret = await self._vault.put(tenant, id_, "secret", sealed)
        async with self.pool.acquire() as tx, tx.transaction():
            await self._must_be(tx, tenant)
            await tx.execute(
                "insert into store.profile(id, tenant, name, backend, tax_codes, certificate, serial, issuer, subject, sha256, not_before, "
                "not_after, secret, actor) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) "
                "on conflict (id) do update set backend = excluded.backend, tax_codes = excluded.tax_codes, "
                "certificate = excluded.certificate, serial = excluded.serial, "
                "issuer = excluded.issuer, subject = excluded.subject, sha256 = excluded.sha256, not_before = excluded.not_before, "
                "not_after = excluded.not_after, secret = excluded.secret",
                id_,
                tenant,
                name,
                backend,
                list(known.tax_codes),
                certificate,
                known.serial,
                known.issuer,
                known.subject,
                known.sha256,
                known.not_before,
                known.not_after,
                secret,
                actor,
            )
            await self._audit(tx, actor, tenant, "profile.add", name=name, serial=known.serial, backend=backend)
        return id_

    async def profiles(self, tenant: str | None = None) -> list[Profile]:
        """Without keys."""
        rows = await self.pool.fetch(
            "select * from store.profile where not removed and ($1::text is null or tenant = $1) order by made_at",
            tenant,
        )
        return [_profile(r) for r in rows]

    async def profile_with_key(self, tenant: str, id_: UUID) -> Profile | None:
        row = await self.pool.fetchrow(
            "select * from store.profile where id = $1 and tenant = $2 and not removed", id_, tenant
        )
        return _profile(row, await self._vault.get(row["secret"])) if row is not None else None

    async def profile_for(self, tx: Any, tenant: str, tax_code: str, name: str | None) -> UUID | None:
        """The profile called `name`; without a name the newest whose certificate names this tax code."""
        if name:
            return await tx.fetchval(  # type: ignore[no-any-return]
                "select id from store.profile where tenant = $1 and name = $2 and not removed", tenant, name
            )
        return await tx.fetchval(  # type: ignore[no-any-return]
            "select id from store.profile where tenant = $1 and tax_codes && $2 and not removed "
            "order by (tax_codes[1] = $3) desc, not_after desc limit 1",
            tenant,
            [tax_code, tax_code[:10]],
            tax_code,
        )

    async def remove_profile(self, tenant: str, name: str, actor: str) -> None:
        async with self.pool.acquire() as tx, tx.transaction():
            row = await tx.fetchrow(
                "update store.profile set removed = true where tenant = $1 and name = $2 and not removed returning id",
                tenant,
                name,
            )
            if row is None:
                raise HosoError(f"there is no profile '{name}' of tenant '{tenant}'; see `hoso profile list`")
            await self._audit(tx, actor, tenant, "profile.remove", name=name)
        await self._vault.erase(row["id"], "secret")


def _as_dict(settings: MailboxSettings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in settings.__dataclass_fields__}


def _mailbox(row: Any, password: str = "") -> Mailbox:
    return Mailbox(
        row["id"],
        row["tenant"],
        row["address"],
        row["contact_mode"],
        MailboxSettings(**json.loads(row["settings"])),
        row["secret"],
        password,
    )


def _profile(row: Any, key: bytes | None = None) -> Profile:
    return Profile(
        row["id"],
        row["tenant"],
        row["name"],
        row["backend"],
        tuple(row["tax_codes"]),
        row["certificate"],
        row["serial"],
        row["not_after"],
        key,
    )

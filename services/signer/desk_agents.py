"""Which workstations the desk knows: one-time codes, enrolment, and the proof on every request. Protocol: docs/agent.md."""

from __future__ import annotations

import secrets
from base64 import b32encode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Protocol
from uuid import UUID

import asyncpg
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hoso.domain.certificates import MIN_RSA_BITS, UnusableCertificate, parsed
from services.signer.desk import Agent
from services.signer.ports import Profiles

CODE_LIFETIME = timedelta(minutes=30)
TRIES = 5
"""Bad proofs under a right code before the code is dead."""


class NotKnown(Exception):
    """The request proves no workstation in force."""


class Replayed(Exception):
    """The request's counter is not above the last one: it was here before, or is out of turn."""


class NotEnrolled(Exception):
    """The enrolment is refused; the message is a Vietnamese sentence."""


class ProfileRegistry(Protocol):
    """Where signing profiles are set up."""

    async def put_profile(
        self, tenant: str, name: str, backend: str, certificate: bytes, sealed: bytes, actor: str
    ) -> UUID:
        """The tenant's profile `name` signs by `backend` with this certificate from now on. Raises HosoError."""
        ...


@dataclass(frozen=True, slots=True)
class Enrolling:
    """What a workstation sends with its code."""

    code: str = field(repr=False)
    public_key: bytes
    certificate: bytes
    proof: bytes
    host: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What a request says about itself."""

    agent: str
    counter: int
    signature: bytes
    method: str
    path: str
    body: bytes


class Agents:
    """One-time codes and workstations, in PostgreSQL. `now` is the world's time, for certificates only."""

    def __init__(
        self, pool: asyncpg.Pool, profiles: Profiles, registry: ProfileRegistry, now: Callable[[], datetime]
    ) -> None:
        self._pool = pool
        self._profiles = profiles
        self._registry = registry
        self._now = now

    async def enrol(self, given: Enrolling) -> tuple[str, str]:
        """The new workstation's name and its profile's. An earlier workstation of the profile is out of force.

        Raises NotEnrolled (the same words for a code that is wrong, used, expired or revoked), HosoError.
        """
        hashed = sha256(given.code.encode()).digest()
        row = await self._pool.fetchrow(
            "select id, tenant, profile, actor from signer.agent_code where sha256 = $1 and used_at is null "
            "and revoked_at is null and expires_at > now() and tries < $2",
            hashed,
            TRIES,
        )
        no_code = NotEnrolled("Mã không đúng, đã dùng, đã thu hồi hoặc đã hết hạn; hãy xin người vận hành một mã mới.")
        if row is None:
            raise no_code
        try:
            check(given, self._now())
        except NotEnrolled:
            await self._pool.execute("update signer.agent_code set tries = tries + 1 where id = $1", row["id"])
            raise
        claimed = await self._pool.fetchval(
            "update signer.agent_code set used_at = now() where id = $1 and used_at is null and revoked_at is null "
            "and expires_at > now() and tries < $2 returning true",
            row["id"],
            TRIES,
        )
        if not claimed:
            raise no_code
        tenant, name = row["tenant"], row["profile"]
        profile = await self._registry.put_profile(
            tenant, name, "agent", given.certificate, b"", f"agent-code:{row['id']}"
        )
        id_ = f"{secrets.token_hex(8)}"
        async with self._pool.acquire() as tx, tx.transaction():
            await tx.execute("select pg_advisory_xact_lock(hashtext('signer.agent'), hashtext($1))", str(profile))
            await tx.execute(
                "update signer.agent set revoked_at = now() where profile = $1 and revoked_at is null", profile
            )
            await tx.execute(
                "insert into signer.agent(id, tenant, profile, profile_name, public_key, certificate, host) "
                "values ($1, $2, $3, $4, $5, $6, $7)",
                id_,
                tenant,
                profile,
                name,
                given.public_key,
                given.certificate,
                given.host,
            )
        return id_, name

    async def known(self, proof: Proof) -> Agent:
        """The workstation that signed this request, which is hereby used up. Raises NotKnown, Replayed."""
        row = await self._pool.fetchrow(
            "select tenant, profile, public_key, certificate from signer.agent where id = $1 and revoked_at is null",
            proof.agent,
        )
        if row is None:
            raise NotKnown("Máy trạm này không (còn) được ghi danh; hãy xin mã mới và ghi danh lại.")
        try:
            Ed25519PublicKey.from_public_bytes(row["public_key"]).verify(proof.signature, signed_by_agent(proof))
        except InvalidSignature:
            raise NotKnown("Yêu cầu không được ký bằng khoá của máy trạm.") from None
        fresh = await self._pool.fetchval(
            "update signer.agent set counter = $2 where id = $1 and counter < $2 and revoked_at is null returning true",
            proof.agent,
            proof.counter,
        )
        if not fresh:
            raise Replayed
        profile = await self._profiles.load(row["tenant"], row["profile"])
        if profile is None or profile.backend != "agent" or profile.certificate_der != row["certificate"]:
            raise NotKnown("Cấu hình chữ ký số của máy trạm đã bị bỏ hoặc đã thay chứng thư số; hãy ghi danh lại.")
        return Agent(proof.agent, row["tenant"], row["profile"], row["certificate"])


def check(given: Enrolling, now: datetime) -> None:
    """The certificate can be signed with, and its token is where the request came from. Raises NotEnrolled."""
    if len(given.public_key) != 32:
        raise NotEnrolled("Khoá của máy trạm không đúng dạng; hãy cập nhật hoso-agent.")
    try:
        certificate = parsed(given.certificate)
    except UnusableCertificate:
        raise NotEnrolled("Không đọc được chứng thư số của token.") from None
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < MIN_RSA_BITS:
        raise NotEnrolled(f"Chứng thư số phải có khoá RSA từ {MIN_RSA_BITS} bit trở lên.")
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise NotEnrolled("Chứng thư số đã hết hạn hoặc chưa có hiệu lực; hãy gia hạn ở nhà cung cấp.")
    try:
        key.verify(given.proof, possession(given.code, given.public_key), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise NotEnrolled("Chữ ký chứng minh không phải của token có chứng thư số này.") from None


def possession(code: str, public_key: bytes) -> bytes:
    """What a token signs to prove that it is there; the code is the nonce."""
    return f"hoso-agent-enrolment-1\n{code}\n{public_key.hex()}\n".encode()


def signed_by_agent(proof: Proof) -> bytes:
    """What a workstation signs of a request."""
    words = ("hoso-agent-1", proof.method, proof.path, proof.agent, str(proof.counter), sha256(proof.body).hexdigest())
    return "\n".join(words).encode()


async def new_code(
    db: Any, tenant: str, profile: str, actor: str, lifetime: timedelta = CODE_LIFETIME
) -> tuple[str, str]:
    """A code's id and the code, 100 random bits, shown this once."""
    letters = b32encode(secrets.token_bytes(13)).decode()[:20]
    code = "-".join(letters[at : at + 5] for at in range(0, 20, 5))
    id_ = secrets.token_hex(4)
    await db.execute(
        "insert into signer.agent_code(id, sha256, tenant, profile, actor, expires_at) values ($1, $2, $3, $4, $5, now() + $6)",
        id_,
        sha256(code.encode()).digest(),
        tenant,
        profile,
        actor,
        lifetime,
    )
    return id_, code


async def listed(db: Any, tenant: str | None) -> list[dict[str, Any]]:
    """Codes that may still be used, and workstations in force."""
    rows = await db.fetch(
        "select id, tenant, profile, 'code' as what, '' as host, 'unused' as status, expires_at as moment from signer.agent_code "
        "where used_at is null and revoked_at is null and expires_at > now() and tries < $2 and ($1::text is null or tenant = $1) "
        "union all select id, tenant, profile_name, 'agent', host, "
        "case when seen_at < now() - interval '60 s' and coalesce(asking_until < now(), true) then 'agent-offline' else status end, seen_at "
        "from signer.agent where revoked_at is null and ($1::text is null or tenant = $1) order by tenant, profile, what",
        tenant,
        TRIES,
    )
    return [dict(row) for row in rows]


async def revoke(db: Any, id_: str) -> str | None:
    """Revoke a code or a workstation, at once; its tenant, None when there is nothing to revoke."""
    for table in ("agent_code", "agent"):
        unused = " and used_at is null" if table == "agent_code" else ""
        tenant: str | None = await db.fetchval(
            f"update signer.{table} set revoked_at = now() where id = $1 and revoked_at is null{unused} returning tenant",
            id_,
        )
        if tenant is not None:
            return tenant
    return None

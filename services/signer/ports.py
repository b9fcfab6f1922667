"""What the signer needs of the house: signing profiles, the vault, and a memory of what people were asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol
from uuid import UUID

Purpose = Literal["code", "personal", "evidence", "secret"]


@dataclass(frozen=True, slots=True)
class SigningProfile:
    """How one employer signs: by which backend, with which certificate, in which shape."""

    id: UUID
    name: str
    backend: str
    """A row of `services.signer.keys.BACKENDS`."""
    certificate_der: bytes = field(repr=False)
    private_key_der: bytes | None = field(default=None, repr=False)
    """What was sealed with the profile, unsealed just now: PKCS#8, or how a backend gets at a key that lives elsewhere.
    Never logged, never in an event."""
    shape: str = "agency"
    """A row of `services.signer.profiles.SHAPES`."""
    tenant: str = ""


class Profiles(Protocol):
    """Signing profiles of tenants."""

    async def load(self, tenant: str, profile: UUID) -> SigningProfile | None:
        """The profile as it is now; None: the tenant has no such profile (any more)."""
        ...


class Vault(Protocol):
    """Sealed documents; events carry references."""

    async def put(self, tenant: str, scope: UUID, purpose: Purpose, data: bytes) -> UUID:
        """Seal `data` of the enrolment `scope`, durably, before this returns; the reference."""
        ...

    async def get(self, ref: UUID) -> bytes:
        """What was put. Raises HosoError when it was erased or does not open."""
        ...


class Preparations(Protocol):
    """Which prepared document belongs to which question to a person. Durable."""

    async def find(self, tenant: str, name: str) -> UUID | None:
        """The vault reference kept under `name`, or None."""
        ...

    async def keep(self, tenant: str, name: str, ref: UUID) -> UUID:
        """Keep `ref` under `name` unless one is kept already; the one that is kept."""
        ...

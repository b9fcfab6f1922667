"""The set-up registry in the shapes that services ask for."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from hoso.setup.registry import SetUp
from services.intake.ports import MailboxFor, Principal
from services.signer.ports import SigningProfile


class SigningProfiles:
    """`services.signer.ports.Profiles`."""

    def __init__(self, set_up: SetUp) -> None:
        self._set_up = set_up
        self._loading: dict[tuple[str, UUID], asyncio.Task[SigningProfile | None]] = {}

    async def load(self, tenant: str, profile: UUID) -> SigningProfile | None:
        """Read anew for everybody who asks while nobody's reading is under way: a removed profile is gone at once."""
        key = (tenant, profile)
        loading = self._loading.get(key)
        if loading is None:
            loading = self._loading[key] = asyncio.create_task(self._load(tenant, profile))
            loading.add_done_callback(lambda _: self._loading.pop(key, None))
        return await asyncio.shield(loading)

    async def _load(self, tenant: str, profile: UUID) -> SigningProfile | None:
        found = await self._set_up.profile_with_key(tenant, profile)
        if found is None:
            return None
        return SigningProfile(found.id, found.name, found.backend, found.certificate, found.key, tenant=tenant)


class IntakeSetUp:
    """`services.intake.ports.Setup`."""

    def __init__(self, set_up: SetUp) -> None:
        self._set_up = set_up

    async def mailbox_for(self, tx: Any, tenant: str, email: str) -> MailboxFor | None:
        found = await self._set_up.mailbox_of(tx, tenant, email)
        if found is None:
            return None
        if found.contact_mode == "shared":
            return MailboxFor(found.id, email)
        return MailboxFor(found.id, found.address, "own" if found.contact_mode == "own" else "catch-all")

    async def profile_for(self, tx: Any, tenant: str, tax_code: str, name: str | None) -> UUID | None:
        return await self._set_up.profile_for(tx, tenant, tax_code, name)


class ApiKeys:
    """`services.intake.ports.Keys`."""

    def __init__(self, set_up: SetUp) -> None:
        self._set_up = set_up

    async def check(self, token: str) -> Principal | None:
        found = await self._set_up.check_key(token)
        return None if found is None else Principal(found.tenant, found.actor, found.scopes)

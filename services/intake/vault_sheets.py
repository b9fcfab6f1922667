"""Uploaded sheets and files in the vault: they hold people's names and addresses, so they lie sealed and can be erased."""

from __future__ import annotations

from uuid import UUID

from hoso.store.vault import Vault


class VaultSheets:
    """The `SheetStore` of a running hoso."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def put(self, tenant: str, batch: UUID, data: bytes) -> UUID:
        """Seal under the batch."""
        return await self._vault.put(tenant, batch, "personal", data)

    async def get(self, ref: UUID) -> bytes:
        """Open. Raises Erased."""
        return await self._vault.get(ref)

    async def keep(self, tenant: str, scope: UUID, data: bytes) -> UUID:
        """Seal as evidence."""
        return await self._vault.put(tenant, scope, "evidence", data)

    async def forget(self, ref: UUID) -> None:
        """Destroy."""
        await self._vault.destroy(ref)

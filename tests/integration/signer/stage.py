"""The signer on a real log and a real vault; keys are files, or phones at the simulated signing service."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

from app.adapters import SigningProfiles
from hoso.runtime.kernel import Kernel
from hoso.runtime.outgoing import Cause, Source, write
from hoso.runtime.steps import Tell
from hoso.setup.registry import SetUp
from hoso.store.postgres import Database
from hoso.store.vault import KeyRing, Vault
from schemas.envelope import Fact, decode
from schemas.events import DossierPrepared, DossierSigned, SignatureAwaited, SigningRefused
from services.signer.keys import BACKENDS, SigningKeys
from services.signer.keys.misa_esign import MisaEsign
from services.signer.keys.misa_wire import Line
from services.signer.preparations import PostgresPreparations
from services.signer.service import service
from tests.contract.signing.esign import Certificate, Esign
from tests.contract.signing.pki import employer
from tests.support.waiting import eventually
from tests.unit.dossiers.examples import ATTACHMENT, LICENCE, payload

TENANT = "acme"
USER = "giamdoc@denlong.example"
F = TypeVar("F", bound=Fact)


class Stage:
    """What is prepared is said on the log; what was signed is read from it."""

    def __init__(self, db: Database, folder: Path, esign: Esign) -> None:
        self.db, self.esign = db, esign
        key = folder / "vault.key"
        with contextlib.suppress(FileExistsError):
            KeyRing.make(key)
        self.vault = Vault(db.pool, KeyRing.read(key))
        self.set_up = SetUp(db.pool, self.vault)
        self.source = Source("hoso.enrolment", "test", {})
        self.certificates: list[Certificate] = []

    @contextlib.asynccontextmanager
    async def running(self, window: timedelta = timedelta(seconds=0.3)) -> AsyncIterator[None]:
        """The signer, from its start to its end; again and again over the same database."""
        kernel = Kernel(self.db, "hoso.signer", "test")
        await kernel.start()
        async with Line() as line:
            esign = MisaEsign(self.db.pool, self.vault, kernel.clock.now, line, window)
            keys = SigningKeys({**BACKENDS, "misa_esign": esign})
            made = service(SigningProfiles(self.set_up), self.vault, keys, PostgresPreparations(self.db.pool))
            running = asyncio.create_task(kernel.run(made))
            try:
                yield
            finally:
                kernel.drained.set()
                await running

    async def phone(self, name: str = "điện thoại", two_factor: bool = False, **account: Any) -> UUID:
        """A profile whose signatures the director approves on a phone."""
        await self.set_up.add_tenant(TENANT, "", "test")
        self.certificates = await self.esign.person(USER, {}, two_factor=two_factor)
        sealed = self.esign.account(USER, **account).to_bytes()
        return await self.set_up.put_profile(TENANT, name, "misa_esign", self.certificates[0].der, sealed, "test")

    async def file(self) -> UUID:
        """A profile with a key of our own."""
        await self.set_up.add_tenant(TENANT, "", "test")
        await self.set_up.add_pkcs12(TENANT, "tệp", employer().pkcs12("x"), "x", "test")
        return next(one.id for one in await self.set_up.profiles(TENANT) if one.name == "tệp")

    async def attempt(self, profile: UUID, kind: str = "register") -> DossierPrepared:
        """A prepared attempt; a first-time dossier has its licence in the vault."""
        enrolment, plain = uuid4(), payload(kind)
        if kind == "first_code":
            ref = await self.vault.put(TENANT, enrolment, "personal", LICENCE)
            files = (ATTACHMENT.model_copy(update={"document": ref}),)
            plain = plain.model_copy(update={"first_time": plain.first_time.model_copy(update={"attachments": files})})
        return DossierPrepared(enrolment=enrolment, dossier=uuid4(), attempt=1, payload=plain, profile=profile)

    async def prepare(self, *asks: DossierPrepared) -> None:
        """The enrolment service has prepared these, each of a unit of its own."""
        steps = [(Cause(uuid4(), TENANT, ask.enrolment, None), Tell(ask)) for ask in asks]
        kernel = Kernel(self.db, "hoso.enrolment", "test")
        async with self.db.pool.acquire() as tx, tx.transaction():
            await write(tx, self.source, steps, kernel.clock.now())

    async def told(self) -> list[Fact]:
        """Everything the signer said, in order."""
        rows = await self.db.quick.fetch(
            "select type, body from log.event where topic = 'dossier.signed' order by at, part, off"
        )
        return [decode(row["type"], row["body"]).data for row in rows]

    async def of(self, fact: type[F]) -> list[F]:
        return [one for one in await self.told() if isinstance(one, fact)]

    async def ended(self, count: int = 1, seconds: float = 30) -> Sequence[DossierSigned | SigningRefused]:
        """What ended the attempts, once there are so many."""

        async def look() -> list[DossierSigned | SigningRefused]:
            found = [one for one in await self.told() if isinstance(one, DossierSigned | SigningRefused)]
            assert len(found) <= count
            return found if len(found) == count else []

        return await eventually(look, f"{count} attempts to end", seconds)

    async def awaited(self, count: int = 1, seconds: float = 20) -> list[SignatureAwaited]:
        """Whom the attempts wait for, once so much was told."""

        async def look() -> list[SignatureAwaited]:
            found = await self.of(SignatureAwaited)
            return found if len(found) >= count else []

        return await eventually(look, f"{count} waits to be told", seconds)

"""What the contract suite of key backends needs of each: a profile, a signer made anew as after a restart, and its people.

A backend joins the suite with one class here and one row of `BENCHES`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from hoso.runtime.steps import NotYet
from hoso.store.postgres import Database
from hoso.store.vault import KeyRing, Vault
from services.signer.desk import PATIENCE
from services.signer.keys.agent import AgentKeys
from services.signer.keys.misa_esign import MisaEsign
from services.signer.keys.misa_wire import Line
from services.signer.keys.pkcs11 import Pkcs11Keys, Pkcs11KeySigner, TokenPlace
from services.signer.keys.pkcs12 import Pkcs12KeySigner
from services.signer.keys.port import Answer, KeySigner, SignatureAsk, Waiting
from services.signer.ports import SigningProfile
from services.signer.profiles import SHAPES
from services.signer.profiles.port import Prepared
from tests.contract.agent.house import DeskHouse, Workstation
from tests.contract.agent.tokens import PIN, Reader
from tests.contract.signing.esign import Certificate, Esign, esign
from tests.contract.signing.pki import employer
from tests.support.waiting import eventually

DOCUMENT = "<Hoso><NoiDung>{}</NoiDung><CKy_Dvi></CKy_Dvi></Hoso>"


class Bench(Protocol):
    """One backend, set up."""

    profile: SigningProfile
    asks_people: bool

    def signer(self, profile: SigningProfile | None = None) -> KeySigner:
        """The profile's key, opened anew over the same database, as after a restart."""
        ...

    def broken(self) -> SigningProfile:
        """The profile with something missing that it cannot sign without."""
        ...

    async def person(self, answer: str) -> None:
        """Somebody says `approve` or `decline` to what is asked now, or lets it `expire`."""
        ...

    async def asked(self) -> int:
        """How often somebody was asked, ever."""
        ...

    async def sealed(self, prepared: Prepared) -> SignatureAsk:
        """What the performer asks for a prepared document."""
        ...


def made(bench: Bench, text: str = "một") -> Prepared:
    """A document ready for the bench's certificate."""
    at = datetime.now(UTC)
    return SHAPES["agency"].prepare(DOCUMENT.format(text).encode(), bench.profile.certificate_der, at, "Hoso/CKy_Dvi")


def plain_ask(prepared: Prepared) -> SignatureAsk:
    return SignatureAsk(prepared.digest, "04_DK-IVAN.xml", "04/ĐK-IVAN TZ1234Z Công ty Đèn Lồng")


async def settled(
    signer: Callable[[], KeySigner], name: str, asks: Sequence[SignatureAsk], seconds: float = 20
) -> Answer:
    """The last word, asked for by a signer that is made anew for every look."""

    async def look() -> Answer | None:
        answer = await signer().sign(name, asks)
        return None if isinstance(answer, NotYet | Waiting) else answer

    found = await eventually(look, "the signature's last word", seconds)
    assert found is not None
    return found


async def waiting(signer: Callable[[], KeySigner], name: str, asks: Sequence[SignatureAsk]) -> Waiting:
    """Once somebody is awaited."""

    async def look() -> Waiting | None:
        answer = await signer().sign(name, asks)
        assert isinstance(answer, NotYet | Waiting), answer
        return answer if isinstance(answer, Waiting) else None

    found = await eventually(look, "somebody to be awaited")
    assert found is not None
    return found


# --- pkcs12 -----------------------------------------------------------------------------------------------------


@dataclass
class Pkcs12Bench:
    """A key of our own: nobody is asked."""

    profile: SigningProfile
    asks_people: bool = False

    def signer(self, profile: SigningProfile | None = None) -> KeySigner:
        return Pkcs12KeySigner(profile or self.profile)

    def broken(self) -> SigningProfile:
        return replace(self.profile, private_key_der=None)

    async def person(self, answer: str) -> None:
        raise AssertionError("nobody is asked")

    async def asked(self) -> int:
        return 0

    async def sealed(self, prepared: Prepared) -> SignatureAsk:
        return plain_ask(prepared)


@contextlib.asynccontextmanager
async def pkcs12_bench(db: Database, folder: Path) -> AsyncIterator[Pkcs12Bench]:
    unit = employer()
    yield Pkcs12Bench(SigningProfile(uuid4(), "chính", "pkcs12", unit.der, unit.key_der))


# --- misa_esign -------------------------------------------------------------------------------------------------


@dataclass
class EsignBench:
    """A director's phone at the simulated service."""

    service: Esign
    shared: MisaEsign
    profile: SigningProfile
    certificates: list[Certificate]
    moved: timedelta = field(default=timedelta(0))
    """How far the world's clock was moved."""
    asks_people: bool = True

    def signer(self, profile: SigningProfile | None = None) -> KeySigner:
        return self.shared(profile or self.profile)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.moved

    async def later(self, by: timedelta) -> None:
        """The world's clock moves, here and at the service."""
        self.moved += by
        await self.service.clock(self.now())

    def broken(self) -> SigningProfile:
        return replace(self.profile, private_key_der=None)

    async def person(self, answer: str) -> None:
        if answer == "expire":
            await self.later(timedelta(minutes=6))
        else:
            assert await self.service.answer(answer)

    async def asked(self) -> int:
        return len(await self.service.prompts())

    async def sealed(self, prepared: Prepared) -> SignatureAsk:
        return plain_ask(prepared)


USER = "giamdoc@denlong.example"


@contextlib.asynccontextmanager
async def esign_bench(db: Database, folder: Path) -> AsyncIterator[EsignBench]:
    KeyRing.make(folder / "vault.key")
    vault = Vault(db.pool, KeyRing.read(folder / "vault.key"))
    async with esign(folder / "esign") as service, Line() as line:
        certificates = await service.person(USER, {})
        profile = SigningProfile(
            uuid4(), "điện thoại", "misa_esign", certificates[0].der, service.account(USER).to_bytes(), tenant="acme"
        )
        shared = MisaEsign(db.pool, vault, lambda: bench.now(), line, timedelta(0))
        bench = EsignBench(service, shared, profile, certificates)
        yield bench


# --- agent ------------------------------------------------------------------------------------------------------


@dataclass
class AgentBench:
    """A person at the keyboard of a workstation, with a token in it."""

    house: DeskHouse
    workstation: Workstation
    keyboard: asyncio.StreamWriter
    profile: SigningProfile
    asks_people: bool = True

    def signer(self, profile: SigningProfile | None = None) -> KeySigner:
        return AgentKeys(self.house.desk)(profile or self.profile)

    def broken(self) -> SigningProfile:
        return replace(self.profile, certificate_der=b"broken")

    async def person(self, answer: str) -> None:
        await self.asked()
        if answer == "expire":
            self.house.moved += PATIENCE + timedelta(seconds=1)
        self.keyboard.write({"approve": b"k\n", "decline": b"t\n", "expire": b"s\n"}[answer])

    async def asked(self) -> int:
        """Every question is shown sooner or later; one that is shown twice counts twice."""
        put = await self.house.db.pool.fetchval("select count(*) from signer.agent_question")

        async def shown() -> bool:
            return self.workstation.said.count("[k]") >= put

        await eventually(shown, "the questions to be shown at the workstation")
        return self.workstation.said.count("[k]")

    async def sealed(self, prepared: Prepared) -> SignatureAsk:
        kept = await self.house.vault.put(self.profile.tenant, uuid4(), "evidence", prepared.to_bytes())
        return replace(plain_ask(prepared), kept=kept)


@contextlib.asynccontextmanager
async def agent_bench(db: Database, folder: Path) -> AsyncIterator[AgentBench]:
    KeyRing.make(folder / "vault.key")
    reader = Reader.made(folder / "reader")
    await asyncio.to_thread(reader.plug_in, employer(key="token"), "token")
    house = DeskHouse(db, Vault(db.pool, KeyRing.read(folder / "vault.key")), folder)
    await house.open()
    workstation = Workstation(house, reader, folder / "workstation")
    try:
        status, said = await workstation.enrol(await house.code())
        assert status == 0, said
        process = await workstation.start()
        assert process.stdin is not None
        yield AgentBench(house, workstation, process.stdin, await house.profile())
    finally:
        await workstation.stop()
        await house.close()


# --- pkcs11 -----------------------------------------------------------------------------------------------------


@dataclass
class Pkcs11Bench:
    """A token in the server itself: nobody is asked, and a child of the signer has it."""

    profile: SigningProfile
    keys: Pkcs11Keys
    opened: dict[bytes, KeySigner] = field(default_factory=dict)
    asks_people: bool = False

    def signer(self, profile: SigningProfile | None = None) -> KeySigner:
        """One child has the token, as one signer's process does."""
        wanted = profile or self.profile
        sealed = wanted.private_key_der or b""
        if sealed not in self.opened:
            self.opened[sealed] = self.keys(wanted)
        return self.opened[sealed]

    def broken(self) -> SigningProfile:
        return replace(self.profile, private_key_der=b"")

    async def person(self, answer: str) -> None:
        raise AssertionError("nobody is asked")

    async def asked(self) -> int:
        return 0

    async def sealed(self, prepared: Prepared) -> SignatureAsk:
        return plain_ask(prepared)


@contextlib.asynccontextmanager
async def pkcs11_bench(db: Database, folder: Path) -> AsyncIterator[Pkcs11Bench]:
    reader = Reader.made(folder / "reader")
    owner = employer(key="token")
    await asyncio.to_thread(reader.plug_in, owner, "token")
    pin = folder / "pin"
    pin.write_text(PIN)
    pin.chmod(0o600)
    place = TokenPlace(reader.spy, str(pin))
    profile = SigningProfile(uuid4(), "máy chủ", "pkcs11", owner.der, place.to_bytes(), tenant="acme")
    before = dict(os.environ)
    os.environ.update(reader.env | {"TMPDIR": str(folder)})
    bench = Pkcs11Bench(profile, Pkcs11Keys(folder / "tokens"))
    try:
        yield bench
    finally:
        os.environ.clear()
        os.environ.update(before)
        for signer in bench.opened.values():
            assert isinstance(signer, Pkcs11KeySigner)
            await signer.close()


BENCHES: dict[str, Callable[[Database, Path], AbstractAsyncContextManager[Bench]]] = {
    "pkcs12": pkcs12_bench,
    "misa_esign": esign_bench,
    "agent": agent_bench,
    "pkcs11": pkcs11_bench,
}
PEOPLE = [name for name in BENCHES if name not in ("pkcs12", "pkcs11")]
"""Those whose signatures somebody has to approve."""

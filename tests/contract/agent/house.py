"""A desk over HTTPS on a real database, with an ear on the wire; and workstations as processes of their own."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from app.adapters import SigningProfiles
from hoso.setup.registry import SetUp
from hoso.store.postgres import Database
from hoso.store.vault import Vault
from services.signer.desk import Desk
from services.signer.desk_agents import Agents, new_code
from services.signer.desk_http import Slowly, build_app
from services.signer.keys.agent import AgentKeys
from services.signer.keys.port import Answer, SignatureAsk
from services.signer.ports import SigningProfile
from services.signer.profiles.agency import AgencyProfile
from services.signer.profiles.port import Prepared
from tests.contract.agent.tokens import PIN, Reader
from tests.contract.signing.pki import AT
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[3]
SLOT = "Hoso/CKy_Dvi"
Message = dict[str, Any]


def document(unit: str = "Công ty TNHH Đèn lồng <Hội An> & Con") -> bytes:
    name = unit.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return (
        f"<Hoso><NoiDung><TEN_DVI>{name}</TEN_DVI><MA_DVI>TZ1234Z</MA_DVI><MST>0101234567</MST><TEN_THUTUC>Thử</TEN_THUTUC>"
        "<TEN_IVAN>Nhà cung cấp THỬ</TEN_IVAN></NoiDung><CKy_Dvi></CKy_Dvi></Hoso>"
    ).encode()


def tls(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, made now, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "desk")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "desk.crt", folder / "desk.key"
    cert_file.write_bytes(certificate.public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return cert_file, key_file


@dataclass
class Wire:
    """What passes between workstations and the desk, in the open: inside TLS, before the desk."""

    app: Any
    heard: list[tuple[str, list[tuple[bytes, bytes]], bytes]] = field(default_factory=list)
    """Path, headers, body of every request."""
    hold: str = ""
    """Requests to this path are heard and never answered."""
    lie: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    """What workstations are told instead."""

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        body, more = b"", True
        while more:
            part = await receive()
            if part["type"] == "http.disconnect":
                return
            body, more = body + part.get("body", b""), part.get("more_body", False)
        self.heard.append((scope["path"], list(scope["headers"]), body))
        if self.hold == scope["path"]:
            await receive()  # until the workstation is gone
            return
        given = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return given.pop() if given else await receive()

        if self.lie is None:
            await self.app(scope, replay, send)
            return
        start: list[Message] = []
        said = b""

        async def gather(message: Message) -> None:
            nonlocal said
            if message["type"] == "http.response.start":
                start.append(message)
            else:
                said += message.get("body", b"")

        await self.app(scope, replay, gather)
        if start[0]["status"] == 200:
            said = json.dumps(self.lie(json.loads(said))).encode()
        headers = [(k, v) for k, v in start[0]["headers"] if k != b"content-length"]
        await send({**start[0], "headers": [*headers, (b"content-length", str(len(said)).encode())]})
        await send({"type": "http.response.body", "body": said})


class DeskHouse:
    """A desk that listens, and what a signer keeps for it."""

    def __init__(self, db: Database, vault: Vault, folder: Path, at: datetime = AT) -> None:
        """`at` is the world's time; `moved` moves it."""
        self.moved = timedelta(0)

        def now() -> datetime:
            return at + self.moved

        self.db, self.vault, self.folder = db, vault, folder
        self.set_up = SetUp(db.pool, vault)
        self.desk = Desk(db.pool, vault, now)
        self.profiles = SigningProfiles(self.set_up)
        self.agents = Agents(db.pool, self.profiles, self.set_up, now)
        self.wire = Wire(build_app(self.desk, self.agents, Slowly(each=200, together=500)))
        self.certificate, self._key = tls(folder)
        self.address = ""
        self._server = uvicorn.Server(
            uvicorn.Config(
                self.wire,
                port=0,
                log_config=None,
                lifespan="off",
                timeout_graceful_shutdown=1,
                ssl_certfile=str(self.certificate),
                ssl_keyfile=str(self._key),
            )
        )
        self._serving: asyncio.Task[None] | None = None

    async def open(self) -> None:
        self._server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        self._serving = asyncio.create_task(self._server.serve())

        async def started() -> bool:
            return self._server.started

        await eventually(started, "the desk to listen")
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.address = f"https://127.0.0.1:{port}"

    async def close(self) -> None:
        self._server.should_exit = self._server.force_exit = True
        assert self._serving is not None
        await self._serving

    async def code(
        self, tenant: str = "acme", profile: str = "main", lifetime: timedelta = timedelta(minutes=5)
    ) -> str:
        await self.set_up.add_tenant(tenant, tenant, "test")
        return (await new_code(self.db.pool, tenant, profile, "test", lifetime))[1]

    async def profile(self, tenant: str = "acme", name: str = "main") -> SigningProfile:
        id_: UUID = await self.db.pool.fetchval(
            "select id from store.profile where tenant = $1 and name = $2 and not removed", tenant, name
        )
        found = await self.profiles.load(tenant, id_)
        assert found is not None
        return found

    async def prepared(self, profile: SigningProfile, *documents: bytes) -> list[tuple[Prepared, SignatureAsk]]:
        """Documents ready to be signed, sealed, and what is asked about them."""
        shape, found = AgencyProfile(), []
        for number, xml in enumerate(documents or (document(),)):
            one = shape.prepare(xml, profile.certificate_der, AT, SLOT)
            ref = await self.vault.put(profile.tenant, uuid4(), "evidence", one.to_bytes())
            found.append((one, SignatureAsk(one.digest, f"04_DK-IVAN-{number}.xml", "04/ĐK-IVAN TZ1234Z", ref)))
        return found

    async def ask(self, profile: SigningProfile, name: str, asks: list[tuple[Prepared, SignatureAsk]]) -> Answer:
        return await AgentKeys(self.desk)(profile).sign(name, [ask for _, ask in asks])


class Workstation:
    """`hoso-agent` with a folder of its own, at one reader."""

    def __init__(self, house: DeskHouse, reader: Reader, folder: Path) -> None:
        self.house, self.reader, self.folder = house, reader, folder
        folder.mkdir(parents=True, exist_ok=True)
        self.running: list[asyncio.subprocess.Process] = []
        self.said = ""

    def _words(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "agent", "--state", str(self.folder / "state"), *words]

    def pin_file(self, pin: str) -> str:
        file = self.folder / "pin"
        file.write_text(pin + "\n")
        file.chmod(0o600)
        return str(file)

    def _env(self) -> dict[str, str]:
        return {**self.reader.env, "TMPDIR": str(self.reader.folder), "PYTHONPATH": str(ROOT)}

    async def do(self, *words: str, typed: str = "") -> tuple[int, str]:
        """Run a command to its end; its exit status and everything it said."""
        process = await asyncio.create_subprocess_exec(
            *self._words(*words),
            env=self._env(),
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        said, _ = await process.communicate(typed.encode())
        assert process.returncode is not None
        return process.returncode, said.decode()

    async def enrol(self, code: str, pin: str = PIN, *more: str, server: str = "") -> tuple[int, str]:
        words = ["enrol", "--server", server or self.house.address, "--ca", str(self.house.certificate)]
        words += ["--module", self.reader.spy, "--pin-file", self.pin_file(pin), *more]
        return await self.do(*words, typed=code + "\n")

    async def start(self, *words: str, pin: str = PIN) -> asyncio.subprocess.Process:
        """Run until told otherwise; the person's keyboard is `stdin`."""
        command = self._words("run", "--look-every", "0.1", "--wait", "5", "--pin-file", self.pin_file(pin), *words)
        process = await asyncio.create_subprocess_exec(
            *command,
            env=self._env(),
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.running.append(process)
        asyncio.get_running_loop().create_task(self._listen(process))
        return process

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while part := await process.stdout.read(4096):
            self.said += part.decode("utf-8", "replace")

    async def says(self, text: str) -> None:
        async def said() -> bool:
            return text in self.said

        try:
            await eventually(said, f"“{text}” from the workstation", 20)
        except AssertionError as error:
            raise AssertionError(f"{error}; it said: {self.said}") from None

    async def stop(self) -> None:
        for process in self.running:
            if process.returncode is None:
                process.kill()
            await process.wait()
        self.running = []

"""The people who sign in the demo: a director with a phone (remote signing), an accountant with a USB token at a workstation.

The token is SoftHSM2 in a folder of this world. Where that is not installed, the rows that want a token are signed with key files,
and the demo says so.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs12 import load_key_and_certificates

from demo.api import Api, told
from demo.keys import Authority
from demo.world import World
from hoso.runtime.failures import HosoError

LOOKS_AFTER = timedelta(minutes=4)
"""Of the world's time: so long a prompt lies on the phone before the director sees it."""
SOFTHSM = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/libsofthsm2.so",
)
_CERTIFICATE_IN = """
import sys
from pathlib import Path
import pkcs11
from pkcs11 import Attribute, CertificateType, ObjectClass
module, label, pin, certificate = sys.argv[1:]
with pkcs11.lib(module).get_token(token_label=label).open(rw=True, user_pin=pin) as session:
    session.create_object({
        Attribute.CLASS: ObjectClass.CERTIFICATE, Attribute.CERTIFICATE_TYPE: CertificateType.X_509, Attribute.TOKEN: True,
        Attribute.PRIVATE: False, Attribute.ID: b"\\1", Attribute.LABEL: label, Attribute.SUBJECT: b"", Attribute.VALUE: Path(certificate).read_bytes(),
    })
"""


@dataclass
class Phone:
    """Directors' phones at the simulated signing service."""

    url: str
    approved: int = 0
    _users: dict[str, str] = field(default_factory=dict)

    async def tell(self, address: str) -> None:
        """The service tells hoso's ear for messages what was decided on phones."""
        async with Api(self.url) as service:
            await service.ask("PUT", "/admin/webhook", {"url": f"http://{address}/esign/messages"})

    async def declare(self, api: Api, name: str, tax_code: str, employer: str) -> None:
        """An account at the service and a signing profile of it, over HTTP; the one-time code is read off the phone."""
        user, password = f"giamdoc-{tax_code}@demo.example", secrets.token_urlsafe(9)
        async with Api(self.url) as service:
            person = {"name": user, "password": password, "two_factor": True}
            person |= {"certificates": [{"tax_code": tax_code, "name": employer}]}
            await service.ask("POST", "/admin/people", person)
            wish = {"name": name, "user": user, "password": password, "host": self.url}
            wish |= {"client_id": "hoso", "client_key": "hoso-key"}
            status, said = await api.try_("POST", "/v1/profiles/esign", wish)
            if status == 409:
                people = (await service.ask("GET", "/ledger"))["people"]
                code = next(person["otp"] for person in people if person["name"] == user)
                status, said = await api.try_("POST", "/v1/profiles/esign", {**wish, "code": code})
            if status >= 300:
                raise HosoError(f"profile {name}: {told(said)}")

    async def waiting(self) -> list[datetime]:
        """When the directors will look at the prompts that lie on their phones."""
        async with Api(self.url) as service:
            prompts = (await service.ask("GET", "/ledger"))["prompts"]
        return [
            datetime.fromtimestamp(one["opened"]).astimezone() + LOOKS_AFTER
            for one in prompts
            if one["state"] == "PENDING"
        ]

    async def look(self, now: datetime) -> int:
        """Approve what has lain there long enough; how many prompts."""
        if not any(at <= now for at in await self.waiting()):
            return 0
        async with Api(self.url) as service:
            changed = int((await service.ask("POST", "/admin/prompts", {"answer": "approve"}))["changed"])
        self.approved += changed
        return changed


def module() -> str | None:
    """The library of SoftHSM2 on this machine; None without it."""
    found = next((path for path in SOFTHSM if Path(path).exists()), None)
    return found if found and shutil.which("softhsm2-util") else None


@dataclass
class Workstation:
    """One workstation with one token in it."""

    world: World
    library: str
    number: int

    @property
    def folder(self) -> Path:
        """Its own."""
        return self.world.folder / f"workstation-{self.number}"

    def _environment(self) -> dict[str, str]:
        return {"SOFTHSM2_CONF": str(self.folder / "softhsm2.conf")}

    def plug_in(self, authority: Authority, tax_code: str, employer: str) -> None:
        """A token with the employer's key and certificate. Raises HosoError."""
        (self.folder / "tokens").mkdir(parents=True)
        (self.folder / "softhsm2.conf").write_text(
            f"directories.tokendir = {self.folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
        )
        pin = str(10**5 + secrets.randbelow(9 * 10**5))
        pin_file = self.folder / "pin"
        pin_file.touch(mode=0o600)
        pin_file.write_text(f"{pin}\n")
        key, certificate, _ = load_key_and_certificates(authority.pkcs12(tax_code, employer, "demo"), b"demo")
        assert key is not None
        assert certificate is not None
        key_file, certificate_file = self.folder / "key.pem", self.folder / "certificate.der"
        key_file.touch(mode=0o600)
        key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        certificate_file.write_bytes(certificate.public_bytes(Encoding.DER))
        label = f"hoso demo {self.number}"
        init = ["softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", "87654321", "--pin", pin]
        put = ["softhsm2-util", "--import", str(key_file), "--token", label, "--label", label, "--id", "01"]
        plant = [sys.executable, "-c", _CERTIFICATE_IN, self.library, label, pin, str(certificate_file)]
        for command in (init, [*put, "--pin", pin], plant):
            done = subprocess.run(
                command, env={**os.environ, **self._environment()}, capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise HosoError(f"the token could not be made: {done.stderr.strip()[-300:]}")
        key_file.unlink()

    def enrol(self, server: str, code: str) -> None:
        """Enrol with the one-time code, then sign whatever comes. Raises HosoError."""
        code_file = self.folder / "code"
        code_file.touch(mode=0o600)
        code_file.write_text(f"{code}\n")
        who = ["--state", str(self.folder / "state")]
        pin = ["--pin-file", str(self.folder / "pin")]
        words = ["enrol", "--server", server, "--module", self.library, "--code-file", str(code_file), *pin]
        done = subprocess.run(
            [sys.executable, "-m", "agent", *who, *words],
            env={**os.environ, **self._environment()},
            cwd=self.folder,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode:
            raise HosoError(f"the workstation could not enrol: {(done.stderr or done.stdout).strip()[-300:]}")
        run = ["agent", *who, "run", "--approve-all", "--wait", "5", "--look-every", "0.5", *pin]
        self.world.start(f"workstation-{self.number}", *run, environment=self._environment())

"""Real tokens: SoftHSM2 below a test's folder, and a spy between it and the agent that counts what the token was asked.

Nothing here loads a PKCS#11 library into the test's own process: it has threads.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.contract.signing.pki import Employer
from tests.support.needs import absent

PIN = "271828"
WRONG_PIN = "314159"
_MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/libsofthsm2.so",
)
_SPIES = (
    "/usr/lib/x86_64-linux-gnu/pkcs11-spy.so",
    "/usr/lib/aarch64-linux-gnu/pkcs11-spy.so",
    "/usr/lib64/pkcs11/pkcs11-spy.so",
)

_PLANT = """
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


def _first(paths: tuple[str, ...], package: str) -> str:
    found = next((path for path in paths if Path(path).exists()), None)
    if found is None:
        absent(f"{package} is not installed: apt-get install {package}")
    return found


@dataclass(frozen=True)
class Reader:
    """A place where tokens are plugged in and pulled out."""

    folder: Path
    module: str
    spy: str

    @classmethod
    def made(cls, folder: Path) -> Reader:
        module, spy = _first(_MODULES, "softhsm2"), _first(_SPIES, "opensc-pkcs11")
        if shutil.which("softhsm2-util") is None:
            _first((), "softhsm2")
        (folder / "tokens").mkdir(parents=True)
        (folder / "softhsm2.conf").write_text(
            f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
        )
        return cls(folder, module, spy)

    @property
    def env(self) -> dict[str, str]:
        """What a process that uses the spied-on module needs."""
        return {
            **os.environ,
            "SOFTHSM2_CONF": str(self.folder / "softhsm2.conf"),
            "PKCS11SPY": self.module,
            "PKCS11SPY_OUTPUT": str(self.folder / "spy.log"),
        }

    def plug_in(self, owner: Employer, label: str, pin: str = PIN) -> Path:
        """A new token with the owner's key and certificate; its folder."""
        before = set((self.folder / "tokens").iterdir())
        key, certificate = self.folder / f"{label}.key", self.folder / f"{label}.der"
        key.write_bytes(owner.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        certificate.write_bytes(owner.der)
        for command in (
            ["softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", "87654321", "--pin", pin],
            ["softhsm2-util", "--import", str(key), "--token", label, "--label", label, "--id", "01", "--pin", pin],
            [sys.executable, "-c", _PLANT, self.module, label, pin, str(certificate)],
        ):
            subprocess.run(command, env=self.env, check=True, capture_output=True)
        key.unlink()
        (made,) = set((self.folder / "tokens").iterdir()) - before
        return made

    def pull_out(self, token: Path) -> Path:
        """The token is nowhere; the path to plug it in again with `Path.rename`."""
        return token.rename(self.folder / "pulled-out")

    def count(self, call: str) -> int:
        """How often the token was asked `call`, by every process until now."""
        log = self.folder / "spy.log"
        return (
            len(re.findall(rf"^\d+: {call}$", log.read_text("utf-8", "replace"), re.MULTILINE)) if log.exists() else 0
        )

    def flag(self, token: Path, flag: int) -> None:
        """Set a flag of the token, as a device does; SoftHSM never sets FINAL_TRY itself."""
        file = token / "token.object"
        data = bytearray(file.read_bytes())
        mark = (0x8000534B).to_bytes(8, "big")  # CKA_OS_TOKENFLAGS of SoftHSM, then its kind, then the value
        at = data.index(mark) + 16
        flags = int.from_bytes(data[at : at + 8], "big") | flag
        data[at : at + 8] = flags.to_bytes(8, "big")
        file.write_bytes(data)

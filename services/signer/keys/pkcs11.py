"""A key in a token or HSM plugged into the server: signed by a child process that has it for itself.

python-pkcs11 crashes with two threads and vendors' libraries crash by themselves, so no library is loaded here. The child
(`hoso-agent here`) keeps the token's lock and the PIN rules of docs/agent.md; the PIN is in a file only this user can read.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

from hoso.runtime.failures import Transient
from hoso.runtime.steps import NotYet
from services.signer.keys.port import Answer, SignatureAsk, Signatures, UnusableKey, Waiting
from services.signer.ports import SigningProfile

ANSWER_S = 20.0
"""How long the token may take for one round; below the lane's limit."""
QUEUE = 8
"""Rounds that wait for one token in this process; others come again."""


@dataclass(frozen=True, slots=True)
class TokenPlace:
    """Where the token and its PIN are; what is sealed with the profile."""

    module: str
    pin_file: str

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, data: bytes | None) -> TokenPlace:
        """Raises UnusableKey."""
        try:
            return cls(**json.loads(data or b""))
        except (ValueError, TypeError):
            raise UnusableKey(
                "Cấu hình token của máy chủ bị thiếu; hãy khai báo lại bằng `hoso profile add-token`."
            ) from None


class Pkcs11Keys:
    """`Backend`: tokens of this machine. `state`: the folder where it is remembered that a PIN is suspect."""

    asks_people: ClassVar[bool] = False

    def __init__(self, state: Path) -> None:
        self._state = state
        self._last: dict[bytes, Pkcs11KeySigner] = {}

    def __call__(self, profile: SigningProfile) -> Pkcs11KeySigner:
        """One token has one child: an earlier one of the same certificate, declared otherwise, ends."""
        signer = Pkcs11KeySigner(profile, TokenPlace.from_bytes(profile.private_key_der), self._state)
        earlier = self._last.get(profile.certificate_der)
        if earlier is not None:
            earlier.abandon()
        self._last[profile.certificate_der] = signer
        return signer


class Pkcs11KeySigner:
    """`KeySigner` of one token. Its child is started when it is needed and anew when it ended."""

    asks_people: ClassVar[bool] = False

    def __init__(self, profile: SigningProfile, place: TokenPlace, state: Path) -> None:
        self._certificate, self._place, self._state = profile.certificate_der, place, state
        self._child: asyncio.subprocess.Process | None = None
        self._one = asyncio.Lock()
        self._queue = 0

    async def sign(self, name: str, asks: Sequence[SignatureAsk]) -> Answer:
        """Raises Transient when the child died or the token did not answer in time: signing anew is harmless."""
        if self._queue >= QUEUE:
            return NotYet(timedelta(seconds=1))
        self._queue += 1
        try:
            async with self._one:
                said = await self._ask({"digests": [ask.digest.hex() for ask in asks]})
        finally:
            self._queue -= 1
        if "signatures" in said:
            return Signatures(tuple(b64decode(value) for value in said["signatures"]))
        if said.get("status") == "pin-suspect":
            await self.close()  # it holds the wrong PIN; the next child knows from the file that it may not try
            return Waiting("pin-suspect", _on_server(said["text"], self._state), timedelta(seconds=30))
        return Waiting("token-absent", str(said.get("text", "")), timedelta(seconds=5))

    async def _ask(self, what: dict[str, Any]) -> dict[str, Any]:
        child = await self._running()
        assert child.stdin is not None
        assert child.stdout is not None
        line = b""
        try:
            child.stdin.write(json.dumps(what).encode() + b"\n")
            async with asyncio.timeout(ANSWER_S):
                await child.stdin.drain()
                line = await child.stdout.readline()
        except (TimeoutError, ConnectionError, ValueError) as error:
            await self.close()
            raise Transient(f"the token's process gave no answer: {type(error).__name__}") from error
        except asyncio.CancelledError:
            self.abandon()  # its answer would be taken for the next question's
            raise
        if line:
            said: dict[str, Any] = json.loads(line)
            return said
        assert child.stderr is not None
        why = (await child.stderr.read()).decode("utf-8", "replace").strip().removeprefix("hoso-agent: ")[-500:]
        status = await child.wait()
        self._child = None
        if status == 1:
            return {"status": "token-absent", "text": why}  # somebody else has the token
        if status == 2:
            raise UnusableKey(why or "Không dùng được token của máy chủ; hãy kiểm tra cấu hình.")
        raise Transient(f"the token's process ended with {status}")

    async def _running(self) -> asyncio.subprocess.Process:
        if self._child is None or self._child.returncode is not None:
            self._state.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = self._state / f"{sha256(self._certificate).hexdigest()}.der"
            file.write_bytes(self._certificate)
            words = [
                "--state",
                str(self._state),
                "here",
                "--module",
                self._place.module,
                "--certificate-file",
                str(file),
            ]
            self._child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "agent", *words, "--pin-file", self._place.pin_file),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        return self._child

    def abandon(self) -> None:
        """End the child without waiting for it."""
        child, self._child = self._child, None
        if child is not None and child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()

    async def close(self) -> None:
        """End the child; the token's lock is free afterwards."""
        child, self._child = self._child, None
        if child is not None and child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()


def _on_server(text: str, state: Path) -> str:
    return text.replace("`hoso-agent reset-pin-suspect`", f"`hoso-agent --state {state} reset-pin-suspect`").replace(
        ", rồi chạy lại chương trình", ""
    )

"""Tokens plugged into this server, looked at without their PIN."""

from __future__ import annotations

import asyncio
import json
import sys
from base64 import b64decode

from app.words import text
from hoso.domain.certificates import facts
from hoso.runtime.failures import HosoError
from hoso.setup.declarations import Profile
from services.signer.keys.pkcs11 import TokenPlace
from services.signer.keys.port import UnusableKey


async def certificate_on(module: str, wanted: str) -> bytes:
    """The certificate that is meant, read by a process of its own: a token's library is never loaded here. Raises HosoError."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agent", "tokens", "--module", module, "--json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    if process.returncode not in (0, 1) or not out:
        raise HosoError(err.decode("utf-8", "replace").strip().removeprefix("hoso-agent: "))
    low = wanted.lower().replace(":", "").lstrip("0")
    found = {
        one["certificate"]: one["serial"]
        for one in json.loads(out)
        if not low or one["sha256"].lstrip("0").startswith(low) or one["serial"].lower().lstrip("0") == low
    }
    if len(found) != 1:
        raise HosoError(text("agent.certificates", module=module, serials=", ".join(found.values()) or "-"))
    return b64decode(next(iter(found)))


async def check(profile: Profile) -> None:
    """The profile's token is plugged in. Its PIN is not tried: the signer has the token. Raises UnusableKey."""
    try:
        await certificate_on(TokenPlace.from_bytes(profile.key).module, facts(profile.certificate).sha256)
    except HosoError as error:
        raise UnusableKey(str(error)) from error

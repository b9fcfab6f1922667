"""Remote signing services wired into the house: declaring an account, logging in, and listening to its messages."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
from aiohttp import web

from app import server_tokens
from app.house import House
from hoso.domain.certificates import CertificateFacts, facts
from hoso.process.ops_http import is_loopback, split_address
from hoso.runtime.failures import HosoError, OutcomeUnknown, SettingsError, Transient
from hoso.runtime.kernel import Kernel
from hoso.setup.declarations import Profile
from hoso.setup.registry import SetUp
from hoso.store.vault import Vault
from services.signer.desk import Desk
from services.signer.keys.misa_account import Account, checked_host
from services.signer.keys.misa_esign import MisaEsign
from services.signer.keys.misa_wire import (
    CodeNeeded,
    Line,
    MisaWire,
    RefusedByService,
    RemoteCertificate,
    Tokens,
    Unauthorised,
)
from services.signer.keys.port import UnusableKey, Waiting
from services.signer.ports import SigningProfile
from services.signer.webhook import PATH, EsignMessages

BACKEND = "misa_esign"


class CodeWanted(HosoError):
    """The account's owner was sent a one-time code: do the same again with it."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to be declared."""

    name: str
    account: Account
    serial: str = ""
    """Which certificate: its serial number or SHA-256, hexadecimal; empty when the account has one."""


@dataclass(frozen=True, slots=True)
class Remote:
    """What declaring and logging in stand on."""

    set_up: SetUp
    backend: MisaEsign
    desk: Desk

    async def declare(self, tenant: str, wish: Wish, code: str, actor: str) -> CertificateFacts:
        """Log in (with the one-time `code`, if there is one), find the certificate, seal the account, stay logged in.

        Raises CodeWanted, HosoError.
        """
        account = wish.account
        checked_host(account.host)
        wire = MisaWire(account, self.backend.line)
        try:
            tokens = await (wire.give_code(code) if code else wire.login())
            found = await wire.certificates(tokens.access)
        except CodeNeeded:
            raise CodeWanted(f"MISA eSign sent a one-time code to {account.user}: give it") from None
        except (RefusedByService, Unauthorised) as error:
            raise HosoError(f"MISA eSign refused: {error}") from error
        except (Transient, OutcomeUnknown) as error:
            raise HosoError(f"MISA eSign did not answer: {error}") from error
        certificate = named(found, wish.serial)
        id_ = await self.set_up.put_profile(tenant, wish.name, BACKEND, certificate.der, account.to_bytes(), actor)
        await self._keep(tenant, id_, wish, certificate, tokens)
        return facts(certificate.der)

    async def _keep(self, tenant: str, id_: Any, wish: Wish, certificate: RemoteCertificate, tokens: Tokens) -> None:
        profile = SigningProfile(id_, wish.name, BACKEND, certificate.der, wish.account.to_bytes(), tenant=tenant)
        await self.backend.login(profile).keep(tokens)

    async def log_in(self, tenant: str, name: str, code: str, resend: bool) -> bool:
        """Give the one-time code, have a new one sent, or (neither) try the log-in anew; whether it is logged in now.

        Raises HosoError.
        """
        login = self.backend.login(await self.profile(tenant, name))
        try:
            if resend:
                await login.resend_code()
                return False
            if code:
                await login.give_code(code)
                return True
            return not isinstance(await login.anew(), Waiting)
        except UnusableKey as error:
            raise HosoError(str(error)) from error
        except Transient as error:
            raise HosoError(f"MISA eSign did not answer: {error}") from error

    async def profile(self, tenant: str, name: str) -> SigningProfile:
        """The tenant's remote profile of that name. Raises HosoError."""
        known = next((p for p in await self.set_up.profiles(tenant) if p.name == name and p.backend == BACKEND), None)
        opened = await self.set_up.profile_with_key(tenant, known.id) if known is not None else None
        if opened is None:
            raise HosoError(f"there is no MISA eSign profile '{name}' of tenant '{tenant}'; see `hoso profile list`")
        return opened_as(opened)

    async def check(self, profile: Profile) -> None:
        """Logged in, and the very certificate in use there; of a workstation: online, its token in it. Nobody is asked to
        approve anything. Raises UnusableKey."""
        if profile.backend == "agent":
            await self.desk.check(opened_as(profile))
            return
        if profile.backend == "pkcs11":
            await server_tokens.check(profile)
            return
        try:
            answer = await self.backend(opened_as(profile)).check()
        except Transient as error:
            raise UnusableKey(str(error)) from error
        if isinstance(answer, Waiting):
            raise UnusableKey(answer.text)


def opened_as(profile: Profile) -> SigningProfile:
    """The registry's profile in the signer's shape."""
    return SigningProfile(
        profile.id, profile.name, profile.backend, profile.certificate, profile.key, tenant=profile.tenant
    )


def named(found: list[RemoteCertificate], serial: str) -> RemoteCertificate:
    """The certificate in use that was meant. Raises HosoError: none, or several and none named."""
    active = [(one, facts(one.der)) for one in found if one.active]
    if not active:
        raise HosoError("the MISA eSign account has no certificate in use: look there, then declare it again")
    wanted = _digits(serial)  # with or without the zeros before it: programs show a serial number both ways
    meant = [one for one, known in active if not wanted or wanted in (_digits(known.serial), _digits(known.sha256))]
    if len(meant) == 1:
        return meant[0]
    listed = "; ".join(
        f"{known.serial} ({known.subject_name}, MST {', '.join(known.tax_codes) or '-'}, {known.not_after:%d/%m/%Y})"
        for _, known in active
    )
    what = "has several certificates" if meant else f"has no certificate {serial} in use"
    raise HosoError(f"the MISA eSign account {what}: name one by its serial number: {listed}")


def _digits(number: str) -> str:
    return number.replace(":", "").replace(" ", "").lower().lstrip("0")


@contextlib.asynccontextmanager
async def remote(set_up: SetUp, pool: asyncpg.Pool, vault: Vault, now: Callable[[], datetime]) -> AsyncIterator[Remote]:
    """For a command or a request."""
    async with Line() as line:
        yield Remote(set_up, MisaEsign(pool, vault, now, line), Desk(pool, vault, now))


async def wire_esign(own: House, kernel: Kernel) -> tuple[MisaEsign, Callable[[], Awaitable[None]], dict[str, Any]]:
    """The backend of a signer's process, the job that listens and cleans up, and where it listens. Raises SettingsError."""
    backend = MisaEsign(own.db.pool, own.vault, kernel.clock.now, Line())
    runner, told = None, {}
    if own.settings.esign_messages:
        runner, address = await _listen(own)
        told = {"esign_messages": f"http://{address}{PATH}"}

    async def job() -> None:
        await kernel.drained.wait()
        if runner is not None:
            await runner.cleanup()
        await backend.line.close()

    return backend, job, told


async def _listen(own: House) -> tuple[web.AppRunner, str]:
    given = own.settings.esign_messages
    host, port = split_address(given)
    if not is_loopback(host):
        raise SettingsError(
            f"HOSO_ESIGN_MESSAGES={given} listens beyond this machine: use 127.0.0.1 and put a proxy with TLS before it"
        )
    runner = web.AppRunner(EsignMessages(own.db.pool).app(), access_log=None)
    await runner.setup()
    try:
        # two processes of the signer may share one port: a hint is written to the database, whoever hears it
        await web.TCPSite(runner, host, port, reuse_port=port != 0).start()
    except OSError as error:
        await runner.cleanup()
        raise SettingsError(
            f"HOSO_ESIGN_MESSAGES={given} cannot be used ({error.strerror}): choose another port, 0 lets the system choose"
        ) from error
    return runner, f"{host}:{runner.addresses[0][1]}"

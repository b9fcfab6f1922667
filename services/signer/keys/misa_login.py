"""Being logged in at MISA eSign: tokens sealed in the vault, one log-in at a time, nothing tried twice that could lock an account.

none ──log in──▶ in ──401, refresh fails──▶ none        code-needed: somebody was sent a one-time code
  └──▶ code-needed ──code given──▶ in                   refused: this password is wrong, and is not tried again
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from uuid import UUID

import asyncpg

from hoso.runtime.failures import HosoError, OutcomeUnknown, Transient
from hoso.runtime.steps import NotYet
from hoso.store.vault import Erased
from services.signer.keys.misa_account import Account
from services.signer.keys.misa_wire import CodeNeeded, Line, MisaWire, RefusedByService, Tokens, Unauthorised
from services.signer.keys.port import UnusableKey, Waiting
from services.signer.ports import Purpose

BUSY = timedelta(seconds=30)
"""How long a log-in may take before another process may begin one."""
LOOK_AGAIN = timedelta(seconds=5)
CODE_TEXT = (
    "MISA eSign cần mã xác thực hai lớp của tài khoản {user}; hãy nhập mã bằng `hoso profile login` hoặc trên màn hình cấu "
    "hình chữ ký số."
)


class SecretVault(Protocol):
    """The vault, as far as tokens need it."""

    async def put(self, tenant: str, scope: UUID, purpose: Purpose, data: bytes) -> UUID: ...

    async def get(self, ref: UUID) -> bytes: ...

    async def destroy(self, ref: UUID) -> None: ...


@dataclass(frozen=True, slots=True)
class Session:
    """Logged in."""

    tokens: Tokens
    ref: UUID
    """Where they are sealed: which log-in this is."""


class MisaLogin:
    """One profile's log-in, shared by all processes."""

    def __init__(
        self,
        profile: UUID,
        tenant: str,
        account: Account,
        pool: asyncpg.Pool,
        vault: SecretVault,
        line: Line,
    ) -> None:
        self._profile, self._tenant, self._account = profile, tenant, account
        self._pool, self._vault = pool, vault
        self._wire = MisaWire(account, line)
        self._held: Session | None = None

    async def session(self, stale: Session | None = None) -> Session | Waiting | NotYet:
        """Logged in; `stale`: that one was answered with 401. Raises UnusableKey, Transient."""
        row = await self._row()
        if row["state"] == "refused":
            raise UnusableKey(row["why"])
        if row["state"] == "code-needed":
            return self._code_needed()
        if row["state"] == "in" and (stale is None or stale.ref != row["tokens"]):
            try:
                return await self._opened(row["tokens"])
            except Erased:
                return NotYet(timedelta(seconds=1))  # somebody has newer ones
        mine = await self._pool.fetchval(
            "update signer.login set busy_until = now() + $2 where profile = $1 and (busy_until is null or busy_until < now()) "
            "and state in ('none', 'in') and tokens is not distinct from $3 returning true",
            self._profile,
            BUSY,
            row["tokens"],
        )
        if not mine:
            return NotYet(timedelta(seconds=1))
        try:
            return await self.keep(await self._log_in(stale))
        except CodeNeeded:
            await self._note("code-needed")
            return self._code_needed()
        except RefusedByService as error:
            why = f"MISA eSign không cho tài khoản {self._account.user} đăng nhập: {error}; hãy khai báo lại tài khoản."
            await self._note("refused", why)
            raise UnusableKey(why) from error
        except (Transient, OutcomeUnknown) as error:
            await self._pool.execute("update signer.login set busy_until = null where profile = $1", self._profile)
            raise Transient(f"logging in at the signing service: {error}") from error

    async def give_code(self, code: str) -> None:
        """The second factor, from a person: afterwards everybody is logged in. Raises HosoError when it is not taken."""
        try:
            await self.keep(await self._wire.give_code(code))
        except (RefusedByService, CodeNeeded, Unauthorised) as error:
            raise HosoError(f"MISA eSign did not take the code: {error}; ask for a new one with --resend") from error
        except (Transient, OutcomeUnknown) as error:
            raise HosoError(f"MISA eSign did not answer: {error}; try again") from error

    async def resend_code(self) -> None:
        """Have a new one-time code sent. Raises HosoError."""
        try:
            await self._wire.resend_code()
        except (RefusedByService, Unauthorised, Transient, OutcomeUnknown) as error:
            raise HosoError(f"MISA eSign did not send a code: {error}") from error

    async def anew(self) -> Session | Waiting | NotYet:
        """Log in although it was refused before: a person says that the account is in order. As `session`."""
        await self._row()
        await self._pool.execute(
            "update signer.login set state = 'none', tokens = null, why = '', busy_until = null where profile = $1",
            self._profile,
        )
        return await self.session()

    async def _log_in(self, stale: Session | None) -> Tokens:
        if stale is not None:
            try:
                return await self._wire.refresh(stale.tokens.refresh)
            except (RefusedByService, Unauthorised):
                pass  # then with the password (§5.2)
        try:
            return await self._wire.login()
        except Unauthorised:
            raise RefusedByService(401, 0, "HTTP 401") from None

    async def keep(self, tokens: Tokens) -> Session:
        """Logged in with these from now on. Seal first, refer second; the earlier tokens are destroyed."""
        await self._row()
        sealed = json.dumps({"access": tokens.access, "refresh": tokens.refresh}).encode()
        ref = await self._vault.put(self._tenant, self._profile, "secret", sealed)
        before = await self._pool.fetchval(
            "with old as (select tokens from signer.login where profile = $1) update signer.login set state = 'in', tokens = $2, "
            "why = '', busy_until = null, changed_at = now() where profile = $1 returning (select tokens from old)",
            self._profile,
            ref,
        )
        if before is not None and before != ref:
            await self._vault.destroy(before)
        self._held = Session(tokens, ref)
        return self._held

    async def _note(self, state: str, why: str = "") -> None:
        await self._pool.execute(
            "update signer.login set state = $2, why = $3, busy_until = null, changed_at = now() where profile = $1",
            self._profile,
            state,
            why,
        )

    async def _opened(self, ref: UUID) -> Session:
        if self._held is None or self._held.ref != ref:
            self._held = Session(Tokens(**json.loads(await self._vault.get(ref))), ref)
        return self._held

    async def _row(self) -> asyncpg.Record:
        """Where it stands; begun anew when the credentials are others."""
        row = await self._pool.fetchrow("select * from signer.login where profile = $1", self._profile)
        if row is None or row["secret"] != self._account.which:
            row = await self._pool.fetchrow(
                "insert into signer.login as l(profile, tenant, secret, state) values ($1, $2, $3, 'none') on conflict (profile) "
                "do update set secret = $3, state = 'none', tokens = null, why = '', busy_until = null where l.secret <> $3 "
                "returning *",
                self._profile,
                self._tenant,
                self._account.which,
            ) or await self._pool.fetchrow("select * from signer.login where profile = $1", self._profile)
        assert row is not None, "a log-in's row is never deleted"
        return row

    def _code_needed(self) -> Waiting:
        return Waiting("login", CODE_TEXT.format(user=self._account.user), LOOK_AGAIN)

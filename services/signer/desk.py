"""The desk between the signer and the workstations: questions wait here, durable, until their token's holder answers."""

from __future__ import annotations

import asyncio
import logging
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import asyncpg
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from hoso.domain.certificates import facts, parsed
from hoso.runtime.failures import HosoError
from hoso.runtime.steps import NotYet
from services.signer.keys.port import Answer, Declined, Expired, SignatureAsk, Signatures, UnusableKey, Waiting
from services.signer.ports import SigningProfile, Vault
from services.signer.profiles.port import BrokenPrepared, Prepared

OFFLINE_AFTER = timedelta(seconds=60)
ASKING_FOR = timedelta(minutes=15)
"""How long a workstation may be silent while somebody reads what it shows."""
PATIENCE = timedelta(days=14)
"""How long a question waits for its person, in the world's time; then a person is asked whether to sign anew."""
AT_ONCE = 20
AT_ONCE_BYTES = 8 * 1024 * 1024
_SIGNATURE = b'<Signature xmlns="http://www.w3.org/2000/09/xmldsig#" Id="sigid">'
_OBJECT_END = b"</Object></Signature>"
log = logging.getLogger(__name__)
Status = Literal["ready", "token-absent", "pin-suspect"]


class NotAsked(Exception):
    """The workstation was not asked that."""


class WrongSignature(Exception):
    """The values are not signatures of what was asked by the certificate's key."""


@dataclass(frozen=True, slots=True)
class Agent:
    """A workstation in force, as its request proved."""

    id: str
    tenant: str
    profile: Any
    certificate: bytes = field(repr=False)


class Desk:
    """Questions to workstations, in PostgreSQL. Every process of the signer sees the same ones."""

    def __init__(
        self, pool: asyncpg.Pool, vault: Vault, now: Callable[[], datetime], patience: timedelta = PATIENCE
    ) -> None:
        """`now`: the world's time; heartbeats are real time, of the database."""
        self._pool = pool
        self._vault = vault
        self._now = now
        self._patience = patience
        self._rung = asyncio.Event()

    # --- the signer's side --------------------------------------------------------------------------------------

    async def ask(self, profile: SigningProfile, name: str, asks: Sequence[SignatureAsk]) -> Answer:
        """What became of the question `name`, which is put once. Raises UnusableKey for another question of that name."""
        digests, kept = [ask.digest for ask in asks], [ask.kept for ask in asks]
        if None in kept:
            raise UnusableKey("Cách ký bằng máy trạm cần hồ sơ được lưu trước; không ký thử bằng cách này.")
        now = self._now()
        put = await self._pool.fetchval(
            "insert into signer.agent_question(tenant, name, profile, certificate, display, digests, documents, kept, until) "
            "values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict do nothing returning true",
            profile.tenant,
            name,
            profile.id,
            profile.certificate_der,
            asks[0].display,
            digests,
            [ask.name for ask in asks],
            kept,
            now + self._patience,
        )
        if put:
            self.ring()
        row = await self._pool.fetchrow(
            "select state, digests, certificate, signatures, why, until, extract(epoch from now() - asked_at)::float8 as age "
            "from signer.agent_question where tenant = $1 and name = $2",
            profile.tenant,
            name,
        )
        assert row is not None  # see tidy
        if (row["digests"], row["certificate"]) != (digests, profile.certificate_der):
            raise UnusableKey("Câu hỏi ký này đã được đặt với nội dung khác; hãy ký lại hồ sơ.")
        if row["state"] == "signed":
            return Signatures(tuple(row["signatures"]))
        if row["state"] == "declined":
            return Declined(row["why"])
        if row["state"] == "expired" or (row["until"] < now and await self._expired(profile.tenant, name)):
            return Expired(
                f"Không ai ký ở máy trạm trong {self._patience.days} ngày; hãy ký lại khi người giữ token có mặt."
            )
        return await self._awaited(profile, row["age"])

    async def _expired(self, tenant: str, name: str) -> bool:
        """End a question that was waited for long enough; False when somebody has answered it just now."""
        return bool(
            await self._pool.fetchval(
                "update signer.agent_question set state = 'expired', answered_at = now() "
                "where tenant = $1 and name = $2 and state = 'asked' returning true",
                tenant,
                name,
            )
        )

    async def tidy(self) -> None:
        """Forget what was settled long ago; the calls that asked have ended long before."""
        await self._pool.execute("delete from signer.agent_question where answered_at < now() - interval '90 days'")
        await self._pool.execute("delete from signer.agent_code where expires_at < now() - interval '90 days'")

    async def _awaited(self, profile: SigningProfile, age: float) -> Waiting | NotYet:
        again = timedelta(seconds=min(60.0, max(1.0, age / 5)))
        agent = await self._pool.fetchrow(
            "select host, status, unattended, seen_at < now() - $2::interval and coalesce(asking_until < now(), true) as away "
            "from signer.agent where profile = $1 and revoked_at is null",
            profile.id,
            OFFLINE_AFTER,
        )
        if agent is None:
            text = (
                f"Chưa có máy trạm nào ghi danh cho chữ ký số “{profile.name}”; người vận hành lập mã bằng "
                "`hoso agent-code new`, người giữ token chạy `hoso-agent enrol`."
            )
            return Waiting("agent-offline", text, again)
        host = agent["host"]
        if agent["away"]:
            text = f"Máy trạm {host} giữ token “{profile.name}” không liên lạc; hãy bật máy và chạy `hoso-agent run`."
            return Waiting("agent-offline", text, again)
        if agent["status"] == "token-absent":
            text = f"Token “{profile.name}” không cắm ở máy trạm {host}; hãy cắm lại, việc ký sẽ tự tiếp tục."
            return Waiting("token-absent", text, again)
        if agent["status"] == "pin-suspect":
            text = (
                f"PIN của token “{profile.name}” ở máy trạm {host} bị nghi sai nên không được thử lại; hãy chắc chắn về "
                "PIN, chạy `hoso-agent reset-pin-suspect` ở máy đó rồi chạy lại `hoso-agent run`."
            )
            return Waiting("pin-suspect", text, again)
        if agent["unattended"] and age < 30:
            return NotYet(timedelta(milliseconds=500))
        text = f"Người giữ token “{profile.name}” cần xem và đồng ý ký hồ sơ ở máy trạm {host}."
        return Waiting("approval", text, again)

    async def check(self, profile: SigningProfile) -> None:
        """The profile's workstation is online, its token in it and its PIN not in doubt. Raises UnusableKey."""
        awaited = await self._awaited(profile, 0)
        if isinstance(awaited, Waiting) and awaited.reason != "approval":
            raise UnusableKey(awaited.text)

    # --- the workstation's side ---------------------------------------------------------------------------------

    def ring(self) -> None:
        """A question may be there: wake the workstations that wait in this process."""
        self._rung.set()
        self._rung = asyncio.Event()

    async def next(
        self, agent: Agent, status: Status, unattended: bool, later: Sequence[str], wait: float
    ) -> list[dict[str, Any]]:
        """Questions for this workstation, oldest first, at most AT_ONCE; waits up to `wait` seconds for one.

        None while its token is not ready. The same ones come again until they are answered.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + wait
        await self._seen(agent, status, unattended)
        while status == "ready":
            rung = self._rung
            found = await self._waiting(agent, later)
            if found:
                await self._pool.execute(
                    "update signer.agent set seen_at = now(), asking_until = case when unattended then null else now() + $2::interval end where id = $1",
                    agent.id,
                    ASKING_FOR,
                )
                return found
            left = until - loop.time()
            if left <= 0:
                break
            # A question put by another process does not ring here; it is found within a second.
            with_bell = asyncio.ensure_future(rung.wait())
            await asyncio.wait([with_bell], timeout=min(left, 1.0))
            with_bell.cancel()
        return []

    async def _seen(self, agent: Agent, status: Status, unattended: bool) -> None:
        await self._pool.execute(
            "update signer.agent set seen_at = now(), status = $2, unattended = $3, asking_until = null where id = $1",
            agent.id,
            status,
            unattended,
        )

    async def _waiting(self, agent: Agent, later: Sequence[str]) -> list[dict[str, Any]]:
        rows = await self._pool.fetch(
            "select name, display, digests, documents, kept from signer.agent_question where profile = $1 and tenant = $2 "
            "and certificate = $3 and state = 'asked' and name <> all($4) order by asked_at, name limit $5",
            agent.profile,
            agent.tenant,
            agent.certificate,
            list(later),
            5 * AT_ONCE,  # some may not open; they hold up nobody else
        )
        found: list[dict[str, Any]] = []
        size, sha256 = 0, facts(agent.certificate).sha256
        for row in rows:
            try:
                documents = [
                    {"name": name, "digest": digest.hex(), **shown(Prepared.from_bytes(await self._vault.get(ref)))}
                    for name, digest, ref in zip(row["documents"], row["digests"], row["kept"], strict=True)
                ]
            except (HosoError, BrokenPrepared):
                log.warning(
                    "a question's document does not open; the signer will say why", extra={"question": row["name"]}
                )
                continue
            size += sum(len(one["xml"]) for one in documents)
            if found and (size > AT_ONCE_BYTES or len(found) == AT_ONCE):
                break
            found.append(
                {
                    "name": row["name"],
                    "display": row["display"],
                    "certificate_sha256": sha256,
                    "documents": documents,
                }
            )
        return found

    async def answered(self, agent: Agent, name: str, signatures: Sequence[bytes]) -> None:
        """The first answer stands; a later one changes nothing. Raises NotAsked, WrongSignature."""
        row = await self._asked(agent, name)
        key = parsed(agent.certificate).public_key()
        assert isinstance(key, rsa.RSAPublicKey)  # checked at enrolment
        if len(signatures) != len(row["digests"]):
            raise WrongSignature
        for value, digest in zip(signatures, row["digests"], strict=True):
            try:
                key.verify(value, digest, padding.PKCS1v15(), Prehashed(hashes.SHA256()))
            except InvalidSignature:
                raise WrongSignature from None
        await self._settle(agent, name, "signed", list(signatures), "")

    async def declined(self, agent: Agent, name: str, why: str) -> None:
        """The holder said no, or the workstation found that the question is not what it says. Raises NotAsked."""
        await self._asked(agent, name)
        await self._settle(agent, name, "declined", None, why[:500])

    async def _asked(self, agent: Agent, name: str) -> Any:
        row = await self._pool.fetchrow(
            "select digests from signer.agent_question where tenant = $1 and name = $2 and profile = $3 and certificate = $4",
            agent.tenant,
            name,
            agent.profile,
            agent.certificate,
        )
        if row is None:
            raise NotAsked
        return row

    async def _settle(self, agent: Agent, name: str, state: str, values: list[bytes] | None, why: str) -> None:
        await self._pool.execute(
            "update signer.agent_question set state = $3, signatures = $4, why = $5, answered_by = $6, answered_at = now() "
            "where tenant = $1 and name = $2 and state = 'asked'",
            agent.tenant,
            name,
            state,
            values,
            why,
            agent.id,
        )


def shown(prepared: Prepared) -> dict[str, str]:
    """What a workstation needs to rebuild what it signs: the document without its signature, the slot, the time on it."""
    before, found, _ = prepared.before.rpartition(_SIGNATURE)
    inner, ended, after = prepared.after.partition(_OBJECT_END)
    if prepared.shape != "agency" or not found or not ended:
        raise UnusableKey("Máy trạm chỉ ký được dạng chữ ký của cơ quan BHXH.")
    time = inner.rpartition(b'signatureProperties">')[2].partition(b"</SigningTime>")[0]
    return {
        "xml": b64encode(before + after).decode(),
        "slot": prepared.slot,
        "signing_time": time.decode("ascii", "replace"),
    }

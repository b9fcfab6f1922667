"""Remote signing by MISA eSign (domain.md §5.2): many digests in one approval on somebody's phone.

A question goes through these, each step durable before the next, so that any process may go on:

    waiting ──collected for a moment──▶ asked ──number──▶ pending ──▶ signed | declined | expired
                                          └─no number, and the prompt can no longer be approved──▶ waiting

Never two prompts for one thing: a request whose answer was lost (asked, no number) may be on the phone, and the service cannot
be asked by our own id. So nothing is asked anew before `lost_at`: the prompt's life and the transport bound have passed. A
message of the webhook may tell the number earlier; it counts when the service itself lists exactly our documents under it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import ClassVar

import asyncpg

from hoso.points import point
from hoso.runtime.clock import boottime
from hoso.runtime.failures import OutcomeUnknown, Transient
from hoso.runtime.steps import NotYet
from services.signer.keys.misa_account import Account
from services.signer.keys.misa_login import MisaLogin, SecretVault, Session
from services.signer.keys.misa_prompts import Prompt, Prompts, Question
from services.signer.keys.misa_wire import Line, MisaWire, RefusedByService, RemoteCertificate, Standing, Unauthorised
from services.signer.keys.port import Answer, Declined, Expired, SignatureAsk, Signatures, UnusableKey, Waiting
from services.signer.ports import SigningProfile

AT_MOST = 50
"""Questions in one prompt."""
TRANSPORT_BOUND = timedelta(minutes=1)
"""How long after its deadline a request that was written may still arrive."""
SEND_WITHIN_S = 10.0
"""A process that stood still between the commit and the request does not send any more."""
FORGOTTEN = timedelta(hours=24)
"""World's time after which a prompt that is still open counts as expired."""
LOSSES = 3
"""So often a question whose prompt was lost is asked anew by itself; then a person decides."""
MOMENT = timedelta(seconds=1)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MisaEsign:
    """`Backend`: what all profiles of one process share."""

    pool: asyncpg.Pool
    """Flushes at commit."""
    vault: SecretVault
    now: Callable[[], datetime]
    """The world's."""
    line: Line
    window: timedelta = MOMENT
    """How long a question waits for others to be approved together with it (real time)."""

    asks_people: ClassVar[bool] = True

    def __call__(self, profile: SigningProfile) -> MisaEsignSigner:
        """Raises UnusableKey."""
        return MisaEsignSigner(profile, Account.from_bytes(profile.private_key_der), self)

    def login(self, profile: SigningProfile) -> MisaLogin:
        """The profile's log-in. Raises UnusableKey."""
        account = Account.from_bytes(profile.private_key_der)
        return MisaLogin(profile.id, profile.tenant, account, self.pool, self.vault, self.line)


class MisaEsignSigner:
    """`KeySigner` of one profile with one certificate."""

    asks_people: ClassVar[bool] = True

    def __init__(self, profile: SigningProfile, account: Account, shared: MisaEsign) -> None:
        self._account = account
        self._shared = shared
        self._certificate = profile.certificate_der
        self._wire = MisaWire(account, shared.line)
        self._login = shared.login(profile)
        self._prompts = Prompts(shared.pool, profile.tenant, profile.id, sha256(profile.certificate_der).digest())
        self._remote: RemoteCertificate | None = None
        self._getting_ready = asyncio.Lock()

    async def sign(self, name: str, asks: Sequence[SignatureAsk]) -> Answer:
        question, prompt = await self._prompts.question(name, asks)
        if question.signatures is not None:
            return Signatures(question.signatures)
        if prompt is None:
            return await self._ask(question)
        match prompt.state:
            case "asked":
                return await self._lost(question, prompt)
            case "pending":
                return await self._poll(prompt)
            case "declined":
                return Declined(prompt.why)
            case "expired":
                return Expired(prompt.why)
            case "refused":
                raise UnusableKey(prompt.why)
            case _:
                return NotYet(MOMENT)

    async def check(self) -> Waiting | NotYet | None:
        """None: logged in, and the certificate is in use there. Asks nobody. Raises UnusableKey, Transient."""
        ready = await self._ready()
        return None if isinstance(ready, tuple) else ready

    # --- asking -----------------------------------------------------------------------------------------------------

    async def _ask(self, question: Question) -> Answer:
        """Put it on the phone, together with whoever else waits now."""
        if question.lost >= LOSSES:
            return Expired(
                f"MISA eSign không trả lời sau {LOSSES} lần gửi yêu cầu ký; hãy kiểm tra dịch vụ rồi ký lại."
            )
        await self._prompts.wanted(question.name)
        if question.age < self._shared.window:
            return NotYet(self._shared.window - question.age)
        async with self._getting_ready:
            ready = await self._ready()
        if not isinstance(ready, tuple):
            return ready
        session, certificate = ready
        lifetime = timedelta(minutes=self._account.prompt_minutes) + TRANSPORT_BOUND
        began = boottime()
        made = await self._prompts.gather(question.name, self._account.client_id, AT_MOST, self._shared.now(), lifetime)
        if made is None:
            return NotYet(timedelta(seconds=0.3))
        prompt, together = made
        await point("esign.before-request")
        if boottime() - began > SEND_WITHIN_S:
            await self._prompts.free(prompt.id, lost=False)
            return NotYet(MOMENT)
        return await self._send(session, certificate, prompt, together)

    async def _send(
        self, session: Session, certificate: RemoteCertificate, prompt: Prompt, together: Sequence[Question]
    ) -> Answer:
        wanted = [one for question in together for one in question.wanted]
        try:
            number = await self._wire.sign(session.tokens.access, certificate, _display(together), wanted)
        except Unauthorised:
            await self._prompts.free(prompt.id, lost=False)
            renewed = await self._login.session(session)
            return renewed if isinstance(renewed, Waiting | NotYet) else NotYet(MOMENT)
        except Transient:
            await self._prompts.free(prompt.id, lost=False)
            raise
        except RefusedByService as error:
            why = f"MISA eSign không nhận yêu cầu ký: {error}"
            await self._prompts.ended(prompt.id, "refused", why)
            raise UnusableKey(why) from error
        except OutcomeUnknown as error:
            log.warning(
                "a request to sign was sent and not answered", extra={"prompt": str(prompt.id), "error": str(error)}
            )
            return self._uncertain(prompt)
        await point("esign.after-answer")
        if not await self._prompts.numbered(prompt.id, number):
            return self._uncertain(prompt)
        return _approval(len(wanted), MOMENT)

    async def _ready(self) -> tuple[Session, RemoteCertificate] | Waiting | NotYet:
        """Logged in, and the profile's very certificate found in use there. Raises UnusableKey, Transient."""
        session = await self._login.session()
        for _ in range(2):
            if not isinstance(session, Session):
                return session
            if self._remote is not None:
                return session, self._remote
            try:
                found = await self._wire.certificates(session.tokens.access)
            except Unauthorised:
                session = await self._login.session(session)
                continue
            except RefusedByService as error:
                raise UnusableKey(f"MISA eSign không cho xem chứng thư số: {error}") from error
            except OutcomeUnknown as error:
                raise Transient(str(error)) from error
            self._remote = chosen(found, self._certificate)
            return session, self._remote
        return NotYet(MOMENT)

    # --- waiting ----------------------------------------------------------------------------------------------------

    async def _lost(self, question: Question, prompt: Prompt) -> Answer:
        """Nobody knows whether it is on the phone."""
        if prompt.hinted is not None and (found := await self._believed(prompt, prompt.hinted)) is not None:
            return found
        if self._shared.now() < prompt.lost_at:
            return self._uncertain(prompt)
        await self._prompts.free(prompt.id, lost=True)
        return NotYet(timedelta(0))

    async def _believed(self, prompt: Prompt, number: str) -> Answer | None:
        """The number a message told, if the service itself lists exactly our documents under it."""
        standing = await self._standing(number)
        if isinstance(standing, Waiting | NotYet):
            return standing
        ours = standing is not None and set(standing.documents) == await self._prompts.documents(prompt.id)
        if ours and await self._prompts.numbered(prompt.id, number):
            await self._prompts.soon(prompt.id)
            return NotYet(timedelta(0))
        await self._prompts.unhint(prompt.id)
        return None

    async def _poll(self, prompt: Prompt) -> Answer:
        """How the prompt stands, asked by whoever is first once it is due."""
        waits = timedelta(seconds=min(15, 2**prompt.polls))
        count = len(await self._prompts.documents(prompt.id))
        assert prompt.number is not None
        if not await self._prompts.polling(prompt.id, waits):
            return _approval(count, max(prompt.poll_in, timedelta(seconds=0.2)))
        standing: Standing | None = None
        with contextlib.suppress(Transient):
            found = await self._standing(prompt.number)
            if isinstance(found, Waiting | NotYet):
                await self._prompts.soon(prompt.id)
                return found
            standing = found
        return await self._taken(prompt, standing, count) or _approval(count, waits)

    async def _taken(self, prompt: Prompt, standing: Standing | None, count: int) -> NotYet | None:
        """What the service said, written down; None: nobody has answered yet. `standing` None: it said nothing."""
        word = standing.word if standing is not None else "PENDING"
        if standing is not None and word == "SUCCESS":
            if set(standing.signatures) >= await self._prompts.documents(prompt.id):
                await self._prompts.signed(prompt.id, standing.signatures)
            else:
                await self._prompts.ended(prompt.id, "refused", "MISA eSign trả về thiếu chữ ký; hãy ký lại.")
        elif standing is not None and word in ("EXPIRED", "NOT-FOUND"):
            why = "Yêu cầu ký trên MISA eSign đã hết hạn mà chưa được duyệt; hãy ký lại và duyệt kịp thời."
            await self._prompts.ended(prompt.id, "expired", why)
        elif standing is not None and word != "PENDING":
            why = (
                "Người ký đã từ chối trên MISA eSign"
                if word in ("CANCELLED", "REJECTED")
                else "MISA eSign không ký được"
            )
            said = f" ({standing.text})" if standing.text else ""
            await self._prompts.ended(prompt.id, "declined", f"{why}{said}; hãy xác nhận với người ký rồi ký lại.")
        elif self._shared.now() >= prompt.asked_at + FORGOTTEN:
            why = "Không ai duyệt yêu cầu ký trên MISA eSign trong 24 giờ; hãy ký lại và duyệt kịp thời."
            await self._prompts.ended(prompt.id, "expired", why)
        else:
            return None
        return NotYet(timedelta(0))

    async def _standing(self, number: str) -> Standing | Waiting | NotYet | None:
        """What the service says about a number; None: nothing that could be understood. Raises Transient."""
        session = await self._login.session()
        for _ in range(2):
            if not isinstance(session, Session):
                return session
            try:
                return await self._wire.status(session.tokens.access, number)
            except Unauthorised:
                session = await self._login.session(session)
            except RefusedByService as error:
                return Standing("NOT-FOUND", str(error), {}, ()) if error.status == 404 else None
            except OutcomeUnknown:
                return None
        return None

    def _uncertain(self, prompt: Prompt) -> Waiting:
        left = prompt.lost_at - self._shared.now()
        return Waiting(
            "approval",
            "MISA eSign chưa trả lời yêu cầu ký. Nếu điện thoại có hiện yêu cầu thì hãy duyệt; hệ thống chỉ hỏi lại khi yêu "
            "cầu đó chắc chắn đã hết hạn.",
            min(max(left, timedelta(seconds=0.2)), timedelta(seconds=5)),
        )


def chosen(found: Sequence[RemoteCertificate], certificate: bytes) -> RemoteCertificate:
    """The profile's very certificate among those of the account. Raises UnusableKey: none at all, or others."""
    active = [one for one in found if one.active]
    if not active:
        raise UnusableKey("Tài khoản MISA eSign không có chứng thư số đang hoạt động; hãy kiểm tra trên MISA eSign.")
    mine = next((one for one in active if one.der == certificate), None)
    if mine is None:
        raise UnusableKey(
            "Chứng thư số của cấu hình không còn hoạt động trong tài khoản MISA eSign; hãy khai báo lại chứng thư số."
        )
    return mine


def _display(together: Sequence[Question]) -> str:
    """What the phone shows of the whole prompt: each document's own name follows."""
    first = together[0].display
    return first if len(together) == 1 else f"{len(together)} hồ sơ: {first}, …"


def _approval(count: int, again: timedelta) -> Waiting:
    text = f"Chờ duyệt ký {count} tài liệu trên ứng dụng MISA eSign."
    return Waiting("approval", text, min(again, timedelta(seconds=15)))

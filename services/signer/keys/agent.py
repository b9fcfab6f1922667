"""A key in a token that sits at somebody's workstation: asked through the desk, where `hoso-agent` looks for questions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from hoso.domain.certificates import UnusableCertificate, parsed
from services.signer.desk import Desk
from services.signer.keys.port import Answer, SignatureAsk, UnusableKey
from services.signer.ports import SigningProfile


class AgentKeys:
    """`Backend`: the keys of all workstations, through one desk."""

    asks_people: ClassVar[bool] = True

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def __call__(self, profile: SigningProfile) -> AgentKeySigner:
        return AgentKeySigner(self._desk, profile)


class AgentKeySigner:
    """`KeySigner` of one profile. Signs nothing itself: says what the desk knows."""

    asks_people: ClassVar[bool] = True

    def __init__(self, desk: Desk, profile: SigningProfile) -> None:
        """Raises UnusableKey for a shape that workstations cannot rebuild, or a certificate that cannot be read."""
        if profile.shape != "agency":
            raise UnusableKey("Máy trạm chỉ ký được dạng chữ ký của cơ quan BHXH; hãy đổi dạng chữ ký của cấu hình.")
        try:
            parsed(profile.certificate_der)
        except UnusableCertificate:
            raise UnusableKey("Không đọc được chứng thư số của cấu hình; hãy ghi danh lại máy trạm.") from None
        self._desk = desk
        self._profile = profile

    async def sign(self, name: str, asks: Sequence[SignatureAsk]) -> Answer:
        return await self._desk.ask(self._profile, name, asks)
